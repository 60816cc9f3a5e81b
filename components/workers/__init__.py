"""The processes that train and score."""
