"""`ablate ci`: the one command that CI jobs call. It outlives them: a later call takes up the run of an earlier one."""

import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from ablation.decisions.gate import MARGIN_POINTS
from ablation.plan.plan import Plan
from cli.ci_job import COMPILE, GATE, SMOKE, STUDY, Job, Outcome, Result, run_command
from cli.gate import judged_run
from cli.options import ClusterFile, PlanArgument, StepImage, chosen_plan
from cli.server_options import Cookies, Host, Namespace, PodsStore, TokenFile, server_at
from common.errors import UserError
from components.shared.revision import code_rev

if TYPE_CHECKING:
    from cli.ci_cluster import ClusterStudy

SUMMARY = "GITHUB_STEP_SUMMARY"
LONGEST_MINUTES = 600.0


@dataclass(frozen=True)
class Mode:
    """The options of a call, besides the run that it takes up."""

    wait: bool
    again: bool
    smoke: Path
    margin: float | None
    folder: Path


def ci(
    path: PlanArgument,
    host: Host = None,
    tracking_uri: PodsStore = None,
    image: StepImage = None,
    cluster: ClusterFile = None,
    namespace: Namespace = None,
    token_file: TokenFile = None,
    cookies: Cookies = None,
    smoke: Annotated[Path, typer.Option(metavar="PLAN", help="A small plan to run on this machine first.")] = Path(
        "plans/smoke.yaml"
    ),
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Submit and end; --only-gate judges the run later.")
    ] = False,
    only_gate: Annotated[
        bool, typer.Option("--only-gate", help="Submit nothing: judge the newest run that has ended.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Start a new run if the run of this commit and plan has ended.")
    ] = False,
    timeout: Annotated[
        float | None,
        typer.Option(metavar="MINUTES", help="The longest wait, 600 by default; the run continues after it.", min=1),
    ] = None,
    margin: Annotated[
        float,
        typer.Option(
            "--margin",
            metavar="POINTS",
            help="Fail if WER, or another metric in its own unit, is worse by more than this, whatever the test says.",
            min=0,
        ),
    ] = MARGIN_POINTS,
    xml: Annotated[Path, typer.Option("--junit", metavar="FILE", help="Write the JUnit report to this file.")] = Path(
        "ablate.xml"
    ),
) -> None:
    """Lint, run a smoke study, submit, wait and gate, for CI.

    A run belongs to a commit, a plan and its settings. If an earlier call submitted that run, this call takes it up: it
    waits for the run, or judges it. --no-wait and --only-gate divide the work between two jobs, for studies that outlast a
    job: the first submits, and the second, on a schedule, judges the newest run that has ended, of this commit or one before.

    Of a plan with `looks`, each call carries out one look: the one that follows from the results in MLFLOW_TRACKING_URI.

    The command writes a JUnit report, and appends a Markdown summary with the verdicts to the file that
    GITHUB_STEP_SUMMARY names. It reads the results from MLFLOW_TRACKING_URI.

    \b
    Exit code: 0 passed, submitted or not finished yet; 3 the gate failed; 1 infrastructure failed, or the run did not
    succeed; 2 bad input; 130 stopped by Ctrl-C.

    Example: ablate ci plans/smile.yaml --cluster deploy/cluster.yaml --no-wait
    """
    from cli.ci_cluster import ClusterStudy
    from cli.ci_report import junit, summary
    from pipelines.server.ci_runs import name_for
    from pipelines.server.submit import arguments_for, pods_store

    _check_options(no_wait, only_gate, again, timeout)
    plan = _part(chosen_plan(path, None, None, []))
    server = server_at(host, namespace, token_file, cookies)
    arguments = arguments_for(plan, pods_store(tracking_uri, cluster), code_rev())
    name = name_for(arguments, image, cluster)  # bad input is reported now, before any step
    job = Job(_say)
    minutes = None if no_wait or only_gate else timeout or LONGEST_MINUTES
    study = ClusterStudy(server, plan, arguments, image, cluster, name, _say, minutes)
    with TemporaryDirectory(prefix="ablate-ci-") as folder:
        mode = Mode(not no_wait, again, smoke, margin, Path(folder))
        (_judge_ended if only_gate else _carry_out)(job, study, mode)
        report = mode.folder / "study" / "report.md"
        junit(job.steps(), xml)
        _append(summary(job.outcome, job.steps(), report.read_text() if report.is_file() else ""))
    _say(f"ablate ci: {job.outcome.words}")
    raise typer.Exit(job.outcome.code)


def _part(plan: Plan) -> Plan:
    """Return the plan of the run to carry out: of a plan with looks, the next look, or the last one if all are done."""
    from pipelines.server.looks import is_whole, next_submission

    if not is_whole(plan):
        return plan
    look, is_open, said = next_submission(plan, code_rev())
    for line in said:
        _say(line)
    _say(f"{'look' if is_open else 'all looks are done, the last one'} at {len(look.seeds)} of {len(plan.seeds)} seeds")
    return look


def _check_options(no_wait: bool, only_gate: bool, again: bool, timeout: float | None) -> None:
    if no_wait and only_gate:
        raise UserError("--no-wait submits a run and --only-gate submits nothing; give one of the two")
    if only_gate and again:
        raise UserError("--again starts a new run and --only-gate submits nothing; give one of the two")
    if timeout is not None and (no_wait or only_gate):
        raise UserError("--timeout limits the waiting, and --no-wait and --only-gate do not wait; leave it out")


def _carry_out(job: Job, study: "ClusterStudy", mode: Mode) -> None:
    """Submit the study or take up its run, and judge it."""
    run = job.ask(STUDY, study.find)
    if job.stopped:
        return
    if run is not None and not (mode.again and run.ended):
        for name in (COMPILE, SMOKE):
            job.skip(name, "an earlier call submitted the run")
        ended = job.step(STUDY, lambda: study.take_up(run, wait=mode.wait))
    else:
        ended = (
            job.step(COMPILE, lambda: _compiled(study, mode.folder))
            and job.step(SMOKE, lambda: run_command(["run", str(mode.smoke), "--out", f"{mode.folder}/smoke"], _say))
            and job.step(STUDY, lambda: study.start(wait=mode.wait, known=run))
        )
    if ended:
        job.step(GATE, lambda: _gated(study, mode))


def _judge_ended(job: Job, study: "ClusterStudy", mode: Mode) -> None:
    """Judge the newest run that has ended."""
    for name in (COMPILE, SMOKE):
        job.skip(name, "--only-gate")
    if job.step(STUDY, study.ended):
        job.step(GATE, lambda: _gated(study, mode))


def _compiled(study: "ClusterStudy", folder: Path) -> Result:
    """Compile and lint the package."""
    from pipelines.package.compile import compile_package

    compile_package(folder / "pipeline.yaml", study.image, study.cluster)
    return Result()


def _gated(study: "ClusterStudy", mode: Mode) -> Result:
    """Apply the gate to the results of a run that has succeeded."""
    assert study.judged is not None
    found = judged_run(study.judged.id, mode.margin, mode.folder / "study")
    for note in found.notes:
        _say(note)
    if found.failures:
        return Result(Outcome.GATE_FAILED, found.failures + ((found.refused,) if found.refused else ()))
    return Result(Outcome.BAD_INPUT, (found.refused,)) if found.refused else Result()


def _append(text: str) -> None:
    if place := os.environ.get(SUMMARY):
        with Path(place).open("a", encoding="utf-8") as file:
            file.write(text)


def _say(line: str) -> None:
    print(line, flush=True)
