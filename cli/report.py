"""`ablate report`: write the report of a study again, or the changes since an earlier study."""

import sys
from typing import Annotated

import typer

from cli.options import StudyArgument
from pipelines.local import studies


def report(
    study: StudyArgument,
    formats: Annotated[
        str, typer.Option("--format", metavar="LIST", help="Formats to write, from html, md, tex, csv and json.")
    ] = "html,md,tex,csv,json",
    compare: Annotated[
        str | None, typer.Option(metavar="EARLIER", help="Write the changes in STUDY since this earlier study instead.")
    ] = None,
) -> None:
    """Write the report of a study again.

    Nothing is trained. With --compare, the command writes the changes since an earlier study instead. It compares the
    arms that both studies have over seeds, if corpus and conditions are the same.

    Example: ablate report smile --format html,tex

    Example: ablate report smile --compare smile-last-week
    """
    from ablation.report.build import build, build_changes

    folder, names = studies.study_folder(study), [name.strip() for name in formats.split(",")]
    if note := studies.later_run(folder):
        print(f"note: {note}", file=sys.stderr)
    for path in build_changes(studies.study_folder(compare), folder, names) if compare else build(folder, names):
        print(path)
