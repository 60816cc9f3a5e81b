"""Results in a table instead of files: one row per arm, seed, condition and utterance."""

from collections.abc import Sequence

import pandas as pd

from ablation.imports.score_table import check_columns
from ablation.imports.scores import Direction, check_items, scores_of
from ablation.stats.metrics import METRICS
from ablation.stats.scoring import score_transcripts
from ablation.stats.significance import compare
from common.conditions import CLEAN
from common.errors import UserError
from common.hints import did_you_mean
from common.normalise import BASIC, normaliser

KEYS = ["arm", "seed", "condition", "utterance_id"]
TEXTS = ["reference", "hypothesis"]


def compare_texts(
    frame: pd.DataFrame, baseline: str, metric: str, normalise: str, margin_points: float | None
) -> pd.DataFrame:
    """Compare the arms of a table with texts, or with the counts of a metric. Raises UserError."""
    counts = counts_of(frame, baseline, metric, normalise)
    return compare(counts, baseline, margin_points=margin_points, metric=metric)


def compare_values(
    frame: pd.DataFrame, baseline: str, direction: Direction, margin: float | None = None
) -> pd.DataFrame:
    """Compare the arms of a table with values of any metric; `margin` is in its unit. Raises UserError."""
    source = "the table"
    measure, values = scores_of(check_columns(frame, source), source, direction)
    _check_baseline(values, baseline)
    check_items(values, source)
    found = compare(values, baseline, margin_points=margin, metric=measure.metric())
    return found.rename(columns={"wer": "value", "wer_low": "value_low", "wer_high": "value_high"})


def _check_baseline(table: pd.DataFrame, baseline: str) -> None:
    known = sorted(map(str, table["arm"].unique()))
    if baseline not in known:
        raise UserError(f"no rows are of the baseline {baseline!r}{did_you_mean(baseline, known)}")


def counts_of(frame: pd.DataFrame, baseline: str, metric: str, normalise: str = BASIC) -> pd.DataFrame:
    """Return the counts of a table with texts, or with the columns of a metric. Raises UserError.

    Without the column `condition`, all rows are clean.
    """
    if metric not in METRICS:
        raise UserError(f"unknown metric {metric!r}{did_you_mean(metric, METRICS)}")
    table = frame if "condition" in frame else frame.assign(condition=CLEAN)
    counted = set(METRICS[metric].columns) <= set(table)
    _check_columns(table, [*KEYS, *([] if counted else TEXTS)])
    _check_baseline(table, baseline)
    _check_same_utterances(table)
    return table if counted else score_transcripts(table.reset_index(drop=True), normaliser(normalise))


def _check_columns(table: pd.DataFrame, wanted: Sequence[str]) -> None:
    if lacking := [name for name in wanted if name not in table]:
        raise UserError(
            f"the table has a row per utterance with the columns {', '.join(wanted)}, and it lacks {', '.join(lacking)}; add them"
        )
    if not len(table):
        raise UserError("the table has 0 rows; give the results of at least one trial")
    if empty := [name for name in wanted if table[name].isna().any()]:
        count = int(table[empty[0]].isna().sum())
        raise UserError(
            f"every row of the table has all values, but {count} of {len(table)} have no {empty[0]}; fill them in"
        )


def _check_same_utterances(table: pd.DataFrame) -> None:
    """Refuse utterances that occur twice in a trial, and trials with other utterances or references than the rest."""
    if double := int(table.duplicated(KEYS).sum()):
        raise UserError(
            f"an utterance occurs once in a trial and condition, but {double} rows occur again; remove them"
        )
    names = [name for name in ("utterance_id", "reference") if name in table]
    for condition, rows in table.groupby("condition", sort=False):
        trials = [
            (key, set(zip(*(its[name] for name in names), strict=True))) for key, its in rows.groupby(["arm", "seed"])
        ]
        for key, found in trials:
            if other := found ^ trials[0][1]:
                differ = len({item[0] for item in other})
                raise UserError(
                    f"all trials have the same utterances and references, but arm {key[0]!r}, seed {key[1]} differs in "
                    f"{condition!r} from arm {trials[0][0][0]!r}, seed {trials[0][0][1]} in {differ}; score both on the same texts"
                )
