"""A catalogue from a few declarations, for recipes in Python: parts with their kinds, settings with their limits, presets."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ablation.plan.fields import slugified
from common.errors import UserError
from common.hints import did_you_mean, did_you_mean_setting

NONE = "none"


@dataclass(frozen=True)
class Setting:
    """A value with its default, whose type it keeps: bool, int, float or text. Numbers have limits, texts may have `choices`."""

    default: bool | int | float | str
    least: float = -math.inf
    most: float = math.inf
    choices: Sequence[str] = ()

    @property
    def whole(self) -> bool:
        """True for a whole number."""
        return isinstance(self.default, int)

    def checked(self, name: str, value: Any) -> Any:
        """Return the value in its final type. Raises UserError for another type, and for a value that is out of range."""
        wanted = type(self.default)
        if wanted is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not wanted:
            raise UserError(f"{name} is {_word(wanted)}, got {value!r}; write e.g. {self.default!r}")
        if self.choices and value not in self.choices:
            raise UserError(f"{name}: unknown value {value!r}{did_you_mean(str(value), self.choices)}")
        if isinstance(value, int | float) and not self.least <= value <= self.most:
            raise UserError(
                f"{name} is from {self.least:g} to {self.most:g}, got {value!r}; write e.g. {self.default!r}"
            )
        return value


@dataclass(frozen=True)
class Kind:
    """One way to fill a part; see `ablation.plan.catalogue.Kind` for its texts. `values` are its own settings."""

    description: str
    values: Mapping[str, Setting] = field(default_factory=dict)
    phrases: tuple[str, ...] = ()
    arm: str = ""
    lacks: str = ""

    @property
    def numbers(self) -> Mapping[str, Setting]:
        """The values that are numbers."""
        return {name: value for name, value in self.values.items() if not isinstance(value.default, bool | str)}


@dataclass(frozen=True)
class Part:
    """A part that can be replaced. The first of `kinds` is the model's own; the kind `none` removes the part."""

    description: str
    kinds: Mapping[str, Kind]
    phrases: tuple[str, ...] = ()


class PlainCatalogue:
    """Implements `ablation.plan.catalogue.Catalogue`. `presets` maps a name to overrides; by default there is one, `default`.

    Kinds without the name of an arm are named after their part: `no-attention`, `mean-pooling`.
    """

    def __init__(
        self,
        parts: Mapping[str, Part],
        settings: Mapping[str, Setting],
        presets: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.parts = {name: _named(name, part) for name, part in parts.items()}
        self.presets = dict(presets or {"default": {}})
        self._settings = dict(settings)

    @property
    def settings(self) -> Sequence[str]:
        """Dotted names of all settings outside parts."""
        return list(self._settings)

    def resolve(self, preset: str, *layers: Mapping[str, Any]) -> dict[str, Any]:
        """Apply layers of overrides to a preset. Dotted settings become nested: `training.steps` is `["training"]["steps"]`.

        Raises UserError.
        """
        if preset not in self.presets:
            raise UserError(f"unknown preset {preset!r}{did_you_mean(preset, self.presets)}")
        parts = {name: self._spec(name, next(iter(part.kinds))) for name, part in self.parts.items()}
        values = {name: setting.default for name, setting in self._settings.items()}
        for key, value in (item for layer in (self.presets[preset], *layers) for item in layer.items()):
            if key in parts:
                parts[key] = self._spec(key, value)
            elif key in values:
                values[key] = self._settings[key].checked(key, value)
            else:
                raise UserError(f"unknown part or setting {key!r}{did_you_mean_setting(key, parts, values)}")
        return {"parts": parts, **nested(values)}

    def _spec(self, part: str, given: Any) -> dict[str, Any]:
        spec = {"kind": given} if isinstance(given, str) else given
        kinds = self.parts[part].kinds
        if not isinstance(spec, Mapping) or "kind" not in spec:
            example = f"{{kind: {next(iter(kinds))}}}"
            raise UserError(f"{part}: a part takes a mapping with `kind`, got {given!r}; write e.g. {example}")
        if spec["kind"] not in kinds:
            raise UserError(f"unknown kind {spec['kind']!r} of part {part!r}{did_you_mean(str(spec['kind']), kinds)}")
        values = kinds[spec["kind"]].values
        if unknown := [key for key in spec if key != "kind" and key not in values]:
            hint = did_you_mean(str(unknown[0]), values) if values else "; leave it out"
            raise UserError(f"{part}: kind {spec['kind']!r} has no value {unknown[0]!r}{hint}")
        own = {key: value.checked(f"{part}.{key}", spec.get(key, value.default)) for key, value in values.items()}
        return {"kind": spec["kind"], **own}


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `{"training": {"steps": 10}}` for `{"training.steps": 10}`."""
    tree: dict[str, Any] = {}
    for name, value in values.items():
        *groups, last = name.split(".")
        inner = tree
        for group in groups:
            inner = inner.setdefault(group, {})
        inner[last] = value
    return tree


def _named(name: str, part: Part) -> Part:
    last = slugified(name.rpartition(".")[2])
    kinds = {
        each: Kind(kind.description, kind.values, kind.phrases, kind.arm or _arm(each, last), kind.lacks)
        for each, kind in part.kinds.items()
    }
    return Part(part.description, kinds, part.phrases or (name.replace(".", " "),))


def _arm(kind: str, part: str) -> str:
    return f"no-{part}" if kind == NONE else f"{slugified(kind)}-{part}"


def _word(wanted: type) -> str:
    return {bool: "true or false", int: "a whole number", float: "a number", str: "text"}[wanted]
