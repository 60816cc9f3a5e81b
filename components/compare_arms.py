"""Gather what the trials left into one study folder, judge the arms, and write the report."""

import json
import os
import platform
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kfp.dsl import HTML, Artifact, Dataset, Input, Markdown, Output

from ablation.plan.arms import expand
from ablation.plan.plan import Plan
from components.shared.image import STEP_IMAGE, component
from components.shared.trial import COUNTS_FILE, Status, Trial, plan_of, read_history
from recipes.smile import CATALOGUE

PACKAGES = ("torch", "torchaudio", "numpy", "scipy", "jiwer", "rapidfuzz", "kfp", "mlflow")


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
    """Fill the study folder `out` (study.json, counts, curves, report) and log the report; returns the report's files."""
    from ablation.report.build import headline_markdown, write_all
    from ablation.report.content import load
    from ablation.results import COUNTS_FILE as ALL_COUNTS
    from ablation.results import CURVES_FILE, STUDY

    folders = {(status.arm, status.seed): folder for folder in scored for status in [Status.read(folder)]}
    items = [Trial.from_json(trial) for trial in trials]
    ordered = [folders[item.arm, item.seed] for item in items]
    _tell_again(ordered, tracking_uri)
    statuses = [Status.read(folder) for folder in ordered]
    out.mkdir(parents=True, exist_ok=True)
    _counts(ordered).to_parquet(out / ALL_COUNTS, index=False)
    _curves(ordered).to_parquet(out / CURVES_FILE, index=False)
    study = _study(plan_of(plan), items[0], statuses, corpus, tracking_uri, code_rev)
    (out / STUDY).write_text(json.dumps(study, indent=1) + "\n")
    content = load(out)
    files = write_all(content, out)
    _log_report(tracking_uri, items[0].study_run_id, out, files, headline_markdown(content))
    return files


def _counts(folders: Sequence[Path]) -> Any:
    """The counts of all finished trials, as a table."""
    import pandas as pd

    from ablation.results import COUNTS_COLUMNS

    tables = [pd.read_parquet(folder / COUNTS_FILE) for folder in folders if (folder / COUNTS_FILE).is_file()]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COUNTS_COLUMNS)


def _curves(folders: Sequence[Path]) -> Any:
    """The curves of all trials, failed ones too, in long form."""
    import pandas as pd

    from ablation.results import CURVES_COLUMNS

    rows = [
        (status.arm, status.seed, step, metric, value)
        for folder in folders
        for status in [Status.read(folder)]
        for step, metrics in read_history(folder)
        for metric, value in metrics.items()
    ]
    return pd.DataFrame(rows, columns=CURVES_COLUMNS)


def _study(
    plan: Plan, item: Trial, statuses: Sequence[Status], corpus: Path, tracking_uri: str, code_rev: str
) -> dict[str, Any]:
    """study.json."""
    from common.redact import redact
    from corpora.store import Corpus
    from recipes.smile import examine

    arms = [asdict(arm) for arm in expand(plan, CATALOGUE)]
    return {
        "study": plan.study,
        "question": plan.question,
        "preset": plan.preset,
        "corpus": Corpus.open(corpus).summary(),
        "seeds": list(plan.seeds),
        "conditions": plan.condition_names(),
        "metrics": list(plan.metrics),
        "margin_points": plan.margin_points,
        "baseline": arms[0]["arm"],
        "settings": arms[0]["settings"],
        "arms": [{key: arm[key] for key in ("arm", "part", "action", "why", "overrides", "changes")} for arm in arms],
        "max_failed_trials": plan.max_failed_trials,
        "hygiene": examine({arm["arm"]: arm["settings"] for arm in arms}).as_json(),
        "trials": [asdict(status) for status in statuses],
        "provenance": _provenance(code_rev, plan.noise),
        "mlflow": {
            "tracking_uri": redact(tracking_uri),
            "experiment_id": item.experiment_id,
            "study_run_id": item.study_run_id,
            "url": _url(tracking_uri, item),
        },
        "created": datetime.fromtimestamp(item.opened, UTC).isoformat(timespec="seconds"),
        "wall_seconds": _wall_seconds(item.opened, statuses),
    }


