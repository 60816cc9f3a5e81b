"""Gather the results of all trials in one study folder, judge the arms, and write the report."""

import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from kfp.dsl import HTML, Artifact, Dataset, Input, Markdown, Output

from components.shared.image import component
from components.shared.trial import Status, Trial, plan_of, read_history

if TYPE_CHECKING:
    from ablation.results import Study


def compare_and_report(
    plan: Mapping[str, Any],
    trials: Sequence[str],
    scored: Sequence[Path],
    corpus: Path,
    out: Path,
    *,
    tracking_uri: str,
    code_rev: str,
) -> list[Path]:
    """Fill the study folder `out` (counts, curves, report, study.json) and log it to MLflow. Return the report's files.

    `trials` are all trials in the plan's order, `scored` their folders in any order. All files are written to a temporary
    folder first. Then they move to `out`, study.json last: a folder with a study.json has everything that belongs to it.
    """
    from components.shared.study_record import study_of

    folders = {(status.arm, status.seed): folder for folder in scored for status in [Status.read(folder)]}
    items = [Trial.from_json(trial) for trial in trials]
    ordered = [folders[item.arm, item.seed] for item in items]
    _log_missed(ordered, tracking_uri)
    statuses = [Status.read(folder) for folder in ordered]
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as temporary:
        study = study_of(plan_of(plan), items[0], statuses, corpus, tracking_uri, code_rev)
        names, headline = _write(study, ordered, Path(temporary))
        _deliver(Path(temporary), out)
    report = [out / name for name in names]
    _log_report(tracking_uri, items[0].study_run_id, out, report, headline)
    return report


def _write(study: "Study", scored: Sequence[Path], folder: Path) -> tuple[list[str], str]:
    """Write all files of a study to `folder`. Return the names of the report's files, and its headline as Markdown."""
    from ablation.report.build import headline_markdown, write_all
    from ablation.report.content import load
    from ablation.results import COUNTS_FILE, CURVES_FILE, write_study
    from components.shared.study_record import counts_of, curves_of

    counts_of(scored).to_parquet(folder / COUNTS_FILE, index=False)
    curves_of(scored).to_parquet(folder / CURVES_FILE, index=False)
    write_study(study, folder)
    content = load(folder)
    return [path.name for path in write_all(content, folder)], headline_markdown(content)


def _deliver(written: Path, out: Path) -> None:
    """Move all files of a folder to `out`, study.json last."""
    from ablation.results import STUDY

    out.mkdir(exist_ok=True)
    for file in sorted(written.iterdir(), key=lambda file: (file.name == STUDY, file.name)):
        file.replace(out / file.name)


def _log_missed(folders: Sequence[Path], uri: str) -> None:
    """Log to MLflow what it missed while it was not available. To log it twice changes nothing."""
    from components.shared.history import attempt

    for folder in folders:
        status = Status.read(folder)
        if status.untracked:
            attempt(partial(_log_trial, uri, status, folder))


def _log_trial(uri: str, status: Status, folder: Path) -> None:
    from components.shared.outcome import store_scores
    from tracking.studies import end_run, log_history, start_trial

    if status.fingerprint:
        start_trial(uri, status.run_id, status.fingerprint)
    log_history(uri, status.run_id, read_history(folder))
    if status.failed:
        end_run(uri, status.run_id, "FAILED", status.reason)
    else:
        store_scores(uri, status, folder)


def _log_report(uri: str, study_run_id: str, out: Path, report: Sequence[Path], headline: str) -> None:
    from components.shared.history import attempt
    from tracking.studies import log_study_report

    attached = [*report, *sorted(path for path in out.iterdir() if path not in report)]
    attempt(lambda: log_study_report(uri, study_run_id, attached, headline))


def publish(report: Sequence[Path], places: Mapping[str, Path]) -> None:
    """Copy the report to the places where Kubeflow's page of the run looks for it, by suffix."""
    for file in report:
        if file.suffix in places:
            shutil.copyfile(file, places[file.suffix])


@component
def compare_arms(
    tracking_uri: str,
    code_rev: str,
    resolved: Input[Artifact],
    finished: Input[Dataset],
    scored: Input[list[Dataset]],
    corpus: Input[Dataset],
    study: Output[Dataset],
    report: Output[HTML],
    summary: Output[Markdown],
) -> str:
    """Gather the results of all trials in one study folder, judge the arms, and write the report.

    MLflow: attaches the files of the study to its run, sets the verdicts as the note of that run, and logs whatever it missed
    of a trial while it was not available.

    Args:
        tracking_uri: Address of the MLflow server. Empty takes MLFLOW_TRACKING_URI of the step.
        code_rev: Revision of the code, for the report's provenance.
        resolved: Input. The plan and its trials, as resolve_plan wrote them.
        finished: Input. The folder of trials that were finished before, as find_finished wrote it.
        scored: Input. The folders that evaluate_trial wrote, one per trial of the loop.
        corpus: Input. The prepared corpus, for its summary.
        study: Output. A folder with counts.parquet, curves.parquet, the report in every format, and study.json, which is
            written last.
        report: Output. The report as an HTML page.
        summary: Output. The report as Markdown.

    Returns:
        The address of the study in MLflow's web pages; empty if the store is a database.
    """
    from pathlib import Path

    from ablation.results import read_study
    from components.compare_arms import compare_and_report, publish
    from components.shared.inputs import store_of
    from components.shared.problem import reporting
    from components.shared.trial import Resolved

    with reporting("compare-arms"):
        given, before = Resolved.read(resolved.path), sorted(Path(finished.path).iterdir())
        files = compare_and_report(
            given.plan,
            given.trials,
            [*(Path(item.path) for item in scored), *before],
            Path(corpus.path),
            Path(study.path),
            tracking_uri=store_of(tracking_uri),
            code_rev=code_rev,
        )
        publish(files, {".html": Path(report.path), ".md": Path(summary.path)})
        return (read_study(Path(study.path)).mlflow or {}).get("url") or ""
