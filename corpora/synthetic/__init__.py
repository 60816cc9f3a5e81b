"""The synthetic corpus: a talking mouth."""
