"""The designs of studies, as tags of their runs: when seeds and looks were fixed, and which other designs came before."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tracking.reuse import SUMS
from tracking.search import search_runs
from tracking.store import client

DESIGN = "ablation.design"


def record_design(uri: str, study_run_id: str, design: Mapping[str, Any]) -> None:
    """Fix the design of a study when it opens. `design` has `comparison`, a hash of what is compared, and the design itself."""
    client(uri).set_tag(study_run_id, DESIGN, json.dumps(design, sort_keys=True))


def earlier_designs(uri: str, experiment_id: str, study_run_id: str) -> list[dict[str, Any]]:
    """Return the designs of earlier runs of the same comparison that have a report, the oldest first; `opened` is their date.

    Runs without a recorded design, as of earlier versions, are left out.
    """
    runs = search_runs(uri, [experiment_id], "tags.`ablation.role` = 'study'")
    mine = next(run for run in runs if run.info.run_id == study_run_id)
    comparison = _design(mine).get("comparison")
    found = []
    for run in sorted(runs, key=lambda run: run.info.start_time):
        earlier = run.info.start_time < mine.info.start_time and SUMS in run.data.tags
        if comparison and earlier and _design(run).get("comparison") == comparison:
            opened = datetime.fromtimestamp(run.info.start_time / 1000, UTC).isoformat(sep=" ", timespec="minutes")
            found.append({**_design(run), "opened": opened})
    return found


def _design(run: Any) -> dict[str, Any]:
    return dict(json.loads(run.data.tags.get(DESIGN, "{}")))
