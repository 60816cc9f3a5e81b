"""`ablate run`: a whole study on this machine."""

import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ablation.plan.plan import Plan
from cli.endings import fail
from cli.exit_codes import FAILED, INTERRUPTED
from cli.options import Corpus, NoFutility, PlanArgument, Seeds, Settings, chosen_plan
from components.shared.revision import code_rev
from pipelines.local import paths
from recipes.plans import arms_of, of

if TYPE_CHECKING:
    from pipelines.local.placement import Placement
    from pipelines.local.study import Result


def run(
    path: PlanArgument,
    corpus: Corpus = None,
    seeds: Seeds = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for the results; by default the study's name in studies/."),
    ] = None,
    settings: Settings = None,
    image: Annotated[
        str | None,
        typer.Option(
            metavar="REF", help="Run every step in a container of this image, as a cluster does; needs Docker."
        ),
    ] = None,
    explaining: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Only print which trials would be trained, and why; prepares the corpus, and trains nothing.",
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Train every trial, even if it was finished before.")] = False,
    force_arm: Annotated[
        list[str] | None, typer.Option("--force-arm", metavar="ARM", help="Train this arm's trials; repeatable.")
    ] = None,
    no_futility: NoFutility = False,
    trials_at_once: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=48,
            help="Trials at a time on a machine without a GPU, which share its cores; by default 2.",
        ),
    ] = None,
    trials_per_gpu: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=48, help="Trials that share a GPU; by default 1. All visible GPUs are used."
        ),
    ] = None,
    gpus_per_trial: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=64, help="GPUs that each trial takes; by default 1.")
    ] = None,
) -> None:
    """Run a whole study on this machine.

    Prepares the corpus, trains every arm with every seed (two trials at a time, or one on each GPU), scores the trials clean
    and in noise, compares the arms, writes the report, and tracks everything in MLflow. A trial that was finished before, in
    any study of the same MLflow store, is reused. A plan with `looks` gets its seeds in stages, and arms that are decided get
    no more. Ctrl-C stops all processes that this command has started.

    \b
    Exit code: 0 on success, 1 trials or steps failed or MLflow does not answer, 2 bad input, 130 stopped by Ctrl-C.

    Example: ablate run plans/smoke.yaml --set training.steps=20
    """
    from tracking.probe import check_answers

    checked, console = chosen_plan(path, corpus, seeds, settings or []), Console()
    if image and not explaining:
        from pipelines.local.containers import check_image

        check_image(image, paths.tracking_uri())
    check_answers(paths.tracking_uri())  # before imports that take seconds

    from pipelines.local.placement import place

    forced = _forced(checked, force, force_arm or [])
    placement = place(
        of(checked),
        at_once=trials_at_once,
        per_gpu=trials_per_gpu,
        gpus=gpus_per_trial,
        in_containers=image is not None,
    )
    _check_data(checked, placement if image is None else None)
    folder = out or paths.STUDIES / checked.study
    if explaining:
        _explain(checked, forced, folder, console)
        return
    result = _carry_out(checked, folder, placement, console, image, forced, futility=not no_futility)
    _conclude(result, folder, console)


def _forced(checked: Plan, everything: bool, arms: Sequence[str]) -> str:
    """Return the arms that are trained in any case, as the pipeline takes them. Raises UserError for an unknown one."""
    from components.shared.reuse import ALL, forced_arms

    forced = ",".join([*([ALL] if everything else []), *arms])
    forced_arms(forced, arms_of(checked))
    return forced


def _check_data(checked: Plan, placement: "Placement | None") -> None:
    """Refuse a wrong corpus, and batches that do not fit into this machine, now and not after a minute.

    Without a placement, the steps run in containers, which have other limits.
    """
    from corpora.address import check
    from pipelines.local.fits import check_batches

    if placement is not None:
        check_batches(of(checked), arms_of(checked), placement=placement)
    check(checked.corpus, here=True, needs_video=of(checked).needs_video)


