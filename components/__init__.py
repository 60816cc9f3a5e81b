"""The steps of a study as Kubeflow Pipelines components, one file per step."""
