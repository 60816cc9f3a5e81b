"""Looks at contrasts: levels against brute force, decisions and tables of single studies, and the arms that stop."""

from dataclasses import replace

import contrast_look_rules as rules
import contrast_looks as bench
import numpy as np
import pandas as pd
import pytest
from look_rules import DIFFERENT
from scipy import stats
from simulated import SHARED, Truth, draw

from ablation.plan.contrasts import LADDER, Contrast, ladder_contrasts
from ablation.stats.contrasts import compare_contrasts
from ablation.stats.metrics import METRICS
from ablation.stats.sequential import design
from ablation.stats.sequential_cells import stopped_arms
from ablation.stats.sequential_contrast_cost import expected_contrasts
from ablation.stats.sequential_contrast_judge import judge_contrast_looks, key_of
from ablation.stats.sequential_contrasts import ContrastDesign, contrast_design, simulated_contrasts, weights_of
from ablation.stats.sequential_judge import Decision, Judged, Look, judge_looks

RUNGS = ["r0", "r1", "r2", "baseline"]
STEPS = ladder_contrasts(RUNGS)
PLAN = ContrastDesign((3, 5, 8), 1, 1.0, {LADDER: (0.02, 0.015, 0.02)}, {LADDER: (0.02, 0.015, 0.02)})


def counts(wer: np.ndarray, sd: float = 0.003, seeds: int = 8, spread: dict[str, float] | None = None) -> pd.DataFrame:
    """Counts of a ladder with these true WERs by rung, a condition, and one utterance of ten million words per trial."""
    rng, columns = np.random.default_rng(5), METRICS["wer"].columns
    shared = rng.normal(0, 0.003, seeds)
    rows = [
        (
            arm,
            seed + 1,
            "clean",
            "u",
            round(1e7 * (mean + shared[seed] + rng.normal(0, sd * (spread or {}).get(arm, 1)))),
        )
        for arm, mean in zip(RUNGS, wer, strict=True)
        for seed in range(seeds)
    ]
    table = pd.DataFrame(rows, columns=["arm", "seed", "condition", "utterance_id", columns[0]])
    return table.assign(**dict(zip(columns[1:], (0, 0, 10**7), strict=True)))


def test_null_statistics_are_those_of_simulated_studies() -> None:
    weights = np.array(weights_of(STEPS, RUNGS))
    estimates, errors = simulated_contrasts((3, 5), weights, 40_000, np.random.default_rng(2))
    wer = np.random.default_rng(3).normal(size=(40_000, 4, 5))
    for place, number in enumerate((3, 5)):
        part = wer[..., :number]
        rest = part - part.mean(2, keepdims=True)
        rest -= rest.mean(1, keepdims=True)
        sd = np.sqrt((rest**2).sum((1, 2)) / (3 * (number - 1)))
        t = part.mean(2) @ weights.T / np.sqrt(2 / number) / sd[:, None]
        drawn = estimates[:, place] / errors[:, place]
        wanted, found = (np.quantile(abs(values).max(1), [0.5, 0.9, 0.98]) for values in (t, drawn))
        assert found == pytest.approx(wanted, rel=0.03)


def test_one_look_is_the_test_without_looks() -> None:
    assert contrast_design([5], RUNGS, STEPS, 4).levels[LADDER] == pytest.approx((0.05,), abs=1e-4)


def test_against_the_baseline_the_levels_are_those_of_arms() -> None:
    against = [Contrast(LADDER, arm, STEPS[0].kind, {arm: 1.0, "baseline": -1.0}) for arm in RUNGS[:3]]
    found, arms = contrast_design([3, 6], RUNGS, against, 2, 1.0), design([3, 6], 3, 2, 1.0)
    assert found.levels[LADDER] == pytest.approx(arms.levels, rel=0.03)
    assert found.equivalence_levels[LADDER] == pytest.approx(arms.equivalence_levels, rel=0.03)


def test_the_design_is_reproducible() -> None:
    assert contrast_design([3, 6], RUNGS, STEPS, 5, 2.0) == contrast_design([3, 6], RUNGS, STEPS, 5, 2.0)


def test_a_decided_rung_keeps_the_numbers_of_its_look() -> None:
    table, plan = counts(np.array([0.5, 0.4, 0.301, 0.3])), replace(PLAN, margin_points=None)
    whole = judge_contrast_looks(table, plan, STEPS, range(1, 9))
    assert whole.looks[0].decisions == {
        "ladder/r1": Decision.BETTER, "ladder/r2": Decision.BETTER, "ladder/baseline": Decision.CONTINUE
    }  # fmt: skip
    assert whole.decided.items() >= {"ladder/r1": 3, "ladder/r2": 3}.items()
    first = judge_contrast_looks(table[table["seed"] <= 3], plan, STEPS, range(1, 9))
    pd.testing.assert_frame_equal(whole.table[:2], first.table[:2])
    assert {*whole.looks[1].decisions} == {"ladder/baseline"}