def _wall_seconds(opened: float, statuses: Sequence[Status]) -> dict[str, float]:
    """Wall time per stage; trials run beside each other, so theirs is less than the sum."""
    first = min((status.started for status in statuses if status.started), default=opened)
    last = max((status.ended for status in statuses if status.ended), default=first)
    return {"corpus": first - opened, "trials": last - first, "comparison": time.time() - last}


def _provenance(code_rev: str, noise: Mapping[str, str]) -> dict[str, Any]:
    """`image` is what this step runs in, told by whoever started it: a container cannot know its own digest.

    `scoring` says whether another study's WERs can be compared: by which code, and in which recorded noise.
    """
    from common.source_code import sources_fingerprint
    from tracking.fingerprint import content, scoring_code

    return {
        "git_revision": code_rev,
        "sources": sources_fingerprint()[:16],
        "image": os.environ.get(STEP_IMAGE) or "none, run from source",
        "scoring": {
            "code": scoring_code(),
            "noise": {kind: content(noise[kind]) for kind in sorted(noise)},
        },
        "versions": {"python": platform.python_version(), **{package: version(package) for package in PACKAGES}},
    }


def _url(tracking_uri: str, item: Trial) -> str | None:
    """Where the study opens in MLflow's pages; None for a database, which has none until `ablate ui` runs."""
    from common.redact import redact
    from tracking.view import deep_link

    if not tracking_uri.startswith(("http://", "https://")):
        return None
    return deep_link(redact(tracking_uri), item.experiment_id, item.study_run_id)


def _tell_again(folders: Sequence[Path], uri: str) -> None:
    """What MLflow missed while it was away. Telling it twice changes nothing."""
    from components.shared.history import attempt

    for folder in folders:
        status = Status.read(folder)
        if status.untracked:
            attempt(partial(_tell, uri, status, folder))


def _tell(uri: str, status: Status, folder: Path) -> None:
    from components.shared.outcome import store_scores
    from tracking.studies import end_run, log_history, start_trial

    if status.fingerprint:
        start_trial(uri, status.run_id, status.fingerprint)
    log_history(uri, status.run_id, read_history(folder))
    if status.failed:
        end_run(uri, status.run_id, "FAILED", status.reason)
    else:
        store_scores(uri, status, folder)


def _log_report(uri: str, study_run_id: str, out: Path, files: Sequence[Path], headline: str) -> None:
    from components.shared.history import attempt
    from tracking.studies import log_study_report

    attached = [*files, *sorted(path for path in out.iterdir() if path not in files)]
    attempt(lambda: log_study_report(uri, study_run_id, attached, headline))


def publish(files: Sequence[Path], places: Mapping[str, Path]) -> None:
    """Copy the report to where the pipeline's own page looks for it, by suffix."""
    for file in files:
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
    """The step of the pipeline; returns where the study opens in MLflow, if that has an address."""
    import json
    from pathlib import Path

    from components.compare_arms import compare_and_report, publish
    from components.shared.inputs import store_of
    from components.shared.trial import Resolved

    given, before = Resolved.read(resolved.path), sorted(Path(finished.path).iterdir())
    folders = [*(Path(item.path) for item in scored), *before]
    files = compare_and_report(
        given.plan,
        given.trials,
        folders,
        Path(corpus.path),
        Path(study.path),
        tracking_uri=store_of(tracking_uri),
        code_rev=code_rev,
    )
    publish(files, {".html": Path(report.path), ".md": Path(summary.path)})
    return json.loads((Path(study.path) / "study.json").read_text())["mlflow"]["url"] or ""
