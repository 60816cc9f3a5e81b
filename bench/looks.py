"""False findings and trials of designs with looks, in simulated studies whose truth is known, thousands at a time.

    python bench/looks.py [--studies 20000]

Prints two tables: how often a study with looks calls a null effect a difference, or a difference as large as the margin equivalent;
and how many trials looks take, against a design without looks that has the same power at the border. The levels are those of
`ablation.stats.sequential.design`. The formulas on whole arrays below decide as `judge_looks` does, which a test checks on single
studies; `judge_looks` itself takes most of a second a study.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd
from calibration import criticals
from scipy import stats

from ablation.stats.block_design import loadings
from ablation.stats.dunnett import critical
from ablation.stats.power import Design, detectable
from ablation.stats.sequential import SPENDING, LookDesign, design
from ablation.stats.sequential_futility import FUTILE_LEVEL
from ablation.stats.spreads import ARM_DOUBT, BASELINE_DOUBT, DOUBT, ENOUGH_DF

SEED_SD, SHARED, MARGIN_POINTS = 0.003, 0.5, 1.0

UNDECIDED, DIFFERENT, EQUIVALENT, FUTILE = range(4)
FALSE_LOOKS = ((3, 5, 8), (3, 6), (4, 7, 10))


@dataclass(frozen=True)
class Truth:
    """True differences in points and relative spreads by arm, the baseline first; heavy tails are those of t with 3 df."""

    points: Sequence[float]
    spreads: Sequence[float] = ()
    heavy: bool = False
    conditions: int = 1
    alike: float = 0.8  # correlation of two conditions
    sd: float = SEED_SD


def draw(truth: Truth, seeds: int, studies: int, rng: np.random.Generator) -> np.ndarray:
    """Return WERs (studies, conditions, arms, seeds). Half of the seeds' variance moves all arms alike."""
    arms, spreads = len(truth.points), truth.spreads or (1.0,) * len(truth.points)

    def noise(conditions: int) -> np.ndarray:
        shape = (studies, conditions, arms, seeds)
        own = rng.standard_t(3, shape) / 3**0.5 if truth.heavy else rng.normal(size=shape)
        shared = rng.normal(size=(studies, conditions, 1, seeds))
        return SHARED**0.5 * shared + (1 - SHARED) ** 0.5 * own * np.array(spreads)[:, None]

    alike = truth.alike if truth.conditions > 1 else 1.0
    wer = alike**0.5 * noise(1) + ((1 - alike) ** 0.5 * noise(truth.conditions) if alike < 1 else 0.0)
    return truth.sd * wer + np.array(truth.points)[:, None] / 100


@dataclass(frozen=True)
class Layout:
    """The trials of one pattern of stops, as linear algebra: which exist, their contrasts, and what least squares leaves."""

    exists: np.ndarray  # (arms, seeds)
    contrasts: np.ndarray  # (arms - 1, trials)
    basis: np.ndarray  # (trials, rank): an orthonormal basis of arms + seeds
    df: int

    @property
    def scale(self) -> np.ndarray:
        """Standard errors of the contrasts, in residual standard deviations."""
        return np.sqrt((self.contrasts**2).sum(1))

    @property
    def correlation(self) -> np.ndarray:
        """The correlation of the contrasts: (arms - 1, arms - 1)."""
        return self.contrasts @ self.contrasts.T / np.outer(self.scale, self.scale)

    def squares(self, wer: np.ndarray) -> np.ndarray:
        """Return the residual sums of squares of WERs (..., arms, seeds)."""
        y = wer[..., self.exists]
        return (y**2).sum(-1) - ((y @ self.basis) ** 2).sum(-1)


@lru_cache(maxsize=4096)
def layout(stops: tuple[int, ...]) -> Layout:
    """Return the layout of arms with these numbers of seeds, the baseline first. An arm with 0 seeds has no trials."""
    return layout_of(stops, np.eye(len(stops))[1:] - np.eye(len(stops))[:1])


def layout_of(stops: tuple[int, ...], weights: np.ndarray) -> Layout:
    """Return the layout of arms with these numbers of seeds, for effects with these weights of the arms (effects, arms)."""
    exists = np.arange(max(stops)) < np.array(stops)[:, None]
    arm, seed = np.nonzero(exists)
    columns = np.hstack([np.eye(len(stops))[arm], np.eye(max(stops))[seed]])
    left, size, _ = np.linalg.svd(columns, full_matrices=False)
    basis = left[:, size > 1e-9]
    return Layout(exists, weights @ np.linalg.pinv(columns)[: len(stops)], basis, len(arm) - basis.shape[1])


