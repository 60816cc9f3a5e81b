"""Who is to be the champion: the arm that beats the present one on the same utterances and noise, by the primary test."""

from dataclasses import dataclass, replace

import pandas as pd

from ablation.decisions.comparable import Scored, obstacle, shared_conditions
from ablation.stats.scoring import pool
from ablation.stats.significance import EARNS, HARMFUL, compare

HOLDER = "(champion)"


@dataclass(frozen=True)
class Decision:
    """Whose checkpoint is to be the champion, or None to leave it as it is, and why; `evidence` has the numbers."""

    arm: str | None
    why: str
    evidence: str = ""


def first(study: Scored, baseline: str) -> Decision:
    """Where there is no champion yet: an arm that beats the baseline, else the baseline."""
    if baseline not in set(study.counts["arm"]):
        return Decision(None, f"no champion: {baseline} has no finished trial in this study")
    if found := _winner(study.counts, baseline, paired=True):
        return found
    return Decision(baseline, f"champion is {baseline}: {_why_nobody(study.counts, baseline)}")


def challenge(study: Scored, holder: str, champion: Scored | None = None) -> Decision:
    """Whether an arm of a study beats the champion, which is of the arm `holder`.

    `champion` has the word errors of all of its seeds, as its own study left them. The study's own trials of that arm are
    others (its code may have changed), so they are challengers, too, and seeds are not taken as pairs. None says that
    they are the same trials: then they share the other arms' random numbers, and seeds are.
    """
    if champion is None:
        found = _winner(study.counts, holder, paired=True)
    elif reason := obstacle(champion, study):
        return Decision(None, f"champion stays {holder}: {reason}")
    else:
        both = pd.concat([champion.counts.assign(arm=HOLDER), study.counts], ignore_index=True)
        both = both[both["condition"].isin(shared_conditions(champion, study))]
        found = _winner(both, HOLDER, paired=False)
        found = found and replace(found, why=found.why.replace(HOLDER, f"the champion, {holder}"))
    mine = holder if champion is None else HOLDER
    return found or Decision(None, f"champion stays {holder}: {_why_nobody(study.counts, mine)}")


def candidate(counts: pd.DataFrame, baseline: str) -> str | None:
    """The arm beside the baseline with the fewest errors over all conditions and seeds, whether chance or not."""
    others = counts[counts["arm"] != baseline]
    return str(pool(others, ["arm"]).sort_values("wer", kind="stable")["arm"].iloc[0]) if len(others) else None


def _winner(counts: pd.DataFrame, holder: str, *, paired: bool) -> Decision | None:
    """The arm that beats the holder with the lowest mean difference over the conditions.

    To beat is to be significantly better under some condition and significantly worse under none.
    """
    table = compare(counts, holder, paired=paired)
    found = {}
    for arm, rows in table[table["arm"] != holder].groupby("arm", sort=False):
        verdicts = set(rows["verdict"])
        if HARMFUL in verdicts and EARNS not in verdicts:  # words of an ablation: what the holder has is harmful
            found[str(arm)] = float(rows["difference"].mean())
    if not found:
        return None
    arm = min(found, key=lambda name: found[name])
    why = f"champion is {arm}: significantly better than {holder}"
    return Decision(arm, why, _evidence(table[table["arm"] == arm], counts))


def _why_nobody(counts: pd.DataFrame, holder: str) -> str:
    seeds = counts[counts["arm"] != holder].groupby("arm")["seed"].nunique()
    return "one seed gives no verdict" if len(seeds) and seeds.max() == 1 else "no arm is significantly better"


def _evidence(rows: pd.DataFrame, counts: pd.DataFrame) -> str:
    """The test, its numbers per condition, and what they were counted on."""
    numbers = [
        f"{row['condition']} {100 * row['difference']:+.2f} points (p = {row['p_adjusted']:.2g})"
        for row in rows.to_dict("records")
    ]
    test = "Dunnett's test over seeds, Holm over conditions"
    return (
        f"{test}: {', '.join(numbers)}; {int(rows['seeds'].max())} seeds, {counts['utterance_id'].nunique()} utterances"
    )
