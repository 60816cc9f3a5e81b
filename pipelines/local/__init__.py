"""The run of a study on this machine."""
