"""The emulator's pods: what a step finds around it, and how its processes end."""

import os
import time
from pathlib import Path

import pytest
from emulator import memory
from emulator.backend import Backend
from emulator.faults import lose_pod, terminate
from small_pipelines import alive, handed, loop, one

WHO = "id -u; id -g; id -un || true; echo home=${HOME-none}; pwd; touch /tmp/a /root-file || echo read-only"


def logged(backend: Backend, folder: Path, script: str, **settings: object) -> list[str]:
    run = backend.run(one(folder), {"script": script}, **settings)  # type: ignore[arg-type]
    assert run.state == "SUCCEEDED", run.told()
    return run.step("said").log.splitlines()


def test_a_step_runs_as_the_user_of_the_image(backend: Backend, tmp_path: Path) -> None:
    said = logged(backend, tmp_path, WHO)
    assert said[:5] == ["10001", "10001", "ablate", "home=/home/ablate", "/home/ablate"]


def test_a_user_without_a_name_and_a_read_only_root(backend: Backend, tmp_path: Path) -> None:
    script = f"{WHO}; touch /home/ablate/x || echo no home; touch /tmp/b /.cache/c /minio/d && echo scratch"
    said = logged(backend, tmp_path, script, user=4242, read_only=True)
    assert said[:2] == ["4242", "4242"]
    assert {"home=/home/ablate", "read-only", "no home", "scratch"} <= set(said)
    assert "ablate" not in said


def test_a_step_gets_the_environment_of_a_pod_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_THE_TEST", "1")
    backend = Backend(tmp_path / "backend", environment={"MLFLOW_TRACKING_URI": "http://127.0.0.1:5"})
    names = {line.partition("=")[0] for line in logged(backend, tmp_path, "env")}
    assert "MLFLOW_TRACKING_URI" in names
    cluster = {"KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "HOSTNAME", "KFP_POD_NAME", "KFP_POD_UID"}
    image = {"PATH", "PYTHONUNBUFFERED", "MLFLOW_DISABLE_TELEMETRY"}
    assert cluster | image <= names
    assert not names & {"FROM_THE_TEST", "TMPDIR", "PYTEST_CURRENT_TEST", "VIRTUAL_ENV"}


def test_steps_share_no_files_and_no_processes(backend: Backend, tmp_path: Path) -> None:
    make = 'echo secret > /tmp/left; echo > "$out"'
    read = f"! ls /tmp/left && ! ls {tmp_path} && ls /proc | grep -c '^[0-9]' | xargs test 9 -gt"
    run = backend.run(handed(tmp_path), {"make": make, "read": read})
    assert run.state == "SUCCEEDED", run.told()


def test_volumes_are_shared(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir(mode=0o777)
    volume.chmod(0o777)
    backend = Backend(tmp_path / "backend", volumes={"/volume": volume})
    run = backend.run(handed(tmp_path), {"make": 'echo v > /volume/x; echo > "$out"', "read": "grep v /volume/x"})
    assert run.state == "SUCCEEDED", run.told()
    assert (volume / "x").stat().st_uid == 10001


def test_an_argument_over_128_kib_does_not_start(backend: Backend, tmp_path: Path) -> None:
    fits = backend.run(one(tmp_path), {"script": "true #" + "x" * 60_000})
    assert (fits.state, 60_000 < fits.longest_argument < 128 * 1024) == ("SUCCEEDED", True), fits.told()
    run = backend.run(one(tmp_path), {"script": "true #" + "x" * 131_000})
    assert run.state == "FAILED"
    assert "argument list too long" in run.step("said").reason


def test_a_step_over_its_memory_limit_is_killed_whole(backend: Backend, tmp_path: Path) -> None:
    hungry = "python -I -S -c 'x = bytearray(200 << 20); print(len(x))' || echo outlived; sleep 20"
    run = backend.run(one(tmp_path, "64Mi"), {"script": hungry})
    step = run.step("said")
    assert (step.state, step.code, step.reason, step.pods) == ("failed", 137, "OOMKilled", 1), run.told()
    assert step.seconds < 15


def test_a_step_sees_its_memory_limit(backend: Backend, tmp_path: Path) -> None:
    if memory.kind() == "watched":
        pytest.skip("this machine lets nobody make a memory group")
    file = "/sys/fs/cgroup/memory.max" if memory.kind() == "v2" else "/sys/fs/cgroup/memory/memory.limit_in_bytes"
    run = backend.run(one(tmp_path, "100Mi"), {"script": f"cat {file}"})
    assert int(run.step("said").log) == 100 << 20


@pytest.mark.parametrize("how", ["sigkill", "memory", "delete"])
def test_a_lost_pod_leaves_no_process(backend: Backend, tmp_path: Path, how: str) -> None:
    script = f"setsid sleep 4321.{os.getpid()} & echo started; sleep 60"
    fault = lose_pod("said", how, log="started", times=3)
    run = backend.run(one(tmp_path), {"script": script}, faults=[fault])
    assert run.step("said").code == (143 if how == "delete" else 137)
    assert run.step("said").pods == (3 if how == "delete" else 1)
    time.sleep(0.1)
    assert alive(f"sleep\x004321.{os.getpid()}") == []


def test_sigterm_reaches_the_command_one_second_before_the_end(backend: Backend, tmp_path: Path) -> None:
    script = (
        "trap 'echo told; date +%s.%N; sleep 0.3; echo still; sleep 5; echo outlived' TERM; echo up; sleep 60 & wait"
    )
    run = backend.run(one(tmp_path), {"script": script}, faults=[terminate("said", log="up")])
    said = run.step("said").log.splitlines()
    assert {"told", "still"} <= set(said)
    assert "outlived" not in said
    assert run.step("said").uploaded == {}  # the launcher is dead, so the log is not stored either


def test_a_step_is_python_with_kfp(backend: Backend, tmp_path: Path) -> None:
    run = backend.run(loop(tmp_path), {"items": []}, read_only=True, user=4242)
    assert run.step("closed").state == "succeeded", run.told()
