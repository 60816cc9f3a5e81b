"""Batches, the training loop, decoding and evaluation."""
