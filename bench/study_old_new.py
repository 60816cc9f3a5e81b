"""A whole study by an older revision and by this one, one after the other on the same machine: wall time and WER.

    python bench/study_old_new.py ca47be8 [HEAD ...] [--plan plans/smile.yaml] [--rounds 1]

Every revision gets a checkout and an environment of its own in a temporary folder, and prepares the corpus anew.
Leave the machine alone meanwhile. A round of the founding plan takes six to eight minutes per revision on two cores.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd


def checkout(revision: str, folder: Path) -> Path:
    """A clone of this repository at the revision, with its environment; nothing of it is timed."""
    here = Path(__file__).resolve().parents[1]
    subprocess.run(["git", "clone", "--quiet", str(here), str(folder)], check=True)
    subprocess.run(["git", "checkout", "--quiet", "--detach", revision], check=True, cwd=folder)
    subprocess.run(["make", "--silent", "setup"], check=True, cwd=folder, stdout=subprocess.DEVNULL)
    return folder


def measure(folder: Path, plan: str, number: int) -> dict[str, Any]:
    """One study: seconds from start to end, those in which its trials trained and were scored, and the WERs."""
    out = folder / f"round-{number}"
    for stale in ("corpora-cache", "studies"):  # else a second round would find everything done
        shutil.rmtree(folder / stale, ignore_errors=True)
    started, command = time.perf_counter(), [".venv/bin/ablate", "run", plan, "--out", str(out)]
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - started
    trials = json.loads((out / "study.json").read_text())["trials"]
    wer = {f"{t['arm']} {t['seed']}": round(100 * t["wer"]["wer/overall"], 2) for t in trials}
    work = {what: sum(t[f"{what}_seconds"] for t in trials) for what in ("train", "evaluate")}
    return {"wall s": wall, "train s": work["train"], "evaluate s": work["evaluate"]} | wer


def main() -> None:
    """Print a table: a column per revision and round."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revisions", nargs="+")
    parser.add_argument("--plan", default="plans/smile.yaml")
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folders = {name: checkout(name, Path(scratch) / name) for name in given.revisions}
        found = {
            f"{name} #{number}": measure(folder, given.plan, number)
            for number in range(1, given.rounds + 1)
            for name, folder in folders.items()
        }
    print(pd.DataFrame(found).round(2).to_string())


if __name__ == "__main__":
    main()
