"""Arms whose seeds fall into two groups: found where they are, and rarely where seeds are normal."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import seed_groups as bench

from ablation.decisions.seed_groups import CRITICAL, LEVELS, SeedGroups, critical, ratios, seed_groups
from ablation.records import ArmRecord, Study
from ablation.results import read_counts, read_study
from ablation.stats.measures import measure
from ablation.stats.metrics import METRICS, WER, Metric
from tracking.fingerprint import SCORING, code_of

RESULTS = Path(__file__).resolve().parents[3] / "results"
UTTERANCES, WORDS = 400, 10
Arms = Mapping[str, Sequence[float | None]]
GOOD = [0.08, 0.085, 0.09, 0.082]


def study_of(arms: Arms) -> Study:
    seeds = [*range(1, 1 + max(map(len, arms.values())))]
    records = [ArmRecord(arm=arm, part=None, action=None) for arm in arms]
    return Study(
        study="s", preset="p", corpus={}, seeds=seeds, conditions=["clean", "babble_0db"], arms=records, trials=[]
    )


def counts_of(arms: Arms, metric: Metric = WER, utterances: int = UTTERANCES) -> pd.DataFrame:
    """Return counts with these rates, seed by seed, clean; in noise all are alike. None is a missing trial."""
    total, tables = utterances * WORDS, []
    for arm, rates in arms.items():
        for seed, rate in enumerate(rates, 1):
            for condition in ("clean", "babble_0db") if rate is not None else ():
                wrong = round((rate if condition == "clean" else 0.5) * total)
                errors = np.clip(wrong - WORDS * np.arange(utterances), 0, WORDS)
                table = pd.DataFrame(dict.fromkeys(metric.columns, 0), index=range(utterances))
                table[metric.errors[0]], table[metric.length] = errors, WORDS
                tables.append(table.assign(arm=arm, seed=seed, condition=condition))
    return pd.concat(tables)


def found(arms: Arms, utterances: int = UTTERANCES, metric: Metric = WER) -> list[SeedGroups]:
    return seed_groups(study_of(arms), counts_of(arms, metric, utterances), metric)


def values_of(arms: Arms, unit: str = "dB", *, higher_is_better: bool = True) -> list[SeedGroups]:
    """Return the groups of values from elsewhere, one per trial."""
    rows = [(arm, seed, "clean", "u", value, 1) for arm, given in arms.items() for seed, value in enumerate(given, 1)]
    table = pd.DataFrame(rows, columns=["arm", "seed", "condition", "utterance_id", "value", "items"])
    return seed_groups(study_of(arms), table, measure("psnr", higher_is_better=higher_is_better, unit=unit))


def test_seeds_of_grid_that_learn_late_are_found_in_every_arm_that_hears() -> None:
    study, counts = read_study(RESULTS / "grid-convolutions"), read_counts(RESULTS / "grid-convolutions")
    groups = seed_groups(study, counts, WER)
    assert {each.arm: [*each.seeds] for each in groups} == {
        arm.arm: [3, 5] for arm in study.arms if arm.arm != "video-only"
    }
    assert [each.arm for each in groups if each.inferred] == ["audio-only"]
    assert groups[0].seeds[3] == pytest.approx(0.525)
    few = seed_groups(study, counts[counts["seed"] <= 3], WER)
    assert {tuple(each.seeds) for each in few} == {(3,)}


def test_the_largest_group_of_another_arm_that_fits_counts() -> None:
    """Seed 10 learns late in every arm, seed 11 in all but one, whose group is found first."""
    groups = seed_groups(read_study(RESULTS / "grid-fusion"), read_counts(RESULTS / "grid-fusion"), WER)
    assert {each.arm: [*each.seeds] for each in groups} == {
        "baseline": [10, 11],
        "static-scale": [10],
        "no-scale": [10, 11],
        "uniform-masking": [10, 11],
    }


@pytest.mark.parametrize("name", ["founding", "grid", "interactions", "ladder", "public-plans", "table-3"])
def test_other_studies_have_no_groups(name: str) -> None:
    assert seed_groups(read_study(RESULTS / name), read_counts(RESULTS / name), WER) == []


def test_one_arm_is_enough_and_others_are_not_named() -> None:
    groups = found({"baseline": [*GOOD, 0.5, 0.45], "other": [*GOOD, 0.083, 0.079]})
    assert groups == [SeedGroups("baseline", "clean", {5: 0.5, 6: 0.45}, dict(enumerate(GOOD, 1)))]


def test_the_same_seeds_in_another_arm_need_less_evidence() -> None:
    spread = [0.08, 0.07, 0.14, 0.1]
    arms = {"baseline": [*GOOD, 0.5, 0.45], "other": [*spread, 0.24, 0.7]}
    assert [(each.arm, each.inferred) for each in found(arms)] == [("baseline", False), ("other", True)]
    assert found({"other": arms["other"]}) == []
    assert len(found({"baseline": arms["baseline"], "other": [*spread, 0.1, 0.13]})) == 1


def test_a_few_seeds_that_end_far_below_the_others_are_a_group() -> None:
    [group] = found({"baseline": [0.9, 0.91, 0.08, 0.905, 0.9]})
    assert group.seeds == {3: pytest.approx(0.08)}
    assert found({"baseline": [0.9, 0.91, 0.3, 0.905, 0.9]}) == []


def test_the_worse_of_two_halves_stands_apart() -> None:
    [group] = found({"baseline": [0.08, 0.081, 0.5, 0.501]})
    assert [*group.seeds] == [3, 4]
    [group] = values_of({"baseline": [20.1, 30.2, 20.0, 30.1, 30.15, 20.05, 30.18, 20.08]})
    assert [*group.seeds] == [1, 3, 6, 8]


def test_a_gap_that_a_small_test_set_explains_is_not_a_group() -> None:
    arms = {"baseline": [0.1, 0.1, 0.1, 0.1, 0.3]}
    assert len(found(arms)) == 1
    assert found(arms, utterances=20) == []


@pytest.mark.parametrize("rates", [[0.08, 0.5], [0.08, 0.082, 0.11], [0.08, 0.12, 0.3], [0.0, 0.0, 0.0], [0.1]])
def test_few_seeds_or_a_small_gap_are_no_groups(rates: list[float]) -> None:
    assert found({"baseline": rates, "other": rates}) == []


def test_missing_seeds_and_arms_without_trials_are_left_out() -> None:
    arms: Arms = {"baseline": [0.08, None, 0.085, 0.5, 0.082], "gone": [None] * 5, "other": [0.08, None, None, 0.6]}
    [group] = found(arms)
    assert (group.arm, group.seeds, [*group.others]) == ("baseline", {4: 0.5}, [1, 3, 5])
    nothing = counts_of(arms)
    assert seed_groups(study_of(arms), nothing[nothing["condition"] != "clean"], WER) == []


def test_other_metrics_use_their_own_counts() -> None:
    assert [*found({"baseline": [*GOOD, 0.5, 0.45]}, metric=METRICS["cer"])[0].seeds] == [5, 6]


def test_values_from_elsewhere_need_a_gap_that_no_scale_explains() -> None:
    tight = [31.2, 31.3, 31.25, 31.22, 31.28]
    assert [*values_of({"baseline": [*tight, 24.0], "other": [*tight, 31.24]})[0].seeds] == [6]
    assert values_of({"baseline": [*tight, 31.9]}) == []
    assert values_of({"baseline": [31.2, 31.3, 24.0]}) == []  # three seeds cannot show it
    assert values_of({"baseline": [0.91, 0.91, 0.91, 0.91, 0.91, 0.92]}) == []  # a step of rounding
    assert len(values_of({f"arm{n}": [*tight, 20.0] for n in range(90)})) == 90
    assert values_of({f"arm{n}": [*tight, 20.0] for n in range(101)}) == []  # beyond the table


def largest_ratio(values: Sequence[float]) -> float:
    """The statistic from its definition, for one arm."""
    ordered, best = sorted(values), 0.0
    for size in range(1, len(ordered)):
        groups = sorted((ordered[:size], ordered[size:]), key=len, reverse=True)
        large = [each for each in groups if len(each) == len(groups[0])]
        sd = min(float(np.std(each, ddof=1)) for each in large)
        best = max(best, (ordered[size] - ordered[size - 1]) / sd)
    return best


def test_ratios_follow_their_definition() -> None:
    rng = np.random.default_rng(3)
    for seeds in range(3, 9):
        drawn = rng.normal(size=(20, seeds))
        expected = [largest_ratio(row) for row in drawn]
        assert ratios(np.sort(drawn, -1)).max(-1) == pytest.approx(expected)


@pytest.mark.parametrize("seeds", [3, 4, 6, 12, 16])
def test_normal_seeds_exceed_the_table_as_often_as_it_says(seeds: int) -> None:
    drawn = 5 + 3 * np.random.default_rng(seeds).normal(size=(40_000, seeds))
    largest = ratios(np.sort(drawn, -1)).max(-1)
    for level in LEVELS[:3]:
        expected = level * len(drawn)
        assert abs((largest > (critical(seeds, level) or 0)).sum() - expected) < 4.5 * expected**0.5
    assert critical(100, 0.01) == CRITICAL[16][1]
    assert critical(seeds, 1e-6) is None


@pytest.mark.parametrize("seeds", [3, 6, 12])
def test_normal_seeds_give_a_false_alarm_in_at_most_one_study_of_100(seeds: int) -> None:
    rng, studies = np.random.default_rng(seeds), 2000
    for spread, shared in ((0.1, 0.0), (0.2, 0.5)):
        drawn = bench.normal(studies, 8, seeds, rng, mean=0.1, spread=spread, shared=shared)
        assert bench.alarms(bench.counted(drawn, rng)).any(1).mean() <= 0.01
    drawn = bench.normal(studies, 8, seeds, rng, mean=0, spread=1, shared=0.0) + rng.normal(size=(studies, 8, seeds))
    assert bench.alarms(drawn, is_rate=False).any(1).mean() <= 0.01 + 4 * (0.01 / studies) ** 0.5


def test_most_groups_are_found() -> None:
    rng = np.random.default_rng(5)
    for seeds, far, least in ((3, 1, 0.5), (6, 2, 0.9), (12, 3, 0.99)):
        drawn = bench.normal(1000, 1, seeds, rng, mean=0.08, spread=0.1, shared=0.5)
        drawn[:, :, :far] = rng.uniform(0.25, 0.6, (1000, 1, far))
        assert bench.alarms(bench.counted(drawn, rng)).mean() > least


def test_the_rule_takes_no_part_in_the_fingerprint_of_scores() -> None:
    assert not any("decisions" in module or "report" in module for module in code_of(SCORING)["files"])
