"""Close a study after its pipeline has ended, in whatever way: end its open runs, and report on what there is."""

from pathlib import Path
from typing import TYPE_CHECKING

from kfp.dsl import HTML, Dataset, Markdown, Output, PipelineTaskFinalStatus

from components.shared.image import component

if TYPE_CHECKING:
    from components.compare_arms import Compared
    from tracking.studies import StudyRuns

ENDED = ("FINISHED", "FAILED", "KILLED")
NOTHING = "The report is an output of compare-arms, which has ended.\n"


def close(
    run: str,
    out: Path,
    *,
    tracking_uri: str,
    code_rev: str,
    why: str = "the pipeline ended before the study was complete",
) -> tuple[str, "Compared | None"]:
    """End what is open of the study that the pipeline's run `run` has opened. Return what was done, and the report if it is new.

    If the comparison has not stored a report, `out` gets the study folder with a report on the trials that have a result. `why`
    says why the pipeline ended. This does nothing for a study that register_checkpoint has ended, its last step.
    """
    from components.shared.history import attempt
    from tracking.results import find_studies, has_report, study_status
    from tracking.runs import reap

    if not tracking_uri:
        return "the run has no address of MLflow, so it has opened no study", None
    studies: list[StudyRuns] = []
    if away := attempt(lambda: studies.extend(find_studies(tracking_uri, run))):
        return f"nothing was closed, since MLflow does not answer: {away}", None
    if not studies:
        return "the run has opened no study; the log of resolve-plan says why", None
    study, *repeated = studies
    for other in repeated:
        reap(tracking_uri, other.experiment_id, other.study, "KILLED", "the first step was started again")
    if study_status(tracking_uri, study.study) in ENDED:
        return "the study has ended before, and nothing is open", None
    _end_trials(tracking_uri, study)
    try:
        reported = has_report(tracking_uri, study.study)
        done, compared = ("the report was there", None) if reported else _report(tracking_uri, study, out, code_rev)
    finally:  # a fault that ended the comparison may end the report here as well
        reap(tracking_uri, study.experiment_id, study.study, "FAILED", why)
    return f"the study is closed; {done}", compared


def _end_trials(uri: str, study: "StudyRuns") -> None:
    """End the trials that no step works on any more. A trial that did not begin has no result either."""
    from components.shared.gather import LOST
    from tracking.results import outcomes
    from tracking.runs import UNFINISHED, end_run
    from tracking.several import each

    found = outcomes(uri, study.experiment_id, study.study).values()
    lost = [trial for trial in found if trial.status in UNFINISHED]
    waiting = "it did not begin: its pod was lost before, or the pipeline ended; run the study again"
    each(
        uri,
        lambda trial: end_run(uri, trial.run_id, "KILLED", LOST if trial.status == "RUNNING" else waiting),
        lost,
    )


def _report(uri: str, study: "StudyRuns", out: Path, code_rev: str) -> tuple[str, "Compared | None"]:
    """Write the report if at least one trial has a result. Return what was done, and the report."""
    from components.compare_arms import compare_study
    from components.shared.trial import RESOLVED_FILE, Resolved
    from tracking.results import outcomes, read_input

    found = outcomes(uri, study.experiment_id, study.study).values()
    if not any(trial.stored for trial in found):
        return "no trial has a result, so there is no report", None
    given = Resolved.from_json(read_input(uri, study.study, RESOLVED_FILE))
    compared = compare_study(given, out, tracking_uri=uri, code_rev=code_rev)
    stored = sum(trial.stored for trial in found)
    return f"the report covers the {stored} of {len(found)} trials that have a result", compared


def reason_of(status: PipelineTaskFinalStatus) -> str:
    """Return why the study is not complete, in one sentence.

    The state is not used: a server says RUNNING here after a success, and rarely says why a step failed.
    """
    said = " ".join(str(status.error_message or "").split())
    return f"the pipeline ended before the study was complete{f': {said}' if said else ''}"


@component
def close_study(
    run: str,
    tracking_uri: str,
    code_rev: str,
    status: PipelineTaskFinalStatus,
    study: Output[Dataset],
    report: Output[HTML],
    summary: Output[Markdown],
) -> str:
    """Close the study after the other steps have ended, in whatever way. This step runs last, always, and once.

    MLflow: finds the study by the id of the pipeline's run; ends its open trials as KILLED with a reason; attaches a report on the
    trials that have a result, if compare_arms has not; ends the run of the study. It changes nothing if register_checkpoint has
    closed the study.

    Args:
        run: Id of the pipeline's run.
        tracking_uri: Address of the MLflow server. Empty takes MLFLOW_TRACKING_URI of the step.
        code_rev: Revision of the code, for the report's provenance.
        status: The final state of the other steps, which Kubeflow fills in.
        study: Output. The study folder, if this step wrote the report; else a folder with a note.
        report: Output. The report as an HTML page, if this step wrote it.
        summary: Output. What was done, and the verdicts if this step wrote the report.

    Returns:
        What was done, in one sentence.
    """
    import os
    from pathlib import Path

    from common.store_address import enter
    from components.close_study import NOTHING, close, reason_of
    from components.shared.problem import reporting

    with reporting("close-study"):
        folder, places = Path(study.path), (Path(report.path), Path(summary.path))
        uri = enter(tracking_uri.strip() or os.environ.get("MLFLOW_TRACKING_URI", ""))
        did, compared = close(run, folder, tracking_uri=uri, code_rev=code_rev, why=reason_of(status))
        print(did, flush=True)
        if compared:
            compared.publish(*places)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            for place in (folder / "note.txt", *places):
                place.write_text(f"{did}\n\n{NOTHING}", encoding="utf-8")
        return did
