"""The method section of a report: the computation and the meaning of its numbers, for one study."""

from ablation.report import looks
from ablation.results import Study
from ablation.stats.metrics import METRICS
from ablation.stats.significance import ALPHA
from common.normalise import BASIC, FIRST_VERSION, NONE

WORD_ERRORS = (
    "The word error rate (WER) is the number of substitutions, deletions and insertions over the number of reference words, both "
    "summed over all utterances of the test split. It is never a mean of rates, and it may exceed 100 %."
)
FIRST_NORMALISATION = (
    "Text normalisation: `basic`, version 1: Unicode NFKC, lower case, no punctuation except apostrophes inside words. Combining "
    "marks separate words, and a character is a code point, so rates of a script with marks are wrong: run the study again."
)
NORMALISATIONS = {
    BASIC: "Text normalisation: `basic`, version {version}: Unicode NFKC without differences of case. A word is made of letters "
    "with their marks, digits, and apostrophes inside it. Invisible characters are removed, and all other characters separate "
    "words.",
    NONE: "Text normalisation: `none`, version {version}: texts are compared as they are, and only white space separates words.",
}
_PAIRED = "Trials of one seed share initial weights, batch order and noise, so an arm is compared with the baseline within seeds"
_PAIRED_ELSEWHERE = (
    "Trials of one seed may share random numbers, so an arm is compared with the baseline within seeds (a randomised block design; "
    "it is valid as well if they share none), and the residual variance is pooled over all arms."
)
ONE_SEED = "With one seed, differences cannot be distinguished from chance: the report has estimates and no verdicts."


def method(study: Study) -> list[str]:
    """Return the explanations that a reader of the tables needs."""
    if len(study.seeds) < 2:
        return [*scoring(study), ONE_SEED, *origin(study)]
    return [
        "A verdict compares an arm with the baseline: worse or better means a significant difference in at least one condition. "
        "Inconclusive means no significant difference, which is not evidence of no difference: the verdict gives the smallest "
        "difference that this design detects with a power of 80 %. " + _equivalence(study.margin_points),
        *scoring(study),
        *origin(study),
        f"The unit of the tests is the seed. {_PAIRED if study.imported is None else _PAIRED_ELSEWHERE} If one arm "
        "varies more than the others, it is tested with its own variance as well, and the verdict says so. A difference is arm "
        "minus baseline in percentage points: a positive difference means that the arm is worse.",
        f"Within a condition, Dunnett's test compares all arms with the baseline with a familywise error rate of "
        f"{100 * ALPHA:.0f} %. Holm's method then corrects p over the conditions. Confidence intervals of error rates are 95 % "
        "each, over seeds. Confidence intervals of differences are simultaneous for all arms of a condition, but not over "
        "conditions, so an interval may exclude zero while p is above the level.",
        *looks.method(study),
    ]


def origin(study: Study) -> list[str]:
    """Return where the results of an imported study come from, and what its report cannot have; [] for a study that ran here."""
    found = study.imported
    if found is None:
        return []
    said = [
        f"Imported results: {found.files} files of hypotheses ({found.format}) of another toolkit were scored here. Training "
        "curves, learned values, settings and cost are left out, as this service did not train the models."
    ]
    if found.filled_in:
        said.append(f"{found.filled_in} utterances had no hypothesis; all of their words count as deletions.")
    if found.left_out:
        said.append(f"{found.left_out} utterances had no reference and are left out.")
    return said


def scoring(study: Study) -> list[str]:
    """Return how the metrics of the study are defined."""
    others = [METRICS[name] for name in study.metrics if name in METRICS and name != "wer"]
    definitions = [f"The {metric.label} ({metric.short}) is the number of {metric.description}." for metric in others]
    return [WORD_ERRORS, normalisation(study), *definitions]


def normalisation(study: Study) -> str:
    """Return how the texts of the study were normalised before they were compared."""
    if (study.normalise, study.normalise_version) == (BASIC, FIRST_VERSION):
        return FIRST_NORMALISATION
    known = NORMALISATIONS.get(study.normalise, "Text normalisation: `{name}`, version {version}.")
    return known.format(name=study.normalise, version=study.normalise_version)


def _equivalence(margin_points: float | None) -> str:
    if margin_points is None:
        return "The plan states no margin, so equivalence is not tested."
    return (
        f"Equivalent means that two one-sided tests show the difference to be less than the plan's margin of {margin_points:g} "
        "points."
    )
