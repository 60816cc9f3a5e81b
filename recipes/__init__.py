"""The models that can be ablated. Components and pipelines reach a model and its training only through this package."""
