"""Drives airbyte-serverless, and writes down what it saw. What must come out stands in serverless.rs."""

import json
import sys

from airbyte_serverless.sources import ExecutableAirbyteSource

arguments = json.loads(sys.argv[1])
config = {"count": 30, "seed": 1, "records_per_slice": 20, "always_updated": False}
source = ExecutableAirbyteSource(arguments["source"], config, "users,products")
seen = {
    "streams": source.available_streams,
    "documentation_url": source.documentation_url,
    "check": source.connection_status,
    "messages": list(source.extract()),
    "first_record": source.first_record,
}
seen["again"] = list(source.extract(state=[m["state"] for m in seen["messages"] if m["type"] == "STATE"]))
try:
    list(ExecutableAirbyteSource(arguments["source"], {"count": "many"}, "users").extract())
except Exception as error:
    seen["wrong_config"] = str(error)

with open(arguments["seen"], "w") as file:
    json.dump(seen, file)
