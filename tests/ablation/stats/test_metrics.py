"""A metric is one entry of the registry and an aligner: plans, scoring, tests and the report take it from there."""

import numpy as np
import pandas as pd
import pytest

from ablation.plan.plan import plan_from_mapping
from ablation.stats.bootstrap import intervals
from ablation.stats.metrics import Metric
from ablation.stats.scoring import score_transcripts, trial_metrics
from ablation.stats.significance import compare
from common.errors import UserError

CONDITIONS = ("clean", "babble_0db")


def transcripts(wrong: dict[tuple[str, int], int], utterances: int = 20) -> pd.DataFrame:
    """Transcripts with so many wrong sentences per arm and seed, the same in every condition."""
    rows = [
        (arm, seed, condition, f"u{n}", f"s{n}", "bin blue", "bin red" if n < errors else "bin blue")
        for (arm, seed), errors in wrong.items()
        for condition in CONDITIONS
        for n in range(utterances)
    ]
    names = ["arm", "seed", "condition", "utterance_id", "speaker", "reference", "hypothesis"]
    return pd.DataFrame(rows, columns=names)


WRONG = {("baseline", 1): 2, ("baseline", 2): 3, ("baseline", 3): 2, ("a", 1): 12, ("a", 2): 14, ("a", 3): 12}


def test_a_registered_metric_is_scored_and_compared(sentence_metric: Metric) -> None:
    counts = score_transcripts(transcripts(WRONG))
    assert {*sentence_metric.columns} <= {*counts}
    first = counts[(counts["arm"] == "a") & (counts["seed"] == 1)]
    assert trial_metrics(first, ["ser"])["ser/clean"] == 12 / 20
    table = compare(counts, metric="ser").set_index("arm")
    assert table.loc["a", "verdict"].tolist() == ["worse", "worse"]
    assert table.loc["a", "difference"].tolist() == pytest.approx([31 / 60] * 2)
    resampled = intervals(counts, "baseline", np.random.default_rng(0), metric="ser").set_index("arm")
    assert resampled.loc["a", "wer"].tolist() == pytest.approx([38 / 60] * 2)


def test_a_plan_takes_the_metrics_of_the_registry(sentence_metric: Metric) -> None:
    assert plan_from_mapping({"study": "s", "metrics": ["ser", "wer"]}).metrics == (sentence_metric.name, "wer")
    with pytest.raises(UserError, match=r"unknown metrics 'per'.*Known: wer, cer, ser"):
        plan_from_mapping({"study": "s", "metrics": ["per"]})
