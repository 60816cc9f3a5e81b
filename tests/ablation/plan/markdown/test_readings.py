"""Long phrases with an explanation are matched by their content words, and the plan says as what each phrase was read."""

from dataclasses import asdict

import pytest

from ablation.plan.arms import expand
from ablation.plan.markdown.by_content import by_content
from ablation.plan.plan import Plan, parse_plan, plan_from_mapping
from common.errors import UserError
from model.config import CATALOGUE

REMOVE = "### A\n- **Ablated Part**: {}\n- **Action**: REMOVE\n"
REPLACE = "### A\n- **Ablated Part**: {}\n- **Action**: REPLACE\n- **Replacement**:\n  - {}\n"


def read(text: str) -> Plan:
    return parse_plan(text, CATALOGUE, name="plan.md")


@pytest.mark.parametrize(
    ("phrase", "part"),
    [
        ("Audio-Visual Adapter module placed before the encoder layers", "adapter: none"),
        ("The adapter that is placed in front of the encoder", "adapter: none"),
        ("Siamese masked interaction learning, in which the two branches interact", "siamese: none"),
        ("Stop-gradient operation applied to the target branch", "siamese: no_stop_gradient"),
    ],
)
def test_an_explanation_around_a_phrase_does_not_matter(phrase: str, part: str) -> None:
    plan = read(REMOVE.format(phrase))
    assert [(reading.line, reading.phrase, reading.read_as) for reading in plan.readings] == [(2, phrase, part)]


@pytest.mark.parametrize(
    ("phrase", "replacement", "read_as"),
    [
        ("Method of combining audio and visual features (temporal-wise concatenation)", "Channel-wise concatenation (T x B x 2C)",
         "fusion.tokens: channel"),
        ("Weighted sum of layers that aggregates multiple outputs", "Only the last layer", "fusion.layers: last"),
        ("dynamic scaling factor", "Use a static scaling factor of 0.5 throughout", "fusion.scale: static (value 0.5)"),
    ],
)  # fmt: skip
def test_a_replacement_in_other_words_is_read(phrase: str, replacement: str, read_as: str) -> None:
    plan = read(REPLACE.format(phrase, replacement))
    assert plan.readings[-1].read_as == read_as
    assert len(expand(plan, CATALOGUE)) == 2


@pytest.mark.parametrize(
    "phrase",
    [
        "LoRA adapter modules in the language model",
        "Masking ratio in the first stage",
        "Stop-gradient in the actor-critic update",
        "Video masking strategy",  # one of the two streams
        "Loss weights in the adapter",
        "Adapter and masking",
        "Cross-attention adapters for text",
        "Dual adapter",
        "Masked autoencoder pre-training",
        "Stage masking module",
        "Local adapter",
        "Position masking strategy",
    ],
)
def test_phrases_about_something_else_are_refused(phrase: str) -> None:
    with pytest.raises(UserError, match="line 2"):
        read(REMOVE.format(phrase))


@pytest.mark.parametrize(
    ("phrase", "replacement"),
    [
        ("Robust loss function in the matching cost", "L2 loss"),
        ("Self-learned confidence aggregation", "Simple averaging"),
        ("Frequency of the control step in the multi-layer solver", "Every 2 layers"),
        ("Sample-specific masks", "Shared mask"),
        ("Scaled cosine error", "Mean squared error"),
    ],
)
def test_replacements_alone_do_not_decide_on_a_foreign_phrase(phrase: str, replacement: str) -> None:
    with pytest.raises(UserError, match="line 2"):
        read(REPLACE.format(phrase, replacement))


def test_a_tie_is_refused_with_the_candidates() -> None:
    parts = {name: CATALOGUE.parts[name] for name in ("adapter", "masking", "siamese")}
    assert by_content("the adapter before the encoder", parts) == ["adapter"]
    assert by_content("the adapter before the encoder", {"a": parts["adapter"], "b": parts["adapter"]}) == ["a", "b"]


def test_readings_survive_the_way_through_plain_data() -> None:
    plan = read(REMOVE.format("The adapter that is placed in front of the encoder"))
    assert str(plan.readings[0]).endswith("read as `adapter: none`")
    assert plan.as_mapping()["readings"] == [asdict(plan.readings[0])]
    assert plan_from_mapping(plan.as_mapping()) == plan
    assert "readings" not in plan_from_mapping({"study": "a"}).as_mapping()


@pytest.mark.parametrize("value", ["adapter", [{"phrase": "a"}], [{"line": "1", "phrase": "a", "read_as": "b"}], [1]])
def test_readings_of_another_form_are_refused(value: object) -> None:
    with pytest.raises(UserError, match="readings"):
        plan_from_mapping({"study": "a", "readings": value})
