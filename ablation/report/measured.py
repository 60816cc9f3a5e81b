"""The effect of each arm's change on the model, measured before training: size, masks, and arms with the same function."""

from collections.abc import Mapping

from ablation.records import ArmFacts, Measured, Study
from ablation.report.blocks import Block, Row, Table, Text
from ablation.report.wording import number

NOTE = (
    "Parameters are counted for the small vocabulary of the probe, so the table of costs has slightly more; percentages are "
    "relative to the baseline. Masked: fraction of the frames and mean length of a masked run, over 500 utterances of 75 frames. "
    "Arms compute the same function if outputs, losses and gradients of a probe are the same from the same weights."
)


def changes(study: Study) -> list[Block]:
    """Return a table of all arms, and the warnings of the measurement; [] if nothing was measured."""
    found = study.hygiene
    if found is None or study.baseline not in found.arms:
        return []
    inputs = list(dict.fromkeys(name for facts in found.arms.values() for name in facts.masked))
    head = ["arm", "parameters", "to the baseline", *(f"masked {name}" for name in inputs)]
    head += ["same function as"] if found.same else []
    rows = [_row(arm.arm, found, study.baseline, inputs) for arm in study.arms if arm.arm in found.arms]
    table = Table("What each arm changed in the model", head, rows, note=NOTE)
    warned = [f"{warning[:1].upper()}{warning[1:]}.".replace(" -", " −") for warning in found.warnings]
    return [Text(warned), table] if warned else [table]


def _row(arm: str, found: Measured, baseline: str, inputs: list[str]) -> Row:
    facts, whole = found.arms[arm], found.arms[baseline]
    twins = [other for group in found.same if arm in group for other in group if other != arm]
    size = "–" if arm == baseline else _size(facts.parameters, whole.parameters)
    row = [arm, number(facts.parameters), size, *(_masks(facts, name) for name in inputs)]
    return [*row, ", ".join(twins) or "–"] if found.same else row


def _size(here: int, whole: int) -> str:
    """E.g. `−59,265 (−12.8 %)`; without a percentage below a thousandth."""
    if here == whole:
        return "the same"
    share = 100 * (here / whole - 1)
    return (f"{here - whole:+,}" + (f" ({share:+.1f} %)" if abs(share) >= 0.1 else "")).replace("-", "−")


def _masks(facts: ArmFacts, name: str) -> str:
    """E.g. `19.1 %, runs of 5.4`."""
    if name not in facts.masked:
        return "not an input"
    found: Mapping[str, float] = facts.masked[name]
    return f"{100 * found['fraction']:.1f} %, runs of {found['run']:.1f}" if found["fraction"] else "none"
