"""Settings that a plan can change: their types, limits and defaults."""

from collections.abc import Mapping
from math import inf, isfinite
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from common.errors import UserError
from common.hints import did_you_mean


class Strict(BaseModel):
    """A part of a recipe file: unknown keys are refused, and nothing is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        known = [field.alias or name for name, field in cls.model_fields.items()]
        if isinstance(data, Mapping):
            for key in data:
                if key not in known:
                    raise ValueError(f"unknown key {key!r}{did_you_mean(str(key), known)}")
        return data


class Value(Strict):
    """A value with a type. `choices` is for the type `choice`, `minimum` and `maximum` are for numbers."""

    type: Literal["int", "float", "str", "bool", "choice"]
    default: Any
    minimum: float | None = None
    maximum: float | None = None
    choices: list[str] | None = Field(None, min_length=1)
    description: str = ""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.type == "choice") != (self.choices is not None):
            remedy = (
                "add e.g. `choices: [small, large]`" if self.choices is None else "remove it, or write `type: choice`"
            )
            raise ValueError(f"`choices` is the list for the type choice, and only for it; {remedy}")
        if not self.is_number and (self.minimum is not None or self.maximum is not None):
            raise ValueError(f"`minimum` and `maximum` are for numbers, not for the type {self.type}; remove them")
        if self.least > self.most:
            raise ValueError(f"`minimum` is {self.least:g} and `maximum` {self.most:g}; swap them")
        try:
            self.checked("default", self.default)
        except UserError as error:
            raise ValueError(f"{error}; correct `default`") from error
        return self

    @property
    def is_number(self) -> bool:
        """True for whole numbers and fractions."""
        return self.type in ("int", "float")

    @property
    def whole(self) -> bool:
        """True for whole numbers."""
        return self.type == "int"

    @property
    def least(self) -> float:
        """The smallest value."""
        return -inf if self.minimum is None else self.minimum

    @property
    def most(self) -> float:
        """The largest value."""
        return inf if self.maximum is None else self.maximum

    def checked(self, name: str, value: Any) -> Any:
        """Return a value in the setting's type. Raises UserError with one sentence."""
        if self.choices is not None:
            if value not in self.choices:
                raise UserError(f"{name} is one of {', '.join(self.choices)}, got {value!r}")
            return value
        if self.type == "float" and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        wanted, said = _TYPES[self.type]
        number: Any = value
        if not isinstance(value, wanted) or (isinstance(value, bool) and self.type != "bool"):
            raise UserError(f"{name} is {said}, got {value!r}")
        if self.is_number and not (isfinite(number) and self.least <= number <= self.most):
            raise UserError(f"{name} is {self._range()}, got {value!r}")
        return value

    def _range(self) -> str:
        ends = [
            f"{word} {end:g}"
            for end, word in ((self.minimum, "at least"), (self.maximum, "at most"))
            if end is not None
        ]
        return f"{'a whole' if self.whole else 'a finite'} number{' of ' if ends else ''}{' and '.join(ends)}"


_TYPES: Mapping[str, tuple[type, str]] = {
    "int": (int, "a whole number"),
    "float": (float, "a number"),
    "str": (str, "text"),
    "bool": (bool, "true or false"),
}
