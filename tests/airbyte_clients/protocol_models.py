"""Parses every line of files by Airbyte's own models of the protocol and compares what they give back with the line."""

import json
import sys

from airbyte_protocol.models import AirbyteMessage
from pydantic import BaseModel

# The models take whatever they do not know, and so a misspelt field. Here are those where that is meant.
OPEN = {
    "AirbyteStateBlob",  # is the connector's
    "AirbyteErrorTraceMessage",  # takes what a connector adds to its failure
}


def check(line):
    message = AirbyteMessage.model_validate_json(line)
    # As Airbyte's own connectors print a message.
    if json.loads(message.model_dump_json(by_alias=True, exclude_unset=True)) != json.loads(line):
        raise ValueError("the model gives something else back")
    if len(message.model_fields_set) != 2:
        raise ValueError("a message has a type, and what the type says")
    check_fields(message)
    return message.type.value


def check_fields(value):
    if isinstance(value, BaseModel):
        name = type(value).__name__
        if value.model_extra and name not in OPEN:
            raise ValueError(f"{name} has no {', '.join(sorted(value.model_extra))}")
        for field in value.model_fields_set:
            check_fields(getattr(value, field))
    elif isinstance(value, list):
        for item in value:
            check_fields(item)


counts = {}
for path in sys.argv[1:]:
    of_file = counts[path] = {}
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                kind = check(line)
            except ValueError as error:
                sys.exit(f"{path}, line {number}: {error}\n{line[:500]}")
            of_file[kind] = of_file.get(kind, 0) + 1
print(json.dumps(counts))
