"""What a design can find before it is paid for: smallest detectable differences, seeds that it takes, device-hours.

A design is a number of arms beside the baseline, seeds and conditions. The test is that of `ablation.stats.significance` on a
complete study: Dunnett over the arms, and the first, hardest step of Holm over the conditions. So a difference is
detectable when it is found with a chance of 80 % even if no other condition shows anything. Differences and spreads are
fractions of WER.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from scipy import stats

from ablation.stats.block_design import fit
from ablation.stats.dunnett import critical, noncentrality, within
from ablation.stats.significance import ALPHA, POWER

ASSUMED_SPREAD_POINTS = 0.3  # where nothing is known; what recognisers of a few percent WER show between seeds
MOST_SEEDS = 100
HALF = math.sqrt(0.5)


@dataclass(frozen=True)
class Spread:
    """Standard deviation of a trial's WER around its arm and seed, with the degrees of freedom it was measured with.

    `freedom` is None for an assumption.
    """

    wer: float
    freedom: int | None = None


@dataclass(frozen=True)
class Design:
    """A study's size; `arms` does not count the baseline. `paired`: trials of one seed share their random numbers."""

    arms: int
    seeds: int
    conditions: int
    paired: bool = True

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the spread, all trials finished."""
        return (self.arms + (not self.paired)) * (self.seeds - 1)

    @property
    def trials(self) -> int:
        """Trainings that it takes."""
        return (self.arms + 1) * self.seeds

    @property
    def judges(self) -> bool:
        """Whether there can be verdicts at all: there is an arm, and a second seed."""
        return self.arms > 0 and self.seeds > 1


def detectable(design: Design, spread_wer: float, chance: float = POWER) -> float | None:
    """The smallest difference that is found with that chance; None where the design judges nothing."""
    if not design.judges:
        return None
    reach = critical(ALPHA / design.conditions, (HALF,) * design.arms, design.freedom)
    return noncentrality(reach, design.freedom, chance) * spread_wer * math.sqrt(2 / design.seeds)


def equivalence_power(design: Design, spread_wer: float, margin_wer: float) -> float | None:
    """The chance to show that an arm without any difference lies inside the margin, by the hardest step of Holm.

    None where the design judges nothing.
    """
    if not design.judges:
        return None
    reach = float(stats.t.isf(ALPHA / (design.arms * design.conditions), design.freedom))
    return within(margin_wer / (spread_wer * math.sqrt(2 / design.seeds)), reach, design.freedom)


def seeds_needed(
    design: Design, spread_wer: float, *, difference: float | None = None, margin: float | None = None
) -> int | None:
    """The fewest seeds that find `difference`, or that show equivalence within `margin`, with a chance of 80 %.

    Both are fractions; the design's own seeds are not looked at. None where `MOST_SEEDS` are not enough.
    """
    for seeds in range(2, MOST_SEEDS + 1):
        tried = Design(design.arms, seeds, design.conditions, design.paired)
        seen = detectable(tried, spread_wer)
        if difference is not None and seen is not None and seen <= difference:
            return seeds
        if margin is not None and (equivalence_power(tried, spread_wer, margin) or 0.0) >= POWER:
            return seeds
    return None


def measured_spreads(studies: Sequence[pd.DataFrame], baseline: str) -> dict[str, Spread]:
    """Condition -> the spread in earlier studies, pooled over them.

    Each study is a table with the columns arm, seed, condition and wer, a row per finished trial and condition. A
    condition in which no study leaves a degree of freedom is not there.
    """
    found: dict[str, list[tuple[float, int]]] = {}
    for study in studies:
        for condition, trials in study.groupby("condition", sort=False):
            left = fit(trials, baseline, [], paired=True)
            found.setdefault(str(condition), []).append((left.spread, left.freedom))
    freedom = {condition: sum(df for _, df in parts) for condition, parts in found.items()}
    return {
        condition: Spread(
            math.sqrt(sum(df * spread**2 for spread, df in parts) / freedom[condition]), freedom[condition]
        )
        for condition, parts in found.items()
        if freedom[condition]
    }


@dataclass(frozen=True)
class Step:
    """A rung of the ladder of seeds: what it can find per condition (None: nothing), and what it costs."""

    seeds: int
    trials: int
    detectable: Mapping[str, float | None]
    device_hours: float | None


def ladder(
    design: Design, spreads: Mapping[str, Spread], trial_seconds: float | None, seeds: Sequence[int]
) -> list[Step]:
    """The design with other numbers of seeds. `spreads` is per condition; `trial_seconds` of one device, None if unknown."""
    steps = []
    for number in seeds:
        tried = Design(design.arms, number, design.conditions, design.paired)
        hours = None if trial_seconds is None else tried.trials * trial_seconds / 3600
        seen = {condition: detectable(tried, spread.wer) for condition, spread in spreads.items()}
        steps.append(Step(number, tried.trials, seen, hours))
    return steps
