"""The spread between seeds of finished studies, as rows of the table that `ablate plan` assumes before there are own studies.

    python bench/seed_spread.py studies/smile            # prints the rows
    python bench/seed_spread.py studies/smile --write    # puts them into ablation/stats/seed_spreads.csv

The rows of a preset, corpus and number of steps replace those that the table had. Yardsticks that vary otherwise (`audio-only`,
`video-only`) are left out by `--leave-out`. A study needs two arms and two seeds.
"""

import argparse
from pathlib import Path

import pandas as pd

from ablation.results import read_counts, read_study
from ablation.stats.power import measured_spreads
from ablation.stats.scoring import pool
from ablation.stats.shipped_spreads import COLUMNS, KEYS, TABLE


def rows_of(folder: Path, leave_out: list[str]) -> pd.DataFrame:
    """Return the rows of a study: a row per condition, spread and WER in points."""
    study, counts = read_study(folder), read_counts(folder)
    trials = pool(counts[~counts["arm"].isin(leave_out)], ["arm", "seed", "condition"], "wer")
    spreads = measured_spreads([trials], study.baseline)
    wer = trials[trials["arm"] == study.baseline].groupby("condition")["wer"].mean()
    arms, seeds = trials["arm"].nunique(), trials["seed"].nunique()
    key = (study.preset, study.corpus["uri"], study.settings["training"]["steps"])
    source = f"bench/seed_spread.py, {arms} arms x {seeds} seeds"
    found = [
        (*key, name, round(100 * wer[name], 1), round(100 * spread.wer, 2), spread.df, source)
        for name, spread in spreads.items()
    ]
    return pd.DataFrame(found, columns=COLUMNS)


def main() -> None:
    """Print or store the rows of the studies on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("studies", nargs="+", type=Path)
    parser.add_argument("--leave-out", nargs="*", default=["audio-only", "video-only"])
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    new = pd.concat([rows_of(folder, given.leave_out) for folder in given.studies], ignore_index=True)
    print(new.to_string(index=False))
    if given.write:
        old = pd.read_csv(TABLE)
        taken = set(map(tuple, new[KEYS].to_numpy()))
        kept = old[[tuple(key) not in taken for key in old[KEYS].to_numpy()]]
        pd.concat([kept, new], ignore_index=True).to_csv(TABLE, index=False)


if __name__ == "__main__":
    main()
