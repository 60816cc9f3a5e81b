"""Steps that are forked: they print, end, fail and die as steps in new interpreters do, and affect no other step."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from kfp import dsl, local
from kfp.local import logging_utils, subprocess_task_handler
from kfp.local.orchestrator import enhanced_dag_orchestrator
from process_end import wait_for, wait_for_end

from components.resolve_plan import resolve_plan
from pipelines.local import forkserver
from pipelines.local.deaths import deaths
from pipelines.local.kubeflow import _log_each_line_once, _our_steps, _run_at_once
from pipelines.local.placement import Groups

pytestmark = pytest.mark.skipif(not forkserver.possible(), reason="steps are forked on Linux only")

ROOT = Path(__file__).parents[3]
SOURCES = {
    "hello": 'import os\nprint("hello", os.getpid(), flush=True)',
    "sentence": 'raise SystemExit("error: no such corpus")',
    "raises": 'raise ValueError("unforeseen")',
    "killed": "import os\nos.kill(os.getpid(), 9)",
    "loaded": 'import sys\nprint("torch" in sys.modules, "mlflow" in sys.modules, flush=True)',
    "collector": (
        "import gc\nfrom components.workers.isolation import chosen_start\n"
        'print("collects", gc.isenabled(), gc.get_freeze_count() > 100_000, gc.get_threshold()[0], flush=True)\n'
        'with chosen_start()("collecting_worker") as run: run({})'
    ),
    "environment": 'import os\nprint(os.environ["GIVEN"], os.environ["_KFP_RUNTIME"], flush=True)',
    "arrays": (  # of 40 MB, which glibc by itself returns to the system each time
        "import resource\nimport numpy as np\n"
        "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "np.ones(5_000_000)\nbefore = faults()\nfor _ in range(5): np.ones(5_000_000)\n"
        'print("faults", faults() - before, flush=True)'
    ),
    "worker": (
        "import os\nfrom components.workers.isolation import chosen_start\n"
        'with chosen_start()("killed_worker") as run: print("said:", run({}), flush=True)\n'
        'with chosen_start()("fine_worker") as run: print("said:", run({"text": "done"}), flush=True)'
    ),
}


def command(body: str, tmp_path: Path, name: str = "step") -> list[str]:
    """The command that kfp's local runner starts for a lightweight component with this body."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    given = {"inputs": {}, "outputs": {"outputFile": str(tmp_path / "out" / "executor_output.json")}}
    real = list(resolve_plan.component_spec.implementation.container.command)
    script = [part.replace("python3", sys.executable) for part in real[:-1]]
    return [*script, f"def {name}():\n{lines}\n", "--executor_input", json.dumps(given), "--function_to_execute", name]


Ran = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[forkserver.ForkServer]:
    folder = tmp_path_factory.mktemp("modules")
    (folder / "killed_worker.py").write_text("import os\ndef work(_): os.kill(os.getpid(), 9)\n")
    (folder / "collecting_worker.py").write_text("import gc\ndef work(_): print('in the worker', gc.isenabled())\n")
    (folder / "fine_worker.py").write_text("def work(request): print(request['text'])\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{ROOT}")
        with forkserver.ForkServer() as server:
            yield server


