"""Plans as people and language models write them, from the shared cases: understood, or refused with line and candidates."""

from pathlib import Path
from typing import Any

import pytest

from ablation.plan.arms import expand
from ablation.plan.markdown.document import read_document
from ablation.plan.markdown.names import ACTION, METRICS, PART, REPLACEMENT
from ablation.plan.markdown.problems import Problems
from ablation.plan.plan import read_plan
from common.errors import UserError
from model.config import CATALOGUE

SHARED = Path(__file__).parents[5] / "shared"
CASES, PUBLIC = SHARED / "cases" / "markdown", SHARED / "cases" / "plans-public"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not on this machine")

STATIC, NONE, UNIFORM = {"kind": "static"}, {"kind": "none"}, {"kind": "uniform"}
HALF, RATE = {"kind": "static", "value": 0.5}, {"kind": "uniform_rate"}
AUDIO, VIDEO, PER_LAYER = {"kind": "audio_only"}, {"kind": "video_only"}, {"kind": "per_layer"}
# Case -> the specs of its arms, in their order. Cases that are not listed have the one arm `static`.
ARMS: dict[str, list[Any]] = {
    "action_remove_or_replace": [NONE, STATIC],
    "bold_headings": [STATIC, UNIFORM],
    "comma_line": [STATIC, NONE],
    "explained_item_colon": [HALF],
    "json_fence": [],
    "mask_01": [RATE],
    "mask_03": [UNIFORM],
    "mask_05": [UNIFORM],
    "mask_07": [UNIFORM],
    "mask_09": [RATE],
    "mask_11": [{"kind": "uniform", "rate": 0.15, "length": 4}],
    "mask_13": [{"kind": "uniform", "rate": 0.3}],
    "numbered_sections": [STATIC, UNIFORM],
    "or_line": [STATIC, NONE],
    "same_part_two_sections": [STATIC, NONE],
    "silent_item_lost": [STATIC, NONE, PER_LAYER],
    "silent_section_lost": [STATIC, UNIFORM],
    "silent_table_lost": [STATIC, UNIFORM],
    "silent_wrap": [{"kind": "uniform_length"}],
    "scale_22": [PER_LAYER],
    "tok_audio_only": [AUDIO, VIDEO],
    **{key: [HALF] for key in ("scale_02", "scale_04", "scale_06", "scale_14", "scale_26")},
    **{key: [NONE] for key in ("scale_08", "scale_10", "scale_18", "scale_20")},
    **{key: [NONE] for key in ("remove_scale", "remove_scale_emptyrepl", "remove_scale_replNone")},
    **{f"part_{number}": [AUDIO] for number in ("02", "04", "06", "08", "10")},
}
# Case -> the line and words of its refusal.
REFUSED = {
    "dup_repl": (6, "'static scaling factor'"),
    "extra_bullets": (7, "Known: wer (word error rate), cer"),
    "remove_ema": (2, "siamese: ema"),
    "tok_late": (5, "Known: time, channel, audio_only, video_only"),
}
# Case -> words of the refusal of its arms.
NO_ARMS = {"add_adapter_extra": "needs a part with the kind 'none', which 'encoder.attention' does not have"}
METRICS_OF = {"m_list": ("wer", "cer"), "m_wer_and_cer": ("wer", "cer")}


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.md")) if folder.is_dir() else []


@pytest.mark.parametrize("path", files(CASES), ids=lambda path: path.stem)
def test_a_plan_is_understood_or_refused_with_its_line(path: Path) -> None:
    if path.stem in REFUSED:
        line, words = REFUSED[path.stem]
        with pytest.raises(UserError) as caught:
            read_plan(path, CATALOGUE)
        assert f"line {line}: " in str(caught.value)
        assert words in str(caught.value)
        return
    plan = read_plan(path, CATALOGUE)
    if path.stem in NO_ARMS:
        with pytest.raises(UserError, match=NO_ARMS[path.stem]):
            expand(plan, CATALOGUE)
        return
    arms = expand(plan, CATALOGUE)[1:]
    assert [next(iter(arm.overrides.values())) for arm in arms] == ARMS.get(path.stem, [STATIC])
    assert plan.metrics == METRICS_OF.get(path.stem, ("wer",))


def test_the_raw_founding_document_gives_its_four_arms() -> None:
    plan = read_plan(SHARED / "seeds" / "000_47be1d66b4afce86.txt", CATALOGUE)
    arms = {arm.arm: arm.overrides for arm in expand(plan, CATALOGUE)}
    assert arms == {
        "baseline": {},
        "static-scale": {"fusion.scale": STATIC},
        "no-scale": {"fusion.scale": NONE},
        "uniform-masking": {"masking": UNIFORM},
    }
    assert "SMILE" in plan.question
    assert [ablation.why for ablation in plan.ablations] == [
        "Ablation of Adaptive Dynamic Multimodal Fusion",
        "Ablation of Masking Strategy in Siamese Architecture",
    ]


@pytest.mark.parametrize("path", files(PUBLIC), ids=lambda path: path.stem[:40])
def test_the_structure_of_a_public_plan_is_read(path: Path) -> None:
    """Counted by its lines: every `- **Ablated Part**` is a section, every indented bullet below it a replacement."""
    text, problems = path.read_text(encoding="utf-8"), Problems()
    found = read_document(text, problems)
    lines = text[text.index("Ablation Plan</h2>") :].splitlines()
    assert problems.found == []
    assert len(found.ablations) == sum(line.startswith("- **Ablated Part**") for line in lines)
    assert [section.title for section in found.ablations] == [line[4:] for line in lines if line.startswith("### ")]
    for section in found.ablations:
        assert {PART, ACTION, METRICS} <= set(section.fields)
        assert len(section.fields[PART]) == len(section.fields[ACTION]) == 1
    replacements = [line.text for section in found.ablations for line in section.fields.get(REPLACEMENT, [])]
    assert len(replacements) == sum(line.startswith("  - ") for line in lines)
    assert len(found.reasoning) > 500
    assert found.title.startswith("lm-planner/")


def test_a_plan_with_kinds_of_a_composite_part_and_of_the_attention_is_understood() -> None:
    arms = expand(read_plan(PUBLIC / "smile-claude-35-sonnet.md", CATALOGUE), CATALOGUE)[1:]
    assert {arm.arm: [spec["kind"] for spec in arm.overrides.values()] for arm in arms} == {
        "concatenation-fusion": ["none", "last", "concatenate"],
        "fixed-fusion": ["static", "mean"],
        "attention-fusion": ["none", "last", "attention"],
        "self-attention": ["self"],
        "cross-attention": ["cross"],
        "parallel-attention": ["parallel"],
    }


def test_the_kind_without_cross_modal_interactions_and_a_mean_of_two_layers_are_understood() -> None:
    arms = expand(read_plan(PUBLIC / "smile-o3-mini.md", CATALOGUE), CATALOGUE)[1:]
    assert {arm.arm: arm.overrides for arm in arms} == {
        "self-attention": {"encoder.attention": {"kind": "self"}},
        "last-layer": {"fusion.layers": {"kind": "last"}},
        "mean-layers-2": {"fusion.layers": {"kind": "mean", "last": 2}},
    }
