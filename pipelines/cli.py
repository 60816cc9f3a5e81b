"""The command line. Bad input is one sentence on stderr and exit code 2, a failed run is 1, Ctrl-C is 130.

Imports that take long stand in the commands that need them, so that `--help` and `plan` answer at once.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ablation.arms import Arm, expand, trials, warnings
from ablation.errors import UserError
from ablation.plan import Plan, adapted, plan_from_mapping, read_plan
from ablation.yaml_text import load_yaml
from model.config import CATALOGUE
from pipelines import places

FAILED, INTERRUPTED = 1, 130

app = typer.Typer(
    help="Which part of my model earns its place? Ablation studies from plan to report.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"max_content_width": 110},
)
corpus_app = typer.Typer(help="Build, check and look at a corpus.", no_args_is_help=True)
app.add_typer(corpus_app, name="corpus")

PlanArgument = Annotated[Path, typer.Argument(help="A plan in YAML, JSON or Markdown.", show_default=False)]
Corpus = Annotated[str | None, typer.Option("--corpus", help="Another corpus, e.g. grid://DIR.")]
Seeds = Annotated[str | None, typer.Option("--seeds", help="Other seeds, e.g. 1,2,3.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A key of the plan, or a setting of all arms; repeatable."),
]


@app.command()
def plan(
    path: PlanArgument,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: arms, seeds, trials, warnings.")] = False,
    corpus: Corpus = None,
    seeds: Seeds = None,
    settings: Settings = None,
) -> None:
    """Check a plan and show its arms, without running anything.

    Example: ablate plan plans/smile.yaml
    """
    checked = _plan(path, corpus, seeds, settings or [])
    arms = expand(checked, CATALOGUE)
    if as_json:
        print(json.dumps(_as_json(checked, arms), indent=1))
    else:
        _show(checked, arms, Console())


@app.command()
def run(
    path: PlanArgument,
    corpus: Corpus = None,
    seeds: Seeds = None,
    out: Annotated[Path | None, typer.Option(help="Where results go; studies/NAME by default.")] = None,
    settings: Settings = None,
) -> None:
    """Carry out a whole study on this machine: corpus, training, scoring, report, MLflow.

    Example: ablate run plans/smoke.yaml --seeds 1,2 --set training.steps=20
    """
    from pipelines.study import Interrupted, RunFailed, run_study

    checked, console = _plan(path, corpus, seeds, settings or []), Console()
    expand(checked, CATALOGUE)
    folder = out or places.STUDIES / checked.study
    try:
        result = run_study(
            checked,
            folder,
            tracking_uri=places.tracking_uri(),
            corpora_root=places.CORPORA,
            code_rev=places.code_rev(),
            console=console,
        )
    except Interrupted:
        _fail("interrupted: all processes are stopped and their runs are marked KILLED", INTERRUPTED)
    except RunFailed as error:
        _fail(f"error: {error}", FAILED)
    console.print(f"Report: {folder / 'report.html'}", soft_wrap=True, highlight=False)
    console.print(f"MLflow: ablate ui {folder}", soft_wrap=True, highlight=False)
    if result.problem:
        _fail(f"failed: {result.problem}", FAILED)


@app.command(name="compile")
def compile_(
    out: Annotated[Path, typer.Option("-o", "--out", help="The package to write.")] = Path("pipeline.yaml"),
    image: Annotated[str | None, typer.Option(help="The container image of the steps.")] = None,
) -> None:
    """Write the pipeline as a package for a Kubeflow Pipelines server.

    Example: ablate compile -o pipeline.yaml --image registry/ablate-python:1234567
    """
    from pipelines.compile import compile_package

    print(compile_package(out, image))


@app.command()
def report(
    study: Annotated[str, typer.Argument(help="A study's folder, or its name in studies/.", show_default=False)],
    formats: Annotated[str, typer.Option("--format", help="What to write: html, md, csv.")] = "html,md,csv",
) -> None:
    """Write a study's report again from what is stored, without any training.

    Example: ablate report smile --format html,csv
    """
    from ablation.report import build

    for path in build(places.study_folder(study), [name.strip() for name in formats.split(",")]):
        print(path)


@app.command()
def ui(
    study: Annotated[str | None, typer.Argument(help="A study's folder or name; the latest by default.")] = None,
    port: Annotated[int, typer.Option(help="Where to serve MLflow on this machine.", min=1, max=65535)] = 5000,
    browser: Annotated[bool, typer.Option(help="Open the page.")] = True,
) -> None:
    """Open MLflow on a study: WER per arm and condition, training curves, runs, checkpoints.

    Example: ablate ui smile --port 5001
    """
    from pipelines.ui import serve

    folder = places.study_folder(study) if study else places.latest_study()
    serve(folder, places.tracking_uri(), port=port, browser=browser, console=Console())


@corpus_app.command()
def prepare(
    uri: Annotated[str, typer.Argument(help="e.g. synthetic://talking-mouth?train=200, or grid://DIR")],
    root: Annotated[Path, typer.Option(help="Where prepared corpora are kept.")] = places.CORPORA,
) -> None:
    """Bring a corpus into the form that training reads; done once per corpus.

    Example: ablate corpus prepare "synthetic://talking-mouth?train=200&test=40"
    """
    from corpora.prepare import prepare as prepare_corpus
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("utterances", total=None)
        path = prepare_corpus(
            uri, root, progress=lambda done, total: progress.update(task, completed=done, total=total)
        )
    print(path)


@corpus_app.command()
def verify(path: Annotated[Path, typer.Argument(help="A prepared corpus.")]) -> None:
    """Check every file of a prepared corpus against its manifest.

    Example: ablate corpus verify corpora-cache/NAME
    """
    from corpora.store import Corpus as Prepared

    corpus = Prepared.open(path)
    problems = corpus.verify()
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        raise typer.Exit(FAILED)
    print(json.dumps(corpus.summary(), indent=1))


@corpus_app.command()
def show(
    path: Annotated[Path, typer.Argument(help="A prepared corpus.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The picture to write.")] = Path("corpus.png"),
    count: Annotated[int, typer.Option(help="How many utterances.", min=1)] = 6,
) -> None:
    """Draw utterances of a prepared corpus: mouths, sound and text, as a PNG.

    Example: ablate corpus show corpora-cache/NAME -o mouths.png
    """
    from corpora.show import show as draw

    from corpora.store import Corpus as Prepared

    draw(Prepared.open(path), out, count=count)
    print(out)


def _plan(path: Path, corpus: str | None, seeds: str | None, settings: Iterable[str]) -> Plan:
    """The plan with the command line's changes; `--set` takes the plan's own keys, and settings of all arms."""
    checked = read_plan(path, CATALOGUE)
    known, mine, rest = set(Plan.__dataclass_fields__), {}, []
    for setting in settings:
        key, equals, value = setting.partition("=")
        if equals and key.strip() in known:
            mine[key.strip()] = load_yaml(value)
        else:
            rest.append(setting)
    checked = plan_from_mapping({**checked.as_mapping(), **mine})
    return adapted(checked, corpus=corpus, seeds=seeds, settings=rest)


def _as_json(checked: Plan, arms: list[Arm]) -> dict[str, Any]:
    keys = ("arm", "part", "action", "why", "overrides")
    return {
        "study": checked.study,
        "arms": [{key: getattr(arm, key) for key in keys} for arm in arms],
        "seeds": list(checked.seeds),
        "trials": [{"arm": trial.arm, "seed": trial.seed} for trial in trials(checked, arms)],
        "conditions": checked.condition_names(),
        "warnings": warnings(checked),
    }


def _show(checked: Plan, arms: list[Arm], console: Console) -> None:
    """Arms as a table, then how many trials they come to, and warnings."""
    table = Table(title=checked.question or checked.study, title_justify="left")
    for column in ("arm", "change to the baseline", "why"):
        table.add_column(column, overflow="fold")
    for arm in arms:
        change = ", ".join(f"{part}: {json.dumps(spec)}" for part, spec in arm.overrides.items())
        table.add_row(arm.arm, change or "–", arm.why)
    console.print(table, markup=False)
    number = len(trials(checked, arms))
    console.print(f"{len(arms)} arms x {len(checked.seeds)} seeds = {number} trials", highlight=False)
    console.print(f"corpus: {checked.corpus}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"scored: {', '.join(checked.condition_names())}", highlight=False)
    for warning in warnings(checked):
        console.print(f"warning: {warning}", style="yellow", highlight=False, soft_wrap=True)


def _fail(sentence: str, code: int) -> None:
    print(sentence, file=sys.stderr)
    raise typer.Exit(code)


def main() -> None:
    """The entry point of `ablate` and of `python -m pipelines.cli`."""
    try:
        app()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