def test_intervals_and_p_values_allow_for_the_looks() -> None:
    table = counts(np.array([0.304, 0.302, 0.301, 0.3]), seeds=3)
    judged, plain = judge_contrast_looks(table, PLAN, STEPS, range(1, 9)).table, compare_contrasts(table, STEPS)
    widths, usual = ((each["diff_high"] - each["diff_low"]).to_numpy(float) for each in (judged, plain))
    assert (widths > 1.2 * usual).all()
    assert judged["p_adjusted"].to_numpy(float) == pytest.approx(np.minimum(1, plain["p_adjusted"] * 0.05 / 0.02))
    at_5 = ContrastDesign((3, 5), 1, None, {LADDER: (0.05, 0.05)}, {LADDER: (0.05, 0.05)})
    same = judge_contrast_looks(table, at_5, STEPS, range(1, 6)).table
    columns = ["difference", "diff_low", "diff_high", "p", "p_adjusted", "detectable"]
    pd.testing.assert_frame_equal(same[columns].astype(float), plain[columns].astype(float))


def test_intervals_of_rungs_that_vary_more_are_those_without_looks() -> None:
    table = counts(np.array([0.31, 0.3, 0.3, 0.3]), spread={"r0": 9.0})
    plan = ContrastDesign((8, 9), 1, None, {LADDER: (0.05, 0.05)}, {LADDER: (0.05, 0.05)})
    judged, plain = judge_contrast_looks(table, plan, STEPS, range(1, 10)).table, compare_contrasts(table, STEPS)
    assert plain["caution"].tolist() == ["arm_varies", "", ""]
    columns = ["diff_low", "diff_high", "p_adjusted", "detectable"]
    pd.testing.assert_frame_equal(judged[columns].astype(float), plain[columns].astype(float))


def test_a_level_of_zero_decides_nothing_and_has_no_interval() -> None:
    plan = ContrastDesign((3, 8), 1, None, {LADDER: (0.0, 0.05)}, {LADDER: (0.0, 0.05)})
    judged = judge_contrast_looks(counts(np.array([0.5, 0.4, 0.3, 0.3]), seeds=3), plan, STEPS, range(1, 9))
    assert {*judged.looks[0].decisions.values()} == {Decision.CONTINUE}
    assert judged.table["diff_low"].isna().all()


def test_a_futile_rung_is_judged_on_only_if_all_of_its_arms_go_on() -> None:
    plan = ContrastDesign((3, 8), 1, 1.0, {LADDER: (0.02, 0.04)}, {LADDER: (1e-12, 0.04)})
    table = counts(np.array([0.302, 0.302, 0.301, 0.3]), sd=0.001)
    assert "ladder/r1" in judge_contrast_looks(table[table["seed"] <= 3], plan, STEPS, range(1, 9)).futile
    assert "ladder/r1" in judge_contrast_looks(table, plan, STEPS, range(1, 9)).decided
    partly = judge_contrast_looks(table[(table["seed"] <= 3) | (table["arm"] != "r0")], plan, STEPS, range(1, 9))
    assert partly.futile["ladder/r1"] == 3


def test_trials_that_are_missing_leave_a_rung_open() -> None:
    table = counts(np.array([0.5, 0.4, 0.301, 0.3]), seeds=3)
    judged = judge_contrast_looks(table[table["arm"] != "r0"], PLAN, STEPS, range(1, 9))
    assert judged.looks[0].decisions["ladder/r1"] == Decision.CONTINUE
    assert judge_contrast_looks(table[:0], PLAN, STEPS, range(1, 9)).table.empty


def looked(decided: dict[str, int], futile: dict[str, int]) -> Judged:
    return Judged([Look(3, {})], decided, futile, pd.DataFrame())


@pytest.mark.parametrize(
    ("decided", "futile", "of_arms", "stopped"),
    [
        ({"ladder/r1": 3}, {}, {}, {"r0": 3}),
        ({"ladder/r1": 3, "ladder/r2": 5}, {}, {}, {"r0": 3, "r1": 5}),
        ({"ladder/baseline": 3}, {}, {"x": 3}, {"x": 3, "baseline": 3}),
        ({"ladder/baseline": 3}, {}, {}, {}),  # the arm x needs the baseline
        ({}, {"ladder/r1": 3}, {}, {"r0": 3}),
    ],
)
def test_an_arm_stops_when_nothing_about_it_is_open(
    decided: dict[str, int], futile: dict[str, int], of_arms: dict[str, int], stopped: dict[str, int]
) -> None:
    found = stopped_arms(looked(of_arms, {}), looked(decided, futile), STEPS, ["x"])
    assert found == stopped
    bound = stopped_arms(looked(of_arms, {}), looked(decided, futile), STEPS, ["x"], futility=False)
    assert bound == ({} if futile else stopped)


