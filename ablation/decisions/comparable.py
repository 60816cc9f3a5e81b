"""Checks that word errors of two studies can be compared: counted on the same corpus and utterances, in the same noise."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablation.stats.metrics import WER, Metric
from common.conditions import Condition
from common.normalise import BASIC

if TYPE_CHECKING:
    import pandas as pd

    from ablation.records import Study


@dataclass(frozen=True)
class Scored:
    """Counts, and the data that they were counted on: the corpus by its fingerprint, recorded noise by a hash per kind.

    `noise` leaves out kinds that are mixed from the corpus itself. It is None for studies of older versions, which lack it.
    `normalise` names the normalisation of the texts, `metric` is the one of the study's verdicts.
    """

    counts: "pd.DataFrame"
    corpus: str
    noise: Mapping[str, str] | None
    normalise: str = BASIC
    metric: Metric = WER

    @classmethod
    def of(cls, study: "Study", counts: "pd.DataFrame") -> "Scored":
        """Return the counts of a study, or of some of its arms, with the study's data."""
        noise = study.provenance.get("scoring", {}).get("noise")
        return cls(counts, str(study.corpus["fingerprint"]), noise, study.normalise, study.metric())


def shared_conditions(champion: Scored, study: Scored) -> list[str]:
    """Return the names of the conditions of both, in the champion's order."""
    return [name for name in champion.counts["condition"].unique() if name in set(study.counts["condition"])]


def obstacle(champion: Scored, study: Scored) -> str | None:
    """Return why a study cannot be compared with its champion, as half a sentence; None if it can."""
    metric, other_metric = study.metric, champion.metric
    if metric != other_metric and not (metric.is_rate and other_metric.is_rate):
        return f"the champion was judged by {other_metric.short} and this study by {metric.short}"
    if champion.corpus != study.corpus:
        return (
            f"the champion was scored on another corpus, {champion.corpus[:12]}, and this study on {study.corpus[:12]}"
        )
    if champion.normalise != study.normalise:
        return f"the champion was scored with `normalise: {champion.normalise}`, and this study with `normalise: {study.normalise}`"
    shared = shared_conditions(champion, study)
    if not shared:
        return "champion and study share no condition"
    if champion.noise is not None and study.noise is not None:
        for kind in dict.fromkeys(kind for name in shared if (kind := Condition.parse(name).kind)):
            theirs, ours = (noise.get(kind, "mixed from the corpus") for noise in (champion.noise, study.noise))
            if theirs != ours:
                return f"the champion was scored in other noise of the name {kind}, {theirs}, and this study in {ours}"
    for condition in shared:
        sets = [_utterances(counts, condition, study.metric) for counts in (champion.counts, study.counts)]
        if any(other != sets[0][0] for each in sets for other in each):
            return f"champion and study were scored on different utterances in {condition}"
    return None


def _utterances(counts: "pd.DataFrame", condition: str, metric: Metric) -> list[set[tuple[str, int]]]:
    """The utterances of every trial, each with its number of words; of a measure, its items."""
    length = metric.length if not metric.is_rate else WER.length
    rows = counts[counts["condition"] == condition]
    return [
        set(zip(trial["utterance_id"], trial[length], strict=True))
        for _, trial in rows.groupby(["arm", "seed"], sort=False)
    ]
