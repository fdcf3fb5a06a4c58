"""Drives PyAirbyte as its users do, and writes down what it saw. What must come out stands in pyairbyte.rs."""

import json
import pathlib
import shutil
import sys

import airbyte

arguments = json.loads(sys.argv[1])
directory = arguments["directory"]


def source(config):
    return airbyte.get_source("source-faker", local_executable=arguments["source"], config=config)


def cached(name):
    return airbyte.new_local_cache(name, cache_dir=f"{directory}/{name}")


def failure(action):
    try:
        action()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


seen = {}

faker = source({"count": 120, "seed": 1, "records_per_slice": 50, "always_updated": False})
faker.check()
seen["streams"] = faker.get_available_streams()
seen["docs_url"] = faker.docs_url
seen["schema"] = faker.get_stream_json_schema("users")
faker.select_streams(["users", "purchases"])
seen["selected"] = faker.get_selected_streams()

# The iterator of a data set that nobody holds is closed before it is used.
records = faker.get_records("users")
seen["records"] = [dict(record) for record in records]

cache = cached("first")
first = faker.read(cache=cache)
seen["first_read"] = first.processed_records
seen["in_duckdb"] = {name: len(list(first[name])) for name in ("users", "purchases")}
users = first["users"].to_pandas()
seen["in_pandas"] = {"ids": sorted(users["id"].tolist()), "ages_are_numbers": users["age"].dtype.kind == "i"}
seen["second_read"] = faker.read(cache=cache).processed_records

# As it would be after the source has grown: only what is new comes.
grown = source({"count": 150, "seed": 1, "records_per_slice": 50, "always_updated": False})
grown.select_streams(["users", "purchases"])
third = grown.read(cache=cache)
seen["third_read"] = third.processed_records
seen["in_duckdb_after_growth"] = {name: len(list(third[name])) for name in ("users", "purchases")}

seen["wrong_config"] = failure(lambda: source({"count": "many"}).check())


def read_twice(options):
    """Reads a directory before and after there is a second file, and says which records the cache has then."""
    files = pathlib.Path(directory) / "files"
    (files / "1.csv").write_text("id\n1\n")
    (files / "2.csv").unlink(missing_ok=True)
    config = {"dataset_name": "rows", "format": "csv", "url": "*.csv", "provider": {"storage": "local"}} | options
    rows = airbyte.get_source("source-file", local_executable=arguments["files"], config=config, streams="*")
    cache = cached("files" + "_".join(options))
    rows.read(cache=cache)
    (files / "2.csv").write_text("id\n2\n")
    return sorted(row["id"] for row in rows.read(cache=cache)["rows"])


seen["directories"] = [read_twice(options) for options in ({}, {"primary_key": ["id"]}, {"cursor_field": "id"})]

failing = airbyte.get_source(
    "source-documents",
    local_executable=arguments["failing_source"],
    config={"to": "checkpoint", "document": "no JSON"},
    streams="*",
)
seen["failing_read"] = failure(lambda: failing.read(cache=cached("failing")))

destination = airbyte.get_destination(
    "destination-local-json",
    local_executable=arguments["destination"],
    config={"destination_path": "/local/pyairbyte"},
)
destination.check()
seen["written"] = destination.write(faker, cache=False, state_cache=False).processed_records
states = cached("states")
seen["written_with_states"] = destination.write(faker, cache=False, state_cache=states).processed_records
seen["written_again"] = destination.write(faker, cache=False, state_cache=states).processed_records
refused = airbyte.get_destination(
    "destination-local-json", local_executable=arguments["destination"], config={"destination_path": "/../../etc"}
)
seen["wrong_path"] = failure(refused.check)

with open(arguments["seen"], "w") as file:
    json.dump(seen, file, default=str)
