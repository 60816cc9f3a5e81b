"""The package for a Kubeflow server: Kubeflow's own loader reads it, and it wires what it should."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kfp import components

from ablation.errors import UserError
from pipelines.compile import compile_package

ROOT = Path(__file__).parents[2]
IMAGE = "registry.example/ablate-python:1234567"
STEPS = {"resolve-plan", "prepare-corpus", "train-trial", "evaluate-trial", "compare-arms", "register-checkpoint"}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Written by the command itself: an image is taken in before any component is declared."""
    path = tmp_path_factory.mktemp("package") / "new folder" / "pipeline.yaml"
    command = [sys.executable, "-m", "pipelines.cli", "compile", "-o", str(path), "--image", IMAGE]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (f"{path}\n", "")
    assert [file.name for file in path.parent.iterdir()] == ["pipeline.yaml"]
    return path


@pytest.fixture(scope="module")
def spec(package: Path) -> Any:
    return components.load_component_from_file(str(package)).pipeline_spec


def tasks(dag: Any) -> dict[str, Any]:
    return dict(dag.tasks.items())


def test_the_loader_finds_every_step_in_the_image_that_was_given(spec: Any) -> None:
    executors = spec.deployment_spec["executors"]
    assert {name.removeprefix("exec-") for name in executors} == STEPS
    assert {executor["container"]["image"] for executor in executors.values()} == {IMAGE}


def test_trials_run_in_a_loop_over_what_resolve_plan_hands_out(spec: Any) -> None:
    outer = tasks(spec.root.dag)
    [loop] = [task for name, task in outer.items() if name.startswith("for-loop")]
    assert set(outer) == STEPS - {"train-trial", "evaluate-trial"} | {loop.task_info.name}
    assert loop.parameter_iterator.items.input_parameter == "pipelinechannel--resolve-plan-Output"
    inner = spec.components[loop.component_ref.name].dag
    assert set(tasks(inner)) == {"train-trial", "evaluate-trial"}


def test_only_artifacts_the_item_and_the_pipelines_own_inputs_cross_into_the_loop(spec: Any) -> None:
    [loop] = [task for name, task in tasks(spec.root.dag).items() if name.startswith("for-loop")]
    produced = {
        name
        for name, given in loop.inputs.parameters.items()
        if given.HasField("task_output_parameter") and name != loop.parameter_iterator.items.input_parameter
    }
    assert produced == set()


def test_the_corpus_waits_for_the_plans_check(spec: Any) -> None:
    assert list(tasks(spec.root.dag)["prepare-corpus"].dependent_tasks) == ["resolve-plan"]


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match=r"cannot be written: .*; give another file with -o"):
        compile_package(tmp_path / "folder")
    assert list(tmp_path.iterdir()) == [tmp_path / "folder"]
