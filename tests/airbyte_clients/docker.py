"""Stands in for `docker run`, where there is no docker: starts the words in AIRBYTE_ENTRYPOINT as the image would be,
with each path that was to be mounted replaced by the path that it is mounted from."""

import os
import shlex
import sys

command, *arguments = sys.argv[1:] or ["version"]
if command in ("version", "--version", "info"):
    print("Stand-in for docker")
    sys.exit()
if command != "run":
    sys.exit(f"this stand-in for docker can not {command}")

mounts = {}
while arguments[0].startswith("-"):
    option = arguments.pop(0)
    if option in ("-v", "--volume"):
        outside, inside, *_ = arguments.pop(0).split(":")
        mounts[inside] = outside
    elif option in ("-e", "--env"):
        name, _, value = arguments.pop(0).partition("=")
        os.environ[name] = value
    elif option not in ("--rm", "-i"):
        sys.exit(f"this stand-in for docker does not know {option}")
_image, *words = arguments
words = shlex.split(os.environ["AIRBYTE_ENTRYPOINT"]) + [mounts.get(word, word) for word in words]
os.execv(words[0], words)
