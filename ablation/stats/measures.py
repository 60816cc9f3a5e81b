"""Measures: metrics that were computed elsewhere, one value per trial and condition, or one per item of the test set.

Counts of a measure have the columns `value` and `items`, and the value of a trial is the mean over its items. Reports show values
as they were given, in their own unit.
"""

from collections.abc import Mapping

from ablation.stats.metrics import Metric

VALUE, ITEMS = "value", "items"
HIGHER = (
    *(
        "accuracy",
        "acc",
        "top1",
        "top5",
        "topaccuracy",
        "balancedaccuracy",
        "precision",
        "averageprecision",
        "ap",
        "map",
    ),
    *(
        "meanaverageprecision",
        "recall",
        "sensitivity",
        "specificity",
        "f",
        "fmeasure",
        "dice",
        "iou",
        "miou",
        "jaccard",
        "auc",
    ),
    *(
        "auroc",
        "rocauc",
        "prauc",
        "auprc",
        "mrr",
        "ndcg",
        "mcc",
        "kappa",
        "r2",
        "psnr",
        "ssim",
        "msssim",
        "snr",
        "sisnr",
        "sdr",
        "sisdr",
    ),
    *(
        "pesq",
        "stoi",
        "estoi",
        "mos",
        "dnsmos",
        "utmos",
        "bleu",
        "sacrebleu",
        "chrf",
        "chrf++",
        "meteor",
        "rouge",
        "rougel",
    ),
    *("comet", "bertscore", "em", "exactmatch", "inceptionscore", "reward", "winrate", "wordaccuracy"),
)
LOWER = (
    *(
        "loss",
        "nll",
        "crossentropy",
        "crossentropyloss",
        "perplexity",
        "ppl",
        "bpc",
        "bpb",
        "error",
        "errorrate",
        "toperror",
    ),
    *("wer", "worderrorrate", "cer", "charactererrorrate", "ter", "per", "phoneerrorrate", "mer", "der", "jer", "eer"),
    *(
        "equalerrorrate",
        "mindcf",
        "mae",
        "meanabsoluteerror",
        "mse",
        "meansquarederror",
        "rmse",
        "mape",
        "smape",
        "brier",
    ),
    *("ece", "fid", "fad", "kid", "lpips", "mcd", "rtf"),
)
UNITS: Mapping[str, str] = dict.fromkeys(("psnr", "snr", "sisnr", "sdr", "sisdr", "mcd"), "dB")
QUALIFIERS = (
    *(
        "test",
        "val",
        "valid",
        "validation",
        "dev",
        "eval",
        "clean",
        "macro",
        "micro",
        "weighted",
        "mean",
        "avg",
        "average",
    ),
    *("score", "at", "k", "percent", "db"),
)


def measure(name: str, *, higher_is_better: bool, unit: str = "") -> Metric:
    """Return the metric of values that were computed elsewhere; `unit` is empty for numbers without a unit."""
    better = "higher" if higher_is_better else "lower"
    return Metric(
        name=name,
        label=name,
        errors=(VALUE,),
        length=ITEMS,
        align=None,
        description=f"values that were computed elsewhere, the mean over items; {better} is better",
        higher_is_better=higher_is_better,
        scale=1,
        unit=unit,
        points="points" if unit == "%" else unit,
    )


def known_direction(name: str) -> bool | None:
    """Return if a higher value is better, by the name of a metric such as `Top-1 accuracy` or `val/loss`; None if unknown."""
    found = [form in HIGHER for form in _forms(name) if form in HIGHER or form in LOWER]
    return found[0] if found else None


def known_unit(name: str) -> str:
    """Return the unit of a metric by its name; empty if it has none, or is not known."""
    return next((UNITS[form] for form in _forms(name) if form in UNITS), "")


def _forms(name: str) -> list[str]:
    """Return the name without marks, then without words such as `test` or `score`, then without numbers (`BLEU-4`, `mAP@0.5`)."""
    words = "".join(letter if letter.isalnum() or letter == "+" else " " for letter in name.casefold()).split()
    bare = [word for word in words if word not in QUALIFIERS]
    forms = ["".join(words), "".join(bare), "".join(letter for letter in "".join(bare) if not letter.isdigit())]
    return list(dict.fromkeys(forms))
