"""Writes down the streams and the records that PyAirbyte's smoke test sends to a destination."""

import json
import sys

from airbyte.cli.smoke_test_source._scenarios import PREDEFINED_SCENARIOS, get_scenario_records

with open(sys.argv[1], "w") as file:
    json.dump({scenario["name"]: get_scenario_records(scenario) for scenario in PREDEFINED_SCENARIOS}, file)
