"""Decisions at every look on whole arrays of studies, as `judge_looks` takes them; a test compares the two on single studies.

`judge_looks` itself takes most of a second a study.
"""

from collections.abc import Iterator

import numpy as np
from calibration import criticals
from scipy import stats
from simulated import layout, own_parts, residual_points

from ablation.stats.block_design import loadings
from ablation.stats.dunnett import critical
from ablation.stats.sequential import LookDesign
from ablation.stats.sequential_futility import FUTILE_LEVEL
from ablation.stats.spreads import ARM_DOUBT, BASELINE_DOUBT, DOUBT, ENOUGH_DF

UNDECIDED, DIFFERENT, EQUIVALENT, FUTILE = range(4)

Three = tuple[np.ndarray, np.ndarray, np.ndarray]


def fixed(seeds: int, arms: int, conditions: int, margin_points: float | None) -> LookDesign:
    """Return the design without looks as a design with one look, whose level is 5 %."""
    return LookDesign((seeds,), arms, conditions, margin_points, (0.05,), (0.05,))


def carried_out(wer: np.ndarray, plan: LookDesign) -> tuple[np.ndarray, np.ndarray]:
    """Return the last decision on every arm (studies, arms - 1), and the trials of each study. Decided and futile arms stop."""
    studies = len(wer)
    decided = np.zeros((studies, plan.arms), int)
    seeds = np.zeros((studies, plan.arms), int)
    baseline = np.zeros(studies, int)
    for place, number in enumerate(plan.looks):
        going = decided == UNDECIDED
        seeds[going], baseline[going.any(1)] = number, number
        for rows, order, stops in _patterns(seeds, going):
            arms = np.hstack([np.zeros((len(rows), 1), int), order + 1])
            mine = np.take_along_axis(wer[rows], arms[:, None, :, None], axis=2)
            now = np.empty((len(rows), plan.arms), int)
            np.put_along_axis(now, order, judged(mine, (number, *stops), plan, place), axis=1)
            decided[rows] = np.where(going[rows], now, decided[rows])
    return decided, seeds.sum(1) + baseline


def _patterns(seeds: np.ndarray, going: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, tuple[int, ...]]]:
    """Yield studies in which something goes on, grouped by their sorted numbers of seeds: rows, order of arms, numbers."""
    active = np.flatnonzero(going.any(1))
    order = np.argsort(-seeds[active], axis=1, kind="stable")
    patterns, place = np.unique(np.take_along_axis(seeds[active], order, 1), axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        mine = np.flatnonzero(place.ravel() == number)
        yield active[mine], order[mine], tuple(pattern.tolist())


def judged(wer: np.ndarray, stops: tuple[int, ...], plan: LookDesign, place: int) -> np.ndarray:
    """Return the decision on every arm of studies with the same stops at look `place`: (studies, arms - 1)."""
    here = layout(stops)
    k, wer = plan.arms, residual_points(wer[..., : max(stops)])
    y = wer[..., here.exists]
    difference = y @ here.contrasts.T  # (studies, conditions, k)
    error = np.sqrt(here.squares(wer) / here.df)[..., None] * here.scale
    level, same = plan.levels[place], plan.equivalence_levels[place]
    shared = loadings(here.correlation)
    found = abs(difference) > critical(level / plan.conditions, shared, here.df) * error
    margin = np.inf if plan.margin_points is None else plan.margin_points / 100
    p_same = (
        holm(stats.t.sf((margin - abs(difference)) / error, here.df)) if plan.margin_points else np.ones(found.shape)
    )
    for odd, apart, df in _apart(wer, stops):
        if odd.any():
            rows = np.nonzero(odd)
            reach = criticals(level / plan.conditions, shared, df[rows]) * apart[rows]
            found[rows] &= abs(difference[rows]) > reach
            if plan.margin_points:
                alone = np.minimum(1, k * stats.t.sf((margin - abs(difference[rows])) / apart[rows], df[rows]))
                p_same[rows] = np.maximum(p_same[rows], alone)
    equal = (np.sort(p_same, axis=1) <= same / np.arange(plan.conditions, 0, -1)[:, None]).all(1)
    futile = _futile(difference, error, here.df, plan) if place + 1 < len(plan.looks) else np.zeros_like(equal)
    return np.select([found.any(1), equal, futile], [DIFFERENT, EQUIVALENT, FUTILE], UNDECIDED)


def holm(p: np.ndarray) -> np.ndarray:
    order = p.argsort(-1)
    steps = np.take_along_axis(p, order, -1) * np.arange(p.shape[-1], 0, -1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(1, np.maximum.accumulate(steps, -1)), -1)
    return adjusted


def _apart(wer: np.ndarray, stops: tuple[int, ...]) -> Iterator[Three]:
    """Yield, for the baseline and for the arms: who is doubted, the error by separate spreads and its df, per difference.

    Each has the shape (studies, conditions, arms - 1). As `ablation.stats.spreads`.
    """
    squares = layout(stops).squares(wer)
    yield _one_apart(wer, stops, 0, squares)
    own = [_one_apart(wer, stops, arm, squares) for arm in range(1, len(stops))]
    odd, error, df = (np.stack([each[part][..., arm] for arm, each in enumerate(own)], axis=-1) for part in range(3))
    yield odd, error, df


def _one_apart(wer: np.ndarray, stops: tuple[int, ...], arm: int, squares: np.ndarray) -> Three:
    """Return doubts, errors and their df with one arm's own spread: (studies, conditions, arms - 1)."""
    others, whole = stops[:arm] + stops[arm + 1 :], layout(stops)
    rest, within = layout(others), layout(others).squares(np.delete(wer, arm, axis=-2)[..., : max(others)])
    df = whole.df - rest.df
    if df < 1 or rest.df < 1:
        empty = np.zeros((*squares.shape, len(stops) - 1))
        return empty > 0, empty, empty + 1
    square, variance = ((squares - within) / df)[..., None], (within / rest.df)[..., None]
    own = np.array(own_parts(whole, arm))
    parts = own * square, np.maximum(whole.scale**2 - own, 0) * variance
    total = parts[0] + parts[1]
    p = stats.f.sf(square / variance, df, rest.df)
    level = ARM_DOUBT if arm else BASELINE_DOUBT
    odd = (p <= level) & ((df >= ENOUGH_DF) | (p * len(stops) <= DOUBT))
    freedom = total**2 / (parts[0] ** 2 / df + parts[1] ** 2 / rest.df)
    return np.broadcast_to(odd, total.shape), np.sqrt(total), freedom


def _futile(difference: np.ndarray, error: np.ndarray, df: int, plan: LookDesign) -> np.ndarray:
    """As `ablation.stats.sequential_futility.is_futile`: (studies, arms - 1)."""
    if plan.margin_points is None:
        return np.zeros((len(difference), plan.arms), bool)
    return (stats.t.sf((plan.margin_points / 100 - abs(difference)) / error, df) <= FUTILE_LEVEL).all(1)
