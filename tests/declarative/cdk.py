"""Runs Airbyte's declarative CDK for the tests: one job a line on stdin, one answer a line on stdout.

The CDK is imported once and each job runs in a fork, because the import takes longer than a run. It must not judge what it sees.
"""

import json
import os
import re
import sys
import time
from pathlib import Path

# Quick, and in the open: what the CDK would wait is written down instead.
real_sleep = time.sleep
waited = []


def sleep(seconds):
    if seconds > 0.3:
        waited.append(round(float(seconds), 2))
    real_sleep(min(seconds, 0.05))


time.sleep = sleep

from airbyte_cdk.cli.source_declarative_manifest._run import run  # noqa: E402
from airbyte_cdk.entrypoint import launch  # noqa: E402
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource  # noqa: E402
from airbyte_cdk.sources.declarative.interpolation.jinja import JinjaInterpolation  # noqa: E402
from airbyte_cdk.utils.yaml_loader import safe_load_yaml  # noqa: E402

# Names that only a running sync has a value for.
LATER = re.compile(r"\b(stream_\w+|response|record|last_\w+|next_page_token|headers|now_utc|today_utc|day_delta|components_values)\b")


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.loads(json.dumps(safe_load_yaml(file), default=str))


def resolved(manifest, config):
    source = ConcurrentDeclarativeSource(config=config, catalog=None, state=None, source_config=manifest)
    return json.loads(json.dumps(source.resolved_manifest, default=str))


def evaluated(node, config, parameters):
    """Puts in what templates say that need nothing but the config and the parameters."""
    if isinstance(node, dict):
        parameters = {**parameters, **node.get("$parameters", {})} if isinstance(node.get("$parameters"), dict) else parameters
        return {key: evaluated(value, config, parameters) for key, value in node.items() if key != "$parameters"}
    if isinstance(node, list):
        return [evaluated(value, config, parameters) for value in node]
    if isinstance(node, str) and ("{{" in node or "{%" in node) and not LATER.search(node):
        try:
            return JinjaInterpolation().eval(node, config, parameters=parameters)
        except Exception:
            return node
    return node


def find_schema(folder, name):
    path = folder / "schemas" / f"{name}.json"
    return with_files(json.loads(path.read_text()), folder) if path.is_file() else None


def with_files(node, folder):
    if isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str) and reference.endswith(".json"):
            for place in ("schemas", "schemas/shared"):
                path = folder / place / reference
                if path.is_file():
                    return with_files(json.loads(path.read_text()), folder)
        return {key: with_files(value, folder) for key, value in node.items()}
    return [with_files(value, folder) for value in node] if isinstance(node, list) else node


def package(job):
    """One manifest of the folder of a package: files beside the manifest are put into it."""
    folder = Path(job["folder"])
    manifest = load(folder / "manifest.yaml")
    if "spec" not in manifest:
        for name in ("spec.yaml", "spec.json"):
            if (folder / name).is_file():
                spec = load(folder / name)
                manifest["spec"] = {"type": "Spec", "connection_specification": spec.get("connectionSpecification", {})}
                if "documentationUrl" in spec:
                    manifest["spec"]["documentation_url"] = spec["documentationUrl"]
    put_schemas(manifest.get("definitions"), folder)
    streams = manifest.get("streams", [])
    try:
        known = resolved(manifest, {}).get("streams", [])
    except Exception:
        known = []  # a manifest that the CDK refuses is one to compare as well
    for index, stream in enumerate(known):
        loader = stream.get("schema_loader", {"type": "JsonFileSchemaLoader"})
        name = stream.get("name") or stream.get("$parameters", {}).get("name")
        if name and isinstance(loader, dict) and loader.get("type") == "JsonFileSchemaLoader":
            entry = streams[index]
            put_schema(entry if isinstance(entry, dict) else streams.__setitem__(index, {"$ref": entry}) or streams[index], name, folder)
    return manifest


def put_schema(stream, name, folder):
    schema = find_schema(folder, name)
    if schema is not None:
        stream["schema_loader"] = {"type": "InlineSchemaLoader", "schema": schema}


def put_schemas(node, folder):
    """Into the definitions of streams, for parents are streams as well."""
    if isinstance(node, dict):
        name = node.get("name") or (node.get("$parameters") or {}).get("name")
        is_stream = "retriever" in node or "$ref" in node or node.get("type") == "DeclarativeStream"
        if isinstance(name, str) and is_stream and "file_path" not in node and "field_name" not in node:
            if (node.get("schema_loader") or {"$ref": ""}).get("type") != "InlineSchemaLoader":
                put_schema(node, name, folder)
        for value in node.values():
            put_schemas(value, folder)
    elif isinstance(node, list):
        for value in node:
            put_schemas(value, folder)


def resolve(job):
    manifest, config = job["manifest"], job["config"]
    return evaluated(resolved(manifest, config), config, {})


def spec(job):
    source = ConcurrentDeclarativeSource(config={}, catalog=None, state=None, source_config=job["manifest"])
    launch(source, ["spec"])


def in_fork(work, answer):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            told = answer(work)
        except BaseException as error:  # noqa: BLE001
            told = {"error": f"{type(error).__name__}: {error}"}
        with os.fdopen(writer, "w") as file:
            json.dump(told, file)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        told = file.read()
    os.waitpid(child, 0)
    return json.loads(told) if told else {"error": "the fork died"}


def command(job):
    """As the program `source-declarative-manifest` with these arguments."""
    os.chdir(job["directory"])
    for number, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(os.path.join(job["directory"], name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    sys.argv = ["source-declarative-manifest", *job["arguments"]]
    code = 0
    try:
        spec(job) if job["arguments"] == ["spec"] else run()
    except SystemExit as exit:
        code = exit.code if isinstance(exit.code, int) else 1
    except BaseException:  # noqa: BLE001
        sys.excepthook(*sys.exc_info())
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return {"code": code, "waited": waited}


WORK = {
    "package": lambda job: {"manifest": package(job)},
    "load": lambda job: {"value": load(job["path"])},
    "resolve": lambda job: {"manifest": resolve(job)},
    "command": command,
}

for line in sys.stdin:
    job = json.loads(line)
    sys.stdout.write(json.dumps(in_fork(job, WORK[job["work"]])) + "\n")
    sys.stdout.flush()
