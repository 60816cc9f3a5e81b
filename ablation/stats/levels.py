"""The levels of all tests."""

ALPHA = 0.05  # false findings
POWER = 0.8  # of `detectable`
LEVEL = 0.95  # of intervals
