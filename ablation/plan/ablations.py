"""The list `ablations` of a plan: each names a part, what is done to it, and the replacements."""

from dataclasses import dataclass, field
from typing import Any

from ablation.plan import fields
from common.errors import UserError
from common.hints import did_you_mean

ACTIONS = ("replace", "remove", "add")


@dataclass(frozen=True)
class Ablation:
    """One ablation: a part (or a dotted setting) and its replacements by arm name."""

    part: str
    action: str = "replace"
    why: str = ""
    replacements: dict[str, Any] = field(default_factory=dict)


def ablations(key: str, value: Any) -> tuple[Ablation, ...]:
    """Check the list `ablations` of a plan. Raises UserError for the first error."""
    if not isinstance(value, list):
        raise UserError(f"`{key}` is a list of ablations, got {fields.shown(value)}; start each with `- part: ...`")
    return tuple(_ablation(f"ablation {number}", item) for number, item in enumerate(value, 1))


def _ablation(place: str, item: Any) -> Ablation:
    known = tuple(Ablation.__dataclass_fields__)
    for key in fields.mapping(place, item):
        if key not in known:
            raise UserError(f"unknown key {key!r} in {place}{did_you_mean(key, known)}")
    if "part" not in item:
        raise UserError(f"{place} names no part; write e.g. `part: fusion.scale`")
    part = fields.text(f"part of {place}", item["part"])
    action = fields.one_of(f"action of {part}", item.get("action", "replace"), ACTIONS)
    replacements = fields.ordered(f"replacements of {part}", item.get("replacements") or {})
    if action == "remove" and replacements:
        raise UserError(f"{part} is removed, so it takes no replacements; leave them out, or write `action: replace`")
    if action != "remove" and not replacements:
        raise UserError(f"{part} has nothing to {action}; add `replacements: {{arm-name: {{kind: ...}}}}`")
    named = {fields.arm_name(name): spec for name, spec in replacements.items()}
    return Ablation(part, action, fields.text(f"why of {part}", item.get("why") or ""), named)
