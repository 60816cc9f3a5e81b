"""From counts to report at scale: 10 arms x 5 seeds x 5 conditions x 10 000 utterances, with time and peak memory.

    python bench/report_scale.py [--arms 10] [--seeds 5] [--utterances 10000]

Writes such a study into a temporary folder (not timed), then loads it, computes the statistics and builds the report in a
separate process. The goal is 60 s and 2 GB in all.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

CONDITIONS = {"clean": 0.06, "babble_10db": 0.09, "babble_5db": 0.15, "babble_0db": 0.28, "babble_-5db": 0.45}
WORDS = ["bin", "blue", "at", "f", "two", "now"]
SPEAKERS = 40


def write_study(folder: Path, arms: int, seeds: int, utterances: int) -> None:
    """Write a study folder as the pipeline does, with words substituted, deleted and inserted at random."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng, writer = np.random.default_rng(0), None
    names = ["baseline", *(f"arm-{n}" for n in range(1, arms))]
    for arm in names:
        for seed in range(1, seeds + 1):
            for condition, wer in CONDITIONS.items():
                trial = pa.Table.from_pandas(_trial(rng, wer * rng.normal(1, 0.02), utterances).assign(
                    arm=arm, seed=seed, condition=condition), preserve_index=False)  # fmt: skip
                writer = writer or pq.ParquetWriter(folder / "counts.parquet", trial.schema)
                writer.write_table(trial)
    assert writer is not None
    writer.close()
    pd.DataFrame({"arm": ["baseline"], "seed": 1, "step": 0, "metric": "loss", "value": 1.0}).to_parquet(
        folder / "curves.parquet"
    )
    (folder / "study.json").write_text(json.dumps(_study(names, seeds)))


def _trial(rng: np.random.Generator, wer: float, utterances: int) -> pd.DataFrame:
    """Letters per utterance are drawn first; counts and texts follow from them."""
    letters = rng.choice(list("CSDI"), (utterances, 6), p=[1 - wer, wer / 2, wer / 4, wer / 4])
    number = np.arange(utterances)
    counts = {letter: (letters == letter).sum(1) for letter in "SDI"}
    said = {"C": "now", "S": "x", "D": "", "I": "y"}
    return pd.DataFrame(
        {
            "utterance_id": [f"u{n}" for n in number],
            "speaker": [f"s{n % SPEAKERS}" for n in number],
            "substitutions": counts["S"],
            "deletions": counts["D"],
            "insertions": counts["I"],
            "reference_words": 6,
            "reference": " ".join(WORDS),
            "hypothesis": [" ".join(said[letter] for letter in row) for row in letters],
            "character_substitutions": counts["S"],
            "character_deletions": counts["D"] * 4,
            "character_insertions": counts["I"] * 2,
            "reference_characters": len(" ".join(WORDS)),
            # a reference of six words whatever was inserted: what is missing is added as correct
            "alignment": ["".join(row) + "C" * (row == "I").sum() for row in letters],
        }
    )


def _study(names: list[str], seeds: int) -> dict[str, Any]:
    arms = [{"arm": arm, "part": None if arm == "baseline" else "masking", "overrides": {}} for arm in names]
    trials = [{"arm": arm, "seed": seed, "status": "finished"} for arm in names for seed in range(1, seeds + 1)]
    corpus = {"uri": "made up", "fingerprint": "0" * 64}
    return {
        "study": "scale", "preset": "tiny", "corpus": corpus, "seeds": list(range(1, seeds + 1)),
        "conditions": list(CONDITIONS), "arms": arms, "trials": trials, "margin_points": 0.5,
    }  # fmt: skip


def measure(folder: Path) -> None:
    """Print the seconds of every stage, one after the other in this process, and its peak memory."""
    from ablation.report.build import build

    _statistics(folder)
    _timed("report, which loads again", lambda: build(folder))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{'peak':28} {peak:6.2f} GiB")


def _statistics(folder: Path) -> None:
    from ablation.results import read_counts
    from ablation.stats.bootstrap import intervals
    from ablation.stats.significance import compare
    from ablation.stats.these_checkpoints import these_checkpoints

    counts = _timed("load", lambda: read_counts(folder))
    mute = counts.assign(speaker="s")
    _timed("compare", lambda: compare(counts, margin_points=0.5))
    _timed("bootstrap", lambda: intervals(counts, "baseline", np.random.default_rng(0)))
    _timed("bootstrap over utterances", lambda: intervals(mute, "baseline", np.random.default_rng(0)))
    _timed("these checkpoints", lambda: these_checkpoints(counts, "baseline", np.random.default_rng(0)))


def _timed(name: str, call: Callable[[], Any]) -> Any:
    started = time.perf_counter()
    result = call()
    print(f"{name:28} {time.perf_counter() - started:6.1f} s", flush=True)
    return result


def main() -> None:
    """Write the study, then measure in a fresh process."""
    parser = argparse.ArgumentParser(description="Time from counts to report at scale.")
    parser.add_argument("--arms", type=int, default=10, help="with the baseline")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--utterances", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        measure(options.folder)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_study(Path(folder), options.arms, options.seeds, options.utterances)
        subprocess.run([sys.executable, __file__, "--folder", folder], check=True)


if __name__ == "__main__":
    main()
