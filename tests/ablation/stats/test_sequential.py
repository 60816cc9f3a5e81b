"""Looks: levels against published values and brute force, decisions against simulated studies, and the table after a stop."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from look_rules import DIFFERENT, carried_out
from scipy import stats
from simulated import Truth, draw

from ablation.stats import sequential_cost
from ablation.stats.metrics import METRICS
from ablation.stats.sequential import SPENDING, LookDesign, design, null_statistics, spent_levels
from ablation.stats.sequential_judge import Decision, judge_looks, scaled
from ablation.stats.significance import compare
from ablation.stats.verdict import Verdict

PLAN = LookDesign((3, 5, 8), 3, 2, 1.0, (0.0187, 0.0145, 0.0225), (0.0187, 0.015, 0.0227))


def counts(wer: np.ndarray) -> pd.DataFrame:
    """Counts of WERs (conditions, arms, seeds), one utterance of ten million words per trial."""
    rows = [
        (
            "baseline" if arm == 0 else f"a{arm}",
            seed + 1,
            f"c{condition}",
            "u",
            round(1e7 * (wer[condition, arm, seed] + 0.3)),
        )
        for condition, arm, seed in np.ndindex(*wer.shape)
    ]
    table = pd.DataFrame(rows, columns=["arm", "seed", "condition", "utterance_id", METRICS["wer"].columns[0]])
    return table.assign(**dict(zip(METRICS["wer"].columns[1:], (0, 0, 10**7), strict=True)))


def drawn(points: tuple[float, ...], number: int, conditions: int = 2, **more: object) -> np.ndarray:
    truth = Truth(points, conditions=conditions, **more)  # type: ignore[arg-type]
    return draw(truth, 8, number, np.random.default_rng(5))


def test_levels_of_normal_statistics_are_those_of_published_tables() -> None:
    # five equal looks, two-sided 5 %: Jennison and Turnbull (2000), table 7.1 and 7.2, Lan and DeMets' spending functions
    rng = np.random.default_rng(1)
    steps = rng.normal(size=(400_000, 5)).cumsum(axis=1) / np.sqrt(np.arange(1, 6))
    shares = [0.2, 0.4, 0.6, 0.8, 1.0]
    p = 2 * stats.norm.sf(abs(steps))
    found = [stats.norm.isf(np.array(spent_levels(p, shares, 0.05, name)) / 2) for name in ("obrien-fleming", "pocock")]
    assert found[0][1:] == pytest.approx([3.357, 2.680, 2.290, 2.031], abs=0.03)  # the first look spends 1e-6
    assert found[1] == pytest.approx([2.438, 2.427, 2.410, 2.397, 2.386], abs=0.02)


@pytest.mark.parametrize("spending", list(SPENDING))
def test_spending_functions_end_at_alpha(spending: str) -> None:
    assert SPENDING[spending](1.0, 0.05) == pytest.approx(0.05)
    assert SPENDING[spending](0.3, 0.05) < SPENDING[spending](0.6, 0.05)


def test_null_statistics_are_those_of_simulated_studies() -> None:
    drawn_t = null_statistics((3, 5), 3, 40_000, np.random.default_rng(2))
    wer = np.random.default_rng(3).normal(size=(40_000, 4, 5))
    for place, number in enumerate((3, 5)):
        part = wer[..., :number]
        rest = part - part.mean(2, keepdims=True)
        rest -= rest.mean(1, keepdims=True)
        error = np.sqrt((rest**2).sum((1, 2)) / (3 * (number - 1)) * 2 / number)
        t = (part[:, 1:] - part[:, :1]).mean(2) / error[:, None]
        wanted, found = (np.quantile(abs(values).max(1), [0.5, 0.9, 0.98]) for values in (t, drawn_t[:, place]))
        assert found == pytest.approx(wanted, rel=0.03)


def test_one_look_is_the_test_without_looks() -> None:
    assert design([5], 3, 4).levels == pytest.approx((0.05,), abs=1e-4)


def test_the_design_is_reproducible_and_its_generator_matters() -> None:
    assert design([3, 5, 8], 3, 2, 1.0) == design([3, 5, 8], 3, 2, 1.0)
    assert design([3, 5, 8], 3, 2, 1.0) != design([3, 5, 8], 3, 2, 1.0, rng=np.random.default_rng(9))


def test_a_design_without_arms_has_levels() -> None:
    assert design([3, 5], 0, 2).levels == (0.05, 0.05)


@pytest.mark.parametrize("conditions", [1, 2])
def test_single_studies_are_decided_as_by_formulas_on_arrays(conditions: int) -> None:
    plan = replace(PLAN, conditions=conditions)
    wer = drawn((0.0, 0.0, 1.0, 2.0), 3 - conditions, conditions, spreads=(1, 1, 4, 1))
    decided, _ = carried_out(wer, plan)
    names = [Decision.CONTINUE, Decision.WORSE, Decision.EQUIVALENT, Decision.FUTILE]
    for study, expected in zip(wer, decided, strict=True):
        found, stopped = dict[str, Decision](), dict[str, int]()
        for number in plan.looks:
            table = counts(study[..., :number])
            run = table[table["seed"] <= table["arm"].map(stopped).fillna(number)]
            judged = judge_looks(run, plan, range(1, 9))
            stopped = {**judged.decided, **judged.futile}
            found |= judged.looks[-1].decisions
        assert [found[f"a{arm}"] for arm in (1, 2, 3)] == [names[number] for number in expected]


def test_a_decided_arm_keeps_the_numbers_of_its_look() -> None:
    table = counts(drawn((0.0, 3.0, 0.3, 0.4), 1)[0])
    whole = judge_looks(table, PLAN, range(1, 9))
    assert whole.looks[0].decisions["a1"] == Decision.WORSE
    assert whole.decided["a1"] == 3
    without = table[~((table["arm"] == "a1") & (table["seed"] > 3))]
    pd.testing.assert_frame_equal(judge_looks(without, PLAN, range(1, 9)).table, whole.table)
    assert set(whole.table.loc[whole.table["arm"] == "a1", "seeds"]) == {3}


def test_intervals_and_p_values_allow_for_the_looks() -> None:
    table = counts(drawn((0.0, 0.2, 0.3, 0.4), 1)[0])
    first = table[table["seed"] <= 3]
    judged, plain = judge_looks(first, PLAN, range(1, 9)).table, compare(first, margin_points=1.0)
    rows = judged["arm"] != "baseline"
    assert (
        (judged["diff_high"] - judged["diff_low"])[rows] > 1.2 * (plain["diff_high"] - plain["diff_low"])[rows]
    ).all()
    expected = np.minimum(1, plain["p_adjusted"][rows] * 0.05 / PLAN.levels[0])
    assert judged["p_adjusted"][rows].to_numpy() == pytest.approx(expected.to_numpy())
    assert (judged["difference"][rows] == plain["difference"][rows]).all()


def test_an_interval_excludes_zero_where_the_test_finds_a_difference() -> None:
    """With one condition, so without Holm's correction, and arms that vary unequally, so that the second test counts in some."""
    plan = LookDesign((3, 6), 3, 1, None, (0.02, 0.04), (0.02, 0.04))
    studies = drawn((0.0, 0.3, 2.0, 3.0), 10, conditions=1, spreads=(1.0, 1.0, 3.0, 0.5))
    found = set()
    for wer in studies:
        for seeds in (3, 6):
            rows = judge_looks(counts(wer[..., :seeds]), plan, range(1, 9)).table
            rows = rows[rows["diff_low"].notna()]
            excludes = (rows["diff_low"] > 0) | (rows["diff_high"] < 0)
            assert (excludes == (rows["p_adjusted"] <= 0.05)).all()
            found |= {(bool(yes), bool(caution)) for yes, caution in zip(excludes, rows["caution"], strict=True)}
    assert found == {(yes, caution) for yes in (False, True) for caution in (False, True)}


