"""Several plans, folders and standard input for `ablate plan`; and `ablate parts`."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model.config import CATALOGUE

Ablate = Callable[..., Any]
MARKDOWN = "### A\n- **Ablated Part**: masking\n- **Action**: REMOVE\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a plan of every format, a README and a hidden file."""
    (tmp_path / "one.txt").write_text(MARKDOWN, encoding="utf-8")
    (tmp_path / "two.md").write_text("study: second\nseeds: [1, 2]\n", encoding="utf-8")
    (tmp_path / "README.md").write_text("Plans.\n", encoding="utf-8")
    (tmp_path / ".hidden").write_bytes(b"\xff")
    return tmp_path


def test_a_folder_gives_one_line_per_plan(ablate: Ablate, folder: Path) -> None:
    answer = ablate("plan", folder)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.splitlines() == [
        f"{folder}/one.txt: one: baseline, no-masking; 2 arms x 3 seeds = 6 trials",
        f"{folder}/two.md: second: baseline; 1 arms x 2 seeds = 2 trials",
    ]


def test_every_plan_is_read_even_if_one_is_not_valid(ablate: Ablate, folder: Path) -> None:
    (folder / "bad.md").write_text(MARKDOWN.replace("REMOVE", "x") + "- **Runs**: 3\n", encoding="utf-8")
    answer = ablate("plan", folder / "bad.md", folder, "--seeds", "7")
    assert answer.code == 2
    assert len(answer.out.splitlines()) == 4
    assert "error: 2 problems; line 3: unknown action of masking 'x'" in answer.out.splitlines()[0]
    assert "; line 4: unknown field 'Runs'" in answer.out.splitlines()[1]
    assert answer.err == "error: 2 of 4 plans are not valid; correct what their lines say\n"
    listed = json.loads(ablate("plan", folder, "--json", "--seeds", "7").out)
    assert [sorted(each) for each in listed] == [["error", "plan"], *[["arms", "plan", "seeds", "study", "trials"]] * 2]
    assert listed[1]["seeds"] == [7]


AWAY = "http://127.0.0.1:9/plan.yaml"


@pytest.mark.parametrize("option", [(), ("--structure",)], ids=["arms", "structure"])
def test_plans_out_of_reach_are_not_bad_input(
    ablate: Ablate, folder: Path, monkeypatch: pytest.MonkeyPatch, option: tuple[str, ...]
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    answer = ablate("plan", folder / "one.txt", AWAY, *option)
    assert (answer.code, answer.err) == (1, "error: 1 of 2 plans cannot be read now; try again later\n")
    assert AWAY in answer.out
    (folder / "one.txt").write_text("- **Action**: x\n", encoding="utf-8")
    assert ablate("plan", folder / "one.txt", AWAY, *option).code == 2


def test_a_folder_without_plans_is_refused(ablate: Ablate, tmp_path: Path) -> None:
    answer = ablate("plan", tmp_path)
    assert (answer.code, "has no files" in answer.err) == (2, True)


@pytest.mark.parametrize("text", [MARKDOWN, 'study: study\nablations: [{part: masking, action: remove, why: "A"}]\n'])
def test_a_plan_comes_from_standard_input(ablate: Ablate, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    plan = json.loads(ablate("plan", "-", "--json").out)
    assert (plan["study"], [arm["arm"] for arm in plan["arms"]]) == ("study", ["baseline", "no-masking"])


@pytest.mark.parametrize(
    ("data", "words"), [(b"\xff", "UTF-8"), (b"#" * 1_000_001, "at most 1000000 bytes"), (b"", "")]
)
def test_standard_input_without_a_plan_is_refused(
    ablate: Ablate, monkeypatch: pytest.MonkeyPatch, data: bytes, words: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    answer = ablate("plan", "-")
    assert (answer.code, len(answer.err.splitlines())) == (2, 1)
    assert answer.err.startswith("error: standard input: ")
    assert words in answer.err


def test_parts_prints_every_part_kind_value_and_phrase(ablate: Ablate) -> None:
    text, listed = ablate("parts").out, json.loads(ablate("parts", "smile", "--json").out)
    assert list(listed) == list(CATALOGUE.parts)
    assert "  static (value -10 to 10): " in text
    assert listed["masking"]["kinds"]["uniform"]["values"] == {"rate": "0 to 1", "length": "1 to 100"}
    for name, part in CATALOGUE.parts.items():
        assert f"{name}: {part.description}" in text
        assert list(listed[name]["kinds"]) == list(part.kinds)
        for phrase in [*part.phrases, *(phrase for kind in part.kinds.values() for phrase in kind.phrases)]:
            assert f'"{phrase}"' in text


def test_parts_of_an_unknown_model(ablate: Ablate) -> None:
    answer = ablate("parts", "smyle")
    assert (answer.code, "did you mean 'smile'" in answer.err) == (2, True)


def test_the_structure_of_a_plan_of_any_model_is_printed(ablate: Ablate, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(
        "### A\n- **Ablated Part**: block size\n- **Action**: REPLACE\n- **Replacement**: 16, 32\n"
    )
    answer = ablate("plan", tmp_path / "a.md", "--structure")
    found = json.loads(answer.out)
    assert (answer.code, answer.err) == (0, "")
    assert found["ablations"] == [
        {
            "title": "A",
            "line": 1,
            "part": "block size",
            "action": "replace",
            "replacements": ["16", "32"],
            "metrics": [],
            "why": "A",
        }
    ]
    (tmp_path / "b.yaml").write_text("study: b\n", encoding="utf-8")
    answer = ablate("plan", tmp_path, "--structure")
    assert (answer.code, len(json.loads(answer.out)), answer.err.count("\n")) == (2, 2, 1)


def test_the_schema_is_printed_without_a_plan(ablate: Ablate) -> None:
    answer = ablate("plan", "--schema")
    assert (answer.code, json.loads(answer.out)["title"]) == (0, "Ablation plan")
    assert (ablate("plan").code, ablate("plan").err.count("\n")) == (2, 1)


def test_the_prompt_has_all_names_and_an_example_that_is_a_plan(ablate: Ablate, tmp_path: Path) -> None:
    text = ablate("parts", "--prompt").out
    assert len(text.split()) < 2000
    for name, part in CATALOGUE.parts.items():
        assert all(f"\n  - {kind}" in text.split(f"\n- {name}:")[1] for kind in part.kinds)
    (tmp_path / "example.md").write_text(text.split("Example:")[1], encoding="utf-8")
    plan = json.loads(ablate("plan", tmp_path / "example.md", "--json").out)
    assert plan["arms"][0]["arm"] == "baseline"
    assert len(plan["arms"]) == 4


def test_no_probe_leaves_out_what_needs_the_model(ablate: Ablate, folder: Path) -> None:
    plan = json.loads(ablate("plan", folder / "one.txt", "--json", "--no-probe").out)
    assert (plan["measured"], len(plan["arms"])) == ({}, 2)
    assert plan["readings"] == [{"line": 2, "phrase": "masking", "read_as": "masking: none"}]


def test_lines_that_are_left_out_are_counted(ablate: Ablate, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(f"<style>\nh3 {{}}\n</style>\n\n## Reasoning\nLong.\n\n{MARKDOWN}", encoding="utf-8")
    said = ablate("plan", tmp_path / "a.md", "--no-probe").out
    assert "left out: 5 lines (3 hidden text, 1 headings, 1 text); --structure shows them" in said
