"""Overrides of composite parts as overrides of the parts that they stand for.

A kind of a composite part has `sets`: part -> spec (`common.composite`). A catalogue lists composite parts among its parts, and its
`resolve` never sees one.
"""

from collections.abc import Mapping
from typing import Any

from ablation.plan.catalogue import Catalogue, Kind, Part
from common.errors import UserError
from common.hints import did_you_mean


def sets_of(kind: Kind) -> Mapping[str, Mapping[str, Any]]:
    """Return what a kind of a composite part sets; empty for a kind of any other part."""
    found: Mapping[str, Mapping[str, Any]] = getattr(kind, "sets", {})
    return found


def parts_of(part: Part) -> tuple[str, ...]:
    """Return the parts that a composite part stands for, in order; empty for any other part."""
    return tuple(dict.fromkeys(name for kind in part.kinds.values() for name in sets_of(kind)))


def expanded(overrides: Mapping[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    """Return overrides in which the parts that a composite part stands for replace it.

    Raises UserError for a kind that the composite part does not have, and for a part that two of the overrides set.
    """
    found: dict[str, Any] = {}
    source: dict[str, str] = {}
    for name, spec in overrides.items():
        part = catalogue.parts.get(name)
        sets = _sets(name, spec, part) if part is not None and parts_of(part) else {name: spec}
        for each, inner in sets.items():
            if each in found:
                raise UserError(_conflict(each, source[each], name))
            found[each], source[each] = inner, name
    return found


def _sets(name: str, spec: Any, part: Part) -> Mapping[str, Any]:
    kind = spec.get("kind") if isinstance(spec, Mapping) else spec
    if not isinstance(kind, str) or (isinstance(spec, Mapping) and len(spec) > 1):
        raise UserError(
            f"{name}: a part that stands for several takes a kind and nothing else, got {spec!r}; "
            f"write {{kind: {_likely(spec, part)}}}, or set {', '.join(parts_of(part))} one by one"
        )
    if kind not in part.kinds:
        raise UserError(f"unknown kind {kind!r} of part {name!r}{did_you_mean(kind, part.kinds)}")
    return {each: dict(inner) for each, inner in sets_of(part.kinds[kind]).items()}


def _likely(spec: Any, part: Part) -> str:
    given = spec.get("kind") if isinstance(spec, Mapping) else spec
    return given if isinstance(given, str) and given in part.kinds else next(iter(part.kinds))


def _conflict(part: str, one: str, other: str) -> str:
    if part in (one, other):
        return f"{other if one == part else one} sets {part} too, and one change cannot set it twice; keep one of them"
    return f"{one} and {other} both set {part}, and one change cannot set it twice; keep one of them"


def without_equal(
    overrides: Mapping[str, Any], raw: Mapping[str, Any], settings: Mapping[str, Any], baseline: Mapping[str, Any]
) -> dict[str, Any]:
    """Return expanded overrides without those parts of a composite part that the baseline has anyway, unless these are all.

    `raw` are the overrides before they were expanded, `settings` and `baseline` the full settings of the arm and of the baseline.
    """
    new, old = settings.get("parts", {}), baseline.get("parts", {})
    kept = {part: spec for part, spec in overrides.items() if part in raw or new.get(part) != old.get(part)}
    return kept or dict(overrides)


def check(catalogue: Catalogue, preset: str) -> None:
    """Raise UserError for a composite part whose kinds set parts that are not there, unknown kinds, or not all the same parts."""
    for name, part in catalogue.parts.items():
        for kind_name, kind in part.kinds.items() if parts_of(part) else ():
            where = f"the kind {kind_name!r} of {name!r}"
            for each in sets_of(kind):
                if each not in catalogue.parts or parts_of(catalogue.parts[each]):
                    single = [key for key, other in catalogue.parts.items() if not parts_of(other)]
                    raise UserError(f"{where} sets {each!r}, which is not one part; name one of {', '.join(single)}")
            if missing := set(parts_of(part)) - set(sets_of(kind)):
                raise UserError(f"{where} does not set {', '.join(sorted(missing))} as other kinds do; add it")
            try:
                catalogue.resolve(preset, sets_of(kind))
            except UserError as error:
                raise UserError(f"{where}: {error}") from error
