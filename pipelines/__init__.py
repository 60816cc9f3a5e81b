"""The pipeline, the ways to run it, and the command line."""
