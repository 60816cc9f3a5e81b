"""`ablate schedule`: show and change the studies that a Kubeflow Pipelines server starts on a schedule."""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cli.endings import fail
from cli.exit_codes import FAILED
from cli.options import StudyName
from cli.server_options import Cookies, Host, Namespace, TokenFile, server_at

if TYPE_CHECKING:
    from pipelines.server.schedules import Schedules

schedule_app = typer.Typer(
    help="Show or change nightly studies on a Kubeflow server.\n\n`ablate submit --cron` sets a schedule.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def on_server(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a server. The command receives the schedules of that server first.

    A server that fails is one sentence and exit code 1.
    """

    @wraps(command, assigned=("__module__", "__name__", "__qualname__", "__doc__"))
    def with_options(
        host: Host = None,
        namespace: Namespace = None,
        token_file: TokenFile = None,
        cookies: Cookies = None,
        **arguments: Any,
    ) -> None:
        _call(command, (host, namespace, token_file, cookies), arguments)

    shared = list(inspect.signature(with_options, follow_wrapped=False).parameters.values())[:-1]
    own = list(inspect.signature(command).parameters.values())[1:]
    with_options.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
    return with_options


def _call(
    command: Callable[..., None],
    options: tuple[str | None, str | None, Path | None, str | None],
    arguments: dict[str, Any],
) -> None:
    from pipelines.server.errors import ServerFailed
    from pipelines.server.schedules import open_schedules

    server = server_at(*options)
    try:
        command(open_schedules(server), **arguments)
    except ServerFailed as error:
        fail(f"error: {error}; run the command again later", FAILED)


@schedule_app.command(name="list")
@on_server
def list_(schedules: "Schedules") -> None:
    """Show every scheduled study.

    Example: ablate schedule list --host https://kubeflow.example/pipeline
    """
    found = schedules.listed()
    for schedule in sorted(found, key=lambda schedule: schedule.name):
        print(f"{schedule.name}: {schedule.when()}")
    if not found:
        print("no study has a schedule; `ablate submit PLAN --cron '0 0 2 * * *'` sets one")


@schedule_app.command()
@on_server
def disable(schedules: "Schedules", study: StudyName) -> None:
    """Start no more runs until the study is enabled.

    A run that has started continues.

    Example: ablate schedule disable smile --host https://kubeflow.example/pipeline
    """
    _switch(schedules, study, on=False)


@schedule_app.command()
@on_server
def enable(schedules: "Schedules", study: StudyName) -> None:
    """Start the runs of a study again.

    Example: ablate schedule enable smile --host https://kubeflow.example/pipeline
    """
    _switch(schedules, study, on=True)


@schedule_app.command()
@on_server
def delete(schedules: "Schedules", study: StudyName) -> None:
    """Delete the schedule of a study; keep its runs.

    A run that has started continues.

    Example: ablate schedule delete smile --host https://kubeflow.example/pipeline
    """
    for schedule in schedules.of(study):
        schedules.delete(schedule)
    print(f"{study}: deleted")


def _switch(schedules: "Schedules", study: str, *, on: bool) -> None:
    for schedule in schedules.of(study):
        schedules.switch(schedule, on=on)
    for schedule in schedules.listed(study):
        print(f"{study}: {schedule.when()}")
