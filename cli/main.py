"""The command line. Bad input is one sentence on stderr and exit code 2; `cli.exit_codes` lists all codes.

Commands import slow modules inside their functions, so that `--help` and `plan` answer at once.
"""

import sys
import traceback
from typing import NoReturn

import typer
from typer.exceptions import TyperException

from cli.champion import champion
from cli.ci import ci
from cli.compile import compile_
from cli.corpus import corpus_app
from cli.exit_codes import FAILED, INTERRUPTED
from cli.gate import gate
from cli.imports import import_
from cli.list import list_
from cli.parts import parts
from cli.plan import plan
from cli.recipe import recipe_app
from cli.report import report
from cli.run import run
from cli.schedule import schedule_app
from cli.submit import submit
from cli.transcribe import transcribe
from cli.ui import ui
from cli.version import before_commands
from common import disk
from common.errors import UserError
from common.redact import redact

HELP = """Which component of a model is worth keeping? Ablation studies from plan to report.

\b
Start with: ablate plan plans/smile.yaml     show what would be trained, and why
            ablate run plans/smoke.yaml      run every stage once on this machine
            ablate COMMAND --help            show all options and an example
"""

app = typer.Typer(
    help=HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"max_content_width": 110},
)
app.callback()(before_commands)
# In the order of use: a study here, its results and models, corpora, and then the cluster.
app.command()(plan)
app.command()(parts)
app.command()(run)
app.command(name="list")(list_)
app.command()(report)
app.command(name="import")(import_)
app.command()(ui)
app.command()(transcribe)
app.command()(champion)
app.command()(gate)
app.add_typer(recipe_app, name="recipe")
app.add_typer(corpus_app, name="corpus")
app.command(name="compile")(compile_)
app.command()(submit)
app.add_typer(schedule_app, name="schedule")
app.command()(ci)


def main() -> None:
    """Run the command line. `cli.entry` calls this for `ablate`."""
    try:
        with disk.explained():
            code = app(standalone_mode=False, prog_name="ablate")
    except TyperException as error:
        _end(_wrong_usage(error), error.exit_code)
    except typer.Abort:
        _end("interrupted", INTERRUPTED)
    except UserError as error:
        _end(f"error: {error}", error.exit_code)
    except Exception as error:
        from tracking.failures import sentence_of

        said = sentence_of(error)
        _end(f"error: {said}" if said else "".join(traceback.format_exception(error)), FAILED)
    sys.exit(code)


def _wrong_usage(error: TyperException) -> str:
    """Return a sentence about a wrong command line; the help of a command that needs more words."""
    said = error.format_message().strip()
    if "\n" in said:
        return said
    context = getattr(error, "ctx", None)
    rest = f"; `{context.command_path} --help` lists what there is" if context else ""
    return f"error: {said[:1].lower()}{said[1:].removesuffix('.')}{rest}"


def _end(text: str, code: int) -> NoReturn:
    """Print a text without secrets on stderr, and end the process."""
    print(redact(text).rstrip("\n"), file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
