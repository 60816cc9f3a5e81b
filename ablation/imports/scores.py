"""Values of any metric in a table: one row per arm, seed and condition, or one per item of the test set."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ablation.imports.score_table import ARM, CONDITION, ITEM, METRIC, SEED, read_table
from ablation.imports.utterances import some
from ablation.records import Measure
from ablation.results import VALUES_COLUMNS
from ablation.stats.measures import ITEMS, known_direction, known_unit
from common.errors import UserError
from common.hints import did_you_mean

TEST = "test"  # the condition of tables without conditions
WHOLE = "all items"  # the item of values that are not per item
KEYS = [ARM, SEED, CONDITION, ITEM]


@dataclass(frozen=True)
class Direction:
    """The choices for a metric: its name, its direction and its unit; None takes what the table and the name say."""

    metric: str | None = None
    higher_is_better: bool | None = None
    unit: str | None = None


def read_scores(path: Path, chosen: Direction) -> tuple[Measure, pd.DataFrame]:
    """Return the metric and the values of a file, with the columns of `VALUES_COLUMNS`. Raises UserError."""
    return scores_of(read_table(path), str(path), chosen)


def scores_of(table: pd.DataFrame, source: str, chosen: Direction) -> tuple[Measure, pd.DataFrame]:
    """Return the metric and the values of a table that `read_table` or `check_columns` has checked. Raises UserError."""
    rows, name = _of_metric(table, source, chosen.metric)
    measure = Measure(
        name=name,
        higher_is_better=_direction(name, chosen.higher_is_better),
        unit=known_unit(name) if chosen.unit is None else chosen.unit,
    )
    values = rows.assign(**{CONDITION: rows.get(CONDITION, TEST), ITEM: rows.get(ITEM, WHOLE)})
    _check_once(values, source)
    found = values.rename(columns={ITEM: "utterance_id"}).assign(speaker="", **{ITEMS: 1})
    return measure, found[VALUES_COLUMNS].reset_index(drop=True)


def _of_metric(table: pd.DataFrame, source: str, name: str | None) -> tuple[pd.DataFrame, str]:
    """Return the rows of one metric, and its name."""
    if METRIC not in table:
        if name is None:
            raise UserError(f"{source} has no column {METRIC!r}, so its metric has no name; give it with --metric NAME")
        return table, name
    known = list(dict.fromkeys(table[METRIC]))
    if name is None and len(known) > 1:
        raise UserError(f"{source} has {len(known)} metrics, {some(known, 5)}; choose one with --metric NAME")
    name = known[0] if name is None else name
    if name not in known:
        raise UserError(f"{source} has no metric {name!r}; it has {some(known, 5)}{did_you_mean(name, known)}")
    return table[table[METRIC] == name], name


def _direction(name: str, given: bool | None) -> bool:
    found = known_direction(name) if given is None else given
    if found is None:
        raise UserError(
            f"the direction of the metric {name!r} is not known; say it with --higher-is-better or --lower-is-better"
        )
    return found


def _check_once(values: pd.DataFrame, source: str) -> None:
    """Refuse values that are given twice."""
    again = values.duplicated(KEYS, keep=False)
    if not again.any():
        return
    first = values[again].iloc[0]
    count = int(values.duplicated(KEYS).sum())
    where = f"arm {first[ARM]!r}, seed {first[SEED]}, condition {first[CONDITION]!r}"
    if (values[ITEM] == WHOLE).all():
        remedy = "remove them, or tell the values of a trial apart by a column `condition` or `item`"
    else:
        where, remedy = f"{where}, item {first[ITEM]!r}", "remove them"
    raise UserError(f"{source} has a value once, but {count} of {len(values)} rows repeat one, e.g. {where}; {remedy}")


def check_items(values: pd.DataFrame, source: str) -> None:
    """Refuse trials that do not have the items of the others in a condition. All their rows must have a value."""
    for condition, rows in values.groupby("condition", sort=False):
        trials = {key: set(its["utterance_id"]) for key, its in rows.groupby(["arm", "seed"], sort=False)}
        everything = set().union(*trials.values())
        lacking = {key: sorted(everything - its, key=str) for key, its in trials.items() if everything - its}
        if lacking:
            (arm, seed), names = next(iter(lacking.items()))
            raise UserError(
                f"{source}: all trials have the same items, but in {condition!r} {len(lacking)} of {len(trials)} trials lack "
                f"some of {len(everything)}, e.g. arm {arm!r}, seed {seed} lacks {len(names)}: {some(names)}; add their values, or "
                "remove these items everywhere"
            )
