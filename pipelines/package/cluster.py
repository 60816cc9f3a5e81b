"""Typed settings of a cluster for the steps of a study: GPUs, memory, secrets, volumes, and the nodes of the pods.

`deploy/cluster.yaml` is an example with a comment on every key. This module imports kfp only to check `timeouts`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from common.errors import UserError
from common.hints import did_you_mean
from common.redact import is_secret_name, redact
from common.store_address import has_secret
from common.validation import sentence
from common.yaml_text import load_yaml
from pipelines.package.fields import (
    MOST_SECONDS,
    Cpu,
    LabelKey,
    LabelValue,
    Line,
    Memory,
    ObjectName,
    ResourceName,
    Seconds,
    SecretKey,
    Strict,
    Text,
    in_bytes,
    matching,
    refusing,
)
from pipelines.package.reserved import label_fault, variable_fault
from pipelines.package.volumes import Roots

Variable = Annotated[
    str,
    matching(r"[A-Za-z_][A-Za-z0-9_]*", "an environment variable has letters, digits and _ only"),
    refusing(variable_fault),
]
PodLabel = Annotated[LabelKey, refusing(label_fault)]


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
    seconds: int | None = Field(None, ge=0, le=MOST_SECONDS)

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


class Cluster(Roots):
    """All settings. The default adds nothing about the cluster to a package."""

    accelerator: Accelerator = Accelerator(count=0)
    cpu: Cpu | None = None
    memory: Memory | None = None
    shm_size: Memory | None = None
    node_selector: dict[LabelKey, LabelValue] = Field({})
    tolerations: list[Toleration] = Field([])
    secrets: list[Secret] = Field([])
    environment: dict[Variable, Text] = Field({})
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    image_pull_secrets: list[ObjectName] = Field([])
    pod_labels: dict[PodLabel, LabelValue] = Field({})
    timeouts: dict[str, Seconds] = Field({})
    parallelism: int | None = Field(None, ge=1, le=1000)
    trials_per_task: int | None = Field(None, ge=1, le=100_000)
    caching: bool = True  # accepted for older files; no step is cached
    tracking_uri: Line | None = Field(None, min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _kfp_can_do_it(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and "ephemeral_storage" in given:
            raise ValueError(
                "KFP 2.17 cannot request ephemeral storage for a step; remove ephemeral_storage, and give the namespace a "
                "LimitRange (docs/cluster.md shows one)"
            )
        return given

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
    def _no_secrets(self) -> "Cluster":
        """Refuse secrets, which everyone who sees the package could read. The sentence does not repeat them."""
        remedy = "put it into a Secret of the cluster and name that under `secrets`"
        for name, value in self.environment.items():
            if value and (is_secret_name(name) or redact(value) != value):
                raise ValueError(f"a package has no secrets, and the environment variable {name} holds one; {remedy}")
        if self.tracking_uri and (has_secret(self.tracking_uri) or redact(self.tracking_uri) != self.tracking_uri):
            raise ValueError(
                f"a package has no secrets, and tracking_uri holds one; remove it from there, and {remedy}"
            )
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
