"""Prepared corpora in S3."""
