"""Counts against jiwer's own totals, and the arithmetic of pooling against sums by hand."""

from collections.abc import Callable
from typing import Any

import jiwer
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablation.stats.alignment import align_words
from ablation.stats.scoring import Counts, pool, score, score_transcripts, trial_metrics
from common.normalise import normalise

SENTENCES = st.lists(st.sampled_from(["bin", "blue", "at", "f", "two", "now"]), max_size=6).map(" ".join)


@pytest.mark.parametrize(("oracle", "metric"), [(jiwer.process_words, "wer"), (jiwer.process_characters, "cer")])
@given(pairs=st.lists(st.tuples(SENTENCES, SENTENCES), min_size=1, max_size=5))
def test_counts_of_utterances_add_up_to_jiwers_totals(
    oracle: Callable[..., Any], metric: str, pairs: list[tuple[str, str]]
) -> None:
    references, hypotheses = [list(side) for side in zip(*pairs, strict=True)]
    whole = oracle(references, hypotheses)
    total = sum(score(references, hypotheses, metric), Counts())
    assert total == Counts(
        whole.substitutions, whole.deletions, whole.insertions, whole.hits + whole.substitutions + whole.deletions
    )


def test_one_error_of_each_sort_is_told_apart() -> None:
    assert score(["bin blue at f"], ["bin red at"]) == [Counts(1, 1, 0, 4)]
    assert score(["bin"], ["bin bin bin"]) == [Counts(0, 0, 2, 1)]


def test_alignments_are_letters_in_the_order_of_speech() -> None:
    assert align_words(["bin blue at f", "", "set"], ["bin red at", "bin now", "set"]) == ["CSCD", "II", "C"]


def test_pooling_adds_counts_and_does_not_average_rates() -> None:
    # one wrong of one word, none wrong of nine: 1/10, whereas the mean of the two rates is 1/2
    assert (Counts(1, 0, 0, 1) + Counts(0, 0, 0, 9)).rate == 0.1


def test_insertions_may_push_the_rate_over_one() -> None:
    assert score(["bin"], ["set red by z"])[0].rate == 4.0


def test_a_rate_of_no_words_is_an_error_and_not_zero() -> None:
    with pytest.raises(ValueError, match="reference that is not empty"):
        _ = score([""], ["bin"])[0].rate
    assert score([""], ["bin"]) == [Counts(0, 0, 1, 0)]


def test_lists_of_different_lengths_are_refused() -> None:
    assert score([], []) == []
    with pytest.raises(ValueError, match="2 and 1"):
        score(["a", "b"], ["a"])


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("Place  blue AT f, 2 now!", "place blue at f 2 now"),
        ("don\u2019t 'quote' it", "don't quote it"),
        ("\ufb01ne_print", "fine print"),
        (" ... ", ""),
        ("\u00dcber", "\u00fcber"),
    ],
)
def test_normalise(written: str, compared: str) -> None:
    assert normalise(written) == compared
    assert normalise(compared) == compared


def transcripts() -> pd.DataFrame:
    rows = [
        ("clean", "u1", "s1", "bin blue at f", "bin blue at f"),
        ("clean", "u2", "s1", "set red", "set"),
        ("babble_0db", "u1", "s1", "bin blue at f", "bin"),
        ("babble_0db", "u2", "s1", "set red", "set red now"),
    ]
    return pd.DataFrame(
        rows, columns=["condition", "utterance_id", "speaker", "reference", "hypothesis"], index=[3, 1, 7, 5]
    )


def test_trial_metrics_pool_within_and_over_conditions() -> None:
    metrics = trial_metrics(score_transcripts(transcripts()))
    assert metrics == {"wer/clean": 1 / 6, "wer/babble_0db": 4 / 6, "wer/noisy": 4 / 6, "wer/overall": 5 / 12}


def test_words_in_silence_count_as_insertions_when_pooled() -> None:
    silent = pd.DataFrame({"reference": ["", "", "set red"], "hypothesis": ["bin now", "", "set red"]})
    counts = score_transcripts(silent.assign(condition="clean"))
    assert trial_metrics(counts)["wer/clean"] == 2 / 2
    assert trial_metrics(counts, ["cer"])["cer/clean"] == len("bin now") / len("set red")


def test_character_rates_come_beside_word_rates_when_asked_for() -> None:
    metrics = trial_metrics(score_transcripts(transcripts()), ["wer", "cer"])
    assert metrics["cer/clean"] == len(" red") / (len("bin blue at f") + len("set red"))
    assert metrics["wer/clean"] == 1 / 6


def test_a_clean_only_trial_has_no_noisy_metric() -> None:
    clean = transcripts().query("condition == 'clean'")
    assert set(trial_metrics(score_transcripts(clean))) == {"wer/clean", "wer/overall"}


def test_pool_keeps_the_order_and_names_an_empty_group() -> None:
    counts = score_transcripts(transcripts())
    assert pool(counts, ["condition"])["condition"].tolist() == ["clean", "babble_0db"]
    counts.loc[counts["utterance_id"] == "u2", "reference_words"] = 0
    with pytest.raises(ValueError, match="'utterance_id': 'u2'"):
        pool(counts, ["utterance_id"])
