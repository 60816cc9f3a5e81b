"""The study as a Kubeflow pipeline. It only wires: what a step does stands in its file in `components`.

    resolve_plan -> prepare_corpus -> for every trial: train_trial -> evaluate_trial
                                                          -> compare_arms -> register_checkpoint

Only artifacts and the pipeline's own inputs cross into the loop: the local runner silently replaces any other value
by the loop's item. That is also why the loop runs over one flat list of strings.
"""

from kfp import dsl

from components.compare_arms import compare_arms
from components.evaluate_trial import evaluate_trial
from components.prepare_corpus import prepare_corpus
from components.register_checkpoint import register_checkpoint
from components.resolve_plan import resolve_plan
from components.train_trial import train_trial

NAME = "ablation-study"


@dsl.pipeline(name=NAME, description="Ablation study: which part of the model earns its place?")
def ablation_pipeline(
    plan: dict,
    corpus: str = "",
    tracking_uri: str = "http://mlflow:5000",
    corpora_root: str = "",
    threads: int = 1,
    code_rev: str = "",
) -> None:
    """One study: every arm of a plan is trained with every seed, scored, and compared with the baseline.

    The server's form for a new run shows what is said here about each input.

    Args:
        plan: The ablation plan as JSON. Example: {"study": "demo", "seeds": [1, 2, 3],
            "ablations": [{"part": "masking", "action": "remove"}]}. More keys: question, corpus, preset, conditions,
            metrics, baseline, noise, max_failed_trials.
        corpus: URI of the corpus, e.g. synthetic://talking-mouth?train=2000&test=300. Empty takes the plan's.
        tracking_uri: Address of the MLflow server as the steps reach it.
        corpora_root: Folder of prepared corpora that all steps see, on a volume. Empty prepares the corpus in the run.
        threads: CPU threads of a trial, at most as many as its cores.
        code_rev: Revision of the code, for the report's provenance. Leave it as it is.
    """
    # A cached answer would hand out the MLflow runs of an earlier study a second time.
    resolved = resolve_plan(plan=plan, tracking_uri=tracking_uri, code_rev=code_rev).set_caching_options(False)
    prepared = prepare_corpus(plan=plan, uri=corpus, root=corpora_root).after(resolved)
    with dsl.ParallelFor(resolved.output) as trial:
        trained = train_trial(
            trial=trial,
            plan=plan,
            tracking_uri=tracking_uri,
            threads=threads,
            corpus=prepared.outputs["corpus"],
        )
        scored = evaluate_trial(
            plan=plan,
            tracking_uri=tracking_uri,
            threads=threads,
            corpus=prepared.outputs["corpus"],
            trained=trained.outputs["trained"],
        )
    compared = compare_arms(
        plan=plan,
        trials=resolved.output,
        tracking_uri=tracking_uri,
        code_rev=code_rev,
        scored=dsl.Collected(scored.outputs["scored"]),
        corpus=prepared.outputs["corpus"],
    )
    register_checkpoint(plan=plan, tracking_uri=tracking_uri, study=compared.outputs["study"])
