"""Measurements of the arms that an earlier study made: the report of the newest study of an experiment with the same arms."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from common.checksums import fault
from tracking.downloads import download, place_of
from tracking.results import REPORT
from tracking.reuse import SUMS
from tracking.search import newest_runs
from tracking.store import client

MEASURED = "ablation.measured"  # of a study's run: a hash of its arms and of the code that measures them


def note_measured(uri: str, study_run_id: str, key: str) -> None:
    """Tag a study's run, whose report has the measurements of these arms or will have them."""
    client(uri).set_tag(study_run_id, MEASURED, key)


def earlier_report(uri: str, experiment_id: str, key: str) -> dict[str, Any] | None:
    """Return the study.json of the newest study with these arms in the experiment; None without one that is undamaged."""
    for run in newest_runs(uri, [experiment_id], f"tags.`{MEASURED}` = '{key}'", 1):
        sums = json.loads(run.data.tags.get(SUMS, "{}"))
        if REPORT in sums:
            with TemporaryDirectory(prefix="ablate-") as folder:
                path = download(uri, place_of(run, REPORT), Path(folder))
                if fault(path.parent, {REPORT: sums[REPORT]}) is None:
                    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
                    return found
    return None
