"""`ablate report`: a study's report, written again, or what changed since an earlier study."""

from typing import Annotated

import typer

from pipelines.local import paths


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
    from ablation.report.build import build, build_changes

    folder, names = paths.study_folder(study), [name.strip() for name in formats.split(",")]
    for path in build_changes(paths.study_folder(compare), folder, names) if compare else build(folder, names):
        print(path)