def residual_points(wer: np.ndarray) -> np.ndarray:
    """Return WERs minus the first trial of their condition, which keeps the sums of squares exact."""
    return wer - wer[..., :1, :1]


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


Three = tuple[np.ndarray, np.ndarray, np.ndarray]


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


def own_parts(whole: Layout, arm: int) -> tuple[float, ...]:
    """Return the part of one arm's mean square in the variance of every contrast of a layout."""
    mine = np.nonzero(whole.exists)[0] == arm
    left = np.eye(mine.sum()) - whole.basis[mine] @ whole.basis[mine].T
    values = np.linalg.eigvalsh(left)
    return tuple(((whole.contrasts[:, mine] ** 2).sum(1) / values[values > 1e-8].mean()).tolist())


def _futile(difference: np.ndarray, error: np.ndarray, df: int, plan: LookDesign) -> np.ndarray:
    """As `ablation.stats.sequential_futility.is_futile`: (studies, arms - 1)."""
    if plan.margin_points is None:
        return np.zeros((len(difference), plan.arms), bool)
    return (stats.t.sf((plan.margin_points / 100 - abs(difference)) / error, df) <= FUTILE_LEVEL).all(1)


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


def fixed(seeds: int, arms: int, conditions: int, margin_points: float | None) -> LookDesign:
    """Return the design without looks as a design with one look, whose level is 5 %."""
    return LookDesign((seeds,), arms, conditions, margin_points, (0.05,), (0.05,))


def interval(events: int, studies: int) -> str:
    """Return a rate with its exact binomial 95 % interval, in percent."""
    low, high = stats.binomtest(events, studies).proportion_ci(0.95)
    return f"{100 * events / studies:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def false_findings(studies: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return any false finding of a study, for designs, numbers of arms and truths, with and without looks.

    Without looks: all seeds at once, and the error of whoever tests every look at 5 % (no futility, which would hide it).
    """
    rows = []
    for looks in FALSE_LOOKS:
        for arms in (4, 8):
            for name, (truth, margin) in _truths(arms).items():
                plan = design(looks, arms, truth.conditions, margin)
                naive = replace(plan, levels=(0.05,) * len(looks), equivalence_levels=(0.05,) * len(looks))
                truth = replace(truth, sd=_sd(looks, arms, 1))
                wer, null = draw(truth, looks[-1], studies, rng), np.array(truth.points[1:]) == 0
                found = [
                    carried_out(wer, each)[0]
                    for each in (plan, fixed(looks[-1], arms, truth.conditions, margin), naive)
                ]
                wrong = [
                    (each == DIFFERENT)[:, null].any(1) if null.any() else (each == EQUIVALENT).any(1) for each in found
                ]
                rows.append((str(list(looks)), arms, name, *(interval(int(each.sum()), studies) for each in wrong)))
    columns = ["looks", "arms", "studies", "with looks, %", "all seeds at once, %", "every look at 5 %, %"]
    return pd.DataFrame(rows, columns=columns)


def _truths(arms: int) -> dict[str, tuple[Truth, float | None]]:
    """Truths by name, with the plan's margin in points. Without a margin, only arms that differ stop."""
    none, half = (0.0,) * (arms + 1), arms // 2
    return {
        "as assumed": (Truth(none), None),
        "heavy tails: t with 3 df": (Truth(none, heavy=True), None),
        "spreads from 0.7 to 1.4, the baseline most": (
            Truth(none, spreads=tuple(np.geomspace(0.7, 1.4, arms + 1)[::-1])),
            None,
        ),
        "last arm varies 3 times as much": (Truth(none, spreads=(*[1.0] * arms, 3.0)), None),
        "half of the arms differ by 2 points": (Truth((0.0,) * (arms - half + 1) + (2.0,) * half), None),
        "the same, and a margin of 1 point": (Truth((0.0,) * (arms - half + 1) + (2.0,) * half), 1.0),
        "5 conditions, correlation 0.8": (Truth(none, conditions=5), None),
        "all arms differ by the margin: called equivalent": (Truth((0.0, *[1.5] * arms)), 1.5),
    }


