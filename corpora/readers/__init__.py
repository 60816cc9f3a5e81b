"""Readers of corpora that people have."""
