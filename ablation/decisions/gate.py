"""May this go out? The baseline of a study against the champion, on the same utterances and noise."""

from collections.abc import Mapping
from dataclasses import dataclass

from ablation.decisions.comparable import Scored, obstacle, shared_conditions

HOLDER, NOW = "champion", "baseline"
MARGIN_POINTS = 2.0


@dataclass(frozen=True)
class Gate:
    """What was found. `failures` is empty where all is well; `notes` say what was compared.

    `refused` is why nothing could be: that is no failure of the baseline, but does not let it pass either.
    """

    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    refused: str | None = None

    @property
    def passed(self) -> bool:
        """Whether it was compared, or the first, and nothing speaks against it."""
        return not self.failures and self.refused is None


def too_many_failed(failed: int, trials: int, allowed: int) -> str | None:
    """Why failed trials fail a study, or None."""
    return f"{failed} of {trials} trials failed; the plan allows {allowed}" if failed > allowed else None


def judge(baseline: Scored, champion: Scored | None, *, margin_points: float) -> Gate:
    """Compare the counts of this study's baseline with those of the champion, of all seeds each.

    Fails where the baseline is worse by the primary test (see `significance.compare`; seeds are not taken as pairs, since
    the code between the two may differ), or where its WER is higher by more than `margin_points`, whatever the test says,
    which is all that one seed allows. Without a champion nothing is compared, and it passes.
    """
    import pandas as pd

    from ablation.stats.significance import compare

    if champion is None:
        return Gate(notes=("no champion yet: nothing to compare with",))
    if reason := obstacle(champion, baseline):
        return Gate(refused=f"{reason}; run the champion's study again in the same way, or give this one another name")
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
    from ablation.stats.significance import EARNS

    difference = 100 * float(row["difference"])  # type: ignore[arg-type]
    worse = f"{row['condition']}: {100 * float(row['wer']):.2f} % WER, {difference:+.2f} points to the champion"  # type: ignore[arg-type]
    if row["verdict"] == EARNS:  # what the champion has and the baseline has not earns its place: the baseline is worse
        return f"{worse}, significantly worse (p = {float(row['p_adjusted']):.2g})"  # type: ignore[arg-type]
    return f"{worse}, more than the margin of {margin_points:g}" if difference > margin_points else None
