"""Check the plan, open its runs in MLflow, and hand out one item per trial."""

import os
import time
from collections.abc import Mapping
from typing import Any

from kfp.dsl import Artifact, Output, OutputPath

from ablation.plan.arms import expand, trials
from components.shared.image import component
from components.shared.trial import Trial, plan_of
from components.workers.isolation import end_cleanly
from recipes.smile import CATALOGUE


def resolve(plan: Mapping[str, Any], tracking_uri: str, code_rev: str) -> list[str]:
    """The trials of a plan, each as the JSON of a `components.shared.trial.Trial`. Raises UserError for a bad plan."""
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
        metrics=checked.metrics,
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
def resolve_plan(
    plan: dict,
    plan_uri: str,
    corpus: str,
    preset: str,
    seeds: str,
    max_failed_trials: str,
    gpus_per_trial: str,
    tracking_uri: str,
    code_rev: str,
    resolved: Output[Artifact],
    corpus_uri: OutputPath(str),  # type: ignore[valid-type]
) -> list[str]:
    """The step of the pipeline. Every later step reads the plan, as the form has changed it, from `resolved`."""
    from pathlib import Path

    from components.resolve_plan import resolve
    from components.shared.inputs import Overrides, checked_inputs, store_of
    from components.shared.trial import Resolved
    from components.workers.isolation import in_one_sentence

    with in_one_sentence():
        overrides = Overrides(corpus, preset, seeds, max_failed_trials)
        chosen = checked_inputs(plan, plan_uri, overrides, gpus_per_trial).as_mapping()
        items = resolve(chosen, store_of(tracking_uri), code_rev)
        Path(corpus_uri).write_text(chosen["corpus"], encoding="utf-8")
        Resolved(chosen, items).write(Path(resolved.path))
        return items
