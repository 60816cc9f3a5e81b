"""The package for a Kubeflow server: Kubeflow's own loader reads it, and its steps are connected correctly."""

import inspect
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import components
from kfp.dsl import Artifact, Dataset

from ablation.plan.arms import expand
from ablation.plan.plan import Plan
from common.errors import UserError
from components.prepare_corpus import prepare_corpus
from components.shared.revision import code_rev, image_tag
from components.shared.trial import plan_of
from corpora.store import Corpus
from model.config import CATALOGUE
from pipelines.ablation_pipeline import ablation_pipeline
from pipelines.package.compile import compile_package

ROOT = Path(__file__).parents[3]
IMAGE = "registry.example/ablate-python:1234567"
STEPS = {path.stem.replace("_", "-") for path in (ROOT / "components").glob("[a-z]*.py")}  # a file each


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the package by the command."""
    path = tmp_path_factory.mktemp("package") / "new folder" / "pipeline.yaml"
    command = [sys.executable, "-m", "cli.main", "compile", "-o", str(path), "--image", IMAGE]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (f"{path}\n", "")
    assert [file.name for file in path.parent.iterdir()] == ["pipeline.yaml"]
    return path


@pytest.fixture(scope="module")
def spec(package: Path) -> Any:
    return components.load_component_from_file(str(package)).pipeline_spec


def tasks(dag: Any) -> dict[str, Any]:
    return dict(dag.tasks.items())


@pytest.fixture(scope="module")
def study(spec: Any) -> dict[str, Any]:
    """The tasks that the exit handler watches."""
    return tasks(spec.components["comp-exit-handler-1"].dag)


def test_a_last_step_closes_the_study_whatever_happens(spec: Any, study: dict[str, Any]) -> None:
    outer = tasks(spec.root.dag)
    assert set(outer) == {"exit-handler-1", "close-study"}
    closing = outer["close-study"]
    assert list(closing.dependent_tasks) == ["exit-handler-1"]
    assert closing.trigger_policy.strategy == closing.trigger_policy.ALL_UPSTREAM_TASKS_COMPLETED
    runs = {
        given.runtime_value.constant.string_value for name, given in closing.inputs.parameters.items() if name == "run"
    }
    assert runs == {study["resolve-plan"].inputs.parameters["run"].runtime_value.constant.string_value}


def test_no_step_is_taken_from_the_servers_cache(spec: Any, study: dict[str, Any]) -> None:
    """A cached step would name the runs of an earlier study, or a corpus that is gone."""
    loop = tasks(spec.components["comp-for-loop-2"].dag)
    steps = {**tasks(spec.root.dag), **study, **loop}
    assert {name for name in steps if steps[name].caching_options.enable_cache} == set()
    assert set(steps) == STEPS | {"exit-handler-1", "for-loop-2"}


def test_the_loader_finds_every_step_with_the_given_image(spec: Any) -> None:
    executors = spec.deployment_spec["executors"]
    assert {name.removeprefix("exec-") for name in executors} == STEPS
    assert {executor["container"]["image"] for executor in executors.values()} == {IMAGE}
    told = [{item["name"]: item["value"] for item in executor["container"]["env"]} for executor in executors.values()]
    assert {variables["ABLATE_STEP_IMAGE"] for variables in told} == {IMAGE}  # for the provenance in the report


def test_the_loop_runs_over_chunks_of_unfinished_trials(spec: Any, study: dict[str, Any]) -> None:
    [loop] = [task for name, task in study.items() if name.startswith("for-loop")]
    assert loop.task_info.name == "chunks"
    assert list(study["compare-arms"].dependent_tasks) == ["for-loop-2", "resolve-plan"]
    assert loop.parameter_iterator.items.input_parameter == "pipelinechannel--find-finished-Output"
    inner = spec.components[loop.component_ref.name].dag
    assert set(tasks(inner)) == {"train-trials", "evaluate-trials"}


def test_only_artifacts_item_and_inputs_cross_into_the_loop(study: dict[str, Any]) -> None:
    [loop] = [task for name, task in study.items() if name.startswith("for-loop")]
    produced = {
        name
        for name, given in loop.inputs.parameters.items()
        if given.HasField("task_output_parameter") and name != loop.parameter_iterator.items.input_parameter
    }
    assert produced == set()


def test_the_corpus_waits_for_the_check_of_the_plan(study: dict[str, Any]) -> None:
    assert list(study["prepare-corpus"].dependent_tasks) == ["resolve-plan"]


def test_every_input_is_described_and_has_a_default(spec: Any) -> None:
    inputs = dict(spec.root.input_definitions.parameters.items())
    assert set(inputs) == set(inspect.signature(ablation_pipeline.pipeline_func).parameters)
    assert all(len(each.description) > 20 for each in inputs.values())
    assert {name for name, each in inputs.items() if not each.is_optional} == set()
    assert inputs["code_rev"].default_value.string_value == code_rev()


def test_the_example_plan_of_the_form_is_valid(spec: Any) -> None:
    text = spec.root.input_definitions.parameters["plan"].description
    example, end = json.JSONDecoder().raw_decode(text[text.index("{") :])
    assert len(expand(plan_of(example), CATALOGUE)) == 2
    more = re.findall(r"\w+", text[text.index("{") + end :].partition("More keys:")[2])
    assert {*example, *more} == set(Plan.__dataclass_fields__)


def test_the_default_image_has_the_revision_as_its_tag(tmp_path: Path) -> None:
    spec = yaml.safe_load(compile_package(tmp_path / "pipeline.yaml").read_text(encoding="utf-8"))
    images = {executor["container"]["image"] for executor in spec["deploymentSpec"]["executors"].values()}
    assert images == {f"ablate-python:{image_tag(code_rev())}"}


@pytest.mark.parametrize("image", ["steps", "steps:latest", "Steps:1"])
def test_a_bad_image_is_one_sentence_and_nothing_is_written(ablate: Any, tmp_path: Path, image: str) -> None:
    answer = ablate("compile", "-o", tmp_path / "pipeline.yaml", "--image", image)
    assert (answer.code, answer.out, len(answer.err.splitlines())) == (2, "", 1)
    assert answer.err.startswith("error: an image ")
    assert f"image {image!r} of " in answer.err
    assert f" and {len(STEPS) - 3} more steps " in answer.err
    assert "--image registry/ablate-python:1a2b3c4" in answer.err
    assert list(tmp_path.iterdir()) == []


def test_a_refused_package_leaves_the_old_file(ablate: Any, tmp_path: Path) -> None:
    path = tmp_path / "pipeline.yaml"
    assert ablate("compile", "-o", path, "--image", "steps:1").code == 0
    before = path.read_bytes()
    assert ablate("compile", "-o", path, "--image", "steps").code == 2
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["pipeline.yaml"]


def test_a_mistake_in_cluster_settings_is_one_sentence(ablate: Any, tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_text("memori: 1Gi\n")
    answer = ablate("compile", "-o", tmp_path / "pipeline.yaml", "--cluster", tmp_path / "cluster.yaml")
    assert (answer.code, answer.out, len(answer.err.splitlines())) == (2, "", 1)
    assert "unknown key 'memori': did you mean 'memory'?" in answer.err
    assert [file.name for file in tmp_path.iterdir()] == ["cluster.yaml"]


@pytest.fixture
def _sigterm() -> Iterator[None]:
    """Restore the handler of SIGTERM, because a step sets its own."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("_sigterm")
def test_the_corpus_step_prepares_the_given_corpus(tmp_path: Path) -> None:
    """Call the step as its container does."""
    out, reference = Dataset(uri=str(tmp_path / "given")), Artifact(uri=str(tmp_path / "reference"))
    uri = "synthetic://talking-mouth?train=3&test=2&valid=2"
    prepare_corpus.python_func(uri=uri, root="", reference=reference, corpus=out)
    assert Corpus.open(Path(out.path)).summary()["train"] == 3
    assert reference.metadata["fingerprint"] == Corpus.open(Path(out.path)).fingerprint


def test_an_unwritable_path_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match=r"cannot be written: .*; give another file with -o"):
        compile_package(tmp_path / "folder")
    assert list(tmp_path.iterdir()) == [tmp_path / "folder"]
