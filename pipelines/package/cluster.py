"""Typed settings of a cluster for the steps of a study: GPUs, memory, secrets, and the nodes of the pods.

`deploy/cluster.yaml` is an example with a comment on every key. This module imports kfp only to check `timeouts`.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from common.errors import UserError
from common.hints import did_you_mean
from common.validation import sentence
from common.yaml_text import load_yaml

UNITS = {unit: 1000**power for power, unit in enumerate("KMGTPE", 1)}
UNITS |= {f"{unit}i": 1024**power for power, unit in enumerate("KMGTPE", 1)}


def _text(value: Any) -> Any:
    """Return a number as text. `true` stays a boolean, because Kubernetes expects the word there."""
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _matching(pattern: str, rule: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(rule)
        return value

    return AfterValidator(check)


_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_DNS = r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?"
Cpu = Annotated[
    str,
    BeforeValidator(_text),
    _matching(r"(?=.*[1-9])(?:\d*\.)?\d+m?", "cores are a number above 0, such as 8, 0.5 or 500m"),
]
Memory = Annotated[
    str,
    BeforeValidator(_text),
    _matching(rf"[1-9]\d*(?:{'|'.join(UNITS)})", "memory is a whole number with a unit, such as 32Gi"),
]
LabelKey = Annotated[
    str, _matching(rf"(?:{_DNS}/)?{_LABEL}", "the key of a label is a name such as team or example.org/team")
]
LabelValue = Annotated[str, _matching(rf"(?:{_LABEL})?", "the value of a label has at most 63 letters, digits and ._-")]
ResourceName = Annotated[
    str, _matching(rf"{_DNS}/{_LABEL}", "the type of an accelerator is a resource such as nvidia.com/gpu")
]
ObjectName = Annotated[str, _matching(_DNS, "a name in a cluster has lower-case letters, digits, dots and hyphens")]
SecretKey = Annotated[str, _matching(r"[A-Za-z0-9._-]{1,253}", "the key of a secret has letters, digits and ._- only")]
Variable = Annotated[
    str, _matching(r"[A-Za-z_][A-Za-z0-9_]*", "an environment variable has letters, digits and _ only")
]


class Strict(BaseModel):
    """Settings that refuse unknown keys with a hint and convert no types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, given: Any) -> Any:
        for key in given if isinstance(given, Mapping) else ():
            if key not in cls.model_fields:
                raise ValueError(f"unknown key {key!r}{did_you_mean(str(key), cls.model_fields)}")
        return given


class Accelerator(Strict):
    """GPUs of every trial. Every step of a trial requests them. `count` is the default of the input `gpus_per_trial`."""

    type: ResourceName = "nvidia.com/gpu"
    count: int = Field(1, ge=0, le=64)


class Toleration(Strict):
    """A taint of nodes that trials tolerate."""

    key: LabelKey | None = None
    operator: Literal["Equal", "Exists"] = "Equal"
    value: LabelValue | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    seconds: int | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _as_kubernetes_requires(self) -> "Toleration":
        if self.operator == "Exists" and self.value:
            raise ValueError("the operator Exists takes no value; remove the value, or use Equal")
        if self.operator == "Equal" and not self.key:
            raise ValueError("a toleration without a key tolerates every taint; write `operator: Exists` to confirm it")
        if self.seconds is not None and self.effect != "NoExecute":
            raise ValueError("seconds apply to the effect NoExecute only; remove them")
        return self


class Secret(Strict):
    """A Secret of the cluster. Its keys become environment variables of every step."""

    name: ObjectName
    keys: dict[SecretKey, Variable] = Field(min_length=1)


class Cluster(Strict):
    """All settings. The default adds nothing about the cluster to a package."""

    accelerator: Accelerator = Accelerator(count=0)
    cpu: Cpu | None = None
    memory: Memory | None = None
    shm_size: Memory | None = None
    node_selector: dict[LabelKey, LabelValue] = {}
    tolerations: list[Toleration] = []
    secrets: list[Secret] = []
    environment: dict[Variable, str] = {}
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    image_pull_secrets: list[ObjectName] = []
    pod_labels: dict[LabelKey, LabelValue] = {}
    timeouts: dict[str, Annotated[int, Field(ge=60)]] = {}
    parallelism: int | None = Field(None, ge=1)
    caching: bool = True
    tracking_uri: str | None = Field(None, min_length=1)

    @field_validator("timeouts")
    @classmethod
    def _steps_exist(cls, timeouts: dict[str, int]) -> dict[str, int]:
        if timeouts:
            from pipelines.package.steps import pipeline_steps

            known = pipeline_steps().names
            for step in timeouts:
                if step not in known:
                    raise ValueError(f"unknown step {step!r}{did_you_mean(step, known)}")
        return timeouts

    @model_validator(mode="after")
    def _each_variable_once(self) -> "Cluster":
        names = [*self.environment, *(name for secret in self.secrets for name in secret.keys.values())]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the environment variable {name} is set {names.count(name)} times; keep one")
        return self

    @model_validator(mode="after")
    def _shared_memory_fits(self) -> "Cluster":
        if self.shm_size and self.memory and in_bytes(self.shm_size) > in_bytes(self.memory):
            raise ValueError(
                f"shm_size {self.shm_size} counts towards memory, which is {self.memory}; give more memory"
            )
        return self

    @property
    def threads(self) -> int:
        """Threads of a trial: its number of whole cores, at least 1."""
        cpu = self.cpu or "1"
        return max(1, int(float(cpu.removesuffix("m")) / (1000 if cpu.endswith("m") else 1)))


def in_bytes(memory: str) -> int:
    """Return an amount such as 32Gi in bytes."""
    unit = memory.lstrip("0123456789")
    return int(memory.removesuffix(unit)) * UNITS[unit]


def read_cluster(path: Path) -> Cluster:
    """Read settings from a file. Raises UserError for a missing file or a mistake in it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UserError(f"cluster settings cannot be read from {path}: {reason}; see deploy/cluster.yaml") from error
    try:
        given = load_yaml(text)
        if not isinstance(given, Mapping):
            raise UserError("cluster settings are a mapping of keys to values; see deploy/cluster.yaml")
        return Cluster.model_validate(given)
    except ValidationError as error:
        raise UserError(f"{path}: {sentence(error)}") from error
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