def _sd(looks: Sequence[int], arms: int, conditions: int) -> float:
    """Return the spread between seeds with which the last look alone finds one point in one condition in 80 % of studies."""
    found = detectable(Design(arms, looks[-1], conditions), (1 - SHARED) ** 0.5)
    assert found is not None
    return 0.01 / found


def border(looks: Sequence[int], arms: int, conditions: int, rng: np.random.Generator, studies: int) -> float:
    """Return the difference, in points, that the last look alone finds in 80 % of studies."""
    plan = fixed(looks[-1], arms, conditions, MARGIN_POINTS)
    low, high = 0.0, 3.0
    wer = draw(
        Truth((0.0,) * (arms + 1), conditions=conditions, sd=_sd(looks, arms, conditions)), looks[-1], studies, rng
    )
    while high - low > 0.005:
        middle = (low + high) / 2
        moved = wer + np.array([0.0, *[middle] * arms])[:, None] / 100
        low, high = (low, middle) if (carried_out(moved, plan)[0] == DIFFERENT).mean() > 0.8 else (middle, high)
    return (low + high) / 2


def equal_seeds(
    looks: Sequence[int], power: float, points: float, arms: int, conditions: int, wer: np.ndarray
) -> float:
    """Return the seeds, interpolated, with which a design without looks has this power for this difference."""
    moved = wer + np.array([0.0, *[points] * arms])[:, None] / 100
    numbers = list(range(looks[0], looks[-1] + 1))
    powers = [(carried_out(moved, fixed(n, arms, conditions, MARGIN_POINTS))[0] == DIFFERENT).mean() for n in numbers]
    return float(np.interp(power, powers, numbers))


def trials(
    looks: Sequence[int], arms: int, conditions: int, spending: str, studies: int, rng: np.random.Generator
) -> list[tuple[object, ...]]:
    """Return rows of the second table for one design: truth, trials of both designs, difference, shares of decisions."""
    plan = design(looks, arms, conditions, MARGIN_POINTS, spending=spending)
    edge = border(looks, arms, conditions, rng, studies)
    wer = draw(
        Truth((0.0,) * (arms + 1), conditions=conditions, sd=_sd(looks, arms, conditions)), looks[-1], studies, rng
    )
    effects = {"no effect": 0.0, "at the border": edge, "1 point": 1.0, "2 points": 2.0, "3 points": 3.0}
    runs = {
        name: carried_out(wer + np.array([0.0, *[points] * arms])[:, None] / 100, plan)
        for name, points in effects.items()
    }
    power = (runs["at the border"][0] == DIFFERENT).mean()
    without = (arms + 1) * equal_seeds(looks, power, edge, arms, conditions, wer)
    return [
        (str(list(looks)), arms, conditions, spending, f"{name} ({effects[name]:.2f})", f"{number.mean():.1f}",
         f"{number.max():.0f}", f"{without:.1f}", f"{100 * (number.mean() / without - 1):+.0f} %",
         *(f"{100 * (found == each).mean():.0f}" for each in (DIFFERENT, EQUIVALENT, FUTILE)))
        for name, (found, number) in runs.items()
    ]  # fmt: skip


def trial_table(studies: int, rng: np.random.Generator, spendings: Sequence[str]) -> pd.DataFrame:
    """Return the trials of designs with looks against designs without looks of the same power at the border."""
    rows = []
    for looks in FALSE_LOOKS:
        for arms in (4, 8):
            for conditions in (1, 5):
                for spending in spendings:
                    rows += trials(looks, arms, conditions, spending, studies, rng)
    columns = [
        "looks",
        "arms",
        "conditions",
        "spending",
        "all arms differ by (points)",
        "trials",
        "most",
        "without looks",
    ]
    return pd.DataFrame(rows, columns=[*columns, "trials saved", "different, %", "equivalent, %", "futile, %"])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=20_000)
    parser.add_argument(
        "--all-spending", action="store_true", help="Compare all spending functions in the second table."
    )
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    print(false_findings(options.studies, rng).to_string(index=False), flush=True)
    spendings = tuple(SPENDING) if options.all_spending else ("linear",)
    print(trial_table(options.studies // 4, rng, spendings).to_string(index=False))


if __name__ == "__main__":
    main()
