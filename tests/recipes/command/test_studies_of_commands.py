"""Whole studies with commands: faults cost their own trial, and the example learns and is judged."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import recipe_files

from ablation.report.content import load

ROOT = Path(__file__).parents[3]
TRAIN = """
import json, os, sys, time
out, seed, fault = sys.argv[1:4]
if fault == "fails":
    raise ValueError("no such layer")
if fault == "hangs":
    time.sleep(600)
if fault == "killed":
    os.kill(os.getpid(), 9)
if fault == "loud":
    for _ in range(100):
        print("x" * 1_000_000)
if fault != "empty":
    json.dump(fault, open(f"{out}/model.json", "w"))
"""
DECODE = """
import json, random, sys
checkpoint, data, to = sys.argv[1:4]
fault = json.load(open(f"{checkpoint}/model.json"))
rows = [json.loads(line) for line in open(f"{data}/manifest.jsonl")]
if fault == "half":
    rows = rows[: len(rows) // 2]
if fault != "silent":
    with open(to, "w") as file:
        for row in rows:
            print(row["text"], f"({row['id']})", file=file)
"""
REASONS = {
    "fails": "`train` ended with exit code 1: ValueError: no such layer",
    "hangs": "`train` may take 3.6 s (`timeouts`) and was ended after that",
    "killed": "`train` was killed (SIGKILL)",
    "empty": "`train` ended without an error, but it wrote no checkpoint",
    "silent": "`transcribe` wrote no hypotheses for clean",
    "half": "the hypotheses of clean lack 10 of 20 utterances",
}
PLAN = """
study: faults
recipe: recipe.yaml
corpus: synthetic://talking-mouth?train=4&test=20&valid=2
conditions: {white: [0]}
seeds: [1]
ablations: [{part: fault, replacements: {%s}}]
"""


def run(folder: Path, plan: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "cli.main", "run", str(plan), "--out", "study", *more]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_faulty_command_costs_its_own_trial(tmp_path: Path) -> None:
    kinds = {"none": {"arguments": ["ok"]}, **{name: {"arguments": [name]} for name in (*REASONS, "loud")}}
    data = recipe_files.content() | {
        "train": ["{python}", "train.py", "{out}", "{seed}", "{overrides}"],
        "transcribe": ["{python}", "decode.py", "{checkpoint}", "{corpus}/test/{condition}", "{hypotheses}"],
        "parts": {"fault": {"default": "none", "kinds": kinds}},
        "settings": {},
        "timeouts": {"train": 0.001},
    }
    recipe_files.write(tmp_path, data)
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "decode.py").write_text(DECODE)
    (tmp_path / "plan.yaml").write_text(PLAN % ", ".join(f"{name}: {name}" for name in (*REASONS, "loud")))
    done = run(tmp_path, tmp_path / "plan.yaml")
    assert "6 of 8 trials failed; the plan allows 0" in done.stdout + done.stderr
    assert done.returncode == 1
    trials = {trial.arm: trial for trial in load(tmp_path / "study").study.trials}
    assert {arm: trial.status for arm, trial in trials.items() if trial.status == "finished"} == dict.fromkeys(
        ("baseline", "loud"), "finished"
    )
    assert [arm for arm, reason in REASONS.items() if not str(trials[arm].reason).startswith(reason)] == []
    logs = sum(path.stat().st_size for path in tmp_path.rglob("*.log"))
    assert logs < 20_000_000


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_example_learns_and_its_arms_are_judged(tmp_path: Path) -> None:
    done = run(tmp_path, ROOT / "examples" / "gru_ctc" / "plan.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    found = load(tmp_path / "study")
    assert {(trial.status, trial.steps) for trial in found.study.trials} == {("finished", 200)}
    assert set(found.verdicts) == {"forward", "no-normalisation"}
    assert found.study.recipe == "gru-ctc"
    assert all(trial.wer and trial.wer["wer/clean"] < 0.9 for trial in found.study.trials if trial.arm == "baseline")
    assert json.loads((tmp_path / "study" / "study.json").read_text())


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_published_plan_is_carried_out_and_its_readings_are_reported(tmp_path: Path) -> None:
    small = [
        "--corpus",
        "synthetic://talking-mouth?train=24&test=4&valid=2",
        "--seeds",
        "1,2",
        "--set",
        "training.steps=2",
    ]
    done = run(tmp_path, ROOT / "examples" / "linear_recurrent" / "plan.md", *small)
    assert done.returncode == 0, done.stdout + done.stderr
    found = load(tmp_path / "study")
    assert {(trial.status, trial.steps) for trial in found.study.trials} == {("finished", 2)}
    assert list(found.verdicts) == ["no-twist", "linear-layers", "no-between"]
    read = ["twist: none", "between", "between: linear-layers", "between: none"]
    assert [line.split("`")[1] for line in found.study.readings] == read
    report = (tmp_path / "study" / "report.md").read_text(encoding="utf-8")
    assert all(f"| {each} |" in report for each in read)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_study_of_data_that_the_service_never_sees(tmp_path: Path) -> None:
    example, uri = shutil.copytree(ROOT / "examples" / "own_data", tmp_path / "example"), "external://digits?version=3"
    script = (example / "digits.py").read_text(encoding="utf-8")
    fault = 'rows[7]["ref"] += " nine" if model["scales"] == [1.0, 1.0] else ""\n    return rows'
    (example / "digits.py").write_text(
        script.replace("return rows", fault, 1), encoding="utf-8"
    )  # of the arm no-scaling
    design = ["--seeds", "1,2", "--set", "conditions={hiss: [0]}"]
    done = run(tmp_path, example / "plan.yaml", *design, "--set", "max_failed_trials=2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "corpora-cache").exists()
    found = load(tmp_path / "study")
    assert found.study.corpus["uri"] == uri
    assert {trial.arm: trial.status for trial in found.study.trials} == {
        "baseline": "finished",
        "no-scaling": "failed",
        "half-the-data": "finished",
    }
    reasons = {str(trial.reason) for trial in found.study.trials if trial.status == "failed"}
    assert all(
        "'speaker3-test007' has " in reason and "whose references 4 of 6 trials have" in reason for reason in reasons
    )
    counts = pd.read_parquet(tmp_path / "study" / "counts.parquet")
    assert len(counts) == 4 * 2 * 60
    assert set(counts["speaker"]) == {f"speaker{number}" for number in range(4)}
    assert f"{uri} (data that only the recipe knows" in (tmp_path / "study" / "report.md").read_text(encoding="utf-8")
    again = run(tmp_path, example / "plan.yaml", *design, "--explain").stdout
    assert again.count(": reuse: finished before") == 4
    assert again.count(": score again: ") == 2
    newer = run(tmp_path, example / "plan.yaml", *design, "--explain", "--corpus", "external://digits?version=4").stdout
    assert "6 of 6 trials would be trained" in newer
