"""Error counts, and the tests of differences between error rates."""
