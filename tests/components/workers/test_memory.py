"""The memory of a container: limits as the kernel writes them, and workers that pass a real one."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from process_end import wait_for_end

from components.workers.memory import MemoryGroup, MemoryWatch, limited_groups, tree

ROOT = Path(__file__).parents[3]
MB = 10**6
V1, V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
# Takes memory as the request says: fast up to 400 MB, then 50 MB a second. The last 5 % of the limit of 600 MB then take 0.6 s, so
# that a busy machine does not jump over them between two looks.
WORKER = """
import mmap, pathlib, time
from components.workers.isolation import run_worker

def work(request):
    kept = []
    for taken_mb in range(request["mb"]):
        if request["kind"] == "private":
            kept.append(bytearray(10**6))
        else:
            place = "/dev/shm" if request["kind"] == "shared" else request["folder"]
            with open(f"{place}/{request['name']}", "ab") as file:
                file.write(bytes(10**6))
        time.sleep(0.001 if taken_mb < 400 or request["kind"] == "file" else 0.02)
    (pathlib.Path(request["folder"]) / "done").touch()

if __name__ == "__main__":
    run_worker(work)
"""


def group_of_v2(folder: Path, limit: str, **stat: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.stat").write_text("".join(f"{name} {value}\n" for name, value in stat.items()))
    return folder


def group_of_v1(folder: Path, limit: int, **stat: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.limit_in_bytes").write_text(f"{limit}\n")
    (folder / "memory.stat").write_text("".join(f"{name} {value}\n" for name, value in stat.items()))
    return folder


def found(tmp_path: Path, own: str) -> list[MemoryGroup]:
    (tmp_path / "own").write_text(own)
    return limited_groups(tmp_path / "groups", tmp_path / "own")


def test_v2_counts_what_the_kernel_cannot_give_back(tmp_path: Path) -> None:
    group_of_v2(tmp_path / "groups", str(100 * MB), anon=60 * MB, file=900 * MB, shmem=5 * MB, slab_reclaimable=7 * MB)
    [group] = found(tmp_path, "0::/\n")
    assert (group.limit, group.used()) == (100 * MB, 65 * MB)


def test_v1_counts_what_the_kernel_cannot_give_back(tmp_path: Path) -> None:
    group_of_v1(tmp_path / "groups" / "memory", 100 * MB, cache=9, total_cache=900 * MB, total_rss=60, total_shmem=5)
    # The path of the host, which a container does not see.
    [group] = found(tmp_path, "5:cpu:/x\n4:memory:/kubepods/pod1/abc\n0::/\n")
    assert (group.limit, group.used()) == (100 * MB, 65)


def test_the_limits_of_all_groups_around_the_process_count(tmp_path: Path) -> None:
    group_of_v2(tmp_path / "groups" / "pod", str(50 * MB), anon=1)
    group_of_v2(tmp_path / "groups" / "pod" / "step", str(80 * MB), anon=1)
    group_of_v2(tmp_path / "groups" / "pod" / "other", str(10 * MB), anon=1)
    assert {group.limit for group in found(tmp_path, "0::/pod/step\n")} == {50 * MB, 80 * MB}


@pytest.mark.parametrize("limit", ["max", str(2**63 - 4096), "", "nonsense"])
def test_no_limit_is_no_group(tmp_path: Path, limit: str) -> None:
    group_of_v2(tmp_path / "groups", limit, anon=1)
    assert found(tmp_path, "0::/\n") == []


@pytest.mark.parametrize("own", ["", "0::/gone\n", "4:memory:/gone\n"])
def test_a_machine_without_groups_has_no_limit(tmp_path: Path, own: str) -> None:
    assert found(tmp_path, own) == []
    assert limited_groups(tmp_path / "groups", tmp_path / "absent") == []


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    """A process with a child, which both sleep."""
    process = subprocess.Popen(["/bin/sh", "-c", "sleep 60 & echo; wait"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    for pid in tree(process.pid)[1:]:
        os.kill(pid, 9)
    process.kill()
    process.communicate()


def test_a_worker_is_ended_with_its_children_at_the_limit(tmp_path: Path, sleeper: "subprocess.Popen[bytes]") -> None:
    group = group_of_v2(tmp_path / "group", str(1000 * MB), anon=949 * MB)
    watch = MemoryWatch([MemoryGroup(group, 1000 * MB)])
    slow, fast = MemoryWatch([MemoryGroup(group, 9999 * MB)]).look(sleeper.pid), watch.look(sleeper.pid)
    assert fast < slow
    assert (watch.reason, sleeper.poll()) == (None, None)
    group_of_v2(group, str(1000 * MB), anon=951 * MB)
    child = tree(sleeper.pid)[1]
    watch.look(sleeper.pid)
    assert sleeper.wait(10) == -9
    wait_for_end(child, 5)
    assert watch.reason is not None
    assert "up to 95% of the container's memory, and 0.89 of 0.93 GiB were in use" in watch.reason
    assert watch.reason.endswith("use a smaller batch or model, or give more `memory` in cluster.yaml")


def test_only_the_worker_with_the_largest_process_goes(tmp_path: Path, sleeper: "subprocess.Popen[bytes]") -> None:
    """Trials that share a container would otherwise all end at once."""
    group = group_of_v2(tmp_path / "group", str(1000 * MB), anon=990 * MB)
    (group / "cgroup.procs").write_text(f"{os.getpid()}\n{sleeper.pid}\n")  # this process is larger than a shell
    watch = MemoryWatch([MemoryGroup(group, 1000 * MB)])
    watch.look(sleeper.pid)
    assert (watch.reason, sleeper.poll()) == (None, None)


@pytest.fixture
def real_group() -> Iterator[Path]:
    """A control group of this machine with a limit of 600 MB."""
    name = f"ablate-test-{os.getpid()}"
    v1 = (V1 / "memory.limit_in_bytes").exists()
    folder = (V1 if v1 else V2) / name
    try:
        folder.mkdir()
        (folder / ("memory.limit_in_bytes" if v1 else "memory.max")).write_text(str(600 * MB))
    except OSError as error:
        if folder.is_dir():
            folder.rmdir()
        pytest.skip(f"this machine does not let the test make a control group: {error}")
    yield folder
    folder.rmdir()


def step_in(group: Path, tmp_path: Path, **request: object) -> "subprocess.CompletedProcess[str]":
    """Run a step, in the group, whose worker takes memory; it prints how the worker ended."""
    (tmp_path / "some_worker.py").write_text(WORKER)
    request = {"folder": str(tmp_path), "name": f"ablate-test-{os.getpid()}", **request}
    code = (
        f"import os, pathlib; pathlib.Path({str(group / 'cgroup.procs')!r}).write_text(str(os.getpid()))\n"
        "from components.workers.isolation import fresh\n"
        f"with fresh('some_worker') as run: print(run({request!r}))"
    )
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    try:
        return subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120, check=False
        )
    finally:
        Path(f"/dev/shm/{request['name']}").unlink(missing_ok=True)


@pytest.mark.parametrize("kind", ["private", "shared"])
def test_a_worker_that_passes_a_real_limit_is_ended_by_its_step(real_group: Path, tmp_path: Path, kind: str) -> None:
    done = step_in(real_group, tmp_path, kind=kind, mb=900)
    assert done.returncode == 0, done.stderr
    assert "a trial may use up to 95% of the container's memory" in done.stdout
    assert not (tmp_path / "done").exists()


def test_files_that_are_read_and_written_do_not_count(real_group: Path, tmp_path: Path) -> None:
    done = step_in(real_group, tmp_path, kind="file", mb=900)
    assert (done.returncode, done.stdout) == (0, "None\n"), done.stderr
    assert (tmp_path / "done").exists()
