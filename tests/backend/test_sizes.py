"""The emulator's sizes against what was measured on a genuine server with an earlier package of this project."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from emulator.backend import Backend, fill_outputs
from emulator.package import Package
from emulator.pod import Pod
from emulator.records import Run, Step
from emulator.workflow import MOST_BYTES, spec_bytes

RECORDED = Path(__file__).parents[3] / "shared" / "kfp" / "recorded"
SECRETS = {
    "mlflow-credentials": {"username": "u", "password": "p"},
    "s3-credentials": {"accesskey": "a", "secretkey": "b"},
}


def recorded(name: str) -> Any:
    if not RECORDED.is_dir():
        pytest.skip(f"{RECORDED} with recorded answers is not here")
    return json.loads((RECORDED / name).read_text())["body"]


def trial(number: int) -> str:
    """An item of the loop, as that package wrote it."""
    prints = {"fingerprint": f"{number:016x}"[::-1], "evaluation": f"{number * 7919:016x}"[::-1]}
    ids = {"run_id": f"{hash((number, 'run')) % 2**128:032x}", "study_run_id": "c05ba4d7404640c7b7c35a5f5eedf2cb"}
    names = {"arm": f"arm-{number % 20:03d}", "seed": number // 20, "experiment_id": "12", "opened": 1795647752.8611107}
    return json.dumps(names | ids | prints | {"forced": False, "done": False})


@pytest.fixture
def earlier(tmp_path: Path) -> Callable[[int], Run]:
    """Runs the recorded package with a number of trials and stubs for steps."""
    uploaded = recorded("upload-version.json")["pipeline_spec"]
    path = tmp_path / "earlier.yaml"
    path.write_text(yaml.safe_dump_all([uploaded["pipeline_spec"], uploaded["platform_spec"]]))
    arguments = recorded("run-memory-kill.json")["runtime_config"]["parameters"]
    steps = uploaded["pipeline_spec"]["deploymentSpec"]["executors"]

    def call(trials: int) -> Run:
        def found(step: Step, pod: Pod) -> None:
            fill_outputs(step, pod)
            items = json.dumps([trial(number) for number in range(trials)])
            pod.host(step.executor_input["outputs"]["parameters"]["Output"]["outputFile"]).write_text(items)

        stubs = {name.removeprefix("exec-"): fill_outputs for name in steps} | {"find-finished": found}
        return Backend(tmp_path / str(trials), secrets=SECRETS).run(path, arguments, stubs=stubs)

    return call


def test_the_specification_has_the_recorded_size() -> None:
    uploaded = recorded("upload-version.json")["pipeline_spec"]
    manifest = json.loads(recorded("v1-memory-kill.json")["pipeline_runtime"]["workflow_manifest"])
    package = Package(
        uploaded["pipeline_spec"], uploaded["platform_spec"]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    )
    genuine = len(json.dumps(manifest["spec"], separators=(",", ":"), ensure_ascii=False))
    assert spec_bytes(package) == pytest.approx(genuine, rel=0.05)


def test_packed_sizes_are_the_measured_ones(earlier: Callable[[int], Run]) -> None:
    few, more = earlier(2), earlier(12)
    a_turn = (more.packed_bytes - few.packed_bytes) / 10
    assert a_turn == pytest.approx(9_800, rel=0.1)
    assert few.packed_from is None  # nodes are packed from the sixth trial on
    assert more.packed_from is not None
    # 96 trials succeeded and 100 failed: both lie within a tenth of the limit.
    assert few.packed_bytes + 94 * a_turn == pytest.approx(MOST_BYTES, rel=0.1)
    collected = more.step("compare-arms").longest_argument - few.step("compare-arms").longest_argument
    assert collected / 10 == pytest.approx(521, abs=40)  # and a label


@pytest.mark.slow
def test_the_measured_limit_of_trials(earlier: Callable[[int], Run]) -> None:
    fits, fails = earlier(96), earlier(100)
    assert fits.state == "SUCCEEDED", fits.message
    assert fails.state == "FAILED"
    assert "longer than maximum allowed size" in fails.message
    assert len([step for step in fails.of("evaluate-trial") if step.ran]) > 90  # all the training for nothing
