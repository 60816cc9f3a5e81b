"""False findings and trials of a ladder and a factorial with looks, in simulated studies whose truth is known.

    python bench/contrast_looks.py [--studies 2000]

Prints two tables: how often a contrast that is zero is called a difference, or one as large as the margin equivalent; and how many
trials looks take, against a design without looks that has the same power at the border. The levels are those of
`ablation.stats.sequential_contrasts`. The formulas on whole arrays decide as `judge_contrast_looks` does, which a test checks on
single studies. Spreads are such that the last look finds one point in the least detectable contrast in 80 % of studies.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from contrast_calibration import factorial
from looks import (
    DIFFERENT,
    EQUIVALENT,
    FUTILE,
    SHARED,
    UNDECIDED,
    Layout,
    Truth,
    draw,
    holm,
    interval,
    layout_of,
    own_parts,
    residual_points,
)
from looks import layout as trials_of
from scipy import stats
from scipy.interpolate import CubicSpline

from ablation.plan.contrasts import Contrast, ladder_contrasts
from ablation.stats.contrast_power import detectable_contrasts
from ablation.stats.max_t import max_t
from ablation.stats.sequential_contrasts import ContrastDesign, Weights, contrast_design, weights_of
from ablation.stats.sequential_futility import FUTILE_LEVEL
from ablation.stats.spreads import ARM_DOUBT, DOUBT, ENOUGH_DF

MARGIN_POINTS = 1.0
LOOKS = ((3, 6), (3, 5, 8))
RUNGS = ("r0", "r1", "r2", "baseline")
FAMILIES: dict[str, tuple[list[str], list[Contrast]]] = {
    "ladder of 4": ([*RUNGS], ladder_contrasts(RUNGS)),
    "factorial 2x2": factorial(2, 2),
}


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


def planned(family: str, looks: Sequence[int], conditions: int, margin_points: float | None) -> Design:
    """Return the product's design of a family."""
    arms, contrasts = FAMILIES[family]
    found = contrast_design(looks, arms, contrasts, conditions, margin_points)
    return of_plan(found, arms, contrasts)


def of_plan(plan: ContrastDesign, arms: Sequence[str], contrasts: Sequence[Contrast]) -> Design:
    """Return the design of a plan with one family."""
    [levels], [same] = plan.levels.values(), plan.equivalence_levels.values()
    return Design(weights_of(contrasts, arms), plan.looks, plan.conditions, plan.margin_points, levels, same)


def fixed(family: str, seeds: int, conditions: int, margin_points: float | None) -> Design:
    """Return the design without looks, as one look at 5 %."""
    arms, contrasts = FAMILIES[family]
    return Design(weights_of(contrasts, arms), (seeds,), conditions, margin_points, (0.05,), (0.05,))


@lru_cache(maxsize=4096)
def layout(stops: tuple[int, ...], weights: Weights) -> Layout:
    """Return the layout of arms with these numbers of seeds, and their contrasts."""
    return layout_of(stops, np.array(weights))


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


def points(family: str, sizes: Sequence[float]) -> tuple[float, ...]:
    """Return true differences of the arms, in points, with which the contrasts have these sizes."""
    arms, contrasts = FAMILIES[family]
    return tuple((np.linalg.pinv(np.array(weights_of(contrasts, arms))) @ np.array(sizes)).tolist())


def spread(family: str, seeds: int, conditions: int) -> float:
    """Return the spread between seeds with which so many seeds find one point in each contrast in 80 % of studies or more."""
    arms, contrasts = FAMILIES[family]
    weights = dict(enumerate(weights_of(contrasts, arms)))
    found = detectable_contrasts({str(key): row for key, row in weights.items()}, len(arms), seeds, conditions)
    assert found is not None
    return 0.01 / max(found.values()) / (1 - SHARED) ** 0.5


