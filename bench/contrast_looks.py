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
    odd_arms,
    residual_points,
)
from scipy import stats

from ablation.plan.contrasts import Contrast, ladder_contrasts
from ablation.stats.contrasts import detectable_contrasts
from ablation.stats.max_t import max_t
from ablation.stats.sequential_contrasts import ContrastDesign, Weights, contrast_design, weights_of
from ablation.stats.sequential_futility import FUTILE_LEVEL

MARGIN_POINTS = 1.0
LOOKS = ((3, 6), (3, 5, 8))
RUNGS = ("r0", "r1", "r2", "baseline")
FAMILIES: dict[str, tuple[list[str], list[Contrast]]] = {
    "ladder of 4": ([*RUNGS], ladder_contrasts(RUNGS)),
    "factorial 2x2": factorial(2, 2),
}


@dataclass(frozen=True)
class Design:
    """A family of contrasts with the levels of its looks."""

    weights: Weights
    looks: tuple[int, ...]
    conditions: int
    margin_points: float | None
    levels: tuple[float, ...]
    equivalence_levels: tuple[float, ...]

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
    exists = np.arange(max(stops)) < np.array(stops)[:, None]
    arm, seed = np.nonzero(exists)
    columns = np.hstack([np.eye(len(stops))[arm], np.eye(max(stops))[seed]])
    left, size, _ = np.linalg.svd(columns, full_matrices=False)
    basis = left[:, size > 1e-9]
    effects = np.linalg.pinv(columns)[: len(stops)]
    return Layout(exists, np.array(weights) @ effects, basis, len(arm) - basis.shape[1])


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
    doubted, df = odd_arms(wer, stops) @ plan.uses.T.astype(int) > 0, np.broadcast_to(float(here.df), found.shape)
    if doubted.any():
        mean, own, its = _own(wer, here.exists, plan)
        found &= ~doubted | (2 * k * stats.t.sf(abs(mean) / own, its) <= level / plan.conditions)
        alone = np.minimum(1, k * stats.t.sf((margin - abs(mean)) / own, its)) if plan.margin_points else p_same
        p_same = np.where(doubted, np.maximum(p_same, alone), p_same)
        error, df = np.where(doubted, np.maximum(error, own), error), np.where(doubted, np.minimum(df, its), df)
    equal = (np.sort(p_same, axis=1) <= same / np.arange(plan.conditions, 0, -1)[:, None]).all(1)
    futile = np.zeros_like(equal)
    if plan.margin_points is not None and place + 1 < len(plan.looks):
        futile = (stats.t.sf((margin - abs(difference)) / error, df) <= FUTILE_LEVEL).all(1)
    return np.select([found.any(1), equal, futile], [DIFFERENT, EQUIVALENT, FUTILE], UNDECIDED)


def _own(wer: np.ndarray, exists: np.ndarray, plan: Design) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, standard error and df of each contrast within the seeds that all of its arms have."""
    parts = []
    for weights, uses in zip(np.array(plan.weights), plan.uses, strict=True):
        values = weights[uses] @ wer[..., uses, :][..., exists[uses].all(axis=0)]
        number = values.shape[-1]
        parts.append(
            (values.mean(-1), values.std(-1, ddof=1) / np.sqrt(number), np.full(values.shape[:-1], number - 1))
        )
    mean, error, df = (np.stack(each, axis=-1) for each in zip(*parts, strict=True))
    return mean, error, df


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
