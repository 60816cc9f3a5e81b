"""The five published plans for SMILE: every arm is read as it is meant, is an arm of its own, and trains."""

from pathlib import Path
from typing import Any

import pytest
import torch
from random_batches import inputs, masks

from ablation.plan.arms import Arm, expand
from ablation.plan.plan import read_plan
from model.config import CATALOGUE, resolve
from model.smile import Smile, initialise
from recipes.smile import SMILE

PAGES = Path(__file__).parent / "published_plans"
NONE, STATIC, LAST, MEAN = ({"kind": name} for name in ("none", "static", "last", "mean"))
FUSION = {"fusion.scale": NONE, "fusion.layers": LAST}
# Page -> the changes of each arm to the baseline, in their order.
READ: dict[str, dict[str, dict[str, Any]]] = {
    "gpt-4o": {
        "static-scale": {"fusion.scale": STATIC},
        "no-scale": {"fusion.scale": NONE},
        "uniform-masking": {"masking": {"kind": "uniform"}},
    },
    "claude-35-sonnet": {
        "concatenation-fusion": {**FUSION, "fusion.output": {"kind": "concatenate"}},
        "fixed-fusion": {"fusion.scale": STATIC, "fusion.layers": MEAN},
        "attention-fusion": {**FUSION, "fusion.output": {"kind": "attention"}},
        "self-attention": {"encoder.attention": {"kind": "self"}},
        "cross-attention": {"encoder.attention": {"kind": "cross"}},
        "parallel-attention": {"encoder.attention": {"kind": "parallel"}},
    },
    "o3-mini": {
        "self-attention": {"encoder.attention": {"kind": "self"}},
        "last-layer": {"fusion.layers": LAST},
        "mean-layers-2": {"fusion.layers": {"kind": "mean", "last": 2}},
    },
    "gemini-25-flash": {"channel-tokens": {"fusion.tokens": {"kind": "channel"}}, "no-adapter": {"adapter": NONE}},
    "llama-31-405b-instruct": {"no-adaptive-fusion": FUSION, "no-siamese": {"siamese": NONE}},
}
ALL = {arm: changes for arms in READ.values() for arm, changes in arms.items()}
VOCABULARY, LENGTHS = 9, [24, 30]


def arms_of(page: str) -> list[Arm]:
    return expand(read_plan(PAGES / f"{page}.md", CATALOGUE), CATALOGUE)


def test_every_page_is_listed() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == {*READ, "README"}
    assert len(ALL) == 15  # attention of each stream alone is asked for twice


@pytest.mark.parametrize("page", READ)
def test_every_arm_of_a_published_page_is_read_as_it_is_meant(page: str) -> None:
    plan = read_plan(PAGES / f"{page}.md", CATALOGUE)
    assert {arm.arm: arm.overrides for arm in expand(plan, CATALOGUE)} == {"baseline": {}, **READ[page]}
    assert plan.metrics == ("wer",)
    assert len(plan.reasoning) > 1000
    assert all(ablation.why for ablation in plan.ablations)
    lines = (PAGES / f"{page}.md").read_text(encoding="utf-8").splitlines()
    assert all(reading.phrase in lines[reading.line - 1] for reading in plan.readings)
    parts = sum("**Ablated Part**" in line for line in lines)
    assert len(plan.readings) == parts + sum(line.startswith("  - ") for line in lines)


def test_the_arms_of_all_pages_compute_something_different() -> None:
    """Two steps of training of small versions of the arms, which start from the same weights and see the same batch."""
    facts = SMILE.check(
        {"baseline": resolve_settings({}), **{arm: resolve_settings(each) for arm, each in ALL.items()}}
    )
    assert facts.same == []
    assert set(facts.parameters) == {"baseline", *ALL}


def resolve_settings(changes: dict[str, Any]) -> dict[str, Any]:
    return CATALOGUE.resolve("tiny", changes)


@pytest.mark.parametrize("arm", ALL)
def test_every_arm_trains_two_steps(arm: str) -> None:
    model = Smile(resolve("tiny", {"encoder.layers": 2, **ALL[arm]}), VOCABULARY)
    initialise(model, 1)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    losses, before = [], {name: p.detach().clone() for name, p in model.named_parameters()}
    for step in range(2):
        model.train().begin_step(step)
        torch.manual_seed(0)
        optimiser.zero_grad(set_to_none=True)
        found = model.losses(inputs(LENGTHS), [[1, 2], [3, 4, 4]], masks(model, LENGTHS))
        found.total.backward()
        optimiser.step()
        losses.append(found.total.item())
    assert losses[1] < losses[0]
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {name for name, p in model.named_parameters() if p.requires_grad}
