"""As many trials as one study may have: real ones, through the local runner, each of one step on twenty utterances."""

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
from pipelines.compile import compile_package
from pipelines.lint import lint

ROOT = Path(__file__).parents[2]
ARMS, SEEDS = 4, 100
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


def inputs_of(log: str) -> dict[str, list[str]]:
    """Step -> the parameters of each of its tasks, from the log of the run."""
    found: dict[str, list[str]] = {}
    for match in re.finditer(r"Got executor_input:\n", log):
        try:
            given, _ = json.JSONDecoder().raw_decode(log, match.end())
        except json.JSONDecodeError:  # two trials at a time may print into each other's lines
            continue
        step = Path(given["outputs"]["outputFile"]).parent.name
        found.setdefault(step, []).append(json.dumps(given["inputs"].get("parameterValues", {})))
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_four_hundred_trials(tmp_path: Path) -> None:
    assert lint(compile_package(tmp_path / "pipeline.yaml", "steps:1")) == []
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(PLAN))
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", "run", "plan.yaml"],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    study = read_study(tmp_path / "studies" / "many")
    assert [trial.status for trial in study.trials] == ["finished"] * ARMS * SEEDS
    assert len(read_counts(tmp_path / "studies" / "many")) == ARMS * SEEDS
    log = tmp_path / "studies" / "many" / "run.log"
    assert log.stat().st_size < 20e6
    given = inputs_of(log.read_text())
    alone = {"resolve-plan", "prepare-corpus", "find-finished", "compare-arms", "register-checkpoint"}
    assert set(given) == {*alone, "train-trial", "evaluate-trial"}
    assert len(given["train-trial"]) > ARMS * SEEDS / 2
    assert max(len(task) for tasks in given.values() for task in tasks) < 100 * 1024
