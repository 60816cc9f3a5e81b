"""Numbers and settings as text: percent for WERs, points for differences, always with units. Verdicts: `verdict_wording.py`."""

import re
from collections.abc import Sequence
from typing import Any

import pandas as pd

from ablation.records import ArmRecord
from common.signs import without_sign_of_zero

MOST_NAMED = 6
TIES = re.compile(
    r"(?<=\d) (?=(?:dB|points?|min|h|s)\b|%|\[[+−\d])"  # a unit, or the interval of a value
    r"|(?<=\d,) (?=[+−]?[\d.]+\])"  # the end of an interval
    r"|(?<=\b[pdn]) (?=[=<≤])|(?<=[=<≤]) (?=[−\d])"
)


def replaced(arm: ArmRecord) -> str:
    """Write what an arm changes, such as `fusion.scale: static (value 0.5)`."""
    if not arm.overrides:  # of an imported study
        return f"{arm.action}: {arm.part}" if arm.part else "its change is not stated"
    several = f"{len(arm.overrides)} parts at once: " if len(arm.overrides) > 1 else ""
    return several + "; ".join(f"{part}: {_spec(spec)}" for part, spec in arm.overrides.items())


def stated_changes(arms: Sequence[ArmRecord]) -> str:
    """Say that each arm makes one change, and which arms change several parts at once."""
    several = [arm.arm for arm in arms if len(arm.overrides) > 1]
    if not several:
        return "Each arm makes one stated change to it."
    named = [*several[:MOST_NAMED], *([f"{len(several) - MOST_NAMED} more"] if several[MOST_NAMED:] else [])]
    listed = " and ".join(filter(None, [", ".join(named[:-1]), named[-1]]))
    verb = "changes" if len(several) == 1 else "change"
    return (
        f"Each arm makes one stated change to it; {listed} {verb} several parts at once, so what is found belongs to these parts "
        "together."
    )


def _spec(spec: object) -> str:
    if not isinstance(spec, dict):
        return _inner(spec)
    rest = values(spec)
    return f"{spec.get('kind', '')} ({rest})" if rest else str(spec.get("kind", ""))


def values(spec: object) -> str:
    """Write the values of a kind's spec, such as `value 0.5`; empty for none."""
    if not isinstance(spec, dict):
        return ""
    return ", ".join(f"{key} {_inner(value)}" for key, value in spec.items() if key != "kind")


def _inner(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key} {_inner(inner)}" for key, inner in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def tied(text: str) -> str:
    """Put no-break spaces where a line must not end: before a unit, inside an interval, around the sign of a p value."""
    return TIES.sub("\u00a0", text)


def percent(fraction: float | None) -> str:
    """Write a WER as a percentage with one decimal and its unit; a dash for none."""
    return "–" if fraction is None or pd.isna(fraction) else f"{100 * fraction:.1f} %"


def points(fraction: float | None) -> str:
    """Write a difference of WERs in points, with its sign unless it is rounded to zero; a dash for none."""
    if fraction is None or pd.isna(fraction):
        return "–"
    return without_sign_of_zero(f"{100 * fraction:+.1f}".replace("-", "−"))


def bare(fraction: float) -> str:
    """Write a WER in percent without the unit, for places that show the unit already."""
    return f"{100 * fraction:.1f}"


def interval(low: float, high: float, form: Any) -> str:
    """Write `[low, high]`, each by `form`; empty for no interval."""
    return "" if pd.isna(low) else f"[{form(low)}, {form(high)}]"


def p_value(p: float) -> str:
    """Write a p value; empty if there was no test."""
    if pd.isna(p):
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def duration(seconds: float | None) -> str:
    """Write seconds in s, min or h; a dash for none."""
    if seconds is None:
        return "–"
    if 0 < seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def hours(seconds: float | None) -> str:
    """Write seconds as hours with two or three decimals; a dash for none."""
    if seconds is None:
        return "–"
    return f"{seconds / 3600:.3f} h" if seconds < 360 else f"{seconds / 3600:,.2f} h"


def number(value: int | None) -> str:
    """Write a count with separators; a dash for none."""
    return "–" if value is None else f"{value:,}"
