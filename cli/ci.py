"""`ablate ci`: the one command that a CI job calls."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from ablation.decisions.gate import MARGIN_POINTS
from cli.gate import Margin
from cli.options import ClusterFile, PlanArgument, StepImage, chosen_plan
from cli.server_options import Host, PodsStore, address

SUMMARY = "GITHUB_STEP_SUMMARY"


def ci(
    path: PlanArgument,
    host: Host = None,
    tracking_uri: PodsStore = None,
    image: StepImage = None,
    cluster: ClusterFile = None,
    smoke: Annotated[Path, typer.Option(metavar="PLAN", help="A small plan to run on this machine first.")] = Path(
        "plans/smoke.yaml"
    ),
    timeout: Annotated[
        float, typer.Option(metavar="MINUTES", help="The longest wait for the run on the server.", min=1)
    ] = 600,
    margin: Margin = MARGIN_POINTS,
    xml: Annotated[Path, typer.Option("--junit", metavar="FILE", help="Write the JUnit report to this file.")] = Path(
        "ablate.xml"
    ),
) -> None:
    """Lint, run a smoke study, submit, wait and gate, for CI.

    The command writes a JUnit report, and appends a Markdown summary with the verdicts to the file that
    GITHUB_STEP_SUMMARY names. It reads the results from MLFLOW_TRACKING_URI.

    \b
    Exit code: 0 passed, 3 the gate failed, 1 infrastructure failed, 2 bad input.

    Example: ablate ci plans/smile.yaml --host https://kubeflow.example/pipeline --tracking-uri http://mlflow:5000
    """
    from cli.ci_job import carry_out, exit_code, junit, summary
    from pipelines.server.submit import arguments_for, pods_store

    plan = chosen_plan(path, None, None, [])
    address(host)
    arguments_for(plan, pods_store(tracking_uri, cluster), "")  # report bad input now, not after the smoke study
    placed = [*_given("--image", image), *_given("--cluster", cluster)]
    server = [*_given("--host", host), *_given("--tracking-uri", tracking_uri)]
    with TemporaryDirectory(prefix="ablate-ci-") as folder:
        commands = [
            ("compile and lint", ["compile", "-o", f"{folder}/pipeline.yaml", *placed]),
            ("smoke study", ["run", str(smoke), "--out", f"{folder}/smoke"]),
            ("study on the cluster", ["submit", path, "--gate", "--timeout", str(timeout), *placed, *server]),
            ("gate", ["gate", plan.study, "--from-mlflow", "--margin", str(margin), "--out", f"{folder}/study"]),
        ]
        names = [name for name, _ in commands]
        steps = carry_out(commands, lambda line: print(line, flush=True))
        junit(steps, names, xml)
        report = Path(folder) / "study" / "report.md"
        text = summary(steps, names, report.read_text() if report.is_file() else "")
    if place := os.environ.get(SUMMARY):
        with Path(place).open("a", encoding="utf-8") as file:
            file.write(text)
    raise typer.Exit(exit_code(steps))


def _given(option: str, value: object) -> list[str]:
    """The option with its value; nothing if the value is absent."""
    return [option, str(value)] if value else []
