"""The name of the pipeline on a Kubeflow server, and its description, which says how to fill in the form for a run.

This module imports no kfp. The form lists its inputs by alphabet and shows no help, so the description has them in the order in
which a person fills them in. A test compares them with the pipeline's signature.
"""

NAME = "ablation-study"
INPUTS = {
    "plan": "the plan as JSON, or `{}` with plan_uri",
    "plan_uri": "address of a plan (YAML, JSON, Markdown) instead of plan: https://, s3://, or a path on a volume",
    "corpus": "URI of the corpus; empty: the plan's",
    "preset": "size of the model; empty: the plan's",
    "seeds": "e.g. 1, 2, 3; empty: the plan's",
    "max_failed_trials": "failed trials that a study survives; empty: the plan's",
    "force": "arms to train again, with commas, or *; empty: finished trials are kept",
    "tracking_uri": "address of MLflow as the pods reach it",
    "gpus_per_trial": "GPUs of each trial; 0: none",
    "threads": "CPU threads of a trial",
    "trials_per_task": "trials in one turn of the loop; empty: chosen for at most 48 turns",
    "corpora_root": "folder of prepared corpora on a volume; empty: none",
    "state_root": "folder of training states on a volume; empty: none",
    "code_rev": "leave it as it is",
}
DESCRIPTION = "\n".join(
    (
        "Ablation study: which component of the model is worth keeping?",
        "",
        "Give plan or plan_uri; everything else has a default. Inputs of a run, in the order to fill them in:",
        "",
        *(f"- {name}: {help_text}" for name, help_text in INPUTS.items()),
    )
)
