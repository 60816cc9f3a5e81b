"""`ablate ci`: what a CI job calls."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from ablation.decisions.gate import MARGIN_POINTS
from cli.gate import Margin
from cli.options import PlanArgument, chosen_plan
from cli.server_options import Host, address

SUMMARY = "GITHUB_STEP_SUMMARY"


def ci(
    path: PlanArgument,
    host: Host = None,
    tracking_uri: Annotated[
        str | None, typer.Option(metavar="URI", help="MLflow as pods reach it; here it is MLFLOW_TRACKING_URI.")
    ] = None,
    image: Annotated[str | None, typer.Option(metavar="REF", help="The container image of the steps.")] = None,
    cluster: Annotated[Path | None, typer.Option(metavar="FILE", help="Settings, as deploy/cluster.yaml.")] = None,
    smoke: Annotated[Path, typer.Option(metavar="PLAN", help="A small plan that runs here first.")] = Path(
        "plans/smoke.yaml"
    ),
    timeout: Annotated[float, typer.Option(metavar="MINUTES", help="For the run on the server.", min=1)] = 600,
    margin: Margin = MARGIN_POINTS,
    xml: Annotated[Path, typer.Option("--junit", metavar="FILE", help="Where the JUnit report goes.")] = Path(
        "ablate.xml"
    ),
) -> None:
    """Lint, smoke study, submit, wait and gate, for a CI job.

    Writes JUnit XML, and a Markdown summary with the verdicts to the file that GITHUB_STEP_SUMMARY names.

    \b
    Exit code: 0 passed, 3 the gate failed, 1 infrastructure failed, 2 bad input.

    Example: ablate ci plans/smile.yaml --host https://kubeflow.example/pipeline --tracking-uri http://mlflow:5000
    """
    from pipelines.server.ci import carry_out, exit_code, junit, summary
    from pipelines.server.submit import arguments_for, pods_store

    plan = chosen_plan(path, None, None, [])
    address(host)
    arguments_for(plan, pods_store(tracking_uri, cluster), "")  # what is wrong is said now, not after the smoke study
    placed = [*(["--image", image] if image else []), *(["--cluster", str(cluster)] if cluster else [])]
    submitted = ["submit", path, "--gate", "--timeout", str(timeout), *placed]
    submitted += [*(["--host", host] if host else []), *(["--tracking-uri", tracking_uri] if tracking_uri else [])]
    with TemporaryDirectory(prefix="ablate-ci-") as folder:
        commands = [
            ("compile and lint", ["compile", "-o", f"{folder}/pipeline.yaml", *placed]),
            ("smoke study", ["run", str(smoke), "--out", f"{folder}/smoke"]),
            ("study on the cluster", submitted),
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
