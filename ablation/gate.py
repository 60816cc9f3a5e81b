"""May this go out? The baseline of a study against the champion, on the same utterances and noise."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

HOLDER, NOW = "champion", "baseline"
MARGIN_POINTS = 2.0


@dataclass(frozen=True)
class Gate:
    """What was found. `failures` is empty where all is well; `notes` say what was compared, and what could not be."""

    failures: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.failures


def too_many_failed(failed: int, trials: int, allowed: int) -> str | None:
    """Why failed trials fail a study, or None."""
    return f"{failed} of {trials} trials failed; the plan allows {allowed}" if failed > allowed else None


def judge(
    baseline: "pd.DataFrame", champion: "pd.DataFrame | None", *, corpora: tuple[str, str | None], margin_points: float
) -> Gate:
    """Compare the counts of this study's baseline with those of the champion, of all seeds each.

    Fails where the baseline is worse by the primary test (see `significance.compare`; seeds are not taken as pairs, since
    the code between the two may differ), or where its WER is higher by more than `margin_points`, whatever the test says,
    which is all that one seed allows. `corpora` are the fingerprints of the corpora of the two. Without a champion, or on
    another corpus, nothing is compared: the first passes, the second does not.
    """
    import pandas as pd

    from ablation.significance import compare

    if champion is None:
        return Gate((), ("no champion yet: nothing to compare with",))
    if corpora[0] != corpora[1]:
        why = (
            f"the champion was scored on corpus {corpora[1]} and this baseline on {corpora[0]}: they cannot be compared"
        )
        return Gate((f"refused: {why}; score one on the other's corpus",), ())
    shared = [name for name in champion["condition"].unique() if name in set(baseline["condition"])]
    both = pd.concat([champion.assign(arm=HOLDER), baseline.assign(arm=NOW)], ignore_index=True)
    both = both[both["condition"].isin(shared)]
    if problem := _other_utterances(both):
        return Gate((f"refused: {problem}",), ())
    table = compare(both, HOLDER, paired=False)
    rows = table[table["arm"] == NOW]
    failures = [line for row in rows.to_dict("records") if (line := _failure(row, margin_points))]
    utterances = both["utterance_id"].nunique()
    notes = (f"{len(shared)} conditions, {utterances} utterances, margin {margin_points:g} points",)
    return Gate(tuple(failures), notes)


def _other_utterances(both: "pd.DataFrame") -> str | None:
    for condition, rows in both.groupby("condition", sort=False):
        sets = {arm: set(each["utterance_id"]) for arm, each in rows.groupby("arm")}
        if sets.get(HOLDER) != sets.get(NOW):
            return f"champion and baseline were scored on different utterances in {condition}"
    return None if len(both) else "champion and baseline share no condition"


def _failure(row: Mapping[str, object], margin_points: float) -> str | None:
    from ablation.significance import EARNS

    difference = 100 * float(row["difference"])  # type: ignore[arg-type]
    worse = f"{row['condition']}: {100 * float(row['wer']):.2f} % WER, {difference:+.2f} points to the champion"  # type: ignore[arg-type]
    if row["verdict"] == EARNS:  # what the champion has and the baseline has not earns its place: the baseline is worse
        return f"{worse}, significantly worse (p = {float(row['p_adjusted']):.2g})"  # type: ignore[arg-type]
    return f"{worse}, more than the margin of {margin_points:g}" if difference > margin_points else None
