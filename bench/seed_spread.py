"""The spread between seeds of finished studies, as rows of the table that `ablate plan` assumes before there are own studies.

    python bench/seed_spread.py studies/smile results/*            # prints the rows
    python bench/seed_spread.py studies/smile results/* --write    # puts them into ablation/stats/seed_spreads.csv

Studies with the same preset, corpus and number of steps are pooled: a trial that several of them have, such as the baseline's,
counts once. Their rows replace those that the table had. `--leave-out` names yardsticks that vary otherwise; by default they are
`audio-only` and `video-only`. Needed are two arms and two seeds. A study without a preset, a corpus or steps is left out by name.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ablation.records import Study
from ablation.results import read_counts, read_study
from ablation.stats.power import measured_spreads
from ablation.stats.scoring import pool
from ablation.stats.shipped_spreads import COLUMNS, KEYS, TABLE


def key_of(study: Study) -> tuple[str, str, int] | None:
    """Return preset, corpus and steps; None if the study has no such thing, as imported ones and those of other recipes."""
    steps = study.settings.get("training", {}).get("steps")
    uri = study.corpus.get("uri") if study.corpus else None
    return (study.preset, uri, steps) if study.preset and uri and steps else None


def pooled(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the trials of several studies as those of one, whose arms are all their arms. Equal trials are there once."""
    together = pd.concat([table.assign(arm=f"{place}/" + table["arm"]) for place, table in enumerate(tables)])
    wide = together.pivot_table(index=["arm", "seed"], columns="condition", values="wer", sort=False)
    first = wide.reset_index("arm").groupby([*wide.columns, "seed"], sort=False, dropna=False)["arm"].transform("first")
    kept = wide.index[first.to_numpy() == wide.index.get_level_values("arm")]
    return together.set_index(["arm", "seed"]).loc[kept].reset_index()


def rows_of(folders: Sequence[Path], leave_out: Sequence[str]) -> pd.DataFrame:
    """Return the rows of studies with the same preset, corpus and steps: a row per condition, spread and WER in points."""
    studies, tables, names = [read_study(folder) for folder in folders], [], []
    for folder, study in zip(folders, studies, strict=True):
        counts = read_counts(folder)
        trials = pool(counts[~counts["arm"].isin(leave_out)], ["arm", "seed", "condition"], "wer")
        tables.append(trials.assign(is_baseline=trials["arm"] == study.baseline))
        names.append(f"{study.study}: {trials['arm'].nunique()} arms x {trials['seed'].nunique()} seeds")
    trials, key = pooled(tables), key_of(studies[0])
    assert key is not None
    wer = trials[trials["is_baseline"]].groupby("condition")["wer"].mean()
    found = [
        (*key, name, round(100 * wer[name], 1), round(100 * spread.wer, 2), spread.df, f"study {'; '.join(names)}")
        for name, spread in measured_spreads([trials], str(trials["arm"].iloc[0])).items()
    ]
    return pd.DataFrame(found, columns=COLUMNS)


def table_of(folders: Sequence[Path], leave_out: Sequence[str]) -> pd.DataFrame:
    """Return the rows of all studies, and print which are left out."""
    groups: dict[tuple[str, str, int], list[Path]] = {}
    for folder in folders:
        key = key_of(read_study(folder))
        if key is None:
            print(f"left out: {folder} has no preset, corpus or number of steps")
        else:
            groups.setdefault(key, []).append(folder)
    rows = [rows_of(mine, leave_out) for mine in groups.values()]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=COLUMNS)


def write(new: pd.DataFrame, path: Path = TABLE) -> None:
    """Put rows into the table; those of the same preset, corpus and steps go."""
    old, taken = pd.read_csv(path), set(map(tuple, new[KEYS].to_numpy()))
    kept = old[[tuple(key) not in taken for key in old[KEYS].to_numpy()]]
    pd.concat([kept, new], ignore_index=True).to_csv(path, index=False)


def main() -> None:
    """Print or store the rows of the studies on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("studies", nargs="+", type=Path)
    parser.add_argument("--leave-out", nargs="*", default=["audio-only", "video-only"])
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    new = table_of(given.studies, given.leave_out)
    print(new.to_string(index=False))
    if given.write:
        write(new)


if __name__ == "__main__":
    main()
