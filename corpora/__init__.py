"""Audio-visual corpora: readers, the prepared form on disk, and noise."""