def test_an_arm_stopped_as_futile_may_go_on() -> None:
    plan = LookDesign((3, 8), 2, 1, 1.0, (0.02, 0.04), (1e-9, 0.04))
    wer = drawn((0.0, 0.0, 2.0), 1, conditions=1)[0]
    stopped = judge_looks(counts(wer[..., :3]), plan, range(1, 9))
    assert stopped.futile == {"a1": 3}
    later = judge_looks(counts(wer), plan, range(1, 9))
    assert later.futile == {}
    assert set(later.table.loc[later.table["arm"] == "a1", "verdict"]) == {Verdict.EQUIVALENT}


def test_seeds_that_were_not_planned_do_not_count() -> None:
    table = counts(drawn((0.0, 0.2, 0.3, 0.4), 1)[0])
    planned = judge_looks(table[table["seed"] <= 3], PLAN, [1, 2, 3, 11, 12, 13, 14, 15])
    pd.testing.assert_frame_equal(judge_looks(table, PLAN, [1, 2, 3, 11, 12, 13, 14, 15]).table, planned.table)


def test_no_trials_give_no_looks() -> None:
    judged = judge_looks(counts(np.zeros((1, 1, 0))), PLAN, range(1, 9))
    assert (list(judged.looks), len(judged.table)) == ([], 0)


def test_false_findings_over_all_looks_are_5_percent() -> None:
    plan, truth = design((3, 5, 8), 4, 1), Truth((0.0,) * 5)
    wer = draw(truth, 8, 2000, np.random.default_rng(4))
    decided, _ = carried_out(wer, plan)
    wrong = int((decided == DIFFERENT).any(1).sum())
    assert stats.binomtest(wrong, 2000, 0.05).pvalue > 0.01


def test_a_look_that_decides_nothing_has_expected_trials() -> None:
    """The first of many looks over many conditions has a level of 0."""
    plan = LookDesign((2, 60), 2, 300, 1.0, levels=(0.0, 0.05), equivalence_levels=(0.0, 0.05))
    [found] = sequential_cost.expected(plan, 0.005, None, np.random.default_rng(0), points=(20.0,))
    assert (found.trials, found.decided) == (found.most, 1)


def test_p_values_are_read_against_the_level_of_their_look() -> None:
    p = pd.Series([0.0, 0.01, 0.4, np.nan])
    assert scaled(p, 0.025).tolist() == pytest.approx([0.0, 0.02, 0.8, np.nan], nan_ok=True)
    assert scaled(p, 0.02).iloc[2] == 1
    assert scaled(p, 0.0).tolist() == pytest.approx([1.0, 1.0, 1.0, np.nan], nan_ok=True)
