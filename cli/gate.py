"""`ablate gate`: compare the baseline of a study with its champion before a release."""

import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from ablation.decisions.gate import MARGIN_POINTS, Gate
from cli.exit_codes import BAD_INPUT, GATE_FAILED
from cli.options import Store
from common.errors import Unavailable, UserError
from common.redact import redact
from components.shared.revision import code_rev
from pipelines.local import paths, studies

if TYPE_CHECKING:
    from ablation.decisions.comparable import Scored
    from ablation.records import Study

Margin = Annotated[
    float | None,
    typer.Option(
        "--margin",
        metavar="POINTS",
        help=f"Fail if WER is higher by more than this, whatever the test says. Default {MARGIN_POINTS:g}; of a metric from "
        "elsewhere in its own unit, without a default.",
        show_default=False,
        min=0,
    ),
]


def gate(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="A study's folder, or its name in studies/.")],
    margin: Margin = None,
    from_mlflow: Annotated[
        bool, typer.Option("--from-mlflow", help="STUDY is a name: use its newest run of this revision in MLflow.")
    ] = False,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for its files, with --from-mlflow.")] = None,
    tracking_uri: Store = None,
) -> None:
    """Compare a study's baseline with its champion.

    Both are compared on the same utterances and noise. The champion is that of the model with the study's name.

    \b
    Exit code: 0 passed; 3 failed, with the reasons; 2 bad input, or a champion on another corpus or in other noise;
    1 MLflow does not answer.

    Example: ablate gate smile --margin 1
    """
    from tracking.probe import check_answers

    if out and not from_mlflow:
        raise UserError(f"--out {out} is the folder for files from MLflow; give --from-mlflow too, or leave --out out")
    uri, local = paths.tracking_uri(tracking_uri), None if from_mlflow else studies.study_folder(study)
    check_answers(uri)  # before the import of MLflow, which takes seconds

    from tracking.store import check_store

    check_store(uri, prepare=False)
    with TemporaryDirectory() as folder:
        found = judged(local or _fetched(study, uri, out or Path(folder)), uri, margin)
    for note in found.notes:
        print(note)
    if not found.passed:
        fail(found)
    print("gate passed")


def _fetched(study: str, uri: str, out: Path) -> Path:
    """Fetch the files of a study that ran on a cluster from MLflow."""
    from tracking.registry import fetch_study, newest_study
    from tracking.store import is_missing

    run_id = None if is_missing(uri) else newest_study(uri, study, code_rev())
    if run_id is None:
        raise Unavailable(f"MLflow in {redact(uri)} has no run of study {study!r} at revision {code_rev()}; run it")
    fetch_study(uri, run_id, out)
    return out


def judged_run(kfp_run: str, margin_points: float | None, out: Path) -> Gate:
    """Fetch the files of the study that a Kubeflow run opened into `out`, and apply the gate.

    Raises Unavailable if MLflow does not answer, or does not have the study.
    """
    from tracking.registry import fetch_study
    from tracking.results import find_studies
    from tracking.store import check_store, is_missing

    uri = paths.tracking_uri()
    check_store(uri, prepare=False)
    found = [] if is_missing(uri) else find_studies(uri, kfp_run)
    if not found:
        remedy = "set MLFLOW_TRACKING_URI to the server that the pods write to"
        raise Unavailable(f"MLflow in {redact(uri)} has no study of the Kubeflow run {kfp_run}; {remedy}")
    fetch_study(uri, found[0].study, out)
    return judged(out, uri, margin_points)


def fail(found: Gate) -> NoReturn:
    """Print the reasons to stderr and exit."""
    for line in found.failures:
        print(f"gate failed: {line}", file=sys.stderr)
    if found.refused:
        print(f"error: {found.refused}", file=sys.stderr)
    raise typer.Exit(GATE_FAILED if found.failures else BAD_INPUT)


def judged(folder: Path, uri: str, margin_points: float | None) -> Gate:
    """Apply the gate to the study in `folder`; too many failed trials fail it as well."""
    from ablation.decisions.comparable import Scored
    from ablation.decisions.gate import judge, too_many_failed
    from ablation.results import read_counts, read_study

    record, counts = read_study(folder), read_counts(folder)
    mine = counts[counts["arm"] == record.baseline]
    too_many = too_many_failed(len(record.failed()), len(record.trials), record.max_failed_trials)
    if mine.empty:
        why = "; ".join(trial.reason or "no reason given" for trial in record.failed())
        found = Gate((f"the baseline has no finished trial: {why}",))
    else:
        found = judge(Scored.of(record, mine), _champion_of(record, uri), margin_points=margin_points)
    return replace(found, failures=((too_many,) if too_many else ()) + found.failures)


def _champion_of(record: "Study", uri: str) -> "Scored | None":
    """The champion's word errors with all of its seeds. A champion that this study promoted does not count."""
    from components.shared.champion import stored
    from tracking.registry import before, champion
    from tracking.store import is_missing

    if is_missing(uri):
        return None
    holder = champion(uri, record.study)
    if holder is not None and holder.tags.get("study_run") == (record.mlflow or {}).get("study_run_id"):
        holder = before(uri, record.study, holder)
    return None if holder is None else stored(uri, record.study, holder)
