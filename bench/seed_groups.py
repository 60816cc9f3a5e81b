"""False alarms and power of the caution about seeds that fall into two groups (`ablation/decisions/seed_groups.py`).

    python bench/seed_groups.py [--studies 10000]
    python bench/seed_groups.py --critical

Studies of normal seeds show false alarms: a study counts if any of its arms has two groups. The spread is relative to the mean
error rate, and arms share none, half or most of the seeds' variance. In studies with two groups, some seeds end at an error rate
between 25 and 60 %, or at 100 %, in the baseline alone or in all arms; the other seeds are normal around 8 %.
`--critical` draws the table `CRITICAL` of the product again.
"""

import argparse
from collections.abc import Callable
from itertools import product

import numpy as np

from ablation.decisions.seed_groups import LEVELS, ratios, splits

SEEDS = (3, 4, 5, 6, 8, 12)
TABLE = (*range(3, 13), 16)
WORDS = 1300 * 7  # of the test set
LEAST_SD = 1 / WORDS / 12**0.5


def normal(
    studies: int, arms: int, seeds: int, rng: np.random.Generator, *, mean: float, spread: float, shared: float
) -> np.ndarray:
    """Return values (studies, arms, seeds) of normal seeds. `spread` is relative to the mean."""
    common, own = rng.normal(size=(studies, 1, seeds)), rng.normal(size=(studies, arms, seeds))
    return mean * (1 + spread * (shared**0.5 * common + (1 - shared) ** 0.5 * own))


def counted(rates: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the rates of errors that are counted on the test set."""
    return rng.binomial(WORDS, rates.clip(0, 1)) / WORDS


def alarms(values: np.ndarray, *, is_rate: bool = True) -> np.ndarray:
    """Return True for each arm (studies, arms) whose seeds fall into two groups."""
    least_sd = LEAST_SD if is_rate else 0.0
    return splits(np.sort(values, -1), least_sd, is_rate=is_rate, arms=values.shape[1]).any(-1)


def false_alarms(studies: int, rng: np.random.Generator) -> None:
    """Print the percentage of studies with a false alarm; rows are kinds of studies, columns numbers of seeds."""
    print("false alarms, percent of studies")
    for spread, arms, shared in product((0.1, 0.2, 0.25, 0.3), (3, 8, 16), (0.0, 0.5, 0.95)):
        found = []
        for seeds in SEEDS:
            drawn = normal(studies, arms, seeds, rng, mean=0.15, spread=spread, shared=shared)
            found.append(alarms(counted(drawn, rng)).any(1).mean())
        print(f"spread {spread:.2f}, {arms:2} arms, {shared:.0%} shared:", *(f"{100 * share:6.2f}" for share in found))
    for spread, arms in product((0.1, 0.15), (3, 8)):
        drawn = [0.15 * (1 + spread * rng.standard_t(3, (studies, arms, n)) / 3**0.5) for n in SEEDS]
        shares = [alarms(counted(each, rng)).any(1).mean() for each in drawn]
        print(f"heavy tails, spread {spread:.2f}, {arms} arms:", *(f"{100 * share:6.2f}" for share in shares))
    for arms, shared in product((3, 16), (0.0, 0.95)):
        drawn = [normal(studies, arms, n, rng, mean=1, spread=1, shared=shared) for n in SEEDS]
        shares = [alarms(each, is_rate=False).any(1).mean() for each in drawn]
        print(f"other values, {arms:2} arms, {shared:.0%} shared:", *(f"{100 * share:6.2f}" for share in shares))


def power(studies: int, rng: np.random.Generator) -> None:
    """Print the percentage of studies with groups that are found, by the number of seeds in the group."""
    ends: dict[str, Callable[[tuple[int, ...]], np.ndarray]] = {
        "25 to 60 %": lambda shape: rng.uniform(0.25, 0.6, shape),
        "100 %": lambda shape: rng.uniform(0.98, 1, shape),
    }
    print("power, percent of studies: seeds 3, 4, 5, 6, 8, 12, of which 1, 1, 2, 2, 2, 3 are in the group")
    for (name, end), spread, arms in product(ends.items(), (0.1, 0.2), (1, 5)):
        found = []
        for seeds, far in zip(SEEDS, (1, 1, 2, 2, 2, 3), strict=True):
            drawn = normal(studies, arms, seeds, rng, mean=0.08, spread=spread, shared=0.5)
            drawn[:, :, :far] = end((studies, arms, far))
            found.append(alarms(counted(drawn, rng)).any(1).mean())
        print(f"{name}, spread {spread:.1f}, in {arms} arms:", *(f"{100 * share:6.1f}" for share in found))


def critical_values(rng: np.random.Generator, draws: int = 4_000_000) -> None:
    """Print the table of critical values."""
    for seeds in TABLE:
        parts = [ratios(np.sort(rng.normal(size=(draws // 8, seeds)), -1)).max(-1) for _ in range(8)]
        found = np.quantile(np.concatenate(parts), [1 - level for level in LEVELS])
        print(f"    {seeds}: ({', '.join(f'{value:.4g}' for value in found)}),", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--studies", type=int, default=10_000)
    parser.add_argument("--critical", action="store_true")
    given, draws_of = parser.parse_args(), np.random.default_rng(0)
    if given.critical:
        critical_values(draws_of)
    else:
        false_alarms(given.studies, draws_of)
        power(given.studies, draws_of)
