"""Types of the settings of a cluster: amounts, names of Kubernetes, texts. Each refuses what Kubernetes would refuse later."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from common.hints import did_you_mean
from pipelines.package.texts import fault

UNITS = {unit: 1000**power for power, unit in enumerate("KMGTPE", 1)}
UNITS |= {f"{unit}i": 1024**power for power, unit in enumerate("KMGTPE", 1)}
MOST_SECONDS = 2**31 - 1  # Kubernetes' limit on the deadline of a pod


def _as_text(value: Any) -> Any:
    """Return a number as text. `true` stays a boolean, because Kubernetes expects the word there."""
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def matching(pattern: str, rule: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(rule)
        return value

    return AfterValidator(check)


def _kept(value: str) -> str:
    """Refuse a text that a server would replace or refuse."""
    if broken := fault(value):
        raise ValueError(broken)
    return value


def _one_line(value: str) -> str:
    if len(value.splitlines()) > 1 or value != value.strip():
        raise ValueError("this is one line without spaces at its ends")
    return value


def refusing(reason: Callable[[str], str | None]) -> AfterValidator:
    """Refuse every text for which `reason` returns a sentence."""

    def check(value: str) -> str:
        if found := reason(value):
            raise ValueError(found)
        return value

    return AfterValidator(check)


_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_DNS = r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?"
Text = Annotated[str, AfterValidator(_kept)]
Line = Annotated[Text, AfterValidator(_one_line)]
Cpu = Annotated[
    str,
    BeforeValidator(_as_text),
    matching(
        r"(?=.*[1-9])(?:\d{1,7}m|\d{1,4}(?:\.\d{1,3})?|\.\d{1,3})",
        "cores are a number above 0 with at most three decimals, such as 8, 0.5 or 500m",
    ),
]
Memory = Annotated[
    str,
    BeforeValidator(_as_text),
    matching(rf"[1-9]\d{{0,14}}(?:{'|'.join(UNITS)})", "memory is a whole number with a unit, such as 32Gi"),
]
LabelKey = Annotated[
    str, matching(rf"(?:{_DNS}/)?{_LABEL}", "the key of a label is a name such as team or example.org/team")
]
LabelValue = Annotated[str, matching(rf"(?:{_LABEL})?", "the value of a label has at most 63 letters, digits and ._-")]
ResourceName = Annotated[
    str, matching(rf"{_DNS}/{_LABEL}", "the type of an accelerator is a resource such as nvidia.com/gpu")
]
ObjectName = Annotated[str, matching(_DNS, "a name in a cluster has lower-case letters, digits, dots and hyphens")]
SecretKey = Annotated[str, matching(r"[A-Za-z0-9._-]{1,253}", "the key of a secret has letters, digits and ._- only")]
Seconds = Annotated[int, Field(ge=60, le=MOST_SECONDS)]


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


def in_bytes(memory: str) -> int:
    """Return an amount such as 32Gi in bytes."""
    unit = memory.lstrip("0123456789")
    return int(memory.removesuffix(unit)) * UNITS[unit]