@pytest.fixture
def ran(server: forkserver.ForkServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Ran:
    def call(name: str, **environment: str) -> tuple[int, str]:
        code = server.run(command(SOURCES[name], tmp_path), environment)
        assert code is not None
        return code, capsys.readouterr().out

    return call


def test_a_step_prints_and_ends_with_its_exit_code(ran: Ran) -> None:
    code, said = ran("hello")
    assert code == 0
    assert "\nhello " in said
    code, said = ran("sentence")
    assert code == 1
    assert said.splitlines()[-1] == "error: no such corpus"
    code, said = ran("raises")
    assert code == 1
    assert said.splitlines()[-1] == "ValueError: unforeseen"


def test_a_step_that_is_killed_costs_no_other(ran: Ran) -> None:
    assert ran("killed")[0] == -signal.SIGKILL
    assert ran("hello")[0] == 0


def test_what_a_step_needs_is_loaded_and_no_thread_runs_where_steps_fork(
    ran: Ran, server: forkserver.ForkServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A step that does not train waits for no import of torch."""
    assert "\nFalse True\n" in ran("loaded")[1]
    assert server.run(command(SOURCES["loaded"], tmp_path, "train_trials"), {}) == 0
    assert "\nTrue True\n" in capsys.readouterr().out
    assert len(list(Path(f"/proc/{server.process.pid}/task").iterdir())) == 1


def test_a_step_and_its_worker_collect_garbage_but_not_what_was_imported(ran: Ran) -> None:
    """The server of steps, which they are forks of, does not."""
    said = ran("collector")[1]
    assert "collects True True 700\n" in said
    assert "in the worker True\n" in said


def test_a_steps_environment_is_its_own(ran: Ran) -> None:
    assert "\n7 true\n" in ran("environment", GIVEN="7")[1]
    assert "KeyError" in ran("environment")[1]


def test_a_step_keeps_the_memory_of_large_arrays(ran: Ran) -> None:
    """Five such arrays have 48 828 pages of 4 KiB, and a training step touches as many MB again and again."""
    said = ran("arrays")[1]
    assert int(said.split("faults ")[1].split()[0]) < 1000


def test_a_worker_is_a_process_of_its_own_there_too(ran: Ran) -> None:
    code, said = ran("worker")
    assert code == 0
    assert "said: its process was killed (SIGKILL)" in said
    assert said.splitlines()[-3:-1] == ["done", "said: None"] or "done\nsaid: None" in said


def test_steps_run_at_the_same_time(server: forkserver.ForkServer, tmp_path: Path) -> None:
    """Each of four waits for the other three."""
    seen = f"len(list(pathlib.Path({str(tmp_path)!r}).glob('began-*')))"
    body = f"import os, pathlib, time\npathlib.Path({str(tmp_path)!r}, f'began-{{os.getpid()}}').touch()\n"
    body += f"ends = time.monotonic() + 60\nwhile {seen} < 4 and time.monotonic() < ends: time.sleep(0.02)\n"
    body += f"raise SystemExit({seen})"
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(server.run, [command(body, tmp_path)] * 4)) == [4] * 4


def test_an_ended_step_does_not_wait_for_a_later_one(server: forkserver.ForkServer, tmp_path: Path) -> None:
    """A child must not keep the pipes of the steps that ran when it was forked."""
    with ThreadPoolExecutor(2) as pool:
        began, end = tmp_path / "began", tmp_path / "end"
        wait = "import pathlib, time\nends = time.monotonic() + 120\n"
        wait += f"while not pathlib.Path({str(end)!r}).exists() and time.monotonic() < ends: time.sleep(0.02)"
        short = pool.submit(server.run, command(wait, tmp_path))
        wait_for(lambda: _children(server.process.pid), 60)
        body = f"import pathlib, time\npathlib.Path({str(began)!r}).touch()\ntime.sleep(60)"
        long = pool.submit(server.run, command(body, tmp_path))
        wait_for(began.exists, 60)
        end.touch()
        assert short.result(timeout=30) == 0
        assert not long.done()
        os.kill(int(_children(server.process.pid)[0]), signal.SIGKILL)
        assert long.result() == -signal.SIGKILL


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_another_command_runs_as_kfp_runs_it(server: forkserver.ForkServer, tmp_path: Path) -> None:
    assert server.run(["echo", "hello"], {"A": "1"}) is None
    with _our_steps(tmp_path, server):
        assert subprocess_task_handler.run_local_subprocess(["sh", "-c", "exit $CODE"], {"CODE": "5"}) == 5


def kill(server: forkserver.ForkServer) -> None:
    server.process.kill()
    server.process.wait()


def test_a_dead_server_is_replaced_by_a_new_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with forkserver.ForkServer() as server:
        kill(server)
        assert server.run(command("raise SystemExit(3)", tmp_path)) == 3
        assert "the fork server has died; a new one starts" in capsys.readouterr().out
        for _ in range(forkserver.MOST_SERVERS - 2):
            kill(server)
            assert server.run(command("pass", tmp_path)) == 0
        kill(server)
        assert server.run(command("pass", tmp_path)) is None


@pytest.mark.parametrize("forks", [False, True], ids=["interpreter", "fork"])
def test_a_killed_step_runs_once_more(
    forks: bool, server: forkserver.ForkServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mark = tmp_path / "mark"
    body = f"import os, pathlib\nmark = pathlib.Path({str(mark)!r})\n"
    body += "if not mark.exists(): mark.touch(); os.kill(os.getpid(), 9)\nprint('second try', flush=True)"
    with _our_steps(tmp_path, server if forks else None):
        assert subprocess_task_handler.run_local_subprocess(command(body, tmp_path)) == 0
        assert "step out was killed (SIGKILL); it runs again" in capsys.readouterr().out
        assert subprocess_task_handler.run_local_subprocess(command(SOURCES["killed"], tmp_path)) == -signal.SIGKILL
        assert subprocess_task_handler.run_local_subprocess(command(SOURCES["raises"], tmp_path)) == 1
    assert [(death.step, death.last) for death in deaths(tmp_path)] == [("out", False), ("out", False), ("out", True)]


def test_steps_end_with_their_server_and_run_again_under_the_next(tmp_path: Path) -> None:
    """A step that lived on would work at the same time as its second try."""
    pids = tmp_path / "pids"
    body = f"import os, time\nwith open({str(pids)!r}, 'a') as file: print(os.getpid(), file=file)\n"
    body += f"if len(open({str(pids)!r}).readlines()) == 1: time.sleep(600)"
    with forkserver.ForkServer() as server, _our_steps(tmp_path, server), ThreadPoolExecutor(1) as pool:
        ended = pool.submit(subprocess_task_handler.run_local_subprocess, command(body, tmp_path))
        while not pids.is_file() or not pids.read_text():
            time.sleep(0.05)
        server.process.kill()
        assert ended.result(timeout=120) == 0
    first, second = pids.read_text().split()
    assert first != second
    assert not Path(f"/proc/{first}").exists()


def test_the_server_ends_with_its_user() -> None:
    code = """
import os
from pipelines.local.forkserver import ForkServer
print(ForkServer().__enter__().process.pid, flush=True)
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    wait_for_end(int(done.stdout), 60)


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def evaluate_trials(number: int, notes: str) -> None:  # noqa: ARG001 (the item of the loop)
    """Note the step's GPUs at its begin and, once four have begun, its end. Steps with this name get GPUs, as those that train."""
    import os
    import time
    from pathlib import Path

    for what in ("begin", "end"):
        with Path(notes).open("a") as file:
            file.write(f"{os.environ.get('CUDA_VISIBLE_DEVICES')} {what}\n")
        latest = time.monotonic() + 60
        while Path(notes).read_text().count("begin") < 4 and time.monotonic() < latest:
            time.sleep(0.02)


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def step(notes: str) -> None:
    """Note that a step which does not train has no GPU of its own."""
    import os

    assert "CUDA_VISIBLE_DEVICES" not in os.environ, notes


def test_turns_run_at_once_each_on_its_own_gpus(
    server: forkserver.ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real loop of kfp runs as many steps as asked, all on different GPUs."""

    @dsl.pipeline(name="turns")
    def turns(notes: str) -> None:
        first = step(notes=notes)
        with dsl.ParallelFor(list(range(6))) as number:
            evaluate_trials(number=number, notes=notes).after(first)

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(enhanced_dag_orchestrator, "ParallelExecutor", enhanced_dag_orchestrator.ParallelExecutor)
    for name in (
        "local_logger_context",
        "indented_print",
    ):  # which would leave `print` indented for the tests that follow
        monkeypatch.setattr(logging_utils, name, getattr(logging_utils, name))
    _log_each_line_once()
    _run_at_once(4)
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path / "root"))
    with _our_steps(tmp_path / "root", server, Groups([["a"], ["b"], ["c"], ["d"]])):
        turns(notes=str(tmp_path / "notes"))
    running, most = set[str](), 0
    for line in (tmp_path / "notes").read_text().splitlines():
        gpu, what = line.split()
        assert (gpu in running) == (what == "end")
        running ^= {gpu}
        most = max(most, len(running))
    assert (most, running) == (4, set())
