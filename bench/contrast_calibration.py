"""False findings of the product's tests of contrasts in simulated studies without any effect.

    python bench/contrast_calibration.py [--studies 1000]

Seeds move all arms alike with half of the variance; SD 0.3 points. Each study has one condition. Studies are tested in groups, as
the conditions of one table, and p of the family is read before Holm's correction over conditions. Prints the share of studies with
any p of at most 0.05 in the family, and the 95 % interval of this share. 5 % are stated.
"""

import argparse
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from ablation.plan.contrasts import Contrast, Level, factorial_contrasts, ladder_contrasts
from ablation.plan.naming import NamedChange
from ablation.stats.contrasts import compare_contrasts
from ablation.stats.levels import ALPHA

WORDS, SD, GROUP = 1_000_000, 0.003, 50  # studies with the same trials missing
RUNGS = ["bare", "r1", "r2", "r3", "baseline"]


def factorial(*sizes: int) -> tuple[list[str], list[Contrast]]:
    """Return the arms and the contrasts of a factorial with so many levels of each part."""
    cells = {cell: "baseline" if not any(cell) else "-".join(map(str, cell)) for cell in np.ndindex(*sizes)}
    levels = [
        [Level(f"p{part}l{level}", NamedChange("")) for level in range(1, size)] for part, size in enumerate(sizes)
    ]
    return list(cells.values()), factorial_contrasts(cells, levels)


FAMILIES: dict[str, tuple[list[str], list[Contrast]]] = {
    "ladder of 5": (RUNGS, ladder_contrasts(RUNGS)),
    "factorial 2x2": factorial(2, 2),
    "factorial 2x3": factorial(2, 3),
}


def draw(arms: Sequence[str], seeds: Sequence[int], missing: float, rng: np.random.Generator) -> pd.DataFrame:
    """Return counts of `GROUP` studies without effects. `seeds` are those of each arm; a share of the trials is `missing`."""
    tables = []
    for condition in range(GROUP):
        luck = rng.normal(0, SD * 0.5**0.5, max(seeds))
        rows = [
            (arm, seed + 1, round(WORDS * (0.1 + luck[seed] + rng.normal(0, SD * 0.5**0.5))))
            for arm, number in zip(arms, seeds, strict=True)
            for seed in range(number)
        ]
        tables.append(
            pd.DataFrame(rows, columns=["arm", "seed", "substitutions"]).assign(condition=f"study-{condition}")
        )
    table = pd.concat(tables).assign(deletions=0, insertions=0, reference_words=WORDS)
    keys = table[["arm", "seed"]].drop_duplicates()
    kept = keys[rng.random(len(keys)) >= missing]
    return table.merge(kept, on=["arm", "seed"])


def rate(family: str, seeds: int, missing: float, unbalanced: bool, studies: int) -> tuple[int, int]:
    """Return the number of studies with any finding, and the number of studies."""
    arms, contrasts = FAMILIES[family]
    rng, found = np.random.default_rng([seeds, len(arms), round(100 * missing), unbalanced]), 0
    numbers = [seeds + 2 * (unbalanced and place % 2) for place in range(len(arms))]
    for _ in range(studies // GROUP):
        table = compare_contrasts(draw(arms, numbers, missing, rng), contrasts)
        found += int((table.groupby("condition")["p"].min() <= ALPHA).sum())
    return found, studies // GROUP * GROUP


CASES = [(seeds, 0.0, False) for seeds in (3, 5)] + [(3, 0.0, True), (5, 0.1, False)]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000)
    studies = parser.parse_args().studies
    for family in FAMILIES:
        for seeds, missing, unbalanced in CASES:
            found, of = rate(family, seeds, missing, unbalanced, studies)
            low, high = stats.binomtest(found, of).proportion_ci(0.95)
            kind = "every other arm has 2 seeds more" if unbalanced else f"{missing:.0%} of the trials missing"
            print(f"{family}, {seeds} seeds, {kind}: {found / of:.1%} [{low:.1%}, {high:.1%}]", flush=True)


if __name__ == "__main__":
    main()
