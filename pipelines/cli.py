"""The command line. Bad input is one sentence on stderr and exit code 2, a failed run is 1, Ctrl-C is 130.

Imports that take long stand in the commands that need them, so that `--help` and `plan` answer at once.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ablation.arms import Arm, expand, trials, warnings
from ablation.errors import UserError
from ablation.plan import Plan
from components.revision import code_rev
from model.config import CATALOGUE
from pipelines import places
from pipelines.ci_cli import ci
from pipelines.corpus_cli import corpus_app
from pipelines.entry import INTERRUPTED
from pipelines.outlook import Outlook, outlook
from pipelines.plan_options import Corpus, PlanArgument, Seeds, Settings, chosen_plan
from pipelines.registry_cli import champion, gate
from pipelines.schedule_cli import schedule_app
from pipelines.submit_cli import submit
from pipelines.transcribe_cli import transcribe

if TYPE_CHECKING:
    from training.hygiene import Hygiene

FAILED = 1

HELP = """Which part of my model earns its place? Ablation studies from plan to report.

\b
To begin:   ablate plan plans/smile.yaml     what would be trained, and why
            ablate run plans/smoke.yaml      every stage once, on this machine
            ablate COMMAND --help            all options, with an example
"""

app = typer.Typer(
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"max_content_width": 110},
)
app.add_typer(corpus_app, name="corpus")
app.add_typer(schedule_app, name="schedule")
app.command()(submit)
app.command()(transcribe)
app.command()(champion)
app.command()(gate)
app.command()(ci)


@app.command()
def plan(
    path: PlanArgument,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: arms, seeds, trials, warnings.")] = False,
    corpus: Corpus = None,
    seeds: Seeds = None,
    settings: Settings = None,
) -> None:
    """Check a plan; show its arms and what it can detect.

    Everything is checked against the model's settings: parts, kinds, values, and that no two arms are the same. Arms that
    compute the same under different names are found by a probe; parameters and masks of each are measured. How much
    seeds differ, and how long a trial takes, is taken from earlier studies in MLflow on the same corpus, preset and steps.

    Example: ablate plan plans/smile.yaml
    """
    from training.hygiene import examine

    checked = chosen_plan(path, corpus, seeds, settings or [])
    arms = expand(checked, CATALOGUE)
    seen = outlook(checked, arms, places.tracking_uri())
    measured = examine({arm.arm: arm.settings for arm in arms})
    if as_json:
        print(json.dumps(_as_json(checked, arms, seen, measured), indent=1))
    else:
        _show(checked, arms, seen, measured, Console())


@app.command()
def run(
    path: PlanArgument,
    corpus: Corpus = None,
    seeds: Seeds = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where results go; studies/ and the study's name by default.")
    ] = None,
    settings: Settings = None,
    image: Annotated[
        str | None,
        typer.Option(
            metavar="REF", help="Run every step in a container of this image, as a cluster would; needs Docker."
        ),
    ] = None,
    explaining: Annotated[
        bool, typer.Option("--explain", help="Only say which trials would be trained, and why; trains nothing.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Train every trial, finished before or not.")] = False,
    force_arm: Annotated[
        list[str] | None, typer.Option("--force-arm", metavar="ARM", help="Train this arm's trials; repeatable.")
    ] = None,
) -> None:
    """Carry out a whole study on this machine.

    Prepares the corpus, trains every arm with every seed (two trials at a time), scores them clean and in noise,
    compares the arms, writes the report, and tracks all of it in MLflow. A trial that was finished before, in any
    study of the same MLflow store, is used again. Ctrl-C stops everything it started.

    \b
    Exit code: 0 all went well, 1 trials or steps failed, 2 bad input, 130 stopped by Ctrl-C.

    Example: ablate run plans/smoke.yaml --set training.steps=20
    """
    from components.reuse import ALL, forced_arms
    from corpora.prepare import check
    from pipelines.study import Interrupted, RunFailed, run_study

    checked, console = chosen_plan(path, corpus, seeds, settings or []), Console()
    forced = ",".join([*([ALL] if force else []), *(force_arm or [])])
    forced_arms(forced, expand(checked, CATALOGUE))
    check(checked.corpus, here=True)  # what is wrong with it is said now, not in a minute
    if explaining:
        _explain(checked, forced, console)
        return
    folder = out or places.STUDIES / checked.study
    if image:
        from pipelines.containers import check_image

        check_image(image, places.tracking_uri())
    try:
        result = run_study(
            checked,
            folder,
            tracking_uri=places.tracking_uri(),
            corpora_root=places.CORPORA,
            code_rev=code_rev(),
            console=console,
            image=image,
            force=forced,
        )
    except Interrupted:
        done = "all processes are stopped and their runs are marked KILLED"
        _fail(f"interrupted: {done}; the same command goes on from here", INTERRUPTED)
    except RunFailed as error:
        _fail(f"error: {error}", FAILED)
    console.print(f"Report: {folder / 'report.html'}", soft_wrap=True, highlight=False)
    console.print(f"MLflow: ablate ui {folder}", soft_wrap=True, highlight=False)
    if result.problem:
        _fail(f"failed: {result.problem}", FAILED)


@app.command(name="compile")
def compile_(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Where to write it.")] = Path(
        "pipeline.yaml"
    ),
    image: Annotated[
        str | None,
        typer.Option(metavar="REF", help="The container image of the steps, tagged by a revision; not `latest`."),
    ] = None,
    cluster: Annotated[
        Path | None, typer.Option(metavar="FILE", help="GPUs, memory, secrets and more, as in deploy/cluster.yaml.")
    ] = None,
) -> None:
    """Write the Kubeflow package of the pipeline.

    It is the definition that `ablate run` runs; upload it to a Kubeflow Pipelines server. Nothing is written if a
    server would refuse the package or silently do something else.

    Example: ablate compile --image registry/ablate-python:1234567 --cluster deploy/cluster.yaml
    """
    from pipelines.compile import compile_package

    print(compile_package(out, image, cluster))


@app.command()
def report(
    study: Annotated[
        str, typer.Argument(metavar="STUDY", help="A study's folder, or its name in studies/.", show_default=False)
    ],
    formats: Annotated[
        str, typer.Option("--format", metavar="LIST", help="What to write, out of html, md, tex, csv and json.")
    ] = "html,md,tex,csv,json",
    compare: Annotated[
        str | None,
        typer.Option(metavar="EARLIER", help="Write what changed in STUDY since this earlier study instead."),
    ] = None,
) -> None:
    """Write a study's report again; trains nothing.

    With --compare, write what changed since an earlier study instead.

    Arms that two studies share are compared over seeds, if corpus and conditions are the same.

    Example: ablate report smile --compare smile-last-week

    Example: ablate report smile --format html,tex
    """
    from ablation.report import build, build_changes

    folder, names = places.study_folder(study), [name.strip() for name in formats.split(",")]
    for path in build_changes(places.study_folder(compare), folder, names) if compare else build(folder, names):
        print(path)


@app.command()
def ui(
    study: Annotated[
        str | None, typer.Argument(metavar="STUDY", help="A study's folder or name; the latest by default.")
    ] = None,
    port: Annotated[int, typer.Option(help="Where to serve MLflow on this machine.", min=1, max=65535)] = 5000,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser, or only print its address.")] = True,
) -> None:
    """Open MLflow on a study's WER and curves.

    Starts a server on the study's store and ends it with Ctrl-C; where MLFLOW_TRACKING_URI names a server, opens that.

    Example: ablate ui smile --port 5001
    """
    from pipelines.ui import serve

    folder = places.study_folder(study) if study else places.latest_study()
    serve(folder, places.tracking_uri(), port=port, browser=browser, console=Console())


def _explain(checked: Plan, forced: str, console: Console) -> None:
    """A line per trial, then how many would be trained."""
    from pipelines.explain import TRAIN, explain

    answers = explain(checked, tracking_uri=places.tracking_uri(), corpora_root=places.CORPORA, force=forced)
    for answer in answers:
        line = f"{answer.arm} seed {answer.seed}: {answer.word}: {answer.why}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    number = sum(answer.word == TRAIN for answer in answers)
    console.print(f"{number} of {len(answers)} trials would be trained", highlight=False)


def _as_json(checked: Plan, arms: list[Arm], seen: Outlook | None, measured: "Hygiene") -> dict[str, Any]:
    keys = ("arm", "part", "action", "why", "overrides")
    return {
        "study": checked.study,
        "arms": [{key: getattr(arm, key) for key in keys} for arm in arms],
        "seeds": list(checked.seeds),
        "trials": [{"arm": trial.arm, "seed": trial.seed} for trial in trials(checked, arms)],
        "conditions": checked.condition_names(),
        "power": seen.as_json() if seen else None,
        "measured": measured.as_json()["arms"],
        "warnings": [*warnings(checked), *measured.warnings],
    }


def _show(checked: Plan, arms: list[Arm], seen: Outlook | None, measured: "Hygiene", console: Console) -> None:
    """Arms as a table, then how many trials they come to, what those can detect, what was measured, and warnings."""
    table = Table(title=checked.question or checked.study, title_justify="left")
    for column in ("arm", "change to the baseline", "why"):
        table.add_column(column, overflow="fold", no_wrap=column == "arm")
    for arm in arms:
        change = ", ".join(f"{part}: {json.dumps(spec)}" for part, spec in arm.overrides.items())
        table.add_row(arm.arm, change or "–", arm.why)
    console.print(table, markup=False)
    number = len(trials(checked, arms))
    console.print(f"{len(arms)} arms x {len(checked.seeds)} seeds = {number} trials", highlight=False)
    console.print(f"corpus: {checked.corpus}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"scored: {', '.join(checked.condition_names())}", highlight=False)
    for line in [*(seen.lines() if seen else ()), *measured.lines()]:
        console.print(line, highlight=False, soft_wrap=True)
    for warning in [*warnings(checked), *measured.warnings]:
        console.print(f"warning: {warning}", style="yellow", highlight=False, soft_wrap=True)


def _fail(sentence: str, code: int) -> None:
    print(sentence, file=sys.stderr)
    raise typer.Exit(code)


def main() -> None:
    """Run the command line; `ablate` comes here by `entry.py`."""
    try:
        app()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
