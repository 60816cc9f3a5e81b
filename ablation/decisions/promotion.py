"""The decision on the champion: an arm that beats the present one on the same utterances and noise, by the primary test."""

from dataclasses import dataclass

import pandas as pd

from ablation.decisions.comparable import Scored, obstacle, shared_conditions
from ablation.stats.scoring import pool
from ablation.stats.significance import compare
from ablation.stats.verdict import Verdict
from common.signs import without_sign_of_zero

HOLDER = "(champion)"


@dataclass(frozen=True)
class Decision:
    """The arm whose checkpoint becomes the champion, or None to keep the present one, and why; `evidence` has the numbers."""

    arm: str | None
    why: str
    evidence: str = ""


def first(study: Scored, baseline: str) -> Decision:
    """Choose the first champion: an arm that beats the baseline, else the baseline."""
    if baseline not in set(study.counts["arm"]):
        return Decision(None, f"no champion: {baseline} has no finished trial in this study")
    if found := _winner(study.counts, baseline, baseline, paired=True):
        return found
    return Decision(baseline, f"champion is {baseline}: {_why_nobody(study.counts, baseline)}")


def challenge(study: Scored, holder: str, champion: Scored | None = None) -> Decision:
    """Decide if an arm of a study beats the champion, which is of the arm `holder`.

    `champion` has the word errors of all of its seeds, as its own study counted them. The study's own trials of that arm are other
    trials (the code may have changed), so they are challengers as well, and seeds are not paired. None means that the champion is
    a trial of this study: then it shares random numbers with the other arms, and seeds are paired.
    """
    if champion is None:
        found = _winner(study.counts, holder, holder, paired=True)
    elif reason := obstacle(champion, study):
        return Decision(None, f"champion stays {holder}: {reason}")
    else:
        both = pd.concat([champion.counts.assign(arm=HOLDER), study.counts], ignore_index=True)
        both = both[both["condition"].isin(shared_conditions(champion, study))]
        found = _winner(both, HOLDER, f"the champion, {holder}", paired=False)
    mine = holder if champion is None else HOLDER
    return found or Decision(None, f"champion stays {holder}: {_why_nobody(study.counts, mine)}")


def candidate(counts: pd.DataFrame, baseline: str) -> str | None:
    """Return the arm other than the baseline with the lowest WER over all conditions and seeds, significant or not."""
    others = counts[counts["arm"] != baseline]
    return str(pool(others, ["arm"]).sort_values("wer", kind="stable")["arm"].iloc[0]) if len(others) else None


def _winner(counts: pd.DataFrame, holder: str, named: str, *, paired: bool) -> Decision | None:
    """The arm that beats the holder, which sentences call `named`, with the lowest mean difference over the conditions.

    To beat is to be significantly better in some condition and significantly worse in none.
    """
    table = compare(counts, holder, paired=paired)
    found = {}
    for arm, rows in table[table["arm"] != holder].groupby("arm", sort=False):
        verdicts = set(rows["verdict"])
        if Verdict.BETTER in verdicts and Verdict.WORSE not in verdicts:
            found[str(arm)] = float(rows["difference"].mean())
    if not found:
        return None
    arm = min(found, key=lambda name: found[name])
    why = f"champion is {arm}: significantly better than {named}"
    return Decision(arm, why, _evidence(table[table["arm"] == arm], counts))


def _why_nobody(counts: pd.DataFrame, holder: str) -> str:
    seeds = counts[counts["arm"] != holder].groupby("arm")["seed"].nunique()
    return "one seed gives no verdict" if len(seeds) and seeds.max() == 1 else "no arm is significantly better"


def _points(difference: float) -> str:
    return without_sign_of_zero(f"{100 * difference:+.2f}")


def _evidence(rows: pd.DataFrame, counts: pd.DataFrame) -> str:
    """The test, its numbers per condition, and the numbers of seeds and utterances."""
    numbers = [
        f"{row['condition']} {_points(row['difference'])} points (p = {row['p_adjusted']:.2g})"
        for row in rows.to_dict("records")
    ]
    test = "Dunnett's test over seeds, Holm over conditions"
    return (
        f"{test}: {', '.join(numbers)}; {int(rows['seeds'].max())} seeds, {counts['utterance_id'].nunique()} utterances"
    )
