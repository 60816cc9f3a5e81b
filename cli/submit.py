"""`ablate submit`: run a study on a Kubeflow Pipelines server, now or on a schedule."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from ablation.plan.arms import expand
from cli.endings import fail
from cli.exit_codes import FAILED, INTERRUPTED
from cli.options import ClusterFile, Corpus, PlanArgument, Seeds, Settings, StepImage, chosen_plan
from cli.server_options import Cookies, Host, Namespace, PodsStore, TokenFile, address, server_at
from common.errors import UserError
from components.shared.revision import code_rev
from pipelines.server.trial_names import trial_names
from recipes.smile import CATALOGUE

if TYPE_CHECKING:
    from pipelines.server.client import Server
    from pipelines.server.submit import Prepared, Submitted


def submit(
    path: PlanArgument,
    host: Host = None,
    corpus: Corpus = None,
    seeds: Seeds = None,
    settings: Settings = None,
    tracking_uri: PodsStore = None,
    image: StepImage = None,
    cluster: ClusterFile = None,
    experiment: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The experiment of the run, created if needed; the study's name by default."),
    ] = None,
    namespace: Namespace = None,
    token_file: TokenFile = None,
    cookies: Cookies = None,
    cron: Annotated[
        str | None,
        typer.Option(metavar="FIELDS", help="Set a schedule instead, e.g. '0 0 2 * * *' for every night at two."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the run has ended.")] = False,
    gate: Annotated[bool, typer.Option("--gate", help="Wait, and fail if any step of the run failed; for CI.")] = False,
    timeout: Annotated[
        float | None, typer.Option(metavar="MINUTES", help="The longest wait; the run continues after it.", min=0)
    ] = None,
) -> None:
    """Run a study on a Kubeflow Pipelines server.

    The command uploads the pipeline, as a new version if its code or image is new, and creates a run. In a pod, it uses
    the token of the service account. Ctrl-C ends the waiting and not the run. With --cron, the command creates the
    schedule of the study, or replaces it if anything has changed. The six fields are second, minute, hour, day, month
    and weekday.

    \b
    Exit code: 0 submitted or, with --wait, succeeded; 1 the run did not succeed, or the server is away or denies access;
    2 bad input; 130 stopped by Ctrl-C.

    Example: ablate submit plans/smile.yaml --host https://kubeflow.example/pipeline --wait
    """
    from pipelines.server.submit import arguments_for, pods_store, prepare
    from pipelines.server.submit import submit as start

    checked, console, rev = chosen_plan(path, corpus, seeds, settings or []), Console(), code_rev()
    expand(checked, CATALOGUE)
    if timeout is not None and not (wait or gate):
        raise UserError("--timeout limits the waiting; give --wait or --gate too")
    timing = None if cron is None else _checked_cron(cron, wait or gate)
    address(host)
    arguments = arguments_for(checked, pods_store(tracking_uri, cluster), rev)
    server, deadline = server_at(host, namespace, token_file, cookies), _deadline(timeout)
    # A CI job asks again if a server is away. A person gets the error at once.
    patience: dict[str, Any] = {"ask": partial(_patiently, console, deadline)} if gate else {}
    with _unconfirmed(server, "run" if timing is None else "schedule"):
        at = prepare(
            server, image=image, cluster=cluster, experiment=experiment or checked.study, code_rev=rev, **patience
        )
        if timing is not None:
            _schedule(server, checked.study, timing, at, arguments, console)
            return
        names = partial(trial_names, checked.study, rev, time.time())
        run = start(server, checked, arguments, at)
    _say_version(console, at)
    _say(console, f"Run: {run.page}")
    if wait or gate:
        _wait(server, run, console, gate, deadline, names)


def _deadline(timeout_min: float | None) -> float | None:
    return None if timeout_min is None else time.monotonic() + 60 * timeout_min


@contextmanager
def _unconfirmed(server: "Server", made: str) -> Iterator[None]:
    """End the command with a sentence if the server fails, or Ctrl-C comes, before the answer."""
    from pipelines.server.errors import ServerFailed

    try:
        yield
    except ServerFailed as error:
        fail(f"error: {error}; it has not confirmed a {made}: look at {server.host} before you try again", FAILED)
    except KeyboardInterrupt:
        fail(f"interrupted before the server confirmed the {made}", INTERRUPTED)


def _patiently(console: Console, deadline: float | None, ready: "Callable[[], Prepared]") -> "Prepared":
    from pipelines.server import wait as waiting

    try:
        return waiting.patiently(ready, lambda line: _say(console, line), deadline, waiting.Clock())
    except waiting.Lost as error:
        fail(f"error: {error}; no run was started", FAILED)


def _checked_cron(cron: str, waits: bool) -> str:
    from pipelines.server.schedules import checked_cron

    if waits:
        raise UserError("--cron does not start a run now; leave out --wait and --gate")
    return checked_cron(cron)


def _schedule(
    server: "Server", study: str, cron: str, at: "Prepared", arguments: Mapping[str, Any], console: Console
) -> None:
    from pipelines.server.schedules import Schedule, Schedules

    schedules = Schedules(server, at.pipeline)
    did = schedules.set(Schedule(study, cron, at.experiment, at.pipeline, at.version, arguments))
    _say_version(console, at)
    _say(console, f"Schedule: {study}, {did}")
    for schedule in schedules.listed(study):
        _say(console, schedule.when())


def _wait(
    server: "Server",
    run: "Submitted",
    console: Console,
    gate: bool,
    deadline: float | None,
    names: Callable[[], Mapping[int, str]],
) -> None:
    """Return only if the run succeeded."""
    from pipelines.server import wait as waiting

    stop = f"to stop it: curl -X POST {server.host}/apis/v2beta1/runs/{run.run}:terminate, or use its page {run.page}"
    try:
        with waiting.View(console, run.steps, names) as view:
            ended = waiting.wait(server, run.run, view, deadline=deadline, clock=waiting.Clock())
    except KeyboardInterrupt:
        fail(f"no longer waiting: the run continues; {stop}", INTERRUPTED)
    except (waiting.Lost, UserError) as error:
        fail(f"no longer waiting: {error}; the run may continue, {stop}", FAILED)
    problems = waiting.failures(ended, view)
    if ended.state == "SUCCEEDED" and not (gate and problems):
        _say(console, f"Succeeded: {run.name}")
        return
    for problem in problems:
        print(problem, file=sys.stderr)
    why = f": {ended.error}" if ended.error else ""
    fail(f"failed: the run ended as {ended.state}{why}; see {run.page}", FAILED)


def _say_version(console: Console, at: "Prepared") -> None:
    _say(console, f"Version: {at.version_name}, {'uploaded' if at.uploaded else 'already there'}")


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)
