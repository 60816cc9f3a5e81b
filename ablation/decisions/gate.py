"""The release gate: the baseline of a study against the champion, on the same utterances and noise."""

from collections.abc import Mapping
from dataclasses import dataclass

from ablation.decisions.comparable import Scored, obstacle, shared_conditions
from ablation.stats.verdict import Verdict

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


def judge(baseline: Scored, champion: Scored | None, *, margin_points: float) -> Gate:
    """Compare the counts of this study's baseline with those of the champion, with all seeds of both.

    The baseline fails if it is worse by the primary test (`significance.compare`; seeds are not paired, since the code of the two
    may differ), or if its WER is higher by more than `margin_points`, whatever the test says. With one seed, only the margin
    counts. Without a champion nothing is compared, and the baseline passes.
    """
    import pandas as pd

    from ablation.stats.significance import compare

    if champion is None:
        return Gate(notes=("no champion yet: nothing to compare with",))
    if reason := obstacle(champion, baseline):
        return Gate(refused=f"{reason}; rerun the champion's study in the same way, or give this one another name")
    shared = shared_conditions(champion, baseline)
    both = pd.concat([champion.counts.assign(arm=HOLDER), baseline.counts.assign(arm=NOW)], ignore_index=True)
    both = both[both["condition"].isin(shared)]
    table = compare(both, HOLDER, paired=False)
    rows = table[table["arm"] == NOW]
    failures = [line for row in rows.to_dict("records") if (line := _failure(row, margin_points))]
    utterances = both["utterance_id"].nunique()
    notes = (f"{len(shared)} conditions, {utterances} utterances, margin {margin_points:g} points",)
    return Gate(tuple(failures), notes)


def _failure(row: Mapping[str, object], margin_points: float) -> str | None:
    difference = 100 * float(row["difference"])  # type: ignore[arg-type]
    worse = f"{row['condition']}: {100 * float(row['wer']):.2f} % WER, {difference:+.2f} points to the champion"  # type: ignore[arg-type]
    if row["verdict"] == Verdict.WORSE:
        return f"{worse}, significantly worse (p = {float(row['p_adjusted']):.2g})"  # type: ignore[arg-type]
    return f"{worse}, more than the margin of {margin_points:g}" if difference > margin_points else None
