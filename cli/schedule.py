"""`ablate schedule`: the studies that a Kubeflow Pipelines server starts by itself, as `ablate submit --cron` asked."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.server_options import Cookies, Host, Namespace, TokenFile, server_at
from common.errors import UserError
from common.hints import did_you_mean

if TYPE_CHECKING:
    from pipelines.server.schedules import Schedule, Schedules

FAILED = 1

schedule_app = typer.Typer(
    help="Show or change nightly studies on a Kubeflow server.\n\n`ablate submit --cron` sets one.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Study = Annotated[str, typer.Argument(metavar="STUDY", help="The study's name.", show_default=False)]


@schedule_app.command(name="list")
def list_(
    host: Host = None, namespace: Namespace = None, token_file: TokenFile = None, cookies: Cookies = None
) -> None:
    """Show every study that runs on a schedule.

    Example: ablate schedule list --host https://kubeflow.example/pipeline
    """
    with _asked(host, namespace, token_file, cookies) as schedules:
        found = schedules.listed()
    for schedule in sorted(found, key=lambda schedule: schedule.name):
        print(f"{schedule.name}: {when(schedule)}")
    if not found:
        print("no study is scheduled; `ablate submit PLAN --cron '0 0 2 * * *'` does it")


@schedule_app.command()
def disable(
    study: Study, host: Host = None, namespace: Namespace = None, token_file: TokenFile = None, cookies: Cookies = None
) -> None:
    """Start no more runs of a study until it is enabled; one that has begun goes on.

    Example: ablate schedule disable smile --host https://kubeflow.example/pipeline
    """
    with _asked(host, namespace, token_file, cookies) as schedules:
        _switch(schedules, study, on=False)


@schedule_app.command()
def enable(
    study: Study, host: Host = None, namespace: Namespace = None, token_file: TokenFile = None, cookies: Cookies = None
) -> None:
    """Start runs of a study again.

    Example: ablate schedule enable smile --host https://kubeflow.example/pipeline
    """
    with _asked(host, namespace, token_file, cookies) as schedules:
        _switch(schedules, study, on=True)


@schedule_app.command()
def delete(
    study: Study, host: Host = None, namespace: Namespace = None, token_file: TokenFile = None, cookies: Cookies = None
) -> None:
    """Forget the schedule of a study; its runs stay, and one that has begun goes on.

    Example: ablate schedule delete smile --host https://kubeflow.example/pipeline
    """
    with _asked(host, namespace, token_file, cookies) as schedules:
        for schedule in _of(schedules, study):
            schedules.delete(schedule)
    print(f"{study}: deleted")


def when(schedule: "Schedule") -> str:
    """A schedule's times in a line. Next is by a server whose clock is UTC, as it is where nobody has set another."""
    from pipelines.server.schedules import next_time

    if not schedule.enabled:
        return f"{schedule.cron}, disabled"
    try:
        return f"{schedule.cron}, next {next_time(schedule.cron, datetime.now(UTC)):%Y-%m-%d %H:%M} UTC"
    except ValueError:  # one that was made on the server's page may be of another kind
        return schedule.cron or "not by cron"


@contextmanager
def _asked(
    host: str | None, namespace: str | None, token_file: Path | None, cookies: str | None
) -> "Iterator[Schedules]":
    """The server's schedules; a server that fails meanwhile is a sentence and exit code 1."""
    from pipelines.name import NAME
    from pipelines.server.errors import ServerFailed
    from pipelines.server.schedules import Schedules

    server = server_at(host, namespace, token_file, cookies)
    try:
        server.check()
        pipeline = server.find_pipeline(NAME)
        if pipeline is None:
            remedy = "`ablate submit` brings it"
            raise UserError(f"{server.host} has no pipeline {NAME!r}, so nothing is scheduled; {remedy}")
        yield Schedules(server, pipeline)
    except ServerFailed as error:
        print(f"error: {error}; say the same again later", file=sys.stderr)
        raise typer.Exit(FAILED) from None


def _of(schedules: "Schedules", study: str) -> list["Schedule"]:
    found = schedules.listed(study)
    if not found:
        known = [schedule.name for schedule in schedules.listed()]
        hint = did_you_mean(study, known) if known else "; `ablate submit PLAN --cron` sets one"
        raise UserError(f"study {study!r} has no schedule on this server{hint}")
    return found


def _switch(schedules: "Schedules", study: str, *, on: bool) -> None:
    for schedule in _of(schedules, study):
        schedules.switch(schedule, on=on)
    for schedule in schedules.listed(study):
        print(f"{study}: {when(schedule)}")
