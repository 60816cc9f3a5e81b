"""Check the plan, open its runs in MLflow, and return one item per trial."""

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from kfp.dsl import Artifact, Markdown, Output, OutputPath

from ablation.plan.arms import Arm, trials
from ablation.plan.families import check_distinct, contrasts
from ablation.plan.plan import RECIPE, Plan
from components.shared.designs import design_tag
from components.shared.image import component
from components.shared.origin import origin
from components.shared.trial import RESOLVED_FILE, Resolved, Trial, plan_of
from components.workers.signals import exit_on_sigterm
from recipes.plans import arms_of, of


def resolve(plan: Mapping[str, Any], tracking_uri: str, code_rev: str, run: str = "") -> list[str]:
    """Open the study in MLflow; return its trials, each as the JSON of a `components.shared.trial.Trial`. Raises UserError.

    The study's run keeps the plan and the trials, and is found by `run`, the id of the pipeline's run.
    """
    from tracking.creating import patiently
    from tracking.designs import record_design
    from tracking.results import keep_input
    from tracking.studies import flat, open_study

    exit_on_sigterm()
    checked = plan_of(plan)
    expanded = arms_of(checked)
    check_contrasts(checked, expanded)
    arms = {arm.arm: arm for arm in expanded}
    order = trials(checked, list(arms.values()))
    runs = open_study(
        tracking_uri,
        checked.study,
        question=checked.question,
        params=_params(checked, code_rev),
        conditions=checked.condition_names(),
        metrics=checked.metrics,
        curves=[curve.name for curve in of(checked).curves if curve.chart],
        trials=[
            {
                "arm": item.arm,
                "seed": item.seed,
                "part": arms[item.arm].part,
                "change": change(arms[item.arm]),
                "params": flat(arms[item.arm].settings),
            }
            for item in order
        ],
        parent_run_id=os.environ.get("MLFLOW_RUN_ID"),
        kfp_run=run,
        source=origin("ablate", code_rev),
    )
    opened = time.time()
    design = design_tag(checked, list(arms.values()))
    patiently(tracking_uri, lambda: record_design(tracking_uri, runs.study, design))
    items = [
        Trial(item.arm, item.seed, run_id, runs.study, runs.experiment_id, opened).to_json()
        for item, run_id in zip(order, runs.trials, strict=True)
    ]
    given = Resolved(dict(plan), items).to_json()
    patiently(tracking_uri, lambda: keep_input(tracking_uri, runs.study, RESOLVED_FILE, given))
    return items


def change(arm: Arm) -> str:
    """Return what an arm changes in the baseline, for the description of its runs: `training.steps = 100`."""
    from tracking.studies import flat

    return ", ".join(f"{key} = {value}" for key, value in flat(arm.overrides).items()) or "no change"


def _params(plan: Plan, code_rev: str) -> dict[str, Any]:
    named: dict[str, Any] = {} if plan.recipe == RECIPE else {"recipe": of(plan).name}
    named |= {"looks": list(plan.looks)} if plan.looks else {}
    return {"corpus": plan.corpus, "preset": plan.preset, "seeds": list(plan.seeds), "code_rev": code_rev, **named}


def check_contrasts(plan: Plan, arms: Sequence[Arm]) -> None:
    """Raise UserError if arms of a ladder or a factorial compute the same function. Other plans are not probed."""
    recipe = of(plan)
    if found := contrasts(plan, arms, recipe.catalogue):
        check_distinct(plan, found, recipe.check({arm.arm: arm.settings for arm in arms}).same)


def plan_page(plan: Mapping[str, Any]) -> str:
    """Return the plan as Markdown for Kubeflow's page, which shows an input that is a mapping as `[object Object]`."""
    return f"# Plan of the study {plan['study']}\n\n```yaml\n{yaml.safe_dump(dict(plan), sort_keys=False)}```\n"


@component
def resolve_plan(
    plan: dict,
    plan_uri: str,
    corpus: str,
    preset: str,
    seeds: str,
    max_failed_trials: str,
    gpus_per_trial: str,
    trials_per_task: str,
    tracking_uri: str,
    state_root: str,
    code_rev: str,
    run: str,
    resolved: Output[Artifact],
    page: Output[Markdown],
    corpus_uri: OutputPath(str),  # type: ignore[valid-type]
) -> str:
    """Check the plan and the inputs of the run, and open the study and its trials in MLflow.

    MLflow: creates the experiment named as the study if it is missing, one run for the study and a nested run per trial, with
    their parameters, and the view and the description of the experiment. A database store is created or checked. Reads the
    corpus's source to see that it exists.

    Args:
        plan: The ablation plan as JSON. Empty if `plan_uri` is given.
        plan_uri: Address of the plan: http(s)://, s3://, or a path that the step sees. Empty if `plan` is given.
        corpus: URI of the corpus. Empty takes the plan's.
        preset: Size of the model. Empty takes the plan's.
        seeds: Seeds of every arm, e.g. 1, 2, 3. Empty takes the plan's.
        max_failed_trials: Number of trials that may fail before the run counts as failed. Empty takes the plan's.
        gpus_per_trial: GPUs of each trial, a whole number as text. The step only checks it.
        trials_per_task: Trials of each turn of the loop, a whole number as text, or empty. The step only checks it.
        tracking_uri: Address of the MLflow server. Empty takes MLFLOW_TRACKING_URI of the step.
        state_root: Folder on a volume for the states of training runs, or empty. The step checks that it can be written to.
        code_rev: Revision of the code, logged as a parameter of the study's run.
        run: Id of the pipeline's run, a tag of the study's run.
        resolved: Output. A JSON file with the plan, after all changes by the inputs, and its trials. Every later step reads
            it.
        page: Output. The same plan as Markdown, for people.
        corpus_uri: Output. The URI of the corpus that the changed plan names, as text.

    Returns:
        The id of the study's run in MLflow.
    """
    from pathlib import Path

    from components.resolve_plan import plan_page, resolve
    from components.shared.inputs import Overrides, checked_inputs, store_of
    from components.shared.problem import reporting
    from components.shared.trial import Resolved, Trial
    from components.shared.volumes import check_writable

    with reporting("resolve-plan"):
        overrides = Overrides(corpus, preset, seeds, max_failed_trials)
        chosen = checked_inputs(plan, plan_uri, overrides, gpus_per_trial, trials_per_task).as_mapping()
        if state_root:
            check_writable(Path(state_root), "state_root")
        items = resolve(chosen, store_of(tracking_uri), code_rev, run)
        Path(corpus_uri).write_text(chosen["corpus"], encoding="utf-8")
        Path(page.path).write_text(plan_page(chosen), encoding="utf-8")
        Resolved(chosen, items).write(Path(resolved.path))
        return Trial.from_json(items[0]).study_run_id
