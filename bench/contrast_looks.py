"""False findings and trials of a ladder and a factorial with looks, in simulated studies whose truth is known.

    python bench/contrast_looks.py [--studies 2000]

Prints two tables: how often a contrast that is zero is called a difference, or one as large as the margin equivalent; and how many
trials looks take, against a design without looks that has the same power at the border. The levels are those of
`ablation.stats.sequential_contrasts`. `simulated.py` draws the studies, and `contrast_look_rules.py` decides. Spreads are such that
the last look finds one point in the least detectable contrast in 80 % of studies.
"""

import argparse
from collections.abc import Sequence

import numpy as np
import pandas as pd
from contrast_calibration import factorial
from contrast_look_rules import Design, carried_out, of_plan
from look_rules import DIFFERENT, EQUIVALENT, FUTILE
from looks import interval
from simulated import SHARED, Truth, draw

from ablation.plan.contrasts import Contrast, ladder_contrasts
from ablation.stats.contrast_power import detectable_contrasts
from ablation.stats.sequential_contrasts import contrast_design, weights_of

MARGIN_POINTS = 1.0
LOOKS = ((3, 6), (3, 5, 8))
RUNGS = ("r0", "r1", "r2", "baseline")
FAMILIES: dict[str, tuple[list[str], list[Contrast]]] = {
    "ladder of 4": ([*RUNGS], ladder_contrasts(RUNGS)),
    "factorial 2x2": factorial(2, 2),
}


def planned(family: str, looks: Sequence[int], conditions: int, margin_points: float | None) -> Design:
    """Return the product's design of a family."""
    arms, contrasts = FAMILIES[family]
    found = contrast_design(looks, arms, contrasts, conditions, margin_points)
    return of_plan(found, arms, contrasts)


def fixed(family: str, seeds: int, conditions: int, margin_points: float | None) -> Design:
    """Return the design without looks, as one look at 5 %."""
    arms, contrasts = FAMILIES[family]
    return Design(weights_of(contrasts, arms), (seeds,), conditions, margin_points, (0.05,), (0.05,))


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
