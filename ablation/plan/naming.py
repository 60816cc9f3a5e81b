"""Names of what an arm changes, for sentences of the report. They are stored in `study.json`, so that the report needs no model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ablation.plan.catalogue import Catalogue, Kind, Part
from ablation.plan.composite import parts_of, sets_of


@dataclass(frozen=True)
class NamedChange:
    """One change of an arm. A name is empty where the catalogue gives none.

    `new` names what the arm has at the part and `old` what the baseline has there: "uniform masking", "differential masking".
    `lacks` names what the arm lacks because of the change, `adds` what the baseline lacks and the arm has: "the adapter".
    """

    part: str
    new: str = ""
    old: str = ""
    lacks: str = ""
    adds: str = ""


def named_changes(
    overrides: Mapping[str, Any], settings: Mapping[str, Any], baseline: Mapping[str, Any], catalogue: Catalogue
) -> tuple[NamedChange, ...]:
    """Name the overrides of an arm. `settings` and `baseline` are the full settings of the arm and of the baseline."""
    return tuple(
        _part(part, settings, baseline, catalogue) if part in catalogue.parts else _setting(part, settings, baseline)
        for part in overrides
    )


def _part(part: str, settings: Mapping[str, Any], baseline: Mapping[str, Any], catalogue: Catalogue) -> NamedChange:
    new, old = (_kind(part, catalogue, of) for of in (settings, baseline))
    return NamedChange(
        part, _name(new), _name(old), new.lacks if new else "", old.lacks if old and not (new and new.lacks) else ""
    )


def _kind(name: str, catalogue: Catalogue, settings: Mapping[str, Any]) -> Kind | None:
    """Return the kind of a part; of a composite part, the first one whose kinds of all its parts the settings have."""
    part = catalogue.parts[name]
    if not parts_of(part):
        return part.kinds.get(_kind_name(name, part, settings))
    for kind in part.kinds.values():
        if all(
            spec["kind"] == _kind_name(each, catalogue.parts[each], settings) for each, spec in sets_of(kind).items()
        ):
            return kind
    return None


def _kind_name(name: str, part: Part, settings: Mapping[str, Any]) -> str:
    return str(_value(f"parts/{name}/kind", settings) or next(iter(part.kinds)))


def _setting(key: str, settings: Mapping[str, Any], baseline: Mapping[str, Any]) -> NamedChange:
    path = key.replace(".", "/")
    return NamedChange(key, f"{key} = {_value(path, settings)}", str(_value(path, baseline)))


def _name(kind: Kind | None) -> str:
    return kind.phrases[0] if kind is not None and kind.phrases else ""


def _value(path: str, settings: Mapping[str, Any]) -> Any:
    """The value at a path of keys; None if it is not there."""
    found: Any = settings
    for key in path.split("/"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
