"""Time to judge large studies, and to write their reports.

    python bench/judging.py                  # 100 arms x 3 seeds, 300 x 3, 10 x 100, complete and with 5 % of the trials missing
    python bench/judging.py --sizes 100x3    # others

Studies have 5 conditions and 20 utterances of 20 speakers, and are written to a temporary folder (not timed). Prints the seconds of
`significance.compare`, of all tests of the report (`content.load`) and of the report in all formats, tests included. The goals
are 2, 10 and 5 s for judging, and 10 s for each report.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from report_scale import write_study

SIZES = ("100x3", "300x3", "10x100")
UTTERANCES = 20


def without_some(counts: pd.DataFrame, share: float) -> pd.DataFrame:
    """Return the counts without a share of the trials, drawn at random; the baseline keeps its trials."""
    trials = counts.loc[counts["arm"] != "baseline", ["arm", "seed"]].drop_duplicates()
    gone = trials.sample(frac=share, random_state=0).assign(gone=True)
    return counts[counts.merge(gone, how="left", on=["arm", "seed"])["gone"].isna().to_numpy()]


def measure(arms: int, seeds: int, missing: float) -> list[float]:
    """Return the seconds of the test, of all tests and of the report, each by the clock and of the processor."""
    from ablation.report.build import build
    from ablation.report.content import load
    from ablation.results import read_counts
    from ablation.stats.significance import compare

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_study(folder, arms, seeds, UTTERANCES)
        counts = without_some(read_counts(folder), missing)
        if missing:
            whole = pd.read_parquet(folder / "counts.parquet")
            whole.loc[counts.index].to_parquet(folder / "counts.parquet", index=False)
        calls: list[Callable[[], Any]] = [
            lambda: compare(counts, margin_points=0.5),
            lambda: load(folder),
            lambda: build(folder),
        ]
        return [seconds for call in calls for seconds in timed(call)]


def timed(call: Callable[[], Any]) -> list[float]:
    """Return the seconds of a call by the clock and of the processor."""
    started = time.perf_counter(), time.process_time()
    call()
    return [time.perf_counter() - started[0], time.process_time() - started[1]]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=SIZES, help="arms with the baseline x seeds, e.g. 100x3")
    rows = []
    measure(2, 2, 0.0)  # imports
    for size in parser.parse_args().sizes:
        arms, seeds = map(int, size.split("x"))
        for missing in (0.0, 0.05):
            rows.append((size, f"{missing:.0%}", *np.round(measure(arms, seeds, missing), 2)))
            print(*rows[-1], file=sys.stderr, flush=True)
    heads = [f"{what}{kind}" for what in ("judging", "all tests", "report") for kind in ("", " (CPU)")]
    print(pd.DataFrame(rows, columns=["arms x seeds", "missing", *heads]).to_string(index=False))


if __name__ == "__main__":
    main()
