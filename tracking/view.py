"""The view on which MLflow's page of a study opens: trials grouped by arm, one bar chart per condition.

Without it, the page charts the study run, which has no training curves, together with all trials, ungrouped. The format is that
of MLflow's "share this view" button: the state of the interface as JSON in a tag of the experiment.
"""

import json
from collections.abc import Sequence
from typing import Any

TAG_PREFIX = "mlflow.sharedViewState."


def view_state(
    study_run_id: str, conditions: Sequence[str], metrics: Sequence[str] = ("wer",), curves: Sequence[str] = ()
) -> str:
    """Return the state for the trials of one study run, with metrics and conditions in the plan's order.

    `curves` are the metrics of training that get a chart.
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
        "selectedColumns": ["tags.`ablation.arm`", "tags.`ablation.seed`", *columns],
        "compareRunSections": [
            *[_section(metric, f"{metric.upper()} per arm") for metric in metrics],
            _section("curves", "Training"),
        ],
        "compareRunCharts": [
            *[_chart("BAR", metric, key) for metric in metrics for key in keys[metric]],
            *[_chart("LINE", "curves", key, selectedMetricKeys=[key]) for key in curves],
        ],
        "isAccordionReordered": True,
    }
    return json.dumps(state)


def deep_link(base_url: str, experiment_id: str, study_run_id: str) -> str:
    """Return the address that opens the view in an MLflow server at `base_url`."""
    query = f"viewStateShareKey={study_run_id}&compareRunsMode=CHART"
    return f"{base_url.rstrip('/')}/#/experiments/{experiment_id}/runs?{query}"


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
