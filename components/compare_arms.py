"""Gather the results of all trials in one study folder, judge the arms, and write the report."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from kfp.dsl import HTML, Artifact, Dataset, Input, Markdown, Metrics, Output

from common.external import is_external
from components.shared.image import component
from components.shared.trial import CORPUS_FILE, Resolved, Status, Trial, plan_of

if TYPE_CHECKING:
    from ablation.records import Study
    from ablation.report.content import Content


@dataclass(frozen=True)
class Compared:
    """The report of a study: its files, and a summary and numbers for Kubeflow's pages."""

    files: list[Path]
    summary: str
    metrics: dict[str, float]

    def publish(self, report: Path, summary: Path) -> None:
        """Copy the HTML page and the summary to the places where Kubeflow's page of the run looks for them."""
        page = next(file for file in self.files if file.suffix == ".html")
        shutil.copyfile(page, report)
        summary.write_text(self.summary, encoding="utf-8")


def compare_study(given: Resolved, out: Path, *, tracking_uri: str, code_rev: str) -> Compared:
    """Fill the study folder `out` from what MLflow has of the trials, and log it to MLflow.

    Raises UserError if MLflow cannot give the inputs of the study and the outcomes of its trials.
    """
    from components.shared.gather import ask, gather
    from components.shared.same_references import fail_others
    from tracking.results import read_input

    study_run_id = Trial.from_json(given.trials[0]).study_run_id
    corpus = json.loads(ask("the study's inputs", lambda: read_input(tracking_uri, study_run_id, CORPUS_FILE)))
    with TemporaryDirectory(prefix="ablate-") as folder:
        ordered, plan = gather(tracking_uri, given.trials, Path(folder)), plan_of(given.plan)
        if is_external(plan.corpus):
            fail_others(plan, ordered, tracking_uri)
        return compare_and_report(given, ordered, corpus, out, tracking_uri=tracking_uri, code_rev=code_rev)


def compare_and_report(
    given: Resolved,
    ordered: Sequence[Path],
    corpus: Mapping[str, Any],
    out: Path,
    *,
    tracking_uri: str,
    code_rev: str,
) -> Compared:
    """Fill the study folder `out` (counts, curves, report, study.json) and log it to MLflow.

    `ordered` has the folder of every trial in the plan's order, `corpus` is the corpus's summary. All files are written to a
    temporary folder first. Then they move to `out`, study.json last: a folder with a study.json has everything that belongs to it.
    """
    from ablation.report.build import write_all
    from ablation.report.formats.kubeflow import metrics, summary_markdown
    from ablation.report.formats.mlflow import run_note, study_metrics
    from components.shared.study_record import study_of

    item, statuses = Trial.from_json(given.trials[0]), [Status.read(folder) for folder in ordered]
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as temporary:
        study = study_of(plan_of(given.plan), item, statuses, corpus, tracking_uri, code_rev)
        content = _write_tables(study, ordered, Path(temporary))
        names = [path.name for path in write_all(content, Path(temporary))]
        _deliver(Path(temporary), out)
    report = [out / name for name in names]
    _log_report(tracking_uri, item.study_run_id, out, report, run_note(content), study_metrics(content))
    _conclude(tracking_uri, item, content)
    url = (study.mlflow or {}).get("url")
    return Compared(report, summary_markdown(content, mlflow_url=url), metrics(content))


def _write_tables(study: "Study", scored: Sequence[Path], folder: Path) -> "Content":
    """Write the record and the tables of a study to `folder`. Return the numbers of its report."""
    from ablation.report.content import load
    from ablation.results import COUNTS_FILE, CURVES_FILE, write_study
    from components.shared.study_record import counts_of, curves_of

    counts_of(scored).to_parquet(folder / COUNTS_FILE, index=False)
    curves_of(scored).to_parquet(folder / CURVES_FILE, index=False)
    write_study(study, folder)
    return load(folder)


def _deliver(written: Path, out: Path) -> None:
    """Move all files of a folder to `out`, study.json last."""
    from ablation.results import STUDY

    out.mkdir(exist_ok=True)
    for file in sorted(written.iterdir(), key=lambda file: (file.name == STUDY, file.name)):
        file.replace(out / file.name)


def _log_report(
    uri: str, study_run_id: str, out: Path, report: Sequence[Path], headline: str, numbers: Mapping[str, float]
) -> None:
    """Attach the files to the study's run, study.json last. The study is reported once that one is there."""
    from ablation.results import STUDY
    from components.shared.history import attempt_patiently
    from tracking.runs import log_study_report

    others = sorted((path for path in out.iterdir() if path not in report), key=lambda path: path.name == STUDY)
    attempt_patiently(lambda: log_study_report(uri, study_run_id, [*report, *others], headline, numbers))


def _conclude(uri: str, item: Trial, content: "Content") -> None:
    """Put the verdicts into the description of the experiment. Without it the report is complete all the same."""
    from ablation.report.formats.mlflow import experiment_note
    from components.shared.history import attempt
    from tracking.notes import conclude

    attempt(lambda: conclude(uri, item.experiment_id, item.study_run_id, experiment_note(content)))


@component
def compare_arms(
    tracking_uri: str,
    code_rev: str,
    resolved: Input[Artifact],
    study: Output[Dataset],
    report: Output[HTML],
    summary: Output[Markdown],
    metrics: Output[Metrics],
) -> str:
    """Gather the results of all trials in one study folder, judge the arms, and write the report.

    MLflow: reads the results of the trials from their runs, attaches the files of the study to its run, and sets the verdicts as
    the description of that run and of the experiment, and the numbers behind them as metrics of that run.

    Args:
        tracking_uri: Address of the MLflow server. Empty takes MLFLOW_TRACKING_URI of the step.
        code_rev: Revision of the code, for the report's provenance.
        resolved: Input. The plan and its trials, as resolve_plan wrote them.
        study: Output. A folder with counts.parquet, curves.parquet, the report in every format, and study.json, which is
            written last.
        report: Output. The report as an HTML page.
        summary: Output. The verdicts and the WERs as Markdown.
        metrics: Output. The WERs, differences and p values, for the comparison of runs on Kubeflow's pages.

    Returns:
        The address of the study in MLflow's web pages; empty if the store is a database.
    """
    from pathlib import Path

    from ablation.results import read_study
    from components.compare_arms import compare_study
    from components.shared.inputs import store_of
    from components.shared.problem import reporting
    from components.shared.trial import Resolved

    with reporting("compare-arms"):
        folder, given = Path(study.path), Resolved.read(resolved.path)
        compared = compare_study(given, folder, tracking_uri=store_of(tracking_uri), code_rev=code_rev)
        compared.publish(Path(report.path), Path(summary.path))
        for name, value in compared.metrics.items():
            metrics.log_metric(name, value)
        return (read_study(folder).mlflow or {}).get("url") or ""
