"""Readers of corpora, and the registry that lists them."""
