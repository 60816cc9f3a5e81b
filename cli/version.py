"""`ablate --version`."""

from typing import Annotated

import typer


def _print_version(asked: bool) -> None:
    if not asked:
        return
    from importlib.metadata import version

    from components.shared.revision import code_rev

    revision = code_rev()
    print(f"ablate {version('ablate')}{f' ({revision})' if revision else ''}")
    raise typer.Exit


def before_commands(
    _: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version and the git revision, and exit.",
            is_eager=True,
            callback=_print_version,
        ),
    ] = False,
) -> None:
    """Take the options that stand before a command."""
