"""Transcription of single clips by SMILE, for `ablate transcribe` and for served models. Imports torch."""

from training.transcriber import Sample, Transcriber, from_bytes, sample, to_bytes

__all__ = ["Sample", "Transcriber", "from_bytes", "sample", "to_bytes"]
