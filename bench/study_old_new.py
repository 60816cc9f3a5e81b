"""A study and everyday commands by an older revision and by a newer one, in turn on one machine: times, and every trial's WERs.

    python bench/study_old_new.py ca47be8 HEAD [--plan plans/smile.yaml] [--rounds 1]

Each revision gets a checkout with its own environment in a temporary folder and prepares the corpus again. The console script
`ablate` of that environment runs the study, so the layout of a revision does not matter. Then come the same study again, with
nothing to train, `ablate plan` and `ablate --help`, each with the best of three times. Exit code: 0 if all trials have the same
WERs to the last digit, else 1. Use an idle machine: a round of the founding plan takes six to eight minutes per revision on two
cores, and twice as long on a slow machine. The last row has the ratios of the last row to the first.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

BEST_OF = 3
Wers = Mapping[tuple[str, int], Mapping[str, float]]
NO_STORE = {
    name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")
}  # else trials are reused


@dataclass(frozen=True)
class Measured:
    """One study: times in seconds, by what took them, and WERs by trial and condition."""

    seconds: Mapping[str, float]
    wers: Wers


def checkout(revision: str, folder: Path) -> Path:
    """Return a clone of this repository at the revision, with its environment; this is not timed."""
    here = Path(__file__).resolve().parents[1]
    found = subprocess.run(["git", "rev-parse", revision], check=True, cwd=here, capture_output=True, text=True)
    subprocess.run(["git", "clone", "--quiet", str(here), str(folder)], check=True)
    subprocess.run(["git", "checkout", "--quiet", "--detach", found.stdout.strip()], check=True, cwd=folder)
    subprocess.run(["make", "--silent", "setup"], check=True, cwd=folder, stdout=subprocess.DEVNULL)
    return folder


def measure(folder: Path, plan: Path, number: int) -> Measured:
    """Run the plan once from an empty corpus cache and an empty store, then the everyday commands."""
    out = folder / f"round-{number}"
    for stale in ("corpora-cache", "studies"):  # a second round would find everything done
        shutil.rmtree(folder / stale, ignore_errors=True)
    run = ["run", str(plan), "--out", str(out)]
    seconds = {"study": timed(folder, run)}
    trials = json.loads((out / "study.json").read_text(encoding="utf-8"))["trials"]
    for what in ("train", "evaluate"):
        seconds[what] = sum(trial.get(f"{what}_seconds") or 0 for trial in trials)
    for name, command in {"again": run, "plan": ["plan", str(plan)], "help": ["--help"]}.items():
        seconds[name] = min(timed(folder, command) for _ in range(BEST_OF))
    return Measured(seconds, {(trial["arm"], trial["seed"]): trial.get("wer") or {} for trial in trials})


def timed(folder: Path, command: list[str]) -> float:
    """Return the seconds that `ablate` of a checkout takes for a command."""
    started = time.perf_counter()
    subprocess.run([".venv/bin/ablate", *command], check=True, cwd=folder, env=NO_STORE, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def differences(first: Wers, other: Wers) -> list[str]:
    """Return a line for each trial whose WERs differ, or that only one of the studies has."""
    trials = dict.fromkeys([*first, *other])
    return [
        f"{arm} seed {seed}: {first.get((arm, seed))} and {other.get((arm, seed))}"
        for arm, seed in trials
        if first.get((arm, seed)) != other.get((arm, seed))
    ]


def main() -> int:
    """Print a row per round and revision, then the trials that differ from those of the first row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revisions", nargs="+")
    parser.add_argument(
        "--plan", type=Path, default=Path("plans/smile.yaml"), help="relative to each checkout, or absolute"
    )
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    found: list[tuple[str, Measured]] = []
    with tempfile.TemporaryDirectory() as scratch:
        folders = {name: checkout(name, Path(scratch) / str(place)) for place, name in enumerate(given.revisions)}
        for number in range(1, given.rounds + 1):
            found += [(f"{name} #{number}", measure(folder, given.plan, number)) for name, folder in folders.items()]
    times = pd.DataFrame({name: run.seconds for name, run in found}).T
    times.loc["last / first"] = times.iloc[-1] / times.iloc[0]
    print(times.round(2).to_string())
    (first, reference), *others = found
    changed = [f"{first} and {name}: {line}" for name, run in others for line in differences(reference.wers, run.wers)]
    print("\n".join(changed) or f"{len(reference.wers)} trials: every WER is the same to the last digit")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
