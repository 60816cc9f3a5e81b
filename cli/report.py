"""`ablate report`: write the report of a study again, the changes since an earlier study, or a small copy of the study."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.options import StudyArgument, listed
from common.errors import UserError
from pipelines.local import studies


def report(
    study: StudyArgument,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="LIST",
            help="Formats to write, from html, md, tex, csv and json; repeatable. Default: all.",
        ),
    ] = None,
    compare: Annotated[
        str | None, typer.Option(metavar="EARLIER", help="Write the changes in STUDY since this earlier study instead.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the report into this folder. Default: that of STUDY.")
    ] = None,
    archive: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write a small copy of STUDY for version control instead, e.g. to results/smile."
        ),
    ] = None,
) -> None:
    """Write the report of a study again.

    Nothing is trained. The command reads study.json, counts.parquet and curves.parquet of STUDY, and neither the corpus nor
    MLflow.

    With --compare, the command writes the changes since an earlier study instead. It compares the arms that both studies have
    over seeds, if corpus and conditions are the same.

    With --archive, it writes a copy of these files that is small enough for version control. The copy has the texts of the
    report's examples only, no curves of more than 0.5 MB, and no addresses of MLflow. `ablate report` makes the same page of it
    on any machine.

    Example: ablate report smile --format html,tex

    Example: ablate report smile --compare smile-last-week

    Example: ablate report smile --archive results/smile
    """
    folder, names = studies.study_folder(study), names_of(formats)
    if note := studies.later_run(folder):
        print(f"note: {note}", file=sys.stderr)
    if archive is not None:
        _archive(folder, archive, compare, out)
        return
    from ablation.report.build import build, build_changes

    earlier = studies.study_folder(compare) if compare else None
    for path in build_changes(earlier, folder, names, out) if earlier else build(folder, names, out):
        print(path)


def names_of(formats: list[str] | None) -> list[str]:
    """Return the formats of all `--format`, each once; all formats without any."""
    from ablation.report.build import FORMATS

    return list(dict.fromkeys(listed(formats or FORMATS)))


def _archive(study: Path, out: Path, compare: str | None, report_out: Path | None) -> None:
    if compare is not None or report_out is not None:
        other = "--compare" if compare is not None else "--out"
        raise UserError(
            f"--archive copies one study and writes no report, so {other} does not go with it; leave out one"
        )
    from ablation.report.archive import archive

    for path in archive(study, out):
        print(f"{path}  {path.stat().st_size / 1000:,.0f} kB")
