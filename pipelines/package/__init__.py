"""The pipeline as a package for a Kubeflow server: settings of the cluster, compilation, checks."""
