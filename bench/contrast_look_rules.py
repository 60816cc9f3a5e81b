"""Decisions on contrasts at every look on whole arrays of studies, as `judge_contrast_looks` takes them.

A test compares the two on single studies.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from look_rules import DIFFERENT, EQUIVALENT, FUTILE, UNDECIDED, holm
from scipy import stats
from scipy.interpolate import CubicSpline
from simulated import Layout, layout_of, own_parts, residual_points
from simulated import layout as trials_of

from ablation.plan.contrasts import Contrast
from ablation.stats.max_t import max_t
from ablation.stats.sequential_contrasts import ContrastDesign, Weights, weights_of
from ablation.stats.sequential_futility import FUTILE_LEVEL
from ablation.stats.spreads import ARM_DOUBT, DOUBT, ENOUGH_DF


@dataclass(frozen=True)
class Design:
    """A family of contrasts with the levels of its looks. Not `careful`: all arms are known to vary equally."""

    weights: Weights
    looks: tuple[int, ...]
    conditions: int
    margin_points: float | None
    levels: tuple[float, ...]
    equivalence_levels: tuple[float, ...]
    careful: bool = True

    @property
    def uses(self) -> np.ndarray:
        """True where a contrast uses an arm: (contrasts, arms)."""
        return np.array(self.weights) != 0


def of_plan(plan: ContrastDesign, arms: Sequence[str], contrasts: Sequence[Contrast]) -> Design:
    """Return the design of a plan with one family."""
    [levels], [same] = plan.levels.values(), plan.equivalence_levels.values()
    return Design(weights_of(contrasts, arms), plan.looks, plan.conditions, plan.margin_points, levels, same)


def carried_out(wer: np.ndarray, plan: Design) -> tuple[np.ndarray, np.ndarray]:
    """Return the last decision on every contrast (studies, contrasts), and the trials of each study.

    An arm goes on while a contrast that uses it is undecided. A futile contrast is judged on while all of its arms go on.
    """
    decided = np.zeros((len(wer), len(plan.weights)), int)
    seeds = np.zeros((len(wer), wer.shape[-2]), int)
    for place, number in enumerate(plan.looks):
        cells = (decided == UNDECIDED) @ plan.uses.astype(int) > 0
        seeds[cells] = number
        whole = ~(~cells @ plan.uses.T.astype(int) > 0)
        now_judged = (decided == UNDECIDED) | ((decided == FUTILE) & whole)
        for rows, stops in _patterns(seeds, cells):
            now = judged(wer[rows], stops, plan, place)
            decided[rows] = np.where(now_judged[rows], now, decided[rows])
    return decided, seeds.sum(1)


def _patterns(seeds: np.ndarray, going: np.ndarray) -> Iterator[tuple[np.ndarray, tuple[int, ...]]]:
    """Yield studies in which something goes on, grouped by their numbers of seeds."""
    active = np.flatnonzero(going.any(1))
    patterns, place = np.unique(seeds[active], axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        yield active[np.flatnonzero(place.ravel() == number)], tuple(pattern.tolist())


def judged(wer: np.ndarray, stops: tuple[int, ...], plan: Design, place: int) -> np.ndarray:
    """Return the decision on every contrast of studies with the same seeds at look `place`: (studies, contrasts)."""
    here, k = layout(stops, plan.weights), len(plan.weights)
    wer = residual_points(wer[..., : max(stops)])
    difference = wer[..., here.exists] @ here.contrasts.T  # (studies, conditions, k)
    error = np.sqrt(here.squares(wer) / here.df)[..., None] * here.scale
    level, same = plan.levels[place], plan.equivalence_levels[place]
    found = abs(difference) > max_t(here.correlation, here.df).critical(level / plan.conditions) * error
    margin = np.inf if plan.margin_points is None else plan.margin_points / 100
    p_same = (
        holm(stats.t.sf((margin - abs(difference)) / error, here.df)) if plan.margin_points else np.ones_like(error)
    )
    for odd, apart, df in _apart(wer, stops, plan) if plan.careful else ():
        if odd.any():
            rows = np.nonzero(odd)
            found[rows] &= abs(difference[rows]) > _reach(here, level / plan.conditions, df[rows]) * apart[rows]
            if plan.margin_points:
                alone = np.minimum(1, k * stats.t.sf((margin - abs(difference[rows])) / apart[rows], df[rows]))
                p_same[rows] = np.maximum(p_same[rows], alone)
    equal = (np.sort(p_same, axis=1) <= same / np.arange(plan.conditions, 0, -1)[:, None]).all(1)
    futile = np.zeros_like(equal)
    if plan.margin_points is not None and place + 1 < len(plan.looks):
        futile = (stats.t.sf((margin - abs(difference)) / error, here.df) <= FUTILE_LEVEL).all(1)
    return np.select([found.any(1), equal, futile], [DIFFERENT, EQUIVALENT, FUTILE], UNDECIDED)


@lru_cache(maxsize=4096)
def layout(stops: tuple[int, ...], weights: Weights) -> Layout:
    """Return the layout of arms with these numbers of seeds, and their contrasts."""
    return layout_of(stops, np.array(weights))


def _apart(
    wer: np.ndarray, stops: tuple[int, ...], plan: Design
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield for every arm: which contrasts are doubted, their errors by its own spread, and the df; as `spreads.doubt_of`.

    Each has the shape (studies, conditions, contrasts).
    """
    whole = layout(stops, plan.weights)
    squares = whole.squares(wer)
    for arm in range(len(stops)):
        others = stops[:arm] + stops[arm + 1 :]
        rest = trials_of(others)
        within, df = rest.squares(np.delete(wer, arm, axis=-2)[..., : max(others)]), whole.df - rest.df
        if df < 1 or rest.df < 1:
            continue
        square, variance = ((squares - within) / df)[..., None], (within / rest.df)[..., None]
        own = np.array(own_parts(whole, arm))
        parts = own * square, np.maximum(whole.scale**2 - own, 0) * variance
        p = stats.f.sf(square / variance, df, rest.df)
        odd = (p <= ARM_DOUBT) & ((df >= ENOUGH_DF) | (p * len(stops) <= DOUBT)) & plan.uses[:, arm]
        freedom = sum(parts) ** 2 / (parts[0] ** 2 / df + parts[1] ** 2 / rest.df)
        yield odd, np.sqrt(sum(parts)), freedom


def _reach(here: Layout, level: float, df: np.ndarray) -> np.ndarray:
    """Return critical values for many degrees of freedom, interpolated with an error below 0.5 %."""
    return np.exp(_spline(here.correlation.tobytes(), len(here.correlation), here.df, level)(1 / df))


@lru_cache(maxsize=4096)
def _spline(correlation: bytes, k: int, most: int, level: float) -> CubicSpline:
    """Return the logarithm of critical values as a function of 1 / df, for df up to `most`."""
    nodes, table = np.linspace(1 / (most + 0.01), 1.01, 9), np.frombuffer(correlation).reshape(k, k)
    return CubicSpline(nodes, [np.log(max_t(table, float(1 / node), points=11).critical(level)) for node in nodes])
