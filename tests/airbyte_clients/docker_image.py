"""Drives PyAirbyte with connectors that are images, and writes down what it saw. What must come out stands in
images/engines/airbyte_clients.rs."""

import json
import os
import sys

import airbyte
from airbyte.constants import DEFAULT_PROJECT_DIR

arguments = json.loads(sys.argv[1])


def source(config):
    return airbyte.get_source("source-faker", docker_image=arguments["source"], config=config)


seen = {}
faker = source({"count": 120, "seed": 1, "records_per_slice": 50, "always_updated": False})
faker.check()
seen["streams"] = faker.get_available_streams()
faker.select_streams(["users", "purchases"])
cache = airbyte.new_local_cache("images", cache_dir=f"{arguments['directory']}/cache")
first = faker.read(cache=cache)
seen["first_read"] = first.processed_records
seen["in_duckdb"] = {name: len(list(first[name])) for name in ("users", "purchases")}
seen["second_read"] = faker.read(cache=cache).processed_records

try:
    source({"count": "many"}).check()
except Exception as error:
    seen["wrong_config"] = str(error)

# PyAirbyte mounts it at /local, as it is. Who runs it is user 1000 on most machines, and root here.
local = DEFAULT_PROJECT_DIR / "destination-local-json"
local.mkdir()
os.chown(local, 1000, 1000)
destination = airbyte.get_destination(
    "destination-local-json",
    docker_image=arguments["destination"],
    config={"destination_path": "/local/pyairbyte"},
)
destination.check()
seen["written"] = destination.write(faker, cache=False, state_cache=False).processed_records
seen["files"] = {
    str(path.relative_to(local)): len(path.read_text().splitlines()) for path in sorted(local.rglob("*.jsonl"))
}

with open(arguments["seen"], "w") as file:
    json.dump(seen, file, default=str)
