"""What the pipeline is called on a Kubeflow server. Imports no kfp."""

NAME = "ablation-study"
DESCRIPTION = "Ablation study: which component of the model is worth keeping?"
