"""Do common random numbers pay? The spread of the difference between two arms, with the same seeds and with different ones.

Trials of one seed share initial weights, batch order, augmentation and noise. A finished study shows what that is worth
without training anything again: the difference of an arm's seed i to the baseline's seed i shares random numbers, that
to the baseline's seed j does not, and all of them are differences of the same trials.

    python bench/common_random_numbers.py STUDY_FOLDER

`bench/common_random_numbers.yaml` is a small study with seeds enough: `ablate run bench/common_random_numbers.yaml`.
"""

import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from ablation.results import read_counts, read_study
from ablation.stats.scoring import pool

RESAMPLES = 2000


def spreads(arm: np.ndarray, baseline: np.ndarray) -> tuple[float, float]:
    """Standard deviation of a difference with shared seeds and with different ones; both arrays hold a WER per seed.

    With different seeds it is that of independent trials, the mean over all pairs i != j.
    """
    return float((arm - baseline).std(ddof=1)), math.sqrt(arm.var(ddof=1) + baseline.var(ddof=1))


def ratio_interval(arm: np.ndarray, baseline: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """95 % of the ratio of the two spreads over seeds drawn with replacement."""
    ratios = []
    for _ in range(RESAMPLES):
        drawn = rng.integers(0, len(arm), len(arm))
        shared, different = spreads(arm[drawn], baseline[drawn])
        ratios.append(shared / different if different else math.nan)
    low, high = np.nanpercentile(ratios, [2.5, 97.5])
    return float(low), float(high)


def measure(counts: pd.DataFrame, baseline: str, rng: np.random.Generator) -> pd.DataFrame:
    """One row per arm and condition; spreads in points. Only seeds that both have count."""
    wers = pool(counts, ["arm", "condition", "seed"]).pivot_table(
        index=["condition", "seed"], columns="arm", values="wer"
    )
    rows = []
    for condition, table in wers.groupby(level="condition", sort=False):
        for arm in table.columns.drop(baseline):
            both = table[[arm, baseline]].dropna().to_numpy()
            if len(both) > 2:
                shared, different = spreads(both[:, 0], both[:, 1])
                ratio = (shared / different, *ratio_interval(both[:, 0], both[:, 1], rng))
                rows.append((arm, condition, len(both), 100 * shared, 100 * different, *ratio))
    columns = ["arm", "condition", "seeds", "sd_shared", "sd_different", "ratio", "ratio_low", "ratio_high"]
    return pd.DataFrame(rows, columns=columns)


def main() -> None:
    """Print the table, and the ratio over all arms and conditions."""
    folder = Path(sys.argv[1])
    table = measure(read_counts(folder), read_study(folder).baseline, np.random.default_rng(0))
    print(table.round(2).to_string(index=False))
    ratio = math.sqrt((table["sd_shared"] ** 2).sum() / (table["sd_different"] ** 2).sum())
    print(f"over all: the spread of a difference is {ratio:.2f} times that with different seeds")


if __name__ == "__main__":
    main()
