"""Waiting for a run on a Kubeflow server, its end, and its termination, with sentences and exit codes."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, NoReturn

from rich.console import Console

from cli.endings import fail
from cli.exit_codes import FAILED, INTERRUPTED
from common.errors import UserError
from common.store_address import VARIABLE

if TYPE_CHECKING:
    from pipelines.server.client import Server
    from pipelines.server.ending import Ending
    from pipelines.server.runs import Run
    from pipelines.server.submit import Submitted
    from pipelines.server.trials import Trials


def say(console: Console, line: str) -> None:
    """Print a line exactly as it is."""
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def wait_for(server: "Server", run: "Submitted", console: Console, gate: bool, deadline: float | None) -> None:
    """Return only if the run succeeded; with `gate`, only if all its steps did."""
    from pipelines.server import wait as waiting

    stop = f"to stop it: ablate submit --terminate {run.run} --host {server.host}, or use its page {run.page}"
    try:
        ended, trials = follow(server, run, console, deadline)
        ending = ending_of(server, run, ended, trials)
    except KeyboardInterrupt:
        fail(f"no longer waiting: the run continues; {stop}", INTERRUPTED)
    except (waiting.Lost, UserError) as error:
        fail(f"no longer waiting: {error}; the run may continue, {stop}", FAILED)
    if ended.state == "SUCCEEDED" and not (gate and ending.steps_failed):
        _print(ending.trials, console)
        say(console, f"Succeeded: {run.name}")
        return
    _fail_with(ending)


def follow(server: "Server", run: "Submitted", console: Console, deadline: float | None) -> "tuple[Run, Trials]":
    """Show the progress of a run until it has ended. Return the run and its trials.

    Raises Lost, and UserError if the server no longer gives the run.
    """
    from pipelines.server import wait as waiting
    from pipelines.server.trials import Trials, store
    from pipelines.server.view import View

    view = View(console, run.steps, plugin_said=bool(run.note))
    view.trials = trials = Trials(store(), run.run, view.say)
    with view:
        return waiting.wait(server, run.run, view, deadline=deadline, clock=waiting.Clock()), trials


def ending_of(server: "Server", run: "Submitted", ended: "Run", trials: "Trials") -> "Ending":
    """Return the end of a run in sentences. Nothing in its pods can close its MLflow runs any more, so this does."""
    from pipelines.server.ending import describe
    from pipelines.server.reasons import Reasons, find_reasons
    from pipelines.server.terminate import ENDED_REASON, close_study

    known = trials.now(at_once=True)
    succeeded = ended.state == "SUCCEEDED"
    reasons = Reasons() if succeeded else find_reasons(lambda: server.manifest(run.run), run.steps)
    ending = describe(ended, run.steps, known, reasons, run.page)
    if trials.uri and not succeeded and any(trial.state in ("running", "waiting") for trial in known):
        try:
            close_study(trials.uri, run.run, ENDED_REASON)
        except Exception as error:  # MLflow's client has no common class for its errors
            trials.failed(error)
    return ending


def _print(lines: Iterable[str], console: Console) -> None:
    for line in lines:
        say(console, line)


def _fail_with(ending: "Ending") -> NoReturn:
    for line in (*ending.trials, *ending.problems):
        print(line, file=sys.stderr)
    fail(ending.verdict, FAILED)


def end_run(server: "Server", run: str, console: Console, uri: str | None, deadline: float | None) -> None:
    """Terminate a run, wait until it has ended, and close the MLflow runs of its study."""
    from pipelines.server import wait as waiting
    from pipelines.server.ending import AGAIN
    from pipelines.server.errors import ServerFailed
    from pipelines.server.terminate import terminate

    again = "run the command again, which also closes the study's runs in MLflow"
    try:
        server.check()
        ended = terminate(server, run, lambda line: say(console, line), deadline=deadline, clock=waiting.Clock())
    except KeyboardInterrupt:
        fail(f"no longer waiting for the end of the run; {again}", INTERRUPTED)
    except (waiting.Lost, ServerFailed) as error:
        fail(f"error: {error}; {again}", FAILED)
    say(console, f"Ended: {ended.name or run} as {ended.state}{', terminated' if ended.stopped else ''}")
    say(console, _closed(run, uri))
    say(console, f"To continue, {AGAIN}")


def _closed(run: str, uri: str | None) -> str:
    """Close the MLflow runs of a terminated run. Return a line about it."""
    from pipelines.server.terminate import TERMINATED_REASON, close_study
    from pipelines.server.trials import why

    if uri is None:
        return (
            f"MLflow: unchanged, because {VARIABLE} is not set; the next `ablate submit` of the study closes its runs"
        )
    try:
        closed = close_study(uri, run, TERMINATED_REASON)
    except Exception as error:  # MLflow's client has no common class for its errors
        fail(f"error: the run has ended, but its runs in MLflow stay open: {why(error)}", FAILED)
    return "MLflow: the run opened no study" if closed is None else f"MLflow: {closed} open runs of the study closed"
