"""What can be ablated: the only door through which the pipeline reaches a model and its training."""
