"""The numbers of a study for programs: all of them as JSON, the comparison as CSV. Nothing is rounded."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from ablation.report.content import Content
from ablation.report.cost import costs, total
from ablation.report.headline import headline
from ablation.report.method import method
from ablation.stats.contrasts import KEYS
from ablation.stats.these_checkpoints import LABEL


def to_csv(content: Content) -> str:
    """Return one row per arm and condition with the columns of `significance.compare`; error rates are fractions.

    A study with a ladder or a factorial has the rows of its contrasts first, with `family`, `contrast` and `kind` filled in.
    """
    table = content.comparison
    if len(content.contrasts):
        table = pd.concat([content.contrasts.astype(object), table.astype(object)])
        table = table[[*KEYS, "kind", *content.comparison.columns, "trials"]]
    return table.to_csv(index=False, lineterminator="\n")


def to_json(content: Content) -> str:
    """Return all numbers of the report. Error rates and differences are fractions, times are in seconds, null means no number.

    The values of a `measure` are in its unit, under the names of error rates.
    """
    study = content.study
    found = {
        "study": study.study,
        "question": study.question,
        "preset": study.preset,
        "baseline": study.baseline,
        "seeds": study.seeds,
        "conditions": study.conditions,
        "metrics": study.metrics,
        "contrasts": content.contrasts.to_dict("records"),
        "contrast_verdicts": [
            {
                **asdict(verdict),
                "claim": content.contrast_sentences[verdict.contrast.family, verdict.contrast.name].claim,
            }
            for verdict in content.contrast_verdicts
        ],
        "headline": headline(content),
        "verdicts": [
            {**asdict(verdict), "claim": content.sentences[arm].claim, "text": content.sentences[arm].text}
            for arm, verdict in content.verdicts.items()
        ],
        "comparison": content.comparison.to_dict("records"),
        "other_metrics": {
            name: table.to_dict("records") for name, table in content.comparisons.items() if name != content.metric.name
        },
        "bootstrap": content.resampled.to_dict("records"),
        LABEL: content.checkpoints.to_dict("records"),
        "margin_points": study.margin_points,
        "looks": None if study.looks is None else study.looks.model_dump(),
        "look_decisions": [asdict(look) for look in content.looks.looks] if content.looks else [],
        "contrast_look_decisions": [asdict(look) for look in content.contrast_looks.looks]
        if content.contrast_looks
        else [],
        "earlier_designs": [design.model_dump() for design in study.earlier_designs],
        "seed_groups": [
            {**asdict(group), "text": text} for group in content.seed_groups for text in content.cautions(group.arm)
        ],
        f"pooled_{content.metric.name}": content.pooled,
        "measured": None if study.hygiene is None else study.hygiene.model_dump(),
        "failed": [trial.model_dump(include={"arm", "seed", "reason"}) for trial in study.failed()],
        "examples": [asdict(example) for example in content.examples],
        "cost": [asdict(cost) for cost in [*costs(study), total(study)]],
        "wall_seconds": study.wall_seconds,
        "method": method(study),
        "created": study.created,
        "corpus": study.corpus,
        "provenance": study.provenance,
        "settings": study.settings,
        "mlflow": study.mlflow,
        "imported": study.imported.model_dump() if study.imported else None,
        "measure": study.measure.model_dump() if study.measure else None,
    }
    return dump(found)


def contrast_metrics(content: Content) -> dict[str, float]:
    """Return numbers of the contrasts for the study's run in MLflow, such as `ladder/adapter/clean/difference`; fractions."""
    return {
        f"{row['family']}/{row['contrast']}/{row['condition']}/{name}": float(row[column])
        for row in content.contrasts.to_dict("records")
        for name, column in (("difference", "difference"), ("p", "p_adjusted"), ("detectable", "detectable"))
        if not pd.isna(row[column])
    }


def dump(value: Any) -> str:
    """Write JSON with null for NaN, which JSON does not have."""
    return json.dumps(_without_nan(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_without_nan(inner) for inner in value]
    return value
