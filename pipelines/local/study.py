"""Run a study on this machine and see it through to its end, whichever end that is.

The pipeline runs in a session of its own, so that Ctrl-C reaches only this process, which then ends all of it: first
the processes, then their runs in MLflow, then the scratch folder. Results are moved into place when they are whole.
"""

import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from ablation.plan.arms import expand, trials
from ablation.plan.plan import Plan
from common.errors import UserError
from components.shared.history import attempt
from components.shared.trial import STATES_FOLDER, Status
from pipelines.local.processes import end_group, ignoring_signals, raising_on_signals
from pipelines.local.progress import Progress
from pipelines.local.workspace import Workspace
from recipes.smile import CATALOGUE

POLL_S = 0.5


@dataclass(frozen=True)
class Result:
    """A study that has ended. `problem` says why it counts as failed; the report is there all the same."""

    folder: Path
    trials: list[Status]
    problem: str | None


class Interrupted(Exception):
    """The person, or the system, asked to stop; everything has been stopped and tidied up."""


class RunFailed(Exception):
    """The pipeline ended without a report; the text says why and where the log is."""


def run_study(
    plan: Plan,
    out: Path,
    *,
    tracking_uri: str,
    corpora_root: Path,
    code_rev: str,
    console: Console,
    image: str | None = None,
    force: str = "",
) -> Result:
    """Run the whole pipeline and leave the study's results in the folder `out`.

    With an `image`, steps are containers of it and prepare the corpus anew, as on a cluster. `force` names arms, by commas,
    that are trained though finished trials of theirs exist; `*` is all of them. Raises UserError for bad input that only
    a step could see, Interrupted, and RunFailed.
    """
    arguments = {
        "plan": plan.as_mapping(),
        "tracking_uri": tracking_uri,
        "corpora_root": "" if image else str(corpora_root.resolve()),
        "state_root": "" if image else str((out / STATES_FOLDER).resolve()),
        "threads": threads_per_trial(),
        "code_rev": code_rev,
        "force": force,
    }
    with _writing(out), _locked(out), _scratch(out) as workspace:
        code = _supervise(plan, workspace, arguments, console, image)
        if workspace.study is None:
            raise _failure(workspace)
        _deliver(workspace.study, out)
        shutil.rmtree(out / STATES_FOLDER, ignore_errors=True)
        ended = [workspace.statuses()[key] for key in _keys(plan)]
        return Result(out, ended, _problem(workspace) if code else None)


@contextlib.contextmanager
def _writing(out: Path) -> Iterator[None]:
    """A folder that results can be written to. Raises UserError where that is not so, or is no longer."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        rule = f"results go to a folder that can be written to, and {out} cannot"
        raise UserError(f"{rule}: {error.strerror or error}; mend that, or give another by --out") from error


def threads_per_trial() -> int:
    """Trials run two at a time; two torch processes with all threads each are ten times slower."""
    return max(1, len(os.sched_getaffinity(0)) // 2)


def _keys(plan: Plan) -> list[tuple[str, int]]:
    return [(trial.arm, trial.seed) for trial in trials(plan, expand(plan, CATALOGUE))]


def _supervise(plan: Plan, workspace: Workspace, arguments: dict[str, Any], console: Console, image: str | None) -> int:
    """Start the pipeline and watch it; returns its exit code. Raises Interrupted."""
    steps = {arm.arm: arm.settings["training"]["steps"] for arm in expand(plan, CATALOGUE)}
    with raising_on_signals(), Progress(console, _keys(plan), steps) as progress:
        process = _start(plan, workspace, arguments, image)
        try:
            while process.poll() is None:
                progress.update(workspace)
                time.sleep(POLL_S)
        except BaseException as ending:
            _stop(process, workspace, arguments["tracking_uri"])
            if isinstance(ending, KeyboardInterrupt):
                raise Interrupted from None
            raise
        progress.update(workspace)
    if process.returncode:
        _reap(workspace, arguments["tracking_uri"], "FAILED")
    return process.returncode


def _start(plan: Plan, workspace: Workspace, arguments: dict[str, Any], image: str | None) -> "subprocess.Popen[bytes]":
    request = workspace.root / "request.json"
    what = {"arguments": arguments, "containers": image is not None, "folders": _folders(plan)}
    request.write_text(json.dumps({"pipeline_root": str(workspace.root), **what}))
    threads = str(arguments["threads"])
    (workspace.root / "tmp").mkdir()
    settings = {
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "TMPDIR": str(workspace.root / "tmp"),  # kfp leaves folders there when it is stopped
        **({"ABLATE_IMAGE": image} if image else {}),
    }
    with workspace.log.open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "pipelines.local.run", str(request)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **settings},
            start_new_session=True,
        )


def _folders(plan: Plan) -> list[str]:
    """Folders that a plan names: a corpus's, and those of recorded noise."""
    named = [plan.corpus.partition("://")[2].partition("?")[0], *plan.noise.values()]
    return [str(Path(name).resolve()) for name in named if Path(name).is_dir()]


def _stop(process: "subprocess.Popen[bytes]", workspace: Workspace, tracking_uri: str) -> None:
    """End the pipeline with all that it has started, then close what it left open in MLflow."""
    with ignoring_signals():
        end_group(process)
        _reap(workspace, tracking_uri, "KILLED")


def _reap(workspace: Workspace, tracking_uri: str, status: str) -> None:
    """No run stays RUNNING once nobody is left to end it, if MLflow can be told."""
    first = workspace.first_trial()
    if first is not None:
        from tracking.studies import reap

        attempt(lambda: reap(tracking_uri, first.experiment_id, first.study_run_id, status))


@contextlib.contextmanager
def _locked(out: Path) -> Iterator[None]:
    """One run per folder. Raises UserError if there is one already."""
    path = out / ".lock"
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f"another run is writing to {out}; wait for it, or give another folder by --out") from error
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def _scratch(out: Path) -> Iterator[Workspace]:
    """An empty scratch folder in the study's, gone afterwards: what is worth keeping is in MLflow and in the study."""
    root = (out / ".work").resolve()
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    try:
        yield Workspace(root)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _deliver(study: Path, out: Path) -> None:
    """Put the study's files in place, each whole or not at all."""
    for file in study.iterdir():
        beside = out / f".{file.name}.part"
        shutil.copyfile(file, beside)
        beside.replace(out / file.name)


def _problem(workspace: Workspace) -> str:
    """Why a run that has a report counts as failed."""
    found = re.findall(r"TooManyFailed: (.+)", workspace.log.read_text(errors="replace"))
    return found[-1] if found else f"a step after the comparison failed; see {workspace.log}"


def _failure(workspace: Workspace) -> Exception:
    """Why a run has no report: the user's input if a step says so, else where to read on."""
    text = workspace.log.read_text(errors="replace")
    if found := re.findall(r"^\s*(?:error|ablation\.errors\.UserError): (.+)$", text, re.MULTILINE):
        return UserError(found[-1])
    errors = re.findall(r"^\s*((?:\w+\.)*\w+(?:Error|Exception|Failed)): (.*)$", text, re.MULTILINE)
    why = f"{errors[-1][0]}: {errors[-1][1]}" if errors else "no step said why"
    return RunFailed(f"the run ended without a report: {why}; the whole log is {workspace.log}")
