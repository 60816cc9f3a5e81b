"""Spreads between seeds that were measured for this package, for plans without earlier studies of their own.

`seed_spreads.csv` has a row per preset, corpus, number of steps and condition; `bench/seed_spread.py` writes it from studies. A
plan gets the rows of its preset whose training is most like its own: first by the kind of corpus, then by the steps.
"""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ablation.stats.power import Spread
from ablation.stats.saturation import SATURATED
from common.conditions import CLEAN, Condition

TABLE = Path(__file__).with_name("seed_spreads.csv")
KEYS = ["preset", "corpus", "steps"]
COLUMNS = [*KEYS, "condition", "wer_percent", "sd_points", "df", "source"]
CLEAN_DB = 20.0  # clean counts as this SNR where conditions are compared


@dataclass(frozen=True)
class Shipped:
    """Spreads by condition, what they were measured on, and the conditions in which about all words were wrong."""

    spreads: dict[str, Spread]
    source: str
    saturated: tuple[str, ...]


def shipped(preset: str, corpus: str, steps: int, conditions: Sequence[str]) -> Shipped | None:
    """Return the measured spreads that fit a plan best; None if nothing was measured of the preset.

    A condition that was not measured gets the spread of the one with the nearest SNR, of any kind of noise.
    """
    rows = [row for row in _table() if row["preset"] == preset and _is_full(row) <= _covers(row, corpus, steps)]
    if not rows:
        return None
    keys = [{key: row[key] for key in KEYS} for row in rows]
    best = min(keys, key=lambda key: _distance(key["corpus"], int(key["steps"]), corpus, steps))
    rows = [row for row in rows if all(row[key] == best[key] for key in KEYS)]
    chosen = {name: min(rows, key=lambda row: abs(_snr_db(row["condition"]) - _snr_db(name))) for name in conditions}
    full = tuple(name for name, row in chosen.items() if _is_full(row))
    spreads = {name: Spread(row["sd_points"] / 100, int(row["df"])) for name, row in chosen.items() if name not in full}
    return Shipped(spreads, f"measured with {preset}, {best['steps']} steps, {best['corpus']}", full)


def _is_full(row: Mapping[str, Any]) -> bool:
    return bool(row["wer_percent"] >= 100 * SATURATED)


def _covers(row: Mapping[str, Any], corpus: str, steps: int) -> bool:
    """True if a plan trains no longer than the row's study, on the same kind of corpus: it recognises no more than that one."""
    return _scheme(row["corpus"]) == _scheme(corpus) and steps <= row["steps"]


@lru_cache
def _table() -> tuple[Mapping[str, Any], ...]:
    with TABLE.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    whole = [{key: int(row[key]) for key in ("steps", "df")} for row in rows]
    rates = [{key: float(row[key] or math.nan) for key in ("wer_percent", "sd_points")} for row in rows]
    return tuple({**row, **counts, **values} for row, counts, values in zip(rows, whole, rates, strict=True))


def _distance(measured: str, measured_steps: int, corpus: str, steps: int) -> tuple[float, float]:
    """The same corpus comes first, then the same kind of corpus, then any; among these the nearest number of steps counts."""
    kind = 0.0 if measured == corpus else 1.0 if _scheme(measured) == _scheme(corpus) else 2.0
    return kind, abs(math.log(steps / measured_steps))


def _scheme(corpus: str) -> str:
    return corpus.partition("://")[0]


def _snr_db(condition: str) -> float:
    found = Condition.parse(condition)
    return CLEAN_DB if condition == CLEAN or found.snr_db is None else found.snr_db
