"""Power of a design before it is run: smallest detectable differences, seeds needed, device-hours.

A design is a number of arms in addition to the baseline, of seeds and of conditions. The test is that of
`ablation.stats.significance` on a complete study: Dunnett over the arms, and the first, strictest step of Holm over the
conditions. So a difference is detectable when it is found with a power of 80 % even if no other condition shows a difference.
Differences and standard deviations are fractions of WER.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablation.stats import tails
from ablation.stats.dunnett import critical, noncentrality, within
from ablation.stats.levels import ALPHA, POWER

if TYPE_CHECKING:
    import pandas as pd

ASSUMED_SPREAD_POINTS = 0.3  # of presets that nobody has measured: typical for recognisers with a few percent WER
MOST_SEEDS = 100
HALF = math.sqrt(0.5)


@dataclass(frozen=True)
class Spread:
    """Standard deviation of a trial's WER around its arm and seed, and the degrees of freedom of this estimate.

    `df` is None for an assumed value.
    """

    wer: float
    df: int | None = None


@dataclass(frozen=True)
class Design:
    """The size of a study; `arms` does not count the baseline. `paired`: trials of one seed share their random numbers."""

    arms: int
    seeds: int
    conditions: int
    paired: bool = True

    @property
    def df(self) -> int:
        """Degrees of freedom of the residual variance if all trials finish."""
        return (self.arms + (not self.paired)) * (self.seeds - 1)

    @property
    def trials(self) -> int:
        """Number of training runs, with the baseline's."""
        return (self.arms + 1) * self.seeds

    @property
    def judges(self) -> bool:
        """True if the design can give verdicts: it has an arm and a second seed."""
        return self.arms > 0 and self.seeds > 1


def detectable(design: Design, sd_wer: float, power: float = POWER) -> float | None:
    """Return the smallest difference that is found with that power; None if the design can give no verdicts."""
    if not design.judges:
        return None
    critical_value = critical(ALPHA / design.conditions, (HALF,) * design.arms, design.df)
    return noncentrality(critical_value, design.df, power) * sd_wer * math.sqrt(2 / design.seeds)


def equivalence_power(design: Design, sd_wer: float, margin_wer: float) -> float | None:
    """Return the power to show that an arm without any difference is inside the margin, by the strictest step of Holm.

    None if the design can give no verdicts.
    """
    if not design.judges:
        return None
    critical_value = float(tails.t_isf(ALPHA / (design.arms * design.conditions), design.df))
    return within(margin_wer / (sd_wer * math.sqrt(2 / design.seeds)), critical_value, design.df)


def seeds_needed(
    design: Design, sd_wer: float, *, difference: float | None = None, margin: float | None = None
) -> int | None:
    """Return the fewest seeds that find `difference`, or that show equivalence within `margin`, with a power of 80 %.

    Both are fractions. The design's own number of seeds is ignored. None if `MOST_SEEDS` are not enough.
    """

    def tried(seeds: int) -> Design:
        return Design(design.arms, seeds, design.conditions, design.paired)

    if difference is not None:
        return fewest_seeds(lambda seeds: detectable(tried(seeds), sd_wer), difference)
    if margin is not None:
        return fewest_seeds(lambda seeds: -(equivalence_power(tried(seeds), sd_wer, margin) or 0.0), -POWER)
    return None


def fewest_seeds(size: Callable[[int], float | None], wanted: float) -> int | None:
    """Return the fewest seeds, 2 or more, with a `size` of at most `wanted`. `size` falls with the seeds.

    None if `MOST_SEEDS` are not enough.
    """

    def is_enough(seeds: int) -> bool:
        found = size(seeds)
        return found is not None and found <= wanted

    found = bisect_left(range(MOST_SEEDS + 1), True, lo=2, key=is_enough)
    return found if found <= MOST_SEEDS else None


def measured_spreads(studies: Sequence["pd.DataFrame"], baseline: str) -> dict[str, Spread]:
    """Return condition -> the standard deviation in earlier studies, pooled over them.

    Each study is a table with the columns arm, seed, condition and wer, a row per finished trial and condition. Conditions in
    which no study leaves a degree of freedom are left out.
    """
    from ablation.stats.block_design import fit

    found: dict[str, list[tuple[float, int]]] = {}
    for study in studies:
        for condition, trials in study.groupby("condition", sort=False):
            residual = fit(trials, baseline, [], paired=True)
            found.setdefault(str(condition), []).append((residual.sd, residual.df))
    total_df = {condition: sum(df for _, df in parts) for condition, parts in found.items()}
    return {
        condition: Spread(math.sqrt(sum(df * sd**2 for sd, df in parts) / total_df[condition]), total_df[condition])
        for condition, parts in found.items()
        if total_df[condition]
    }


def spread_factors(df: int, level: float = 0.95) -> tuple[float, float]:
    """Return the limits of a standard deviation's confidence interval, relative to its estimate with `df` degrees of freedom."""
    ends = tails.chi2_isf([(1 - level) / 2, (1 + level) / 2], df)
    return math.sqrt(df / ends[0]), math.sqrt(df / ends[1])


@dataclass(frozen=True)
class Step:
    """A design with one number of seeds: the detectable difference per condition (None: no verdicts), and the cost."""

    seeds: int
    trials: int
    detectable: Mapping[str, float | None]
    device_hours: float | None


def ladder(
    design: Design, spreads: Mapping[str, Spread], trial_seconds: float | None, seeds: Sequence[int]
) -> list[Step]:
    """Return the design with other numbers of seeds. `spreads` is per condition; `trial_seconds` is None if unknown."""
    steps = []
    for number in seeds:
        tried = Design(design.arms, number, design.conditions, design.paired)
        hours = None if trial_seconds is None else tried.trials * trial_seconds / 3600
        smallest = {condition: detectable(tried, spread.wer) for condition, spread in spreads.items()}
        steps.append(Step(number, tried.trials, smallest, hours))
    return steps