def test_arms_of_contrasts_are_judged_at_every_look_against_the_baseline() -> None:
    table, plan = counts(np.array([0.5, 0.4, 0.301, 0.3])), design((3, 5, 8), 3, 1)
    judged = judge_looks(table, plan, range(1, 9), cells=RUNGS)
    assert judged.decided == {}
    assert set(judged.table["seeds"]) == {8}


def test_expected_trials_fall_with_the_effect() -> None:
    none, two, large = expected_contrasts(
        design((3, 6), 3, 1, 2.0), RUNGS, STEPS, 0.006, 3600.0, np.random.default_rng(0), points=(0.0, 2.0, 20.0)
    )
    assert (large.trials, large.most, large.decided, large.device_hours) == (12, 24, 1, 12)
    assert 12 < none.trials < 24
    assert 12 < two.trials < 24


@pytest.mark.parametrize("family", ["ladder of 4", "factorial 2x2"])
def test_expected_trials_are_those_of_simulated_studies(family: str) -> None:
    (arms, contrasts), sd = bench.FAMILIES[family], bench.spread(family, 6, 1)
    plan, rng = design((3, 6), 3, 1, 1.0), np.random.default_rng(0)
    [found] = expected_contrasts(plan, arms, contrasts, sd * SHARED**0.5, None, rng, points=(2.0,))
    truth = Truth(bench.points(family, [2.0] * len(contrasts)), sd=sd)
    equal = replace(bench.planned(family, (3, 6), 1, 1.0), careful=False)  # the estimate assumes it
    _, trials = rules.carried_out(draw(truth, 6, 500, rng), equal)
    assert found.trials == pytest.approx(trials.mean(), rel=0.05)


def test_other_arms_count_in_the_expected_trials() -> None:
    arms = ["baseline", "r0", "r1", "r2", "x"]
    [large] = expected_contrasts(
        design((3, 6), 4, 1, 2.0), arms, STEPS, 0.006, None, np.random.default_rng(0), points=(20.0,)
    )
    assert (large.trials, large.most, large.device_hours) == (15, 30, None)


@pytest.mark.parametrize("family", ["ladder of 4", "factorial 2x2"])
def test_single_studies_are_decided_as_by_formulas_on_arrays(family: str) -> None:
    arms, contrasts = bench.FAMILIES[family]
    plan = contrast_design((3, 5, 8), arms, contrasts, 2, 1.0)
    truth = Truth(bench.points(family, [0.0, 1.0, 2.0]), spreads=(1, 1, 4, 1), conditions=2)
    wer = draw(truth, 8, 2, np.random.default_rng(3))
    decided, numbers = rules.carried_out(wer, rules.of_plan(plan, arms, contrasts))
    names = [Decision.CONTINUE, Decision.WORSE, Decision.EQUIVALENT, Decision.FUTILE]
    for study, expected, trials in zip(wer, decided, numbers, strict=True):
        stopped, run, found = dict[str, int](), pd.DataFrame(), dict[str, Decision]()
        for number in plan.looks:
            if {*stopped} == {*arms}:
                break
            table = drawn_counts(study[..., :number], arms)
            run = table[table["seed"] <= table["arm"].map(stopped).fillna(number)]
            judged = judge_contrast_looks(run, plan, contrasts, range(1, 9))
            stopped = stopped_arms(looked({}, {}), judged, contrasts, [])
            found |= judged.looks[-1].decisions
        assert [found[key_of(each)] for each in contrasts] == [names[number] for number in expected]
        assert run.groupby("arm")["seed"].nunique().sum() == trials


def drawn_counts(wer: np.ndarray, arms: list[str]) -> pd.DataFrame:
    """Counts of WERs (conditions, arms, seeds)."""
    columns = METRICS["wer"].columns
    rows = [
        (arms[arm], seed + 1, f"c{condition}", "u", round(1e7 * (wer[condition, arm, seed] + 0.3)))
        for condition, arm, seed in np.ndindex(*wer.shape)
    ]
    table = pd.DataFrame(rows, columns=["arm", "seed", "condition", "utterance_id", columns[0]])
    return table.assign(**dict(zip(columns[1:], (0, 0, 10**7), strict=True)))


@pytest.mark.parametrize("family", ["ladder of 4", "factorial 2x2"])
def test_false_findings_over_all_looks_are_5_percent(family: str) -> None:
    sd = bench.spread(family, 6, 1)
    wer = draw(Truth((0.0,) * 4, sd=sd), 6, 1000, np.random.default_rng(4))
    decided, _ = rules.carried_out(wer, bench.planned(family, (3, 6), 1, None))
    wrong = int((decided == DIFFERENT).any(1).sum())
    assert stats.binomtest(wrong, 1000, 0.05).pvalue > 0.01
