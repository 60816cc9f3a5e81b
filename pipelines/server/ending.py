"""The end of a run in sentences: which trials finished, failed and were stopped, which step failed and why, and what to do next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.package.steps import Steps
from pipelines.server.reasons import Reasons
from pipelines.server.runs import Run
from pipelines.server.step_states import StepState, in_words, step_states
from pipelines.server.trials import counted, label, names

if TYPE_CHECKING:
    from tracking.progress import TrialProgress

AGAIN = "submit the plan again: finished trials are reused"
MEMORY = ("OOMKilled", "exit code 137")
LOST = ("pod deleted", "evicted", "node was", "preempt")


@dataclass(frozen=True)
class Ending:
    """The end of a run. `trials` and `problems` are lines; `verdict` is one sentence. `steps_failed` is for the gate."""

    trials: tuple[str, ...]
    problems: tuple[str, ...]
    verdict: str
    steps_failed: bool


def describe(run: Run, steps: Steps, trials: Sequence["TrialProgress"], reasons: Reasons, page: str) -> Ending:
    """Return the end of a run in sentences. `reasons` may be empty, and so may `trials`, if MLflow does not know them."""
    states = step_states(run, steps)
    problems = _problems(run, states, reasons)
    failed = any(state.failed for state in states) or bool(reasons.steps)
    return Ending(_trials(trials, run), tuple(problems), _verdict(run, states, reasons, page), failed)


def _trials(trials: Sequence["TrialProgress"], run: Run) -> tuple[str, ...]:
    """Return a line for all finished trials, and one for each that failed or was stopped."""
    if not trials:
        return ()
    lines = [f"trials: {counted(trials)}"]
    by_state = {state: [trial for trial in trials if trial.state == state] for state in ("finished", "running")}
    if by_state["finished"]:
        lines.append(f"finished: {names(by_state['finished'])}")
    lines += [
        f"{trial.state}: {label(trial)}{': ' + trial.reason if trial.reason else ''}"
        for trial in trials
        if trial.state in ("failed", "stopped")
    ]
    if by_state["running"] and run.state != "SUCCEEDED":
        lines.append(f"cut off: {names(by_state['running'])}")
    return tuple(lines)


def _problems(run: Run, states: Sequence[StepState], reasons: Reasons) -> list[str]:
    """Return a line for each step that failed, with the messages of its pods, and one for the steps whose end is not recorded."""
    known = {state.name: state for state in states if state.failed}
    lines = []
    for name in dict.fromkeys([*known, *reasons.steps]):
        words = known[name].words if name in known else in_words("FAILED")
        if run.stopped:
            words = f"{words}, by the termination"
        elif name in reasons.drivers and not (name in known and known[name].failed_drivers):
            words = f"{words}, its driver failed"
        why = "; ".join(reasons.steps.get(name, ()))
        lines.append(f"step {name}: {words}{': ' + why if why else ''}")
    if open_ended := [state.name for state in states if state.unrecorded]:
        lines.append(f"the server has not recorded how these steps ended: {', '.join(open_ended)}")
    return lines


def _verdict(run: Run, states: Sequence[StepState], reasons: Reasons, page: str) -> str:
    if run.state != "SUCCEEDED" and (run.stopped or reasons.stopped):
        return f"terminated: the run ended as {run.state} because it was terminated; see {page}; {AGAIN}"
    place = next((name for name in reasons.steps if name), "") or next((s.name for s in states if s.failed), "")
    why = "; ".join(reasons.steps.get(place, ()))
    at = f" at {place}{f' ({why})' if why else ''}" if place else ""
    return f"failed: the run ended as {run.state}{at}; see {page}; {_remedy(place, why, states, reasons)}"


def _remedy(place: str, why: str, states: Sequence[StepState], reasons: Reasons) -> str:
    """Return the sentence what to do next."""
    if any(mark in why for mark in MEMORY):
        return f"give the steps more memory (`memory` in the file of --cluster), then {AGAIN}"
    if any(mark in why.lower() for mark in LOST):
        return f"the cluster took a pod away; {AGAIN}"
    if place in reasons.drivers or any(state.failed_drivers for state in states if state.name == place):
        return "the driver is a pod of Kubeflow: its log in Kubernetes has the reason, which an administrator can read"
    if place:
        return f"the log of {place} on that page has the reason; correct it, then {AGAIN}"
    return f"that page shows which step failed; correct it, then {AGAIN}"
