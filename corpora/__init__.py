"""Audio-visual corpora: readers, the prepared form on disk, S3, and noise."""
