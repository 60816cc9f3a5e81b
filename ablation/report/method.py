"""How the numbers of a report came about and what they mean, in sentences that hold for the study at hand."""

from collections.abc import Sequence

from ablation.results import Study
from ablation.stats.significance import ALPHA

SCORING: Sequence[str] = (
    "The word error rate (WER) is substitutions, deletions and insertions over reference words, added up over all "
    "utterances of the test split; it is never a mean of rates, and it may exceed 100 %.",
    "Text normalisation: texts are compared in lower case, without punctuation but for apostrophes inside words, after "
    "Unicode NFKC.",
)
ONE_SEED = "With one seed, differences cannot be told from chance: there are estimates and no verdicts."


def method(study: Study) -> list[str]:
    """What a reader has to know to read the tables."""
    if len(study.seeds) < 2:
        return [*SCORING, ONE_SEED]
    return [
        "A verdict is on the baseline's part. It earns its place if the model is worse without it, and is harmful if the "
        "model is better without it. No difference shown is not the same as no difference: the verdict says how large a "
        "one this design would have found with a chance of 80 %. " + _equivalence(study.margin_points),
        *SCORING,
        "The seed is the unit. Trials of one seed share initial weights, batch order and noise, so an arm is compared with "
        "the baseline within seeds, and the spread that this is gauged against is pooled over all arms; where one varies "
        "more than the rest, its own spread has to agree, and the verdict says so. A difference is "
        "arm minus baseline in percentage points of WER: a positive one means that the arm is worse.",
        f"Arms are compared with the baseline by Dunnett's distribution, so that within a condition the chance of any "
        f"false finding is at most {100 * ALPHA:.0f} %; p is then corrected over the conditions by Holm's method. Intervals "
        "of WERs are 95 % each, for another draw of seeds; intervals of differences hold for all arms of a condition at "
        "once, but are not widened for the number of conditions: an interval may leave out zero while p does not reach "
        "the level.",
    ]


def _equivalence(margin_points: float | None) -> str:
    if margin_points is None:
        return "The plan states no margin, so no difference can be shown to be negligible."
    return (
        f"Equivalent means that the difference is shown to be less than the plan's margin of {margin_points:g} points, by two "
        "one-sided tests."
    )