def _carry_out(
    checked: Plan,
    folder: Path,
    placement: "Placement",
    console: Console,
    image: str | None,
    forced: str,
    *,
    futility: bool,
) -> "Result":
    """Run the study, look by look if its plan has looks. Ends the command if it is interrupted or has no report."""
    from pipelines.local.looks import run_looks
    from pipelines.local.study import Interrupted, RunFailed, run_study

    run_once = partial(
        run_study,
        out=folder,
        tracking_uri=paths.tracking_uri(),
        corpora_root=paths.CORPORA,
        code_rev=code_rev(),
        console=console,
        image=image,
        force=forced,
        placement=placement,
    )
    say = partial(_print, console)
    _announce(placement, say)
    try:
        return run_looks(checked, _may_stop(checked), folder, run_once, say, futility=futility)
    except Interrupted as error:
        runs = "are marked KILLED" if error.closed else "will be closed by the next run, as MLflow does not answer"
        fail(
            f"interrupted: all processes are stopped and their runs {runs}; the same command continues from here",
            INTERRUPTED,
        )
    except RunFailed as error:
        fail(f"error: {error}", FAILED)


def _may_stop(checked: Plan) -> list[str]:
    """Return the arms that looks may decide early."""
    from ablation.plan.looks import may_stop

    return may_stop(checked, [arm.arm for arm in arms_of(checked)])


def _conclude(result: "Result", folder: Path, console: Console) -> None:
    """Print what failed, what was found, and where the report and the pages are. Ends a command that failed."""
    from ablation.records import unusable_results

    for trial in (trial for trial in result.trials if trial.status == "failed"):
        _print(console, f"{trial.arm} seed {trial.seed} failed: {trial.reason}")
    if unused := unusable_results(result.trials):
        _print(console, unused)
    for said in _findings(folder):
        console.print(said, highlight=False, markup=False, soft_wrap=not console.is_terminal)
    _print(console, f"Report: {folder / 'report.html'}")
    _print(console, f"MLflow: {_program()} ui {shlex.quote(str(folder))}")
    if result.problem:
        fail(f"failed: {result.problem}", FAILED)


def _program() -> str:
    """Return the word that starts this program again: `make study` runs it without its folder on the PATH."""
    me = Path(sys.argv[0])
    return "ablate" if shutil.which("ablate") or me.name != "ablate" else shlex.quote(str(me))


def _print(console: Console, line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def _announce(placement: "Placement", say: Callable[[str], None]) -> None:
    """Say how many trials run at a time, and where, unless it is as on any machine without a GPU."""
    from pipelines.local.placement import AT_ONCE

    if placement.groups or placement.at_once != AT_ONCE:
        say(placement.sentence())


def _findings(folder: Path) -> list[str]:
    """Return the findings of the report that this run has written, a line each; [] without a report."""
    import json

    report = folder / "report.json"
    return list(json.loads(report.read_text(encoding="utf-8"))["headline"]) if report.is_file() else []


def _explain(checked: Plan, forced: str, folder: Path, console: Console) -> None:
    """Print a line per trial, then the number of trials that would be trained."""
    from pipelines.local.explain import TRAIN, explain
    from pipelines.local.looks import reached
    from pipelines.local.studies import later_run, state_without_result

    plan = reached(checked, _may_stop(checked), folder)
    if note := later_run(folder) if (folder / paths.STUDY).is_file() else state_without_result(folder):
        _print(console, f"{folder}: {note}")
    answers = explain(plan, tracking_uri=paths.tracking_uri(), corpora_root=paths.CORPORA, force=forced)
    for answer in answers:
        _print(console, f"{answer.arm} seed {answer.seed}: {answer.word}: {answer.why}")
    number = sum(answer.word == TRAIN for answer in answers)
    console.print(f"{number} of {len(answers)} trials would be trained", highlight=False)
