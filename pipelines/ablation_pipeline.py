"""The study as a Kubeflow pipeline. This file only connects the steps; each step is a file in `components`.

    resolve_plan -> prepare_corpus -> find_finished -> for every chunk of trials that are left: train_trials -> evaluate_trials
                                                          -> compare_arms -> register_checkpoint
    and close_study at the end, whatever has become of the others.

Results travel through MLflow. Kubeflow's artifacts are small: references, and reports for people. Only artifacts and the
pipeline's own inputs enter the loop: the local runner silently replaces any other value by the loop's item. For the same reason the
loop runs over one flat list of strings.
"""

from kfp import dsl

from components.close_study import close_study
from components.compare_arms import compare_arms
from components.evaluate_trials import evaluate_trials
from components.find_finished import find_finished
from components.prepare_corpus import prepare_corpus
from components.register_checkpoint import register_checkpoint
from components.resolve_plan import resolve_plan
from components.train_trials import train_trials
from pipelines.name import DESCRIPTION, NAME


@dsl.pipeline(name=NAME, description=DESCRIPTION)
def ablation_pipeline(
    plan: dict = {},  # noqa: B006 (kfp's way to write a default)
    plan_uri: str = "",
    corpus: str = "",
    preset: str = "",
    seeds: str = "",
    max_failed_trials: str = "",
    gpus_per_trial: str = "0",
    tracking_uri: str = "",
    corpora_root: str = "",
    state_root: str = "",
    trials_per_task: str = "",
    threads: int = 1,
    code_rev: str = "",
    force: str = "",
) -> None:
    """Run one study: train every arm of a plan with every seed, score it, and compare it with the baseline.

    The compiled package carries these descriptions of the inputs. Overrides are text, so that an empty one can mean the plan's
    value. GPUs are text because Kubeflow requests none for an accelerator limit that is a number.

    Args:
        plan: The ablation plan as JSON. Example: {"study": "demo", "seeds": [1, 2, 3],
            "ablations": [{"part": "masking", "action": "remove"}]}. More keys: question, corpus, preset, conditions,
            metrics, baseline, noise, max_failed_trials, margin_points, leave_one_out, ladder, factorial,
            interaction_order, init_from, normalise, looks, stopped, reasoning, readings, recipe.
        plan_uri: Address of the plan, instead of `plan`: http(s)://, s3://, or a path on a volume that the steps see.
        corpus: URI of the corpus, e.g. synthetic://talking-mouth?train=2000&test=300. Empty takes the plan's.
        preset: Size of the model: tiny, base or large. Empty takes the plan's.
        seeds: Seeds of every arm, e.g. 1, 2, 3. Empty takes the plan's.
        max_failed_trials: Number of trials that may fail before the run counts as failed. Empty takes the plan's.
        gpus_per_trial: GPUs of each trial, a whole number; 0 trains on CPU cores.
        tracking_uri: Address of the MLflow server as the steps reach it. Empty takes their MLFLOW_TRACKING_URI, which
            Kubeflow's own MLflow plugin sets.
        corpora_root: Folder of prepared corpora that all steps see, on a volume. Empty prepares the corpus in the run.
        state_root: Folder, on a volume that all steps see, for the states of training runs. An interrupted one continues from
            its state when the study is run again. Empty: it continues only after a crash within its own pod.
        trials_per_task: Trials that one task of the loop trains one after the other. Empty: one, or as many as give 48 tasks.
        threads: CPU threads of a trial, at most as many as its cores.
        code_rev: Revision of the code, for the report's provenance. Leave it unchanged.
        force: Arms to train even if the same trials were finished before, separated by commas; * for all.
    """
    run = dsl.PIPELINE_JOB_ID_PLACEHOLDER
    closing = close_study(run=run, tracking_uri=tracking_uri, code_rev=code_rev)
    with dsl.ExitHandler(closing, name="study"):
        resolved = resolve_plan(
            plan=plan,
            plan_uri=plan_uri,
            corpus=corpus,
            preset=preset,
            seeds=seeds,
            max_failed_trials=max_failed_trials,
            gpus_per_trial=gpus_per_trial,
            trials_per_task=trials_per_task,
            tracking_uri=tracking_uri,
            state_root=state_root,
            code_rev=code_rev,
            run=run,
        )
        study = resolved.outputs["resolved"]
        prepared = prepare_corpus(uri=resolved.outputs["corpus_uri"], root=corpora_root)
        found = find_finished(
            tracking_uri=tracking_uri,
            force=force,
            trials_per_task=trials_per_task,
            resolved=study,
            reference=prepared.outputs["reference"],
        )
        with dsl.ParallelFor(found.outputs["Output"], name="chunks") as chunk:
            trained = train_trials(
                chunk=chunk,
                tracking_uri=tracking_uri,
                threads=threads,
                gpus=gpus_per_trial,
                todo=found.outputs["todo"],
                corpora_root=corpora_root,
                state_root=state_root,
                reference=prepared.outputs["reference"],
                corpus=prepared.outputs["corpus"],
            )
            scored = evaluate_trials(
                chunk=chunk,
                tracking_uri=tracking_uri,
                threads=threads,
                gpus=gpus_per_trial,
                todo=found.outputs["todo"],
                corpora_root=corpora_root,
                reference=prepared.outputs["reference"],
                corpus=prepared.outputs["corpus"],
                trained=trained.outputs["trained"],
            )
        compared = compare_arms(tracking_uri=tracking_uri, code_rev=code_rev, resolved=study).after(scored)
        registered = register_checkpoint(tracking_uri=tracking_uri, resolved=study, study=compared.outputs["study"])
    # A cached result would name the MLflow runs of an earlier study, or data that are gone. MLflow finds what can be reused.
    for step in (closing, resolved, prepared, found, trained, scored, compared, registered):
        step.set_caching_options(False)
