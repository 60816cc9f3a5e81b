"""The two-level bootstrap and what is said of single checkpoints: repeatable, honest about gaps, and calibrated."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ablation.stats.bootstrap import intervals
from ablation.stats.cells import cells
from ablation.stats.mapsswe import matched_pairs, slots
from ablation.stats.scoring import pool, score_transcripts
from ablation.stats.these_checkpoints import these_checkpoints

WORDS = "bin blue at f two now"


def counts(rng: np.random.Generator, arms: int = 2, seeds: int = 3, speakers: int = 12, each: int = 5) -> pd.DataFrame:
    """Transcripts with words left out at random, more by some seeds and of some speakers than of others."""
    rows = []
    for arm in range(arms):
        for seed in range(seeds):
            for speaker in range(speakers):
                for number in range(each):
                    rate = 0.05 + 0.05 * arm + 0.02 * seed + 0.01 * speaker
                    kept = [word for word in WORDS.split() if rng.random() > rate]
                    rows.append((f"arm{arm}", seed, f"u{speaker}-{number}", f"s{speaker}", WORDS, " ".join(kept)))
    columns = ["arm", "seed", "utterance_id", "speaker", "reference", "hypothesis"]
    return score_transcripts(pd.DataFrame(rows, columns=columns).assign(condition="clean"))


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return counts(np.random.default_rng(1))


def test_estimates_are_pooled_rates_and_their_differences(table: pd.DataFrame) -> None:
    found = intervals(table, "arm0", np.random.default_rng(0)).set_index("arm")
    rates = pool(table, ["arm"]).set_index("arm")["wer"]
    assert found["wer"].to_dict() == pytest.approx(rates.to_dict())
    assert found.loc["arm1", "difference"] == pytest.approx(rates["arm1"] - rates["arm0"])
    assert (found["wer_low"] < found["wer"]).all()
    assert (found["wer"] < found["wer_high"]).all()
    assert found["resampled"].tolist() == ["seeds and speakers"] * 2
    assert found["units"].tolist() == [12, 12]


def test_the_seed_matters_and_the_same_seed_repeats(table: pd.DataFrame) -> None:
    for function, end in ((intervals, "wer_high"), (these_checkpoints, "diff_high")):
        first, again, other = (function(table, "arm0", np.random.default_rng(seed)) for seed in (1, 1, 2))
        pd.testing.assert_frame_equal(first, again)
        assert not first[end].equals(other[end])


def test_without_units_that_differ_intervals_of_differences_are_the_paired_t_tests(table: pd.DataFrame) -> None:
    """What all units have alike is drawn anew with the seeds only."""
    errors = table[["arm", "seed"]].drop_duplicates().assign(errors=[3, 5, 4, 6, 7, 9])
    even = table.merge(errors).assign(substitutions=lambda rows: rows["errors"], deletions=0, insertions=0)
    found = intervals(even, "arm0", np.random.default_rng(0)).set_index("arm").loc["arm1"]
    oracle = stats.ttest_rel(np.array([6, 7, 9]) / 6, np.array([3, 5, 4]) / 6).confidence_interval()
    assert [found["diff_low"], found["diff_high"]] == pytest.approx([oracle.low, oracle.high])


@pytest.mark.parametrize("speakers", [1, 12])
def test_without_errors_there_is_no_interval_and_one_speaker_or_utterance_does_not_break_it(speakers: int) -> None:
    few = counts(np.random.default_rng(3), speakers=speakers, each=1).assign(deletions=0)
    found = intervals(few, "arm0", np.random.default_rng(0))
    assert found["wer"].tolist() == [0, 0]
    assert found[["wer_low", "wer_high", "diff_low", "diff_high"]].isna().all(axis=None)
    checkpoints = these_checkpoints(few, "arm0", np.random.default_rng(0))
    assert (checkpoints[["difference", "diff_low", "diff_high"]] == 0).all(axis=None)


def test_two_seeds_give_no_interval_that_could_contradict_the_verdict(table: pd.DataFrame) -> None:
    two = intervals(table[table["seed"] < 2], "arm0", np.random.default_rng(0))
    assert two[["wer", "seeds"]].notna().all(axis=None)
    assert two[["wer_low", "wer_high", "diff_low", "diff_high"]].isna().all(axis=None)


def test_too_few_speakers_are_not_resampled(table: pd.DataFrame) -> None:
    few = table[table["speaker"].isin(["s0", "s1"])]
    found = intervals(few, "arm0", np.random.default_rng(0))
    assert found["resampled"].tolist() == ["seeds and utterances"] * 2
    assert found["units"].tolist() == [10, 10]


def test_one_seed_has_estimates_and_no_interval(table: pd.DataFrame) -> None:
    found = intervals(table[table["seed"] == 0], "arm0", np.random.default_rng(0))
    assert found[["wer_low", "wer_high", "diff_low", "diff_high"]].isna().all(axis=None)
    assert found["difference"].notna().tolist() == [False, True]


def test_missing_trials_stay_missing(table: pd.DataFrame) -> None:
    gap = table[(table["arm"] != "arm1") | (table["seed"] != 2)]
    found = intervals(gap, "arm0", np.random.default_rng(0)).set_index("arm")
    assert found["seeds"].tolist() == [3, 2]
    both = gap[gap["seed"] != 2]
    wers = pool(both, ["arm"]).set_index("arm")["wer"]
    assert found.loc["arm1", "difference"] == pytest.approx(wers["arm1"] - wers["arm0"])
    lost = intervals(table[table["arm"] == "arm1"], "arm0", np.random.default_rng(0))
    assert lost["difference"].isna().all()
    assert these_checkpoints(table[table["arm"] == "arm1"], "arm0", np.random.default_rng(0)).empty


def test_trials_on_other_references_are_refused(table: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="same utterances"):
        cells(table.drop(index=3))


def test_single_checkpoints_are_compared_seed_by_seed(table: pd.DataFrame) -> None:
    found = these_checkpoints(table, "arm0", np.random.default_rng(0)).set_index("seed")
    assert sorted(found.index) == [0, 1, 2]
    rows = table[table["seed"] == 1].sort_values("utterance_id")
    alignments = {arm: slots(group["alignment"].tolist()) for arm, group in rows.groupby("arm")}
    test = matched_pairs(alignments["arm1"], alignments["arm0"])
    assert (found.loc[1, "segments"], found.loc[1, "z"]) == (test.segments, test.z)
    assert (found["diff_low"] < found["difference"]).all()
    older = these_checkpoints(table.drop(columns="alignment"), "arm0", np.random.default_rng(0))
    assert older["z"].isna().all()
    assert not math.isnan(older["difference"].iloc[0])
