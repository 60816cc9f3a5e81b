"""The gate: worse by the test, worse by the margin, and what cannot be compared."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ablation.decisions.comparable import Scored
from ablation.decisions.gate import judge, too_many_failed
from ablation.stats.measures import measure

UTTERANCES, WORDS = 50, 20


def counts(wers: list[float], utterances: int = UTTERANCES) -> pd.DataFrame:
    """Errors spread evenly over the utterances, one seed per WER, the same clean and in noise."""
    rows = []
    for seed, wer in enumerate(wers, 1):
        errors = np.diff(np.round(np.linspace(0, wer * UTTERANCES * WORDS, UTTERANCES + 1))).astype(int)
        rows += [
            ("baseline", seed, condition, f"u{place}", "s", int(errors[place]), 0, 0, WORDS)
            for condition in ("clean", "babble_0db")
            for place in range(utterances)
        ]
    names = ["arm", "seed", "condition", "utterance_id", "speaker", "substitutions", "deletions", "insertions"]
    return pd.DataFrame(rows, columns=[*names, "reference_words"])


def scored(wers: list[float], corpus: str = "x", noise: dict[str, str] | None = None, utterances: int = 50) -> Scored:
    return Scored(counts(wers, utterances=utterances), corpus, noise)


CHAMPION = scored([0.10, 0.11, 0.09, 0.10])


def test_without_a_champion_there_is_nothing_to_compare_with() -> None:
    found = judge(scored([0.5]), None, margin_points=1)
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
    found = judge(scored(wers), CHAMPION, margin_points=margin)
    assert found.passed == (says == "")
    assert says in " ".join(found.failures)
    assert found.passed or len(found.failures) == 2  # clean and in noise


@pytest.mark.parametrize(
    ("baseline", "says"),
    [
        (scored([0.1, 0.1], corpus="y"), "another corpus, x, and this study on y"),
        (scored([0.1, 0.1], utterances=40), "different utterances in clean"),
        (scored([0.1, 0.1], noise={"babble": "b2"}), "other noise of the name babble, b1, and this study in b2"),
        (
            scored([0.1, 0.1], noise={}),
            "in other noise of the name babble, b1, and this study in mixed from the corpus",
        ),
    ],
)
def test_what_was_scored_on_something_else_is_refused_with_the_reason(baseline: Scored, says: str) -> None:
    found = judge(baseline, replace(CHAMPION, noise={"babble": "b1"}), margin_points=1)
    assert (found.passed, found.failures) == (False, ())
    assert says in str(found.refused)


def test_noise_that_no_condition_uses_or_an_old_study_does_not_tell_is_no_obstacle() -> None:
    for noise in ({"street": "s2"}, None):
        assert judge(scored([0.1, 0.1], noise=noise), replace(CHAMPION, noise={"street": "s1"}), margin_points=1).passed


def test_too_many_failed_trials() -> None:
    assert too_many_failed(1, 4, 1) is None
    assert too_many_failed(2, 4, 1) == "2 of 4 trials failed; the plan allows 1"


def measured(values: list[float], metric: str = "PSNR", *, higher_is_better: bool = True) -> Scored:
    rows = [("baseline", seed, "test", "all", "", value, 1) for seed, value in enumerate(values, 1)]
    names = ["arm", "seed", "condition", "utterance_id", "speaker", "value", "items"]
    unit = measure(metric, higher_is_better=higher_is_better, unit="dB")
    return Scored(pd.DataFrame(rows, columns=names), "x", {}, metric=unit)


@pytest.mark.parametrize(
    ("values", "higher", "margin", "says"),
    [
        ([30.0, 30.1, 29.9], True, None, ""),
        ([28.0, 28.1, 27.9], True, None, "test: PSNR 28, -2 dB to the champion, significantly worse"),
        ([32.0, 32.1, 31.9], True, None, ""),
        ([32.0, 32.1, 31.9], False, None, "+2 dB to the champion, significantly worse"),
        ([28.0], True, 1.0, "more than the margin of 1"),
        ([28.0], True, None, ""),
        ([32.0], True, 1.0, ""),
    ],
)
def test_a_metric_from_elsewhere_fails_in_its_own_direction(
    values: list[float], higher: bool, margin: float | None, says: str
) -> None:
    champion = measured([30.0, 30.2, 29.8], higher_is_better=higher)
    found = judge(measured(values, higher_is_better=higher), champion, margin_points=margin)
    assert found.passed == (not says)
    assert says in "; ".join(found.failures)


def test_studies_of_other_metrics_are_not_compared() -> None:
    for champion, said in ((CHAMPION, "judged by WER"), (measured([30.0], "SSIM"), "judged by SSIM")):
        found = judge(measured([30.0, 30.1]), champion)
        assert found.refused is not None
        assert f"{said} and this study by PSNR" in found.refused
