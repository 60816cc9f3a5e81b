"""A study of 1000 trials within the server's sizes, with stubs for all steps but with the real division into turns."""

import json
from pathlib import Path

import pytest
from emulated_studies import IMAGE
from emulator.backend import Backend, fill_outputs
from emulator.package import Package
from emulator.pod import PROJECT, Pod
from emulator.records import Run, Step
from emulator.workflow import MOST_BYTES

from components.shared.chunks import MOST_TURNS, chunks
from pipelines.package.compile import compile_package

SPARE = 0.7  # of every limit may be used
CLUSTER = PROJECT / "deploy" / "cluster.yaml"  # volumes, secrets and variables of every pod count too
SECRETS = {
    "mlflow-credentials": {"username": "u", "password": "p"},
    "s3-credentials": {"accesskey": "a", "secretkey": "b"},
}
ARMS = {f"learning-rate-{number}": number / 1000 for number in range(1, 10)}
PLAN = {
    "study": "thousand",
    "corpus": "synthetic://talking-mouth?train=2000&test=300",
    "seeds": list(range(100)),
    "ablations": [{"part": "training.learning_rate", "replacements": ARMS}],
}


def stubbed(folder: Path, trials: int) -> Run:
    """Run a study of so many trials with stubs, with the settings of deploy/cluster.yaml."""
    package = compile_package(folder / "package.yaml", image=IMAGE, cluster=CLUSTER)

    def found(step: Step, pod: Pod) -> None:
        fill_outputs(step, pod)
        pod.host(step.executor_input["outputs"]["parameters"]["Output"]["outputFile"]).write_text(
            json.dumps(chunks(trials))
        )

    steps = [label.removeprefix("exec-") for label in Package.read(package).spec["deploymentSpec"]["executors"]]
    stubs = dict.fromkeys(steps, fill_outputs) | {"find-finished": found}
    return Backend(folder / "backend", secrets=SECRETS, claims={"ablate-data": folder}).run(
        package, {"plan": PLAN}, stubs=stubs
    )


@pytest.mark.slow
def test_a_thousand_trials_leave_room_in_every_limit(tmp_path: Path) -> None:
    run = stubbed(tmp_path, 1000)
    assert run.state == "SUCCEEDED", run.told()
    assert len(run.of("train-trials")) == len(run.of("evaluate-trials")) == MOST_TURNS
    assert run.packed_bytes < SPARE * MOST_BYTES
    assert run.longest_argument < SPARE * 128 * 1024


def test_a_study_with_nothing_to_train_has_six_steps(tmp_path: Path) -> None:
    run = stubbed(tmp_path, 0)
    assert run.state == "SUCCEEDED", run.told()
    assert run.step_pods == 6
    assert run.pods == 6 + 6 + 3  # their drivers, and those of the root, of the exit handler and of the loop
