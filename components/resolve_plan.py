"""Check the plan, open its runs in MLflow, and hand out one item per trial."""

import os
import time
from collections.abc import Mapping
from typing import Any

from ablation.arms import expand, trials
from components._image import component
from components.isolation import end_cleanly
from components.trial import Trial, plan_of
from model.config import CATALOGUE


def resolve(plan: Mapping[str, Any], tracking_uri: str, code_rev: str) -> list[str]:
    """The trials of a plan, each as the JSON of a `components.trial.Trial`. Raises UserError for a bad plan."""
    from tracking.studies import flat, open_study

    end_cleanly()
    checked = plan_of(plan)
    arms = {arm.arm: arm for arm in expand(checked, CATALOGUE)}
    order = trials(checked, list(arms.values()))
    runs = open_study(
        tracking_uri,
        checked.study,
        question=checked.question,
        params={"corpus": checked.corpus, "preset": checked.preset, "seeds": list(checked.seeds), "code_rev": code_rev},
        conditions=checked.condition_names(),
        trials=[
            {"arm": item.arm, "seed": item.seed, "part": arms[item.arm].part, "params": flat(arms[item.arm].settings)}
            for item in order
        ],
        parent_run_id=os.environ.get("MLFLOW_RUN_ID"),
    )
    opened = time.time()
    return [
        Trial(item.arm, item.seed, run_id, runs.study, runs.experiment_id, opened).to_json()
        for item, run_id in zip(order, runs.trials, strict=True)
    ]


@component
def resolve_plan(plan: dict, tracking_uri: str, code_rev: str) -> list[str]:
    """The step of the pipeline."""
    from components.resolve_plan import resolve

    return resolve(plan, tracking_uri, code_rev)
