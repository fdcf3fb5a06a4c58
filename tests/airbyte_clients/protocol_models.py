"""Parses every line of files by Airbyte's own models of the protocol and compares what they give back with the line."""

import json
import sys

from airbyte_protocol.models import AirbyteMessage


def check(line):
    message = AirbyteMessage.model_validate_json(line)
    # As Airbyte's own connectors print a message. Fields that the models do not know are kept by them.
    again = json.loads(message.model_dump_json(by_alias=True, exclude_unset=True))
    if again != json.loads(line):
        raise ValueError("the model gives something else back")
    return message.type.value


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
