"""Numbers and settings as people write them: percent for WERs, points for differences, units everywhere."""

from typing import Any

import pandas as pd

from ablation.results import ArmRecord


def replaced(arm: ArmRecord) -> str:
    """What an arm changes, e.g. `fusion.scale: static (value 0.5)`."""
    return "; ".join(f"{part}: {_spec(spec)}" for part, spec in arm.overrides.items()) or "nothing: the model as it is"


def _spec(spec: object) -> str:
    if not isinstance(spec, dict):
        return _inner(spec)
    rest = ", ".join(f"{key} {_inner(value)}" for key, value in spec.items() if key != "kind")
    return f"{spec.get('kind', '')} ({rest})" if rest else str(spec.get("kind", ""))


def _inner(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key} {_inner(inner)}" for key, inner in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def percent(fraction: float | None) -> str:
    """A WER as a percentage with one decimal and its unit; a dash for none."""
    return "–" if fraction is None or pd.isna(fraction) else f"{100 * fraction:.1f} %"


def points(fraction: float | None) -> str:
    """A difference of WERs in points, with its sign; a dash for none."""
    if fraction is None or pd.isna(fraction):
        return "–"
    return f"{100 * fraction:+.1f}".replace("-", "−")


def bare(fraction: float) -> str:
    """A WER in percent without the unit, for places that have it once already."""
    return f"{100 * fraction:.1f}"


def interval(low: float, high: float, form: Any) -> str:
    """`[low, high]`, each written by `form`; empty when there is none."""
    return "" if pd.isna(low) else f"[{form(low)}, {form(high)}]"


def p_value(p: float) -> str:
    """A p as people write it; empty when there was no test."""
    if pd.isna(p):
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def duration(seconds: float | None) -> str:
    """Seconds as people say them; a dash for none."""
    if seconds is None:
        return "–"
    if 0 < seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def hours(seconds: float | None) -> str:
    """Seconds as hours with two digits that count; a dash for none."""
    if seconds is None:
        return "–"
    return f"{seconds / 3600:.3f} h" if seconds < 360 else f"{seconds / 3600:,.2f} h"


def number(value: int | None) -> str:
    """A count with separators; a dash for none."""
    return "–" if value is None else f"{value:,}"
