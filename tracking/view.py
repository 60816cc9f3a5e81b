"""The view on which MLflow's page of a study opens: trials grouped by arm, one bar chart per condition.

Without it, the page charts the study run, which has no training curves, together with all trials, ungrouped. The format is that
of MLflow's "Save view" button: a named view in a tag of the experiment, which MLflow 3.17 and later list under "Views". MLflow
before 3.17 has no names there and reads the state of the interface from the top level of the same JSON.
"""

import base64
import json
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

TAG_PREFIX = "mlflow.sharedViewState."
PLAIN_LENGTH = 5000  # the longest tag of an experiment in MLflow before 3.17
CHARTS, TABLE = "CHART", "TABLE"
NAMED = ("tags.`ablation.arm`", "tags.`ablation.seed`")
FIRST = ("attributes.`Run Name`", "runDateAndNestInfo")  # the columns that MLflow always shows first
CURVES = "curves"  # the section of the training curves


def view_state(
    study_run_id: str, conditions: Sequence[str], metrics: Sequence[str] = ("wer",), curves: Sequence[str] | None = ()
) -> str:
    """Return the state for the trials of one study run, with metrics and conditions in the plan's order.

    `curves` are the metrics of training that get a chart; None leaves out the section for them.
    """
    keys = {metric: [f"{metric}/{condition}" for condition in conditions] for metric in metrics}
    columns = [f"metrics.`{key}`" for metric in metrics for key in keys[metric]]
    state = {
        "searchFilter": f"tags.`ablation.role` = 'trial' AND tags.`mlflow.parentRunId` = '{study_run_id}'",
        "orderByKey": "attributes.start_time",
        "orderByAsc": True,
        "groupBy": {"aggregateFunction": "average", "groupByKeys": [{"mode": "tag", "groupByData": "ablation.arm"}]},
        "useGroupedValuesInCharts": True,
        "runsHiddenMode": "SHOW_ALL",
        "selectedColumns": [*NAMED, *columns],
        "columnOrder": [*FIRST, *NAMED, *columns],
        "compareRunSections": [
            *[_section(metric, f"{metric.upper()} per arm") for metric in metrics],
            *([] if curves is None else [_section(CURVES, "Training")]),
        ],
        "compareRunCharts": [
            *[_chart("BAR", metric, key) for metric in metrics for key in keys[metric]],
            *[_chart("LINE", CURVES, key, selectedMetricKeys=[key]) for key in curves or ()],
        ],
        "isAccordionReordered": True,
    }
    return json.dumps(state)


def saved_view(name: str, created_ms: int, state: str) -> str:
    """Return the tag of a view, whose name gets the time (UTC). `state` is that of `view_state`, `created_ms` since 1970."""
    at = datetime.fromtimestamp(created_ms / 1000, UTC).isoformat(sep=" ", timespec="minutes").partition("+")[0]
    packed = "deflate;" + base64.b64encode(zlib.compress(state.encode(), 9)).decode()
    named = {"name": f"{name}, {at}", "createdAt": created_ms, "state": packed}
    both = json.dumps({**json.loads(state), **named})
    return both if len(both) <= PLAIN_LENGTH else json.dumps(named)


def deep_link(base_url: str, experiment_id: str, study_run_id: str) -> str:
    """Return the address that opens the view in an MLflow server at `base_url`."""
    return f"{base_url.rstrip('/')}/{view_link(experiment_id, study_run_id)}"


def view_link(experiment_id: str, study_run_id: str, mode: str = CHARTS) -> str:
    """Return the same address within any MLflow server, for links in texts that the server shows. `mode` is CHARTS or TABLE.

    `workflowType` chooses the pages for training runs. MLflow 3.17 otherwise opens those for traces of language models.
    """
    query = f"viewStateShareKey={study_run_id}&compareRunsMode={mode}&workflowType=machine_learning"
    return f"#/experiments/{experiment_id}/runs?{query}"


def _section(key: str, title: str) -> dict[str, Any]:
    return {"uuid": key, "name": title, "display": True, "isReordered": True}


def _chart(kind: str, section: str, metric: str, **more: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "uuid": f"{section}-{metric}",
        "runsCountToCompare": 100,
        "metricSectionId": section,
        "deleted": False,
        "isGenerated": False,
        "metricKey": metric,
        **more,
    }
