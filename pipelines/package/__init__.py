"""The pipeline as a package for a Kubeflow server: cluster settings, compiling, checks."""
