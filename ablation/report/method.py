"""The method section of a report: the computation and the meaning of its numbers, for one study."""

from ablation.records import Imported, Study
from ablation.report import looks
from ablation.report.amounts import Amounts
from ablation.report.headings import heading
from ablation.stats.levels import ALPHA
from ablation.stats.metrics import METRICS
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
_PAIRED = (
    "Trials of one seed share initial weights, batch order and noise, so an arm is compared with the baseline within seeds (a "
    "randomised block design), and the residual variance is pooled over all arms."
)
_PAIRED_ELSEWHERE = (
    "Trials of one seed may share random numbers, so an arm is compared with the baseline within seeds (a randomised block design; "
    "it is valid as well if they share none), and the residual variance is pooled over all arms."
)
ONE_SEED = "With one seed, differences cannot be distinguished from chance: the report has estimates and no verdicts."


def method(study: Study) -> list[str]:
    """Return the explanations that a reader of the tables needs."""
    if len(study.seeds) < 2:
        return [*scoring(study), ONE_SEED, *origin(study)]
    rates = "error rates" if study.measure is None else "values"
    return [
        "A verdict compares an arm with the baseline: worse or better means a significant difference in at least one condition. "
        "Inconclusive means no significant difference, which is not evidence of no difference: the verdict gives the smallest "
        "difference that this design detects with a power of 80 %. " + _equivalence(study),
        *scoring(study),
        *origin(study),
        f"The unit of the tests is the seed. {_PAIRED if study.imported is None else _PAIRED_ELSEWHERE} If one arm "
        "varies more than the others, it is tested with its own variance as well, and the verdict says so. A difference is arm "
        f"minus baseline{_points(study)}: a positive difference means that the arm is {_positive(study)}.",
        f"Within a condition, Dunnett's test compares all arms with the baseline with a familywise error rate of "
        f"{100 * ALPHA:.0f} %. Holm's method then corrects p over the conditions. Confidence intervals of {rates} are 95 % "
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
        f"Imported results: {_source(study, found)}. Training curves, learned values, settings and cost are left out, as this "
        "service did not train the models."
    ]
    if found.filled_in:
        said.append(f"{found.filled_in} utterances had no hypothesis; all of their words count as deletions.")
    if found.left_out:
        said.append(f"{found.left_out} utterances had no reference and are left out.")
    return said


def _source(study: Study, found: Imported) -> str:
    if study.measure is not None:
        return f"the values of {study.measure.name} in a table ({found.format}), which was computed elsewhere"
    return f"{found.files} files of hypotheses ({found.format}) of another toolkit were scored here"


def scoring(study: Study) -> list[str]:
    """Return how the metrics of the study are defined."""
    if study.measure is not None:
        return [_measured(study)]
    others = [METRICS[name] for name in study.metrics if name in METRICS and name != "wer"]
    definitions = [f"The {metric.label} ({metric.short}) is the number of {metric.description}." for metric in others]
    return [WORD_ERRORS, normalisation(study), *definitions]


def normalisation(study: Study) -> str:
    """Return how the texts of the study were normalised before they were compared."""
    if (study.normalise, study.normalise_version) == (BASIC, FIRST_VERSION):
        return FIRST_NORMALISATION
    known = NORMALISATIONS.get(study.normalise, "Text normalisation: `{name}`, version {version}.")
    return known.format(name=study.normalise, version=study.normalise_version)


def _points(study: Study) -> str:
    metric = study.metric()
    return " in percentage points" if metric.is_rate else Amounts(metric).in_unit


def _positive(study: Study) -> str:
    return "better" if study.metric().higher_is_better else "worse"


def _measured(study: Study) -> str:
    """Return the definition of a metric that was computed elsewhere."""
    metric = study.metric()
    better = "higher" if metric.higher_is_better else "lower"
    unit = f"in {metric.unit}" if metric.unit else "without a unit"
    return (
        f"{heading(metric)} is a value that was computed elsewhere, {unit}; {better} is better. The value of a trial is the mean "
        "over its items, if there are several. Values are shown as they were given."
    )


def _equivalence(study: Study) -> str:
    if study.margin_points is None:
        return "The plan states no margin, so equivalence is not tested."
    return (
        f"Equivalent means that two one-sided tests show the difference to be less than the plan's margin of "
        f"{Amounts(study.metric()).with_unit(f'{study.margin_points:g}')}."
    )
