"""`ablate submit`: run a study on a Kubeflow Pipelines server, now or on a schedule."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from ablation.plan.plan import Plan
from cli.endings import fail
from cli.exit_codes import FAILED, INTERRUPTED
from cli.options import ClusterFile, Corpus, NoFutility, Seeds, Settings, StepImage, chosen_plan
from cli.server_options import HOST_ENV, Cookies, Host, Namespace, PodsStore, Terminate, TokenFile, address, server_at
from cli.waiting import end_run, say, wait_for
from common.errors import UserError
from common.store_address import enter
from components.shared.revision import code_rev
from recipes.plans import arms_of

if TYPE_CHECKING:
    from pipelines.server.client import Server
    from pipelines.server.submit import Prepared, Submitted


def submit(
    path: Annotated[
        str | None,
        typer.Argument(
            metavar="PLAN",
            help="A plan in YAML, JSON or Markdown: a file, its http(s) or s3 address, or - for standard input.",
            show_default=False,
        ),
    ] = None,
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
    terminate: Terminate = None,
    no_futility: NoFutility = False,
) -> None:
    """Run a study on a Kubeflow Pipelines server.

    The command uploads the pipeline, as a new version if its code or image is new, and creates a run. In a pod, it uses
    the token of the service account. Ctrl-C ends the waiting and not the run. With --cron, the command creates the
    schedule of the study, or replaces it if anything has changed. The six fields are second, minute, hour, day, month
    and weekday.

    A plan with `looks` is submitted look by look: each call submits the look that follows from the results in
    MLFLOW_TRACKING_URI, and with --wait the looks after it, too.

    --terminate RUN needs no plan. It ends a run, waits for its end and closes the study's runs in MLflow. To continue
    such a study, submit its plan again: finished trials are reused. Do not use Retry on the server's page: a terminated
    run hangs after it.

    \b
    Exit code: 0 submitted or, with --wait, succeeded; 1 the run did not succeed, or the server is away or denies access;
    2 bad input; 130 stopped by Ctrl-C.

    Example: ablate submit plans/smile.yaml --host https://kubeflow.example/pipeline --tracking-uri https://mlflow.example --wait
    """
    from pipelines.server.submit import arguments_for, pods_store, prepare
    from pipelines.server.submit import submit as start

    console, deadline = Console(), _deadline(timeout)
    if terminate is not None:
        if path is not None or cron is not None:
            raise UserError("--terminate ends a run that exists; leave out the plan and --cron")
        _terminate(terminate, (host, namespace, token_file, cookies), console, tracking_uri, deadline)
        return
    if path is None:
        raise UserError("the command needs a plan, or --terminate RUN; give e.g. plans/smile.yaml")
    checked, rev = chosen_plan(path, corpus, seeds, settings or []), code_rev()
    arms_of(checked)
    if cron is not None and checked.looks:
        raise UserError(
            "a schedule starts the same run every time, and a look needs the results of the look before; "
            "leave `looks` out, or call `ablate submit` regularly without --cron"
        )
    if timeout is not None and not (wait or gate):
        raise UserError("--timeout limits the waiting; give --wait or --gate too")
    timing = None if cron is None else _checked_cron(cron, wait or gate)
    address(host)
    store_of_pods = pods_store(tracking_uri, cluster)
    server = None
    for part in _parts(checked, rev, wait or gate, not no_futility, console):
        arguments = arguments_for(part, store_of_pods, rev)
        server = server or server_at(host, namespace, token_file, cookies)
        # A CI job asks again if a server is away. A person gets the error at once.
        patience: dict[str, Any] = {"ask": partial(_patiently, console, deadline)} if gate else {}
        with _unconfirmed(server, "run" if timing is None else "schedule"):
            named = experiment or checked.study
            at = prepare(server, arguments, image=image, cluster=cluster, experiment=named, **patience)
            if timing is not None:
                _schedule(server, checked.study, timing, at, arguments, console)
                return
            run = start(server, part, arguments, at)
        _say_started(run, at, console)
        if wait or gate:
            wait_for(server, run, console, gate, deadline)


def _parts(plan: Plan, rev: str, waits: bool, futility: bool, console: Console) -> Iterator[Plan]:
    """Yield the plans to submit: the plan itself, or the next look, and those after it if the command waits for their results."""
    from pipelines.server.looks import is_whole, next_submission

    if not is_whole(plan):
        yield plan
        return
    before = None
    while True:
        look, is_open, said = next_submission(plan, rev, futility=futility)
        for line in said:
            say(console, line)
        if not is_open:
            say(console, "all looks of this design and revision are done; nothing is left to submit")
            return
        if look == before:
            raise UserError(
                "MLflow has no report of the look that has just ended; set MLFLOW_TRACKING_URI to the server of the pods"
            )
        say(console, f"look at {len(look.seeds)} of {len(plan.seeds)} seeds")
        yield look
        if not waits:
            return
        before = look


def _say_started(run: "Submitted", at: "Prepared", console: Console) -> None:
    _say_version(console, at)
    say(console, f"Run: {run.page}")
    if run.note:
        say(console, run.note)


def _terminate(
    text: str,
    options: tuple[str | None, str | None, Path | None, str | None],
    console: Console,
    tracking_uri: str | None,
    deadline: float | None,
) -> None:
    from pipelines.server.terminate import run_named
    from pipelines.server.trials import store

    run, page_host = run_named(text)
    host = options[0] or os.environ.get(HOST_ENV) or page_host
    end_run(server_at(host, *options[1:]), run, console, store() or (tracking_uri and enter(tracking_uri)), deadline)


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
        return waiting.patiently(ready, lambda line: say(console, line), deadline, waiting.Clock())
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
    from pipelines.server.submit import check_scheduled

    check_scheduled(server, at, arguments)
    schedules = Schedules(server, at.pipeline)
    did = schedules.set(Schedule(study, cron, at.experiment, at.pipeline, at.version, arguments))
    _say_version(console, at)
    say(console, f"Schedule: {study}, {did}")
    for schedule in schedules.listed(study):
        say(console, schedule.when())


def _say_version(console: Console, at: "Prepared") -> None:
    say(console, f"Version: {at.version_name}, {'uploaded' if at.uploaded else 'already there'}")
