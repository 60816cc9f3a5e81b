"""The pipeline, the local run, the package for a cluster, and the client of a Kubeflow server."""
