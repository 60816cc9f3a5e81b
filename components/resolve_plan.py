"""Check the plan, open its runs in MLflow, and return one item per trial."""

import os
import time
from collections.abc import Mapping
from typing import Any

from kfp.dsl import Artifact, Output, OutputPath

from ablation.plan.arms import expand, trials
from components.shared.image import component
from components.shared.trial import Trial, plan_of
from components.workers.isolation import exit_on_sigterm
from recipes.smile import CATALOGUE


def resolve(plan: Mapping[str, Any], tracking_uri: str, code_rev: str) -> list[str]:
    """Open the study in MLflow; return its trials, each as the JSON of a `components.shared.trial.Trial`. Raises UserError."""
    from tracking.studies import flat, open_study

    exit_on_sigterm()
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
    """Check the plan and the inputs of the run, and open the study and its trials in MLflow.

    MLflow: creates the experiment named as the study if it is missing, one run for the study and a nested run per trial, with
    their parameters, and the view of the experiment. A database store is created or checked. Reads the corpus's source to
    see that it exists.

    Args:
        plan: The ablation plan as JSON. Empty if `plan_uri` is given.
        plan_uri: Address of the plan: http(s)://, s3://, or a path that the step sees. Empty if `plan` is given.
        corpus: URI of the corpus. Empty takes the plan's.
        preset: Size of the model. Empty takes the plan's.
        seeds: Seeds of every arm, e.g. 1, 2, 3. Empty takes the plan's.
        max_failed_trials: Number of trials that may fail before the run counts as failed. Empty takes the plan's.
        gpus_per_trial: GPUs of each trial, a whole number as text. The step only checks it.
        tracking_uri: Address of the MLflow server. Empty takes MLFLOW_TRACKING_URI of the step.
        code_rev: Revision of the code, logged as a parameter of the study's run.
        resolved: Output. A JSON file with the plan, after all changes by the inputs, and its trials. Every later step reads
            it.
        corpus_uri: Output. The URI of the corpus that the changed plan names, as text.

    Returns:
        All trials of the study, each as JSON of `components.shared.trial.Trial` with the id of its MLflow run.
    """
    from pathlib import Path

    from components.resolve_plan import resolve
    from components.shared.inputs import Overrides, checked_inputs, store_of
    from components.shared.problem import reporting
    from components.shared.trial import Resolved

    with reporting("resolve-plan"):
        overrides = Overrides(corpus, preset, seeds, max_failed_trials)
        chosen = checked_inputs(plan, plan_uri, overrides, gpus_per_trial).as_mapping()
        items = resolve(chosen, store_of(tracking_uri), code_rev)
        Path(corpus_uri).write_text(chosen["corpus"], encoding="utf-8")
        Resolved(chosen, items).write(Path(resolved.path))
        return items
