"""The outcome of the test of one arm in one condition, as enums. The report turns them into words."""

from enum import StrEnum


class Verdict(StrEnum):
    """The result of the test of an arm against the baseline in one condition."""

    WORSE = "worse"
    BETTER = "better"
    EQUIVALENT = "equivalent"
    INCONCLUSIVE = "inconclusive"
    NOT_TESTED = "not_tested"


class NotTested(StrEnum):
    """The reason why an arm has no test in a condition."""

    NO_BASELINE = "no_baseline"
    NO_TRIAL = "no_trial"
    ONE_SEED = "one_seed"
    ONE_BASELINE_SEED = "one_baseline_seed"
    NO_COMMON_SEED = "no_common_seed"
    ONE_COMMON_SEED = "one_common_seed"
    NO_SPREAD = "no_spread"
    SATURATED = "saturated"


class Caution(StrEnum):
    """The reason why an arm is tested with its own variance as well as with the pooled one.

    `spreads_unsure`: too few seeds show if the arms vary equally, and a finding by the pooled variance relies on that.
    """

    BASELINE_VARIES = "baseline_varies"
    ARM_VARIES = "arm_varies"
    SPREADS_UNSURE = "spreads_unsure"