def false_findings(studies: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return any false finding of a study for both families, with and without looks."""
    rows = []
    for family, (arms, contrasts) in FAMILIES.items():
        k = len(contrasts)
        cases: dict[str, tuple[list[float], Truth, float | None, bool]] = {
            "nothing differs": ([0.0] * k, Truth((0.0,) * len(arms)), None, False),
            "nothing differs, heavy tails: t with 3 df": ([0.0] * k, Truth((0.0,), heavy=True), None, False),
            "the first contrast is 2 points, and stops": ([2.0, *[0.0] * (k - 1)], Truth((0.0,)), None, False),
            "the same, and a margin of 1 point": ([2.0, *[0.0] * (k - 1)], Truth((0.0,)), MARGIN_POINTS, False),
            "5 conditions, correlation 0.8": ([0.0] * k, Truth((0.0,), conditions=5), None, False),
            "all are as large as the margin: called equivalent": ([1.5] * k, Truth((0.0,)), 1.5, True),
        }
        for looks in LOOKS:
            for name, (sizes, kind, margin, same) in cases.items():
                sd = spread(family, looks[-1], 1)
                truth = Truth(points(family, sizes), heavy=kind.heavy, conditions=kind.conditions, sd=sd)
                wer, null = draw(truth, looks[-1], studies, rng), np.array(sizes) == 0
                shown = []
                for plan in (
                    planned(family, looks, kind.conditions, margin),
                    fixed(family, looks[-1], kind.conditions, margin),
                ):
                    found, _ = carried_out(wer, plan)
                    wrong = (found == EQUIVALENT).any(1) if same else (found == DIFFERENT)[:, null].any(1)
                    shown.append(interval(int(wrong.sum()), studies))
                rows.append((family, str(list(looks)), name, *shown))
    return pd.DataFrame(rows, columns=["contrasts", "looks", "studies", "with looks, %", "all seeds at once, %"])


def trials(studies: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return the trials of designs with looks, against all seeds at once and against the seeds of equal power."""
    rows = []
    for family, (arms, contrasts) in FAMILIES.items():
        for looks in LOOKS:
            sd, k = spread(family, looks[-1], 1), len(contrasts)
            plan = planned(family, looks, 1, MARGIN_POINTS)
            quiet = draw(Truth((0.0,) * len(arms), sd=sd), looks[-1], studies, rng)

            def moved(size: float, wer: np.ndarray = quiet, name: str = family, number: int = k) -> np.ndarray:
                return wer + np.array(points(name, [size] * number))[:, None] / 100

            power = (carried_out(moved(1.0), plan)[0] == DIFFERENT).mean()
            numbers = list(range(looks[0], looks[-1] + 1))
            powers = [
                (carried_out(moved(1.0), fixed(family, n, 1, MARGIN_POINTS))[0] == DIFFERENT).mean() for n in numbers
            ]
            without, most = len(arms) * float(np.interp(power, powers, numbers)), len(arms) * looks[-1]
            for size in (0.0, 1.0, 2.0, 3.0):
                found, number = carried_out(moved(size), plan)
                shares = [f"{100 * (found == each).mean():.0f}" for each in (DIFFERENT, EQUIVALENT, FUTILE)]
                saved = [f"{100 * (number.mean() / other - 1):+.0f} %" for other in (most, without)]
                shown = (f"{number.mean():.1f}", most, f"{without:.1f}")
                rows.append((family, str(list(looks)), f"{size:g}", *shown, *saved, *shares))
    columns = ["contrasts", "looks", "all contrasts (points)", "trials", "all seeds", "without looks"]
    more = ["against all seeds", "against that", "different, %", "equivalent, %", "futile, %"]
    return pd.DataFrame(rows, columns=[*columns, *more])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--studies", type=int, default=2000)
    studies = parser.parse_args().studies
    rng = np.random.default_rng(0)
    print(false_findings(studies, rng).to_string(index=False), flush=True)
    print(trials(studies // 2, rng).to_string(index=False))


if __name__ == "__main__":
    main()
