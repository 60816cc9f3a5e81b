"""Time a study and a rerun with nothing changed, and count the training steps of each; the rerun takes none.

PYTHONPATH=. python bench/rerun.py plans/smoke.yaml
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from ablation.results import read_study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plan", type=Path)
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        store = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
        command = [sys.executable, "-m", "cli.main", "run", str(given.plan), "--out", f"{folder}/study"]
        for name in ("first", "again"):
            started = time.perf_counter()
            subprocess.run(command, env=os.environ | store, stdout=subprocess.DEVNULL, check=True)
            seconds, trials = time.perf_counter() - started, read_study(Path(folder) / "study").trials
            steps = sum(trial.steps or 0 for trial in trials if trial.reused_from is None)
            print(f"{name}: {seconds:.1f} s, {len(trials)} trials, {steps} training steps")


if __name__ == "__main__":
    main()
