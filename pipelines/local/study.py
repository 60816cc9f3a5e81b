"""Run a study on this machine and supervise it until it ends, in whatever way.

The pipeline runs in its own session, so that Ctrl-C reaches only this process. This process then ends everything, in this
order: the processes, their runs in MLflow, the scratch folder. Results are delivered once they are complete.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ablation.plan.arms import expand, trials
from ablation.plan.plan import Plan
from common.errors import UserError
from components.shared.history import attempt
from components.shared.problem import PROBLEMS_FOLDER, Problem, problems
from components.shared.trial import STATES_FOLDER
from pipelines.local.processes import end_group, ignoring_signals, raising_on_signals
from pipelines.local.progress import Progress
from pipelines.local.study_folder import deliver, finish_delivery, locked, scratch, writable
from pipelines.local.workspace import Workspace
from recipes.smile import CATALOGUE

if TYPE_CHECKING:
    from ablation.results import TrialRecord

POLL_S = 0.5


@dataclass(frozen=True)
class Result:
    """A study that has ended with a report. `problem` says why it counts as failed; None if it does not."""

    folder: Path
    trials: "list[TrialRecord]"
    problem: str | None


class Interrupted(Exception):
    """The user or the system asked to stop. All processes are stopped, and the scratch folder is removed."""


class RunFailed(Exception):
    """The pipeline ended without a report. The text names the step, the reason and the log."""


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
    """Run the whole pipeline and put the study's results into the folder `out`.

    With an `image`, the steps are containers of it and prepare the corpus again, as on a cluster. `force` names arms, separated
    by commas, whose trials are trained even if finished ones exist; `*` is all arms. Raises UserError for bad input that only
    a step can find, Interrupted, and RunFailed.
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
    with writable(out), locked(out), scratch(out) as workspace:
        finish_delivery(out)
        code = _supervise(plan, workspace, arguments, console, image)
        if workspace.study is None:
            with contextlib.suppress(OSError):  # the first step made it, and no training run has left a state
                (out / STATES_FOLDER).rmdir()
            raise failure(workspace)
        deliver(workspace.study, out)
        shutil.rmtree(out / STATES_FOLDER, ignore_errors=True)
        from ablation.results import read_study  # imports pandas, which the start of a run does not need

        return Result(out, read_study(out).trials, problem_of(workspace) if code else None)


def threads_per_trial() -> int:
    """Return half of the cores: two trials run at a time, and two torch processes with all threads each are ten times slower."""
    return max(1, len(os.sched_getaffinity(0)) // 2)


def _keys(plan: Plan) -> list[tuple[str, int]]:
    return [(trial.arm, trial.seed) for trial in trials(plan, expand(plan, CATALOGUE))]


def _supervise(plan: Plan, workspace: Workspace, arguments: dict[str, Any], console: Console, image: str | None) -> int:
    """Start the pipeline, show its progress, and return its exit code. Raises Interrupted."""
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
        _end_open_runs(workspace, arguments["tracking_uri"], "FAILED")
    return process.returncode


def _start(plan: Plan, workspace: Workspace, arguments: dict[str, Any], image: str | None) -> "subprocess.Popen[bytes]":
    """Start the pipeline as a process that leads its own session and prints into the log."""
    request = workspace.root / "request.json"
    content = {"arguments": arguments, "containers": image is not None, "folders": _folders(plan)}
    request.write_text(json.dumps({"pipeline_root": str(workspace.root), **content}))
    workspace.temporary.mkdir()
    workspace.problems.mkdir()
    threads = str(arguments["threads"])
    settings = {
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "TMPDIR": str(workspace.temporary),  # kfp leaves folders there when it is stopped
        PROBLEMS_FOLDER: str(workspace.problems),
        **({"ABLATE_IMAGE": image} if image else {}),
    }
    workspace.log.unlink(missing_ok=True)  # a link there is not followed
    with workspace.log.open("xb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "pipelines.local.run", str(request)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **settings},
            start_new_session=True,
        )


def _folders(plan: Plan) -> list[str]:
    """Return the folders that a plan names: its corpus, and its recorded noise."""
    named = [plan.corpus.partition("://")[2].partition("?")[0], *plan.noise.values()]
    return [str(Path(name).resolve()) for name in named if Path(name).is_dir()]


def _stop(process: "subprocess.Popen[bytes]", workspace: Workspace, tracking_uri: str) -> None:
    """End the pipeline with all processes that it has started, then close its open runs in MLflow."""
    with ignoring_signals():
        end_group(process)
        _end_open_runs(workspace, tracking_uri, "KILLED")


def _end_open_runs(workspace: Workspace, tracking_uri: str, status: str) -> None:
    """Close the study's runs that nobody else can close any more, if MLflow answers."""
    first = workspace.first_trial()
    if first is not None:
        from tracking.studies import reap

        attempt(lambda: reap(tracking_uri, first.experiment_id, first.study_run_id, status))


def problem_of(workspace: Workspace) -> str:
    """Return the reason why a run with a report counts as failed."""
    found = problems(workspace.problems)
    foreseen = [problem.reason for problem in found if problem.kind != "crash"]
    return foreseen[-1] if foreseen else _crash(found, workspace)


def failure(workspace: Workspace) -> Exception:
    """Return the error of a run without a report: UserError if a step blames the user's input, else RunFailed."""
    found = problems(workspace.problems)
    for problem in found:
        if problem.kind == "bad_input":
            return UserError(problem.reason)
    return RunFailed(f"the run ended without a report: {_crash(found, workspace)}")


def _crash(found: list[Problem], workspace: Workspace) -> str:
    """Return a sentence about the step that crashed first, and where the log is."""
    steps = [f"step {step} ended without a reason" for step in workspace.unfinished_steps()]
    crashes = [f"step {problem.step} failed: {problem.reason}" for problem in found] or steps
    return f"{crashes[0] if crashes else 'no step gave a reason'}; the whole log is {workspace.log}"
