"""The release gate: the baseline of a study against the champion, on the same utterances and noise."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ablation.decisions.comparable import Scored, obstacle, shared_conditions
from ablation.stats.metrics import WER, Metric
from ablation.stats.verdict import Verdict
from common.signs import without_sign_of_zero

HOLDER, NOW = "champion", "baseline"
MARGIN_POINTS = 2.0


@dataclass(frozen=True)
class Gate:
    """The result of the gate. `failures` are the reasons for which the baseline fails; `notes` say what was compared.

    `refused` is the reason for which nothing could be compared. That is not a failure of the baseline, but it does not pass either.
    """

    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    refused: str | None = None

    @property
    def passed(self) -> bool:
        """True if nothing speaks against the baseline and it was compared, or if there is no champion yet."""
        return not self.failures and self.refused is None


def too_many_failed(failed: int, trials: int, allowed: int) -> str | None:
    """Return the reason for which failed trials fail a study, or None."""
    return f"{failed} of {trials} trials failed; the plan allows {allowed}" if failed > allowed else None


def judge(baseline: Scored, champion: Scored | None, *, margin_points: float | None = None) -> Gate:
    """Compare the counts of this study's baseline with those of the champion, with all seeds of both.

    The baseline fails if it is worse by the primary test (`significance.compare`; seeds are not paired, since the code of the two
    may differ), or if its WER is higher by more than `margin_points`, whatever the test says. With one seed, only the margin
    counts. None is `MARGIN_POINTS` for error rates; a metric from elsewhere then has no margin, as its unit is its own. Without
    a champion nothing is compared, and the baseline passes.
    """
    import pandas as pd

    from ablation.stats.significance import compare

    metric = baseline.metric if not baseline.metric.is_rate else WER
    margin = MARGIN_POINTS if margin_points is None and metric.is_rate else margin_points
    if champion is None:
        return Gate(notes=("no champion yet: nothing to compare with",))
    if reason := obstacle(champion, baseline):
        return Gate(refused=f"{reason}; rerun the champion's study in the same way, or give this one another name")
    shared = shared_conditions(champion, baseline)
    both = pd.concat([champion.counts.assign(arm=HOLDER), baseline.counts.assign(arm=NOW)], ignore_index=True)
    both = both[both["condition"].isin(shared)]
    table = compare(both, HOLDER, paired=False, metric=metric)
    rows = table[table["arm"] == NOW]
    failures = [line for row in rows.to_dict("records") if (line := _failure(row, metric, margin))]
    utterances = both["utterance_id"].nunique()
    things = "utterances" if metric.is_rate else f"item{'s' if utterances != 1 else ''}"
    limit = "" if margin is None else f", margin {margin:g} {metric.points}".rstrip()
    notes = (f"{len(shared)} conditions, {utterances} {things}{limit}",)
    return Gate(tuple(failures), notes)


def _signed(difference: float, form: str) -> str:
    return without_sign_of_zero(f"{difference:+{form}}")


def _failure(row: Mapping[str, Any], metric: Metric, margin: float | None) -> str | None:
    difference, value = (metric.scale * float(row[name]) for name in ("difference", "wer"))
    shown, apart = (f"{value:.2f} % WER", f"{_signed(difference, '.2f')} points")
    if not metric.is_rate:
        shown, apart = f"{metric.short} {value:.4g}", f"{_signed(difference, '.3g')} {metric.points}".rstrip()
    worse = f"{row['condition']}: {shown}, {apart} to the champion"
    if row["verdict"] == Verdict.WORSE:
        return f"{worse}, significantly worse (p = {float(row['p_adjusted']):.2g})"
    loss = -difference if metric.higher_is_better else difference
    return f"{worse}, more than the margin of {margin:g}" if margin is not None and loss > margin else None
