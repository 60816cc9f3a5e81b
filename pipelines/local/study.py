"""Run a study on this machine and supervise it until it ends, in whatever way.

The pipeline runs in its own session, so that Ctrl-C reaches only this process. However the pipeline ends, this process then ends
everything, in this order: the processes, their runs in MLflow, the scratch folder. If this process is killed, the others end by
themselves, and the next run in the folder does the rest. Results are delivered once they are complete.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ablation.plan.arms import trials
from ablation.plan.plan import Plan
from common import disk
from common.errors import Unavailable, UserError
from common.external import is_external
from components.shared import kept
from components.shared.braces import protect
from components.shared.history import attempt
from components.shared.problem import PROBLEMS_FOLDER, Problem, problems
from components.shared.trial import STATES_FOLDER
from pipelines.local.deaths import deaths, killed_by
from pipelines.local.leftovers import GONE, close_leftovers, end_runs
from pipelines.local.placement import Placement
from pipelines.local.processes import end_group, has_ended_within, ignoring_signals, raising_on_signals, start_group
from pipelines.local.progress import Progress
from pipelines.local.study_folder import deliver, finish_delivery, locked, new_log, scratch, scratch_of, writable
from pipelines.local.workspace import Workspace
from recipes.plans import arms_of
from tracking.local_copies import VARIABLE as LOCAL_COPIES
from tracking.probe import check_answers

if TYPE_CHECKING:
    from ablation.records import TrialRecord

LOOK_EVERY_S = 0.5  # for progress; the end shows at once


@dataclass(frozen=True)
class Result:
    """A study that has ended with a report. `problem` says why it counts as failed; None if it does not."""

    folder: Path
    trials: "list[TrialRecord]"
    problem: str | None


class Interrupted(Exception):
    """The user or the system asked to stop. All processes are stopped. `closed` says whether their runs in MLflow are, too."""

    def __init__(self, *, closed: bool) -> None:
        super().__init__(closed)
        self.closed = closed


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
    placement: Placement | None = None,
) -> Result:
    """Run the whole pipeline and put the study's results into the folder `out`.

    With an `image`, the steps are containers of it and prepare the corpus again, as on a cluster. `force` names arms, separated
    by commas, whose trials are trained even if finished ones exist; `*` is all arms. `placement` says how many trials run at a
    time, and on which GPUs. Raises UserError for bad input that only a step can find, Interrupted, and RunFailed.
    """
    placement = placement or Placement()
    arguments = {
        "plan": protect(plan.as_mapping()),
        "tracking_uri": tracking_uri,
        "corpora_root": "" if image else str(corpora_root.resolve()),
        "state_root": "" if image else str((out / STATES_FOLDER).resolve()),
        "threads": placement.threads,
        "gpus_per_trial": str(placement.gpus),
        "code_rev": code_rev,
        "force": force,
    }
    with writable(out), locked(out):
        close_leftovers(scratch_of(out), tracking_uri, lambda line: _say(console, line))
        with scratch(out) as workspace:
            finish_delivery(out)
            code = _supervise(plan, workspace, arguments, console, image, placement)
            if workspace.study is None:
                with contextlib.suppress(OSError):  # the first step made it, and no training run has left a state
                    (out / STATES_FOLDER).rmdir()
                raise failure(workspace, code)
            deliver(workspace.study, out)
            kept.clear(out / STATES_FOLDER) if code else shutil.rmtree(out / STATES_FOLDER, ignore_errors=True)
            from ablation.results import read_study

            return Result(out, read_study(out).trials, problem_of(workspace, code) if code else None)


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, soft_wrap=True, markup=False)


def _keys(plan: Plan) -> list[tuple[str, int]]:
    return [(trial.arm, trial.seed) for trial in trials(plan, arms_of(plan))]


def _supervise(
    plan: Plan,
    workspace: Workspace,
    arguments: dict[str, Any],
    console: Console,
    image: str | None,
    placement: Placement,
) -> int:
    """Start the pipeline, show its progress, end all of its processes, and return its exit code. Raises Interrupted."""
    tracking_uri = str(arguments["tracking_uri"])
    steps = {arm.arm: arm.steps for arm in arms_of(plan)}
    with raising_on_signals(), Progress(console, _keys(plan), steps) as progress:
        process = _start(plan, workspace, arguments, image, placement)
        try:
            while not has_ended_within(process, LOOK_EVERY_S):
                progress.update(workspace)
        except KeyboardInterrupt:
            raise Interrupted(closed=_close(process, workspace, tracking_uri, "KILLED")) from None
        except BaseException:
            _close(process, workspace, tracking_uri, "KILLED")
            raise
        _close(process, workspace, tracking_uri)
        progress.update(workspace)
    return process.returncode


def _start(
    plan: Plan, workspace: Workspace, arguments: dict[str, Any], image: str | None, placement: Placement
) -> "subprocess.Popen[bytes]":
    """Start the pipeline as a process that leads its own session and prints into the log."""
    content = {"arguments": arguments, "containers": image is not None, "folders": _folders(plan)}
    content |= {"at_once": placement.at_once, "groups": placement.groups}
    workspace.request.write_text(json.dumps({"pipeline_root": str(workspace.root), **content}))
    for folder in (workspace.temporary, workspace.problems, workspace.copies):
        folder.mkdir()
    threads = str(arguments["threads"])
    settings = {
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "TMPDIR": str(workspace.temporary),  # kfp leaves folders there when it is stopped
        PROBLEMS_FOLDER: str(workspace.problems),
        LOCAL_COPIES: str(workspace.copies),
        **({"ABLATE_IMAGE": image} if image else {}),
    }
    with new_log(workspace) as log:
        return start_group(
            [sys.executable, "-m", "pipelines.local.run", str(workspace.request)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **settings},
        )


def _close(
    process: "subprocess.Popen[bytes]", workspace: Workspace, tracking_uri: str, status: str | None = None
) -> bool:
    """End all processes of the pipeline, then close its open runs in MLflow as `status`, by default as its end says.

    Return False if MLflow does not answer. The next run in the folder closes them then.
    """
    with ignoring_signals():
        end_group(process)
        if workspace.in_containers:
            from pipelines.local.container_ends import remove_containers

            attempt(lambda: remove_containers(workspace.root))
        killed = killed_by(process.returncode)
        ended, reason = ("KILLED", GONE) if killed else ("FAILED", None)
        if process.returncode and attempt(lambda: _end_runs(workspace, tracking_uri, status or ended, reason)):
            return False
        workspace.kfp_run_file.unlink(missing_ok=True)
        return True


def _end_runs(workspace: Workspace, tracking_uri: str, status: str, reason: str | None) -> None:
    if workspace.kfp_run is not None:
        check_answers(tracking_uri)  # MLflow's client would ask for more than a minute
        try:
            end_runs(workspace, tracking_uri, status, reason)
        except Unavailable:
            raise
        except UserError:
            return  # the store cannot be used, so the run has opened nothing there


def _folders(plan: Plan) -> list[str]:
    """Return the folders that a plan names: its corpus, and its recorded noise. An external corpus has a name only."""
    corpus = "" if is_external(plan.corpus) else plan.corpus.partition("://")[2].partition("?")[0]
    named = [name for name in (corpus, *plan.noise.values()) if name]
    return [str(Path(name).resolve()) for name in named if Path(name).is_dir()]


def problem_of(workspace: Workspace, code: int) -> str:
    """Return the reason why a run with a report counts as failed. `code` is the exit code of the pipeline."""
    found = problems(workspace.problems)
    foreseen = [problem.reason for problem in found if problem.kind != "crash"]
    return foreseen[-1] if foreseen else _crash(found, workspace, code)


def failure(workspace: Workspace, code: int) -> Exception:
    """Return the error of a run without a report: UserError if a step blames the user's input, else RunFailed."""
    found = problems(workspace.problems)
    for problem in found:
        if problem.kind == "bad_input":
            return UserError(problem.reason)
        if problem.kind == "unavailable":
            return Unavailable(problem.reason)
    full = None if found else disk.full(workspace.root)  # a step that cannot write cannot give its reason
    return full or RunFailed(f"the run ended without a report: {_crash(found, workspace, code)}")


def _crash(found: list[Problem], workspace: Workspace, code: int) -> str:
    """Return a sentence about what ended first, what to do, and where the log is."""
    log = f"the whole log is {workspace.log}"
    if signal_name := killed_by(code):
        return f"its process was killed ({signal_name}); the same command continues from here; {log}"
    if last := [death for death in deaths(workspace.root) if death.last]:
        lost = workspace.lost_trials()
        without = f", so {', '.join(lost)} {'has' if len(lost) == 1 else 'have'} no result" if lost else ""
        killed = f"step {last[0].step} was killed twice ({last[0].signal}), as happens when memory runs out{without}"
        return f"{killed}; the same command does only what is missing; {log}"
    steps = [f"step {step} ended without a reason" for step in workspace.unfinished_steps()]
    crashes = [f"step {problem.step} failed: {problem.reason}" for problem in found] or steps
    return f"{crashes[0] if crashes else 'no step gave a reason'}; {log}"
