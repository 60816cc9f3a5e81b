"""A study on a Kubeflow Pipelines server."""
