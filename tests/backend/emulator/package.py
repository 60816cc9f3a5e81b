"""A compiled package, as the server reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from emulator.values import Json, doubles


class Refused(Exception):
    """The server refuses the package or the arguments of a run, or the emulator lacks what the package uses."""


@dataclass(frozen=True)
class Package:
    """The two documents of a package: the pipeline and the settings of its pods by executor."""

    spec: dict[str, Any]
    pods: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> "Package":
        spec, *more = yaml.safe_load_all(path.read_text(encoding="utf-8"))
        platforms = more[0]["platforms"]["kubernetes"]["deploymentSpec"]["executors"] if more else {}
        return cls(spec, platforms)

    @property
    def name(self) -> str:
        return str(self.spec["pipelineInfo"]["name"])

    @property
    def root(self) -> dict[str, Any]:
        root: dict[str, Any] = self.spec["root"]
        return root

    def component(self, task: Mapping[str, Any]) -> dict[str, Any]:
        component: dict[str, Any] = self.spec["components"][task["componentRef"]["name"]]
        return component

    def container(self, label: str) -> dict[str, Any]:
        container: dict[str, Any] = self.spec["deploymentSpec"]["executors"][label]["container"]
        return container

    def inputs(self, arguments: Mapping[str, Any]) -> dict[str, Json]:
        """Return the inputs of a run: the arguments, else the defaults. Raises Refused."""
        known = self.root.get("inputDefinitions", {}).get("parameters", {})
        for name in arguments:
            if name not in known:
                raise Refused(f"parameter(s) {name} not found in pipeline {self.name}")
        values = {}
        for name, declared in known.items():
            if name not in arguments and "defaultValue" not in declared and not declared.get("isOptional"):
                raise Refused(
                    f"parameter {name} is not optional, yet has neither default value nor user provided value"
                )
            values[name] = doubles(arguments.get(name, declared.get("defaultValue")))
            if declared.get("literals") and values[name] not in doubles(declared["literals"]):
                raise Refused(f"parameter {name} must be one of {declared['literals']}, not {values[name]!r}")
        return values
