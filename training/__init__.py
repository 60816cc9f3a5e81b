"""Training of SMILE: batches, the loop, checkpoints, decoding and evaluation."""
