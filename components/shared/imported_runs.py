"""An imported study and its runs in MLflow: opened before the study's folder is written, closed when its report is stored."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.redact import redact
from components.shared.origin import origin

if TYPE_CHECKING:
    from ablation.records import Study
    from tracking.studies import StudyRuns

NOT_RESULTS = {"created", "mlflow", "sha256"}  # keys of study.json that differ between two imports of the same results


class ImportedRuns:
    """The runs of one import. `open` is called with the study's record, `finish` with the folder that was written."""

    def __init__(self, uri: str, code_rev: str) -> None:
        self.uri, self.code_rev = uri, code_rev
        self.runs: StudyRuns | None = None

    def open(self, study: "Study") -> dict[str, Any]:
        """Log all trials, and return the study's place in MLflow for its record. Raises UserError."""
        from tracking.imported import ImportedTrial, log_trials
        from tracking.view import deep_link

        parts = {arm.arm: arm.part for arm in study.arms}
        trials = [
            ImportedTrial(
                trial.arm,
                trial.seed,
                parts[trial.arm],
                trial.wer or {},
                (trial.reason or "no reason given") if trial.status == "failed" else None,
            )
            for trial in study.trials
        ]
        patterns = study.imported.patterns if study.imported else []
        params = {
            "corpus": study.corpus["uri"],
            "preset": study.preset,
            "seeds": study.seeds,
            "code_rev": self.code_rev,
        }
        self.runs = log_trials(
            self.uri,
            study.study,
            digest(study),
            trials,
            question=study.question,
            params={**params, "imported_from": ", ".join(patterns)},
            conditions=study.conditions,
            metrics=study.metrics,
            source=origin("ablate import", self.code_rev),
        )
        place = {
            "tracking_uri": redact(self.uri),
            "experiment_id": self.runs.experiment_id,
            "study_run_id": self.runs.study,
        }
        is_server = self.uri.startswith(("http://", "https://"))
        url = deep_link(redact(self.uri), self.runs.experiment_id, self.runs.study) if is_server else None
        return {**place, "url": url}

    def finish(self, folder: Path, report: Sequence[Path]) -> str:
        """Store the report and the files of the study with its run, end it, and return its id."""
        from ablation.report.content import load
        from ablation.report.formats.mlflow import experiment_note, run_note, study_metrics
        from ablation.results import STUDY
        from tracking.notes import conclude
        from tracking.runs import end_run, log_study_report

        assert self.runs is not None  # `open` was called
        known = [path for path in folder.iterdir() if path.is_file() and path not in report]
        others = sorted(known, key=lambda path: path.name == STUDY)
        content = load(folder)
        note, numbers = run_note(content), study_metrics(content)
        log_study_report(self.uri, self.runs.study, [*report, *others], note, numbers)
        conclude(self.uri, self.runs.experiment_id, self.runs.study, experiment_note(content))
        end_run(self.uri, self.runs.study, "FINISHED")
        return self.runs.study


@contextmanager
def imported_runs(uri: str, code_rev: str) -> Iterator[ImportedRuns]:
    """Yield the runs of an import. A block that fails ends those that are open. Raises UserError if MLflow does not answer."""
    from tracking.probe import check_answers

    check_answers(uri)  # before the import of MLflow, which takes seconds
    found = ImportedRuns(uri, code_rev)
    try:
        yield found
    except BaseException:
        if found.runs is not None:
            from tracking.runs import reap

            reap(uri, found.runs.experiment_id, found.runs.study, reason="the import failed")
        raise


def digest(study: "Study") -> str:
    """Return the SHA-256 of all that an import has read and was told."""
    record = {key: value for key, value in study.model_dump().items() if key not in NOT_RESULTS}
    return hashlib.sha256(json.dumps(record, sort_keys=True, default=str).encode()).hexdigest()
