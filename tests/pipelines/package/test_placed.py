"""Settings reach every step of a pipeline with an exit handler around its loop, whatever its steps are called."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import compiler, dsl
from lint_cases import end, make_list, use_text

from pipelines.package import placed as module
from pipelines.package.cluster import Cluster
from pipelines.package.lint import lint
from pipelines.package.steps import Steps


@dsl.pipeline
def handled(gpus_per_trial: str = "0", trials_per_task: str = "", other: str = "") -> None:
    """Stand for the study: an exit task, and a loop inside the handler."""
    with dsl.ExitHandler(end(where=dsl.PIPELINE_JOB_ID_PLACEHOLDER), name="study"):
        made = make_list()
        with dsl.ParallelFor(made.output):
            use_text(text=gpus_per_trial)
        use_text(text=trials_per_task).after(made)
        use_text(text=other)


@pytest.fixture
def documents(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    monkeypatch.setattr(module, "ablation_pipeline", handled)
    monkeypatch.setattr(module, "pipeline_steps", lambda: Steps(("use-text",), ("use-text",)))
    settings = Cluster(
        parallelism=3,
        trials_per_task=5,
        state_root="/data",
        volumes=[{"claim": "data", "mount_path": "/data"}],
        accelerator={"count": 2},
        environment={"A": "b"},
    )
    path = tmp_path / "pipeline.yaml"
    compiler.Compiler().compile(module.placed(settings, "steps:1"), str(path))
    assert lint(path) == []
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def test_the_exit_task_gets_what_every_step_gets(documents: list[Any]) -> None:
    executors = documents[0]["deploymentSpec"]["executors"]
    pods = documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert {"exec-end", "exec-make-list", "exec-use-text"} < set(executors) == set(pods)
    for executor in executors.values():
        assert {"name": "A", "value": "b"} in executor["container"]["env"]
        assert executor["container"]["image"] == "steps:1"
    assert all(pod["pvcMount"][0]["mountPath"] == "/data" for pod in pods.values())


def test_only_steps_in_the_loop_get_gpus(documents: list[Any]) -> None:
    executors = documents[0]["deploymentSpec"]["executors"]
    assert [name for name, each in executors.items() if "resources" in each["container"]] == ["exec-use-text"]


def test_parallelism_reaches_a_loop_in_a_handler(documents: list[Any]) -> None:
    [handler] = [each for name, each in documents[0]["components"].items() if name.startswith("comp-exit-handler")]
    [loop] = [task for name, task in handler["dag"]["tasks"].items() if name.startswith("for-loop")]
    assert loop["iteratorPolicy"] == {"parallelismLimit": 3}


def test_defaults_reach_inputs_that_exist(documents: list[Any]) -> None:
    inputs = documents[0]["root"]["inputDefinitions"]["parameters"]
    assert set(inputs) == {"gpus_per_trial", "trials_per_task", "other"}
    assert (inputs["gpus_per_trial"]["defaultValue"], inputs["trials_per_task"]["defaultValue"]) == ("2", "5")
