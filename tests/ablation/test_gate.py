"""The gate: worse by the test, worse by the margin, and what cannot be compared."""

import numpy as np
import pandas as pd
import pytest

from ablation.gate import judge, too_many_failed

UTTERANCES, WORDS = 50, 20


def counts(wers: list[float], arm: str = "baseline", utterances: int = UTTERANCES) -> pd.DataFrame:
    """Errors spread evenly over the utterances, one seed per WER, the same clean and in noise."""
    rows = []
    for seed, wer in enumerate(wers, 1):
        errors = np.diff(np.round(np.linspace(0, wer * UTTERANCES * WORDS, UTTERANCES + 1))).astype(int)
        rows += [
            (arm, seed, condition, f"u{place}", "s", int(errors[place]), 0, 0, WORDS)
            for condition in ("clean", "babble_0db")
            for place in range(utterances)
        ]
    names = ["arm", "seed", "condition", "utterance_id", "speaker", "substitutions", "deletions", "insertions"]
    return pd.DataFrame(rows, columns=[*names, "reference_words"])


CHAMPION = counts([0.10, 0.11, 0.09, 0.10], "a")
SAME = ("x", "x")


def test_without_a_champion_there_is_nothing_to_compare_with() -> None:
    found = judge(counts([0.5]), None, corpora=("x", None), margin_points=1)
    assert found.passed
    assert "no champion" in found.notes[0]


@pytest.mark.parametrize(
    ("wers", "margin", "says"),
    [
        ([0.10, 0.11, 0.09, 0.10], 1.0, ""),  # a tie
        ([0.05, 0.06, 0.04, 0.05], 1.0, ""),
        ([0.20, 0.21, 0.19, 0.20], 50.0, "significantly worse (p = "),
        ([0.12, 0.06, 0.17, 0.11], 1.0, "more than the margin of 1"),
        ([0.12, 0.06, 0.17, 0.11], 2.0, ""),
        ([0.20], 50.0, ""),  # one seed: the test has no say
        ([0.20], 1.0, "clean: 20.00 % WER, +10.00 points to the champion, more than the margin of 1"),
    ],
)
def test_it_fails_by_the_test_or_by_the_margin_and_says_which(wers: list[float], margin: float, says: str) -> None:
    found = judge(counts(wers), CHAMPION, corpora=SAME, margin_points=margin)
    assert found.passed == (says == "")
    assert says in " ".join(found.failures)
    assert found.passed or len(found.failures) == 2  # clean and in noise


def test_another_corpus_or_other_utterances_are_refused_with_the_reason() -> None:
    other = judge(counts([0.1, 0.1]), CHAMPION, corpora=("x", "y"), margin_points=1)
    assert "scored on corpus y and this baseline on x" in other.failures[0]
    fewer = judge(counts([0.1, 0.1], utterances=40), CHAMPION, corpora=SAME, margin_points=1)
    assert "different utterances in clean" in fewer.failures[0]


def test_too_many_failed_trials() -> None:
    assert too_many_failed(1, 4, 1) is None
    assert too_many_failed(2, 4, 1) == "2 of 4 trials failed; the plan allows 1"
