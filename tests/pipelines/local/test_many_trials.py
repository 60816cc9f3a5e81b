"""Many trials in one study: real ones, through the local runner, each of one step on twenty utterances.

Log and inputs per trial have limits that do not depend on the number of trials. A log that grows with the square of it, as that
of kfp does, has 11 MB here, twenty times the bound, and the inputs of a task that contain all trials have more than 4 kB.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ablation.results import read_counts, read_study
from pipelines.package.compile import compile_package
from pipelines.package.lint import lint

ROOT = Path(__file__).parents[3]
ARMS, SEEDS = 4, 6
TRIALS = ARMS * SEEDS
LOG_BYTES = 25_000  # per trial
INPUT_BYTES = 4_000  # per task, however many trials
PLAN: dict[str, Any] = {
    "study": "many",
    "corpus": "synthetic://talking-mouth?train=20&test=1&valid=1",
    "seeds": list(range(SEEDS)),
    "conditions": {},
    "baseline": {
        "training.steps": 1,
        "training.batch_size": 2,
        "encoder.layers": 1,
        "encoder.width": 16,
        "encoder.feedforward": 32,
        "encoder.heads": 2,
    },
    "ablations": [
        {"part": "training.learning_rate", "replacements": {f"rate-{n}": 10.0**-n for n in range(3, 2 + ARMS)}}
    ],
}


def turns_of(log: str) -> dict[str, set[int]]:
    """Step of the loop -> the turns in which it has written its outputs; two at a time print, but each path is whole."""
    found: dict[str, set[int]] = {}
    for turn, step in re.findall(r"for-loop-2-iteration-(\d+)/([\w-]+)/executor_output\.json", log):
        found.setdefault(step, set()).add(int(turn))
    return found


def inputs_of(log: str) -> dict[str, list[str]]:
    """Step -> the parameters of its tasks, as far as no other task has printed in between."""
    found: dict[str, list[str]] = {}
    for match in re.finditer(r"Got executor_input:\n", log):
        with contextlib.suppress(json.JSONDecodeError):
            given, _ = json.JSONDecoder().raw_decode(log, match.end())
            step = Path(given["outputs"]["outputFile"]).parent.name
            found.setdefault(step, []).append(json.dumps(given["inputs"].get("parameterValues", {})))
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_many_trials_cost_many_times_one(tmp_path: Path) -> None:
    assert lint(compile_package(tmp_path / "pipeline.yaml", "steps:1")) == []
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(PLAN))
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "run", "plan.yaml"],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    study = read_study(tmp_path / "studies" / "many")
    assert [trial.status for trial in study.trials] == ["finished"] * TRIALS
    assert len({trial.run_id for trial in study.trials}) == TRIALS
    assert len(read_counts(tmp_path / "studies" / "many")) == TRIALS
    log = (tmp_path / "studies" / "many" / "run.log").read_text()
    assert turns_of(log) == {step: set(range(TRIALS)) for step in ("train-trials", "evaluate-trials")}
    assert len(log) < LOG_BYTES * TRIALS
    given = inputs_of(log)
    alone = {"resolve-plan", "prepare-corpus", "find-finished", "compare-arms", "register-checkpoint", "close-study"}
    assert set(given) == {*alone, "train-trials", "evaluate-trials"}
    assert max(len(task) for tasks in given.values() for task in tasks) < INPUT_BYTES
