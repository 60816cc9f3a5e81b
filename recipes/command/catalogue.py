"""The catalogue of a recipe file: implements `ablation.plan.catalogue.Catalogue`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ablation.plan.catalogue import Part as CataloguePart
from ablation.plan.fields import slugified
from common.errors import UserError
from common.hints import did_you_mean, did_you_mean_setting
from recipes.catalogue import nested
from recipes.command.composites import composite_part
from recipes.command.spec import Kind, Part, Spec
from recipes.command.values import Value

DEFAULT_PRESET = "default"
NONE = "none"
NONE_KNOWN = "; there are none, so leave it out"
WEIGHTS = "init_from.checkpoint"  # the setting to which the plan's key `init_from` goes


@dataclass(frozen=True)
class NamedKind:
    """A kind of a recipe file, with names where the file gives none."""

    description: str
    phrases: tuple[str, ...]
    arm: str
    lacks: str
    numbers: Mapping[str, Value]


@dataclass(frozen=True)
class NamedPart:
    """A part of a recipe file, with its kinds; the default kind comes first."""

    description: str
    phrases: tuple[str, ...]
    kinds: Mapping[str, NamedKind]


class CommandCatalogue:
    """The parts and settings of a recipe file, and the check of every override."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec

    @cached_property
    def parts(self) -> Mapping[str, CataloguePart]:
        """All parts by name, composite parts first."""
        return {
            **{name: composite_part(name, part) for name, part in self._spec.composites.items()},
            **{name: _part(name, part) for name, part in self._spec.parts.items()},
        }

    @property
    def settings(self) -> Sequence[str]:
        """Dotted names of all settings."""
        return list(self._spec.settings)

    @property
    def presets(self) -> Sequence[str]:
        """The presets of the file, or `default`."""
        return list(self._spec.presets) or [DEFAULT_PRESET]

    def resolve(self, preset: str, *layers: Mapping[str, Any]) -> dict[str, Any]:
        """Apply layers of overrides to a preset. Return the full settings as plain JSON types. Raises UserError."""
        if preset not in self.presets:
            raise UserError(f"unknown preset {preset!r}{did_you_mean(preset, self.presets)}")
        parts = {name: self._kind(name, part.default) for name, part in self._spec.parts.items()}
        values = {name: setting.checked(name, setting.default) for name, setting in self._spec.settings.items()}
        for layer in (self._spec.presets.get(preset, {}), *layers):
            for key, value in layer.items():
                if key in self._spec.parts:
                    parts[key] = self._kind(key, value)
                elif key in self._spec.settings:
                    values[key] = self._spec.settings[key].checked(key, value)
                else:
                    raise UserError(self._unknown(key))
        return {"parts": parts, **nested(values)}

    def _kind(self, part: str, given: Any) -> dict[str, Any]:
        """Return the spec of a part with the values of its kind; `given` is a spec or the name of a kind."""
        spec = {"kind": given} if isinstance(given, str) else given
        if not isinstance(spec, Mapping) or "kind" not in spec:
            raise UserError(
                f"{part}: a part takes a mapping with `kind`, got {given!r}; write e.g. {self._example(part)}"
            )
        kinds = self._spec.parts[part].kinds
        name = spec["kind"]
        if name not in kinds:
            raise UserError(f"unknown kind {name!r} of part {part!r}{did_you_mean(str(name), kinds)}")
        values = kinds[name].values
        for key in spec:
            if key != "kind" and key not in values:
                raise UserError(f"{part}: kind {name!r} has no value {key!r}{_known(str(key), values)}")
        return {"kind": name} | {
            key: value.checked(f"{part}.{key}", spec.get(key, value.default)) for key, value in values.items()
        }

    def _example(self, part: str) -> str:
        return f"{{kind: {next(iter(self._spec.parts[part].kinds))}}}"

    def _unknown(self, key: str) -> str:
        if key == WEIGHTS:
            return (
                f"recipe {self._spec.recipe!r} does not take initial weights (`init_from`); leave it out, or define the setting "
                f"{WEIGHTS} in the recipe file"
            )
        parts, settings = self._spec.parts, self._spec.settings
        known = did_you_mean_setting(key, parts, settings) if parts or settings else NONE_KNOWN
        return f"unknown part or setting {key!r}{known}"


def _known(word: str, known: Any) -> str:
    return did_you_mean(word, known) if list(known) else NONE_KNOWN


def value_at(settings: Mapping[str, Any], name: str) -> Any:
    """Return the value of a setting, given with dots, in resolved settings."""
    found: Any = settings
    for step in name.split("."):
        found = found[step]
    return found


def _part(name: str, part: Part) -> NamedPart:
    said = name.rpartition(".")[2].replace("_", " ").replace("-", " ")
    phrases = tuple(part.phrases) or tuple(dict.fromkeys((said, name.replace(".", " ").replace("_", " "))))
    names = [part.default, *(each for each in part.kinds if each != part.default)]
    return NamedPart(
        part.description, phrases, {each: _named(name, phrases[0], each, part.kinds[each]) for each in names}
    )


def _named(part: str, phrase: str, name: str, kind: Kind) -> NamedKind:
    last = slugified(part.rpartition(".")[2])
    removed = name == NONE
    words = name.replace("_", " ").replace("-", " ")
    phrases = tuple(kind.phrases) or ((f"no {phrase}", f"without {phrase}") if removed else (f"{words} {phrase}",))
    arm = kind.arm or (f"no-{last}" if removed else f"{slugified(name)}-{last}")
    lacks = kind.lacks or (f"the {phrase}" if removed else "")
    return NamedKind(kind.description, phrases, arm, lacks, kind.numbers)
