"""`ablate submit`: a study on a Kubeflow Pipelines server."""

import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console

from ablation.plan.arms import expand
from cli.exit_codes import FAILED, INTERRUPTED
from cli.options import Corpus, PlanArgument, Seeds, Settings, chosen_plan
from cli.schedule import when
from cli.server_options import Cookies, Host, Namespace, TokenFile, address, server_at
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
    tracking_uri: Annotated[
        str | None, typer.Option(metavar="URI", help="An MLflow server that pods reach; or MLFLOW_TRACKING_URI.")
    ] = None,
    image: Annotated[str | None, typer.Option(metavar="REF", help="The container image that the steps run in.")] = None,
    cluster: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Settings of the cluster, as deploy/cluster.yaml.")
    ] = None,
    experiment: Annotated[
        str | None, typer.Option(metavar="NAME", help="Made where there is none; the study's name by default.")
    ] = None,
    namespace: Namespace = None,
    token_file: TokenFile = None,
    cookies: Cookies = None,
    cron: Annotated[
        str | None,
        typer.Option(metavar="FIELDS", help="Not now but again and again, e.g. '0 0 2 * * *': every night at two."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Stay until the run has ended.")] = False,
    gate: Annotated[bool, typer.Option("--gate", help="Wait, and let no step fail either: for CI.")] = False,
    timeout: Annotated[
        float | None, typer.Option(metavar="MINUTES", help="Wait no longer than this; the run goes on.", min=0)
    ] = None,
) -> None:
    """Carry out a study on a Kubeflow Pipelines server.

    Uploads the pipeline, as a new version where its code or image is new, and creates a run. In a pod, the service
    account's token is used. Ctrl-C ends the waiting and not the run. With --cron, the study's schedule is created, or
    replaced where anything in it is new; the six fields are second, minute, hour, day, month and weekday.

    \b
    Exit code: 0 submitted or, with --wait, succeeded; 1 anything else came of it, also where the server is away or lets
    nobody in; 2 bad input; 130 Ctrl-C.

    Example: ablate submit plans/smile.yaml --host https://kubeflow.example/pipeline --wait
    """
    from pipelines.server.errors import ServerFailed
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
    # A job in CI asks again where a server is away; a person would rather know at once.
    patience: dict[str, Any] = {"ask": partial(_patiently, console, deadline)} if gate else {}
    try:
        at = prepare(
            server, image=image, cluster=cluster, experiment=experiment or checked.study, code_rev=rev, **patience
        )
        if timing is not None:
            _schedule(server, checked.study, timing, at, arguments, console)
            return
        names = partial(trial_names, checked.study, rev, time.time())
        run = start(server, checked, arguments, at)
    except ServerFailed as error:
        made = "no schedule" if timing else "no run"
        _end(f"error: {error}; it has confirmed {made}: look at {server.host} before trying again", FAILED)
    except KeyboardInterrupt:
        _end("interrupted before the server had confirmed what was asked for", INTERRUPTED)
    _say_version(console, at)
    _say(console, f"Run: {run.page}")
    if wait or gate:
        _wait(server, run, console, gate, deadline, names)


def _deadline(timeout_min: float | None) -> float | None:
    return None if timeout_min is None else time.monotonic() + 60 * timeout_min


def _patiently(console: Console, deadline: float | None, ready: "Callable[[], Prepared]") -> "Prepared":
    from pipelines.server import wait as submit_wait

    try:
        return submit_wait.patiently(ready, lambda line: _say(console, line), deadline, submit_wait.Clock())
    except submit_wait.Lost as error:
        _end(f"error: {error}; no run was started", FAILED)


def _checked_cron(cron: str, waits: bool) -> str:
    from pipelines.server.schedules import checked_cron

    if waits:
        raise UserError("--cron starts no run now, so there is none to wait for; leave out --wait and --gate")
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
        _say(console, when(schedule))


def _wait(
    server: "Server",
    run: "Submitted",
    console: Console,
    gate: bool,
    deadline: float | None,
    names: Callable[[], Mapping[int, str]],
) -> None:
    """Returns only where all is well."""
    from pipelines.server import wait as submit_wait

    stop = f"to stop it: curl -X POST {server.host}/apis/v2beta1/runs/{run.run}:terminate, or its page {run.page}"
    try:
        with submit_wait.View(console, run.steps, names) as view:
            ended = submit_wait.wait(server, run.run, view, deadline=deadline, clock=submit_wait.Clock())
    except KeyboardInterrupt:
        _end(f"no longer waiting: the run goes on; {stop}", INTERRUPTED)
    except (submit_wait.Lost, UserError) as error:
        _end(f"no longer waiting: {error}; the run may go on, {stop}", FAILED)
    problems = submit_wait.failures(ended, view)
    if ended.state == "SUCCEEDED" and not (gate and problems):
        _say(console, f"Succeeded: {run.name}")
        return
    for problem in problems:
        print(problem, file=sys.stderr)
    why = f": {ended.error}" if ended.error else ""
    _end(f"failed: the run ended as {ended.state}{why}; see {run.page}", FAILED)


def _say_version(console: Console, at: "Prepared") -> None:
    _say(console, f"Version: {at.version_name}, {'uploaded' if at.uploaded else 'used again'}")


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def _end(sentence: str, code: int) -> NoReturn:
    print(sentence, file=sys.stderr)
    raise typer.Exit(code)
