"""The levels of all tests: probability of any false finding, power of a detectable difference, level of confidence intervals."""

ALPHA, POWER, LEVEL = 0.05, 0.8, 0.95
