"""`ablate ui`: a study in MLflow's pages."""

from typing import Annotated

import typer
from rich.console import Console

from common.errors import UserError
from pipelines.local import paths, studies


def ui(
    study: Annotated[
        str | None, typer.Argument(metavar="STUDY", help="A study's folder or name; the latest by default.")
    ] = None,
    port: Annotated[int, typer.Option(help="Port of the MLflow server on this machine.", min=1, max=65535)] = 5000,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser, or only print its address.")] = True,
) -> None:
    """Open MLflow on a study's WER and curves.

    Starts a server on the study's store, which Ctrl-C ends. If MLFLOW_TRACKING_URI names a server, opens that one.

    Example: ablate ui smile --port 5001
    """
    from ablation.results import read_study
    from tracking.probe import check_answers

    folder = studies.study_folder(study) if study else studies.latest_study()
    uri = paths.tracking_uri()
    check_answers(uri)  # before imports that take seconds
    study_record = read_study(folder)
    if study_record.imported is not None and study_record.mlflow is None:
        raise UserError(
            f"{folder} is an imported study, which MLflow does not have; open {folder}/report.html, or import it again with "
            "--mlflow"
        )

    from pipelines.local.mlflow_ui import serve

    serve(folder, uri, port=port, browser=browser, console=Console())
