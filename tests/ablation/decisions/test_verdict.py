"""Verdicts in words: the direction, the subject, and what is said when something is missing."""

import math

import pandas as pd
import pytest

from ablation.decisions.verdict import Verdict, judge
from ablation.results import ArmRecord, Study, TrialRecord
from ablation.stats.significance import COLUMNS
from common.conditions import label


def verdict(
    rows: list[tuple[str, float, float, str]],
    failed: dict[int, str] | None = None,
    finished: int = 2,
    baseline_failed: dict[int, str] | None = None,
    action: str = "replace",
    caution: str = "",
) -> Verdict:
    """The verdict on one arm from (condition, difference, detectable, verdict) rows and reasons of failure by seed."""
    table = pd.DataFrame(rows, columns=["condition", "difference", "detectable", "verdict"]).assign(arm="a")
    trials = [TrialRecord(arm="a", seed=seed, status="finished") for seed in range(10, 10 + finished)]
    trials += [TrialRecord(arm="a", seed=seed, status="failed", reason=why) for seed, why in (failed or {}).items()]
    lost = (baseline_failed or {}).items()
    trials += [TrialRecord(arm="baseline", seed=seed, status="failed", reason=why) for seed, why in lost]
    trials.append(TrialRecord(arm="baseline", seed=99, status="finished"))
    arms = [ArmRecord(arm="baseline"), ArmRecord(arm="a", part="masking", action=action)]
    study = Study(study="s", preset="p", corpus={}, seeds=[1], conditions=["clean"], arms=arms, trials=trials)
    return judge(study, table.reindex(columns=COLUMNS).assign(caution=caution))[0]


NO, EARNS, HARMFUL = "no difference shown (would have seen >= 1.0 points)", "earns its place", "harmful"
SAME = "equivalent (within 2 points)"


@pytest.mark.parametrize(
    ("difference", "word", "text"),
    [
        (-0.03, HARMFUL, "masking earns its place (with it better by 3.0 points at clean)"),
        (0.03, EARNS, "masking is harmful (with it worse by 3.0 points at clean)"),
    ],
)
def test_a_part_that_an_arm_adds_earns_its_place_where_the_arm_is_better(
    difference: float, word: str, text: str
) -> None:
    assert verdict([("clean", difference, 0.01, word)], action="add").text == text


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (
            [("clean", 0.021, 0.01, EARNS), ("babble_-5db", 0.08, 0.01, EARNS), ("babble_0db", 0.0, 0.01, NO)],
            "masking earns its place (without it worse by 2.1 points at clean, 8.0 points at babble −5 dB)",
        ),
        ([("clean", -0.03, 0.01, HARMFUL)], "masking is harmful (without it better by 3.0 points at clean)"),
        (
            [("clean", -0.03, 0.01, HARMFUL), ("white_0db", 0.05, 0.01, EARNS)],
            "mixed (without it worse by 5.0 points at white 0 dB; without it better by 3.0 points at clean)",
        ),
        ([("clean", 0.0, 0.01, NO)], "no difference shown (would have seen >= 1.0 points)"),
        (
            [("clean", 0.0, 0.01, NO), ("babble_0db", 0.0, 0.034, NO)],
            "no difference shown (would have seen >= 1.0 points at best, >= 3.4 at worst)",
        ),
        ([("clean", 0.0, 0.01, SAME), ("babble_0db", 0.0, 0.03, SAME)], "equivalent (within 2 points)"),
        (
            [("clean", 0.0, 0.01, SAME), ("babble_0db", 0.0, 0.034, NO)],
            "no difference shown (equivalent within 2 points at clean; would have seen >= 3.4 points)",
        ),
        (
            [("clean", 0.0, 0.01, SAME), ("babble_0db", 0.03, 0.01, EARNS)],
            "masking earns its place (without it worse by 3.0 points at babble 0 dB)",
        ),
        ([("clean", 0.0, math.nan, "no difference shown")], "no difference shown (the seeds show no spread)"),
        ([("clean", 0.1, math.nan, "not judged (one seed)")], "not judged (one seed)"),
    ],
)
def test_the_words(rows: list[tuple[str, float, float, str]], text: str) -> None:
    assert verdict(rows).text == text


def test_failed_trials_are_named_and_seeds_that_failed_alike_stand_together() -> None:
    lost = verdict([], {1: "loss is NaN", 2: "out of memory", 3: "loss is NaN"}, finished=0)
    assert lost.text == "not judged (trials failed: seeds 1, 3: loss is NaN, seed 2: out of memory)"
    apart = verdict([("clean", 0.0, 0.01, NO)], baseline_failed={7: "out of memory"})
    assert apart.text.endswith("points); 1 of 2 trials of the baseline failed: seed 7: out of memory")
    partial = verdict([("clean", 0.021, 0.01, EARNS)], {3: "loss is NaN"})
    assert partial.text.endswith("at clean); 1 of 3 trials failed: seed 3: loss is NaN")
    assert verdict([], finished=0).text == "not judged (no trial finished)"


def test_a_caution_is_said_once_with_its_conditions() -> None:
    rows = [("clean", 0.02, 0.01, EARNS), ("white_0db", 0.0, 0.01, NO)]
    said = verdict(rows, {3: "loss is NaN"}, caution="it wavers").text
    assert said.endswith("1 of 3 trials failed: seed 3: loss is NaN; at clean, white 0 dB it wavers")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("clean", "clean"),
        ("babble_-5db", "babble −5 dB"),
        ("white_0db", "white 0 dB"),
        ("my-street_2.5db", "my-street 2.5 dB"),
    ],
)
def test_conditions_as_people_write_them(name: str, words: str) -> None:
    assert label(name) == words
