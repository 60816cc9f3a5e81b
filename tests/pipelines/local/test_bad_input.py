"""Bad input of a run: the first step reports it in one sentence, and no other step starts."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
PLAN: dict[str, Any] = {"study": "demo", "ablations": [{"part": "masking", "action": "remove"}]}

Run = Callable[..., tuple[list[str], str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the real pipeline under Kubeflow's local runner; return the steps that started, and the error of the first one."""

    def call(**arguments: Any) -> tuple[list[str], str]:
        request = tmp_path / "request.json"
        request.write_text(json.dumps({"pipeline_root": str(tmp_path / "root"), "arguments": arguments}))
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW")}
        done = subprocess.run(
            [sys.executable, "-m", "pipelines.local.run", str(request)],
            cwd=ROOT,
            env=environment | {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        said = [line.strip() for line in done.stdout.splitlines() if line.strip().startswith("error: ")]
        assert len(said) == 1
        assert "Traceback" not in done.stdout
        return sorted(path.name for path in tmp_path.glob("root/*/*")), said[0].removeprefix("error: ")

    return call


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "a run needs a plan; fill in `plan` as JSON"),
        ({"plan": {"studdy": "demo"}}, "unknown key 'studdy' in the plan: did you mean 'study'?"),
        ({"plan": PLAN, "corpus": "grid:///no/such/folder"}, "/no/such/folder"),
        ({"plan": PLAN, "seeds": "1, 1"}, "seed 1 occurs 2 times"),
        ({"plan": PLAN, "gpus_per_trial": "two"}, "`gpus_per_trial` is a whole number"),
        ({"plan": PLAN}, "a run needs MLflow's address"),
        ({"plan": PLAN, "tracking_uri": "http://127.0.0.1:9"}, "cannot be reached: connection refused"),
    ],
    ids=["no plan", "no key of a plan", "no corpus", "no seeds", "no number", "no MLflow", "MLflow away"],
)
def test_the_first_step_says_it_and_no_other_is_started(run: Run, arguments: dict[str, Any], words: str) -> None:
    started, said = run(**arguments)
    assert started == ["close-study", "resolve-plan"]  # the last step runs in any case
    assert words in said


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("AWS_SECRET_ACCESS_KEY", "wrong", "does not accept these credentials (SignatureDoesNotMatch)"),
        ("AWS_ACCESS_KEY_ID", "", "needs credentials for S3"),
    ],
    ids=["wrong secret", "no key"],
)
def test_a_corpus_behind_a_key_that_is_not_there_is_refused_before_anything_starts(
    run: Run, bucket: str, monkeypatch: pytest.MonkeyPatch, setting: str, value: str, words: str
) -> None:
    monkeypatch.setenv(setting, value)
    started, said = run(plan=PLAN, corpus=f"s3://{bucket}/small", tracking_uri="http://127.0.0.1:9")
    assert started == ["close-study", "resolve-plan"]  # the last step runs in any case
    assert words in said
