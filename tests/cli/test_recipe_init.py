"""`ablate recipe init`: a recipe file for the plan of any model, with which the plan itself is understood."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from ablation.plan.arms import Arm, expand
from ablation.plan.markdown.structure import structure_of
from ablation.plan.plan import parse_plan
from recipes.command.recipe import CommandRecipe, read_recipe
from recipes.skeleton import parts_of, skeleton

Ablate = Callable[..., Any]
SECTION = "### {}\n- **Ablated Part**: {}\n- **Action**: {}\n{}- **Metrics**: Top-1 accuracy\n\n"
LIST = "- **Replacement**:\n" + "  - {}\n" * 2
PLAN = "# reader/A Paper about Blocks\n\n" + "".join(
    SECTION.format(*each)
    for each in [
        ("A", "block size (B) of the reader", "REPLACE", LIST.format("16", "32")),
        ("B", "block size (B) of the reader", "REMOVE", ""),
        ("C", "harmony coefficient, balance factor", "REPLACE", LIST.format("[0.1, 0.5]", "[0.5, 0.1]")),
        ("D", "pooling", "REPLACE", LIST.format("mean, then max", "none")),
        ("E", "a second reader", "ADD", ""),
        ("F", "loss on the teacher", "ADD", LIST.format("16", "cosine: 1 - cos(x, y)")),
    ]
)
FRONT = "---\nrecipe: recipe.yaml\nmetrics: [wer]\n---\n"


def arms_with_skeleton(text: str, folder: Path) -> tuple[CommandRecipe, list[Arm]]:
    """Return the skeleton for a plan, read, and the arms of the same plan with it."""
    (folder / "recipe.yaml").write_text(skeleton(structure_of(text), "blocks", "plan.md"), encoding="utf-8")
    recipe = read_recipe(folder / "recipe.yaml")
    plan = replace(parse_plan(FRONT + text, recipe.catalogue, name="plan.md"), preset=recipe.presets[0])
    return recipe, expand(plan, recipe.catalogue)


def test_one_part_per_ablated_part_and_one_kind_per_replacement(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(skeleton(structure_of(PLAN), "blocks", "plan.md"), encoding="utf-8")
    recipe = read_recipe(tmp_path / "recipe.yaml")
    assert {name: list(part.kinds) for name, part in recipe.catalogue.parts.items()} == {
        "block-size-b-of-the-reader": ["default", "none", "16", "32"],
        "harmony-coefficient-balance-factor": ["default", "0-1-0-5", "0-5-0-1"],
        "pooling": ["default", "none", "mean-then-max"],
        "a-second-reader": ["none", "added"],
        "loss-on-the-teacher": ["none", "16", "cosine-1-cos-x-y"],
    }


def test_the_plan_is_understood_with_its_skeleton(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(skeleton(structure_of(PLAN), "blocks", "plan.md"), encoding="utf-8")
    recipe = read_recipe(tmp_path / "recipe.yaml")
    plan = replace(parse_plan(FRONT + PLAN, recipe.catalogue, name="plan.md"), preset=recipe.presets[0])
    assert [arm.arm for arm in expand(plan, recipe.catalogue)] == [
        "baseline",
        "block-size-b-of-the-reader-16",
        "block-size-b-of-the-reader-32",
        "no-block-size-b-of-the-reader",
        "harmony-coefficient-balance-factor-0-1-0-5",
        "harmony-coefficient-balance-factor-0-5-0-1",
        "mean-then-max",
        "no-pooling",
        "added",
        "loss-on-the-teacher-16",
        "cosine-1-cos-x-y",
    ]


def test_init_writes_the_file_and_says_how_to_go_on(ablate: Ablate, tmp_path: Path) -> None:
    (tmp_path / "plan.md").write_text(PLAN, encoding="utf-8")
    answer = ablate("recipe", "init", tmp_path / "plan.md", "--out", tmp_path / "recipe.yaml")
    assert (answer.code, answer.err) == (0, "")
    assert "5 parts, 10 changes of them, 12 values FILL_IN to replace" in answer.out
    front = yaml.safe_load(answer.out.split("---")[1])
    assert front == {"recipe": "recipe.yaml", "metrics": ["wer"]}
    checked = ablate("recipe", "check", tmp_path / "recipe.yaml")
    assert (checked.code, "has 12 values FILL_IN" in checked.err) == (2, True)
    assert "exists" in ablate("recipe", "init", tmp_path / "plan.md", "--out", tmp_path / "recipe.yaml").err


@pytest.mark.parametrize(
    ("text", "said"),
    [("Only prose.\n", "no ablation found"), ("study: a\n", "is no Markdown plan"), (SECTION, "unknown")],
)
def test_what_is_no_plan_gives_one_sentence_and_no_file(ablate: Ablate, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "plan.md").write_text(text, encoding="utf-8")
    answer = ablate("recipe", "init", tmp_path / "plan.md", "--out", tmp_path / "recipe.yaml")
    assert (answer.code, said in answer.err, (tmp_path / "recipe.yaml").exists()) == (2, True, False)


PUBLIC = Path(__file__).parents[3] / "shared" / "cases" / "plans-public"


@pytest.mark.parametrize("path", sorted(PUBLIC.glob("*.md"))[::3] or [PUBLIC], ids=lambda path: path.stem[:40])
def test_public_plans_are_understood_with_their_skeletons(path: Path, tmp_path: Path) -> None:
    if not path.is_file():
        pytest.skip("the published plans are not part of the repository")
    text = path.read_text(encoding="utf-8")
    found = structure_of(text)
    (tmp_path / "recipe.yaml").write_text(skeleton(found, "a", path.name), encoding="utf-8")
    recipe = read_recipe(tmp_path / "recipe.yaml")
    plan = replace(parse_plan(FRONT + text, recipe.catalogue, name="plan.md"), preset=recipe.presets[0])
    assert len(expand(plan, recipe.catalogue)) == 1 + sum(max(1, len(each.replacements)) for each in found.ablations)


REPLACE = SECTION.format("A", "{part}", "REPLACE", "- **Replacement**:\n  - {text}\n  - max\n")


@pytest.mark.parametrize(
    ("part", "text", "kind"),
    [
        ("pooling", "None", "none"),
        ("pooling", "none (removed)", "none"),
        ("mean pooling of the frames", "no pooling", "none"),
        ("Multi-layer perceptrons (MLPs) between blocks", "Without layers", "none"),
        ("mean pooling", "no normalisation", "no-normalisation"),
        ("linear layer", "non-linear layer", "non-linear-layer"),
        ("step size", "0.01", "0-01"),
    ],
)
def test_a_replacement_that_negates_its_part_is_the_removal(part: str, text: str, kind: str, tmp_path: Path) -> None:
    plan = REPLACE.format(part=part, text=text)
    recipe, arms = arms_with_skeleton(plan, tmp_path)
    assert [list(arm.overrides.values()) for arm in arms[1:]] == [[{"kind": kind}], [{"kind": "max"}]]
    assert next(iter(recipe.catalogue.parts.values())).kinds[kind].phrases[0] == text


def test_a_second_negation_of_a_part_is_a_kind_of_its_own(tmp_path: Path) -> None:
    _, arms = arms_with_skeleton(REPLACE.format(part="pooling", text="None\n  - no pooling"), tmp_path)
    assert [next(iter(arm.overrides.values()))["kind"] for arm in arms[1:]] == ["none", "no-pooling", "max"]


@pytest.mark.parametrize(
    ("phrase", "name"),
    [
        ("The method of aggregating teacher embeddings within segments (average)", "method-of-aggregating-teacher-embeddings"),
        ("Transposition of sequence and feature dimensions in FST", "transposition-of-sequence-and-feature"),
        ("Multi-layer perceptrons (MLPs) between LRNN blocks", "multi-layer-perceptrons"),
        ("Normalization, which is used to keep the distribution of external keys", "normalization-which-is-used-to-keep"),
        ("the second reader", "the-second-reader"),
    ],
)  # fmt: skip
def test_a_long_phrase_gives_a_short_name_without_its_explanation(phrase: str, name: str) -> None:
    structure = structure_of(SECTION.format("A", phrase, "REMOVE", ""))
    assert [part.name for part in parts_of(structure)] == [name]


def test_a_number_is_proposed_as_it_is_written() -> None:
    text = skeleton(structure_of(REPLACE.format(part="step size", text="0.01")), "a", "plan.md")
    assert 'arguments: ["--step-size", "FILL_IN 0.01"]' in text
