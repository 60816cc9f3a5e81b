"""The name of the pipeline on a Kubeflow server. This module imports no kfp."""

NAME = "ablation-study"
DESCRIPTION = "Ablation study: which component of the model is worth keeping?"
