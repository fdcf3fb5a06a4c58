"""Writes down the streams and the records that PyAirbyte's smoke test sends to a destination."""

import importlib.util
import json
import pathlib
import runpy
import sys

# Loaded as a file: importing PyAirbyte takes seconds.
package = pathlib.Path(importlib.util.find_spec("airbyte").origin).parent
scenarios = runpy.run_path(package / "cli/smoke_test_source/_scenarios.py")
records_of = scenarios["get_scenario_records"]

with open(sys.argv[1], "w") as file:
    json.dump({scenario["name"]: records_of(scenario) for scenario in scenarios["PREDEFINED_SCENARIOS"]}, file)
