"""False findings and trials of designs with looks, in simulated studies whose truth is known, thousands at a time.

    python bench/looks.py [--studies 20000]

Prints two tables: how often a study with looks calls a null effect a difference, or a difference as large as the margin equivalent;
and how many trials looks take, against a design without looks that has the same power at the border. The levels are those of
`ablation.stats.sequential.design`. `simulated.py` draws the studies, and `look_rules.py` decides.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from look_rules import DIFFERENT, EQUIVALENT, FUTILE, carried_out, fixed
from scipy import stats
from simulated import SHARED, Truth, draw

from ablation.stats.power import Design, detectable
from ablation.stats.sequential import SPENDING, design

MARGIN_POINTS = 1.0
FALSE_LOOKS = ((3, 5, 8), (3, 6), (4, 7, 10))


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


def interval(events: int, studies: int) -> str:
    """Return a rate with its exact binomial 95 % interval, in percent."""
    low, high = stats.binomtest(events, studies).proportion_ci(0.95)
    return f"{100 * events / studies:.1f} ({100 * low:.1f} to {100 * high:.1f})"


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
