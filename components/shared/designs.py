"""The design of a study as it is recorded when the study opens, and the comparison with earlier ones."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ablation.plan.arms import Arm
from ablation.plan.contrasts import Contrast
from ablation.plan.plan import Plan
from ablation.records import EarlierDesign, LooksRecord

DESIGN_KEYS = ("seeds", "looks", "margin_points")


def design_tag(plan: Plan, arms: Sequence[Arm]) -> dict[str, Any]:
    """Return the design for MLflow: seeds, looks and margin, and a hash of what is compared, whatever the seeds are."""
    compared = {
        "arms": {arm.arm: arm.settings for arm in arms},
        "corpus": plan.corpus,
        "preset": plan.preset,
        "conditions": plan.condition_names(),
        "metrics": list(plan.metrics),
        "normalise": plan.normalise,
    }
    text = json.dumps(compared, sort_keys=True, default=str)
    return {
        "comparison": hashlib.sha256(text.encode()).hexdigest()[:16],
        "seeds": list(plan.seeds),
        "looks": list(plan.looks),
        "margin_points": plan.margin_points,
    }


def looks_record(plan: Plan, arms: Sequence[Arm], contrasts: Sequence[Contrast] = ()) -> LooksRecord | None:
    """Return the record of a plan with looks; None for one without. `contrasts` are those of the plan."""
    if not plan.looks:
        return None
    from ablation.decisions.looks import design_of, recorded  # imports pandas, which the other steps do not need
    from ablation.stats.sequential_contrasts import contrast_design

    conditions, names = len(plan.condition_names()), [arm.arm for arm in arms]
    of_arms = design_of(plan.looks, len(arms) - 1, conditions, plan.margin_points)
    families = contrast_design(plan.looks, names, contrasts, conditions, plan.margin_points)
    return recorded(of_arms, plan.seeds, plan.stopped, families)


def other_designs(plan: Plan, earlier: Iterable[Mapping[str, Any]]) -> list[EarlierDesign]:
    """Return the earlier designs that differ from the plan's, each once, the oldest first.

    Other looks of the same design belong to it: their seeds are the first ones of the plan's, or the other way round.
    """
    found: dict[str, EarlierDesign] = {}
    for design in earlier:
        if not _is_same(plan, design):
            kept = {key: value for key, value in design.items() if key in (*DESIGN_KEYS, "opened")}
            found.setdefault(json.dumps([design.get(key) for key in DESIGN_KEYS]), EarlierDesign.model_validate(kept))
    return list(found.values())


def _is_same(plan: Plan, design: Mapping[str, Any]) -> bool:
    mine, its = list(plan.seeds), list(design["seeds"])
    if list(plan.looks) != list(design.get("looks", [])) or plan.margin_points != design.get("margin_points"):
        return False
    least = min(len(mine), len(its))
    return mine[:least] == its[:least] if plan.looks else mine == its
