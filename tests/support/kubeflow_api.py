"""The public definition of the Kubeflow Pipelines API, and the check of requests and answers against it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SWAGGER = Path("../shared/kfp/kfp_api_single_file.swagger.json")
BEYOND = {"answer.commit_sha", "answer.tag_name", "answer.pipeline_store"}  # sent, but not in the definition [measured]
PLACES = ("query", "formData", "body", "path")


@dataclass
class Asked:
    """A request that the server received."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any = None
    form: dict[str, bytes] = field(default_factory=dict)


class Contract:
    """The public definition of the API. It finds faults in a request or an answer by its own schemas."""

    def __init__(self, path: Path) -> None:
        definition = json.loads(path.read_text(encoding="utf-8"))
        self.paths, self.definitions = definition["paths"], definition["definitions"]

    def faults(self, asked: Asked, status: int, answer: Any) -> list[str]:
        for template, operations in self.paths.items():
            if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/:]+", template), asked.path) and asked.method in operations:
                operation = operations[asked.method]
                if asked.path.endswith(("/upload", "/upload_version")) and status != 200:
                    return []  # refused uploads do not follow the definition [measured]
                schema = operation["responses"].get(str(status), operation["responses"]["default"])["schema"]
                return [*self._request(operation, asked), *self._fit(schema, answer, "answer")]
        return [f"no operation {asked.method} {asked.path}"]

    def _request(self, operation: dict[str, Any], asked: Asked) -> Iterator[str]:
        known = {place: {p["name"]: p for p in operation.get("parameters", []) if p["in"] == place} for place in PLACES}
        for name, value in asked.query.items():
            if name not in known["query"]:
                yield f"{asked.path}: no query parameter {name}"
            elif name == "filter":
                yield from self._fit({"$ref": "#/definitions/v2beta1Filter"}, json.loads(value), "filter")
        if known["formData"] and set(asked.form) != set(known["formData"]):
            yield f"{asked.path}: form of {sorted(asked.form)}"
        for body in known["body"].values():
            yield from self._fit(body["schema"], asked.body, body["name"])

    def _fit(self, schema: dict[str, Any], value: Any, at: str) -> Iterator[str]:
        """Check types, names and values. Unlike the schema, refuse names that it does not have."""
        if "$ref" in schema:
            schema = self.definitions[schema["$ref"].rpartition("/")[2]]
        kind = schema.get("type")
        types = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}
        if kind and not isinstance(value, types[kind]):
            yield f"{at} is not of type {kind}: {value!r}"
        elif "enum" in schema and value not in schema["enum"]:
            yield f"{at} is not in the enum: {value!r}"
        elif kind == "array":
            for item in value:
                yield from self._fit(schema["items"], item, f"{at}[]")
        elif kind == "object" and ("properties" in schema or "additionalProperties" in schema):
            for name, inner in value.items():
                if f"{at}.{name}" in BEYOND:
                    continue
                inside = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
                yield from [f"{at} has no {name}"] if inside is None else self._fit(inside, inner, f"{at}.{name}")
