"""Three shorthands for many arms: `leave_one_out`, `ladder` and `factorial`, each over a list of parts.

Each part of the list is replaced by its kind `none`, or by the given replacement:

    ladder:
      - fusion.tokens: {channel-tokens: channel}
      - adapter

The baseline is the model with all parts, so it is the last rung of the ladder and the full cell of the factorial.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ablation.plan import fields
from ablation.plan.catalogue import Catalogue
from common.errors import UserError
from common.hints import did_you_mean


@dataclass(frozen=True)
class Swap:
    """A part of a shorthand and its replacements by arm name; no replacement means its kind `none`."""

    part: str
    replacements: dict[str, Any] = field(default_factory=dict)

    def as_plain(self) -> str | dict[str, Any]:
        """Return the swap as a plan writes it, in lists, whose order Kubeflow keeps."""
        if not self.replacements:
            return self.part
        return {self.part: [{name: spec} for name, spec in self.replacements.items()]}


@dataclass(frozen=True)
class Change:
    """An arm before its check: its name and its difference to the baseline."""

    arm: str
    part: str
    action: str
    why: str
    overrides: dict[str, Any]


def swaps(key: str, value: Any) -> tuple[Swap, ...]:
    """Check the parts of a shorthand. Raises UserError with one sentence."""
    found = [_swap(key, item) for item in fields.listed(key, value, "masking, adapter")]
    for name, times in fields.repeated([swap.part for swap in found]):
        raise UserError(f"`{key}` lists {name!r} {times} times; list every part once")
    if key != "leave_one_out" and len(found) < 2:
        raise UserError(
            f"`{key}` takes two parts or more, got {found[0].part!r} alone; for one part use `leave_one_out`"
        )
    for swap in found:
        if key == "ladder" and len(swap.replacements) > 1:
            raise UserError(
                f"`ladder` takes one replacement of {swap.part!r}, got {', '.join(swap.replacements)}; keep one of them"
            )
    return tuple(found)


def _swap(key: str, item: Any) -> Swap:
    if isinstance(item, str):
        return Swap(fields.filled_text(key, item))
    if not isinstance(item, Mapping) or len(item) != 1:
        raise UserError(
            f"`{key}` lists parts, as `masking` or `masking: {{uniform-masking: {{kind: uniform}}}}`, "
            f"got {fields.shown(item)}"
        )
    [(part, replacements)] = fields.mapping(key, item).items()
    named = fields.ordered(f"{part} of {key}", replacements)
    if not named:
        raise UserError(f"{part!r} of `{key}` has no replacement; write `- {part}` for its kind 'none'")
    return Swap(part, {fields.arm_name(name): spec for name, spec in named.items()})


def leave_one_out(parts: tuple[Swap, ...], catalogue: Catalogue) -> Iterator[Change]:
    """Yield one arm for every part, without it."""
    for swap in parts:
        for name, spec in replacements_of("leave_one_out", swap, catalogue):
            yield Change(name, swap.part, _action([swap]), f"leave one out: without {swap.part}", {swap.part: spec})


def ladder(parts: tuple[Swap, ...], catalogue: Catalogue) -> Iterator[Change]:
    """Yield the baseline without all parts, then with the first, with the first two, ...; with all it is the baseline itself."""
    without = {swap.part: next(iter(replacements_of("ladder", swap, catalogue)))[1] for swap in parts}
    for rung in range(len(parts)):
        missing, added = parts[rung:], parts[rung - 1].part if rung else None
        name = f"ladder-{rung}-{fields.slugified(added) if added else 'bare'}"
        why = f"ladder, rung {rung}: {f'{added} added' if added else 'none of the parts'}"
        overrides = {swap.part: without[swap.part] for swap in missing}
        yield Change(name, " + ".join(overrides), _action(missing), why, overrides)


def factorial(parts: tuple[Swap, ...], catalogue: Catalogue) -> Iterator[Change]:
    """Yield every combination of original and replaced parts, except the one with all original parts."""
    yield from (change for _, change in cells(parts, catalogue) if change is not None)


def cells(parts: tuple[Swap, ...], catalogue: Catalogue) -> Iterator[tuple[tuple[int, ...], Change | None]]:
    """Yield every combination with the number of each part's replacement, 0 for the original; the first is the baseline, None."""
    levels = [[None, *replacements_of("factorial", swap, catalogue)] for swap in parts]
    for numbers in itertools.product(*(range(len(of)) for of in levels)):
        cell = [of[number] for of, number in zip(levels, numbers, strict=True)]
        changed = [(swap, level) for swap, level in zip(parts, cell, strict=True) if level is not None]
        yield numbers, _cell(changed) if changed else None


def _cell(changed: Sequence[tuple[Swap, tuple[str, Any]]]) -> Change:
    overrides = {swap.part: spec for swap, (_, spec) in changed}
    name = "-and-".join(name for _, (name, _) in changed)
    why = f"factorial: {' and '.join(overrides)} swapped"
    action = _action([swap for swap, _ in changed])
    return Change(fields.arm_name(name), " + ".join(overrides), action, why, overrides)


def replacements_of(key: str, swap: Swap, catalogue: Catalogue) -> list[tuple[str, Any]]:
    """Return the replacements of a part: arm name and spec."""
    if swap.replacements:
        return list(swap.replacements.items())
    part = catalogue.parts.get(swap.part)
    if part is None:
        raise UserError(f"{key}: unknown part {swap.part!r}{did_you_mean(swap.part, catalogue.parts)}")
    if "none" not in part.kinds:
        raise UserError(
            f"{key}: {swap.part!r} has no kind 'none', so it cannot be left out; "
            f"write a replacement, `{swap.part}: {{arm-name: {{kind: ...}}}}`"
        )
    return [(part.kinds["none"].arm, {"kind": "none"})]


def _action(parts: "tuple[Swap, ...] | list[Swap]") -> str:
    return "replace" if any(swap.replacements for swap in parts) else "remove"
