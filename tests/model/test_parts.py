"""The table of parts: complete, in step with the typed settings and the documentation, and without ambiguous names."""

import re
from pathlib import Path

import pytest
import torch

from model.config import PRESETS, Parts, resolve
from model.parts import PARTS
from model.smile import Smile, parameter_count

DOCUMENT = Path(__file__).parents[2] / "docs" / "model.md"


def test_the_documentation_lists_every_kind_as_it_is() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \| (.*) \|$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    listed = [(part, kind, entry.kinds[kind].description) for part, entry in PARTS.items() for kind in entry.kinds]
    assert [row for row in rows if row[0] in PARTS] == listed


def test_every_kind_can_be_chosen_and_the_first_is_the_presets() -> None:
    assert set(PARTS) == {field.alias or name for name, field in Parts.model_fields.items()}
    default = resolve("tiny", {}).model_dump()["parts"]
    for part, entry in PARTS.items():
        assert default[part]["kind"] == next(iter(entry.kinds))
        for kind in entry.kinds:
            assert resolve("tiny", {part: kind}).model_dump()["parts"][part]["kind"] == kind


@pytest.mark.parametrize("part", PARTS)
def test_no_phrase_and_no_arm_name_means_two_kinds(part: str) -> None:
    kinds = PARTS[part].kinds.values()
    phrases = [phrase for kind in kinds for phrase in {*kind.phrases, kind.arm}]
    assert len(set(phrases)) == len(phrases)
    assert all(kind.description and kind.phrases and kind.arm for kind in kinds)


def test_no_phrase_means_two_parts_and_arm_names_are_unique() -> None:
    phrases = [phrase for part in PARTS.values() for phrase in part.phrases]
    assert len(set(phrases)) == len(phrases)
    arms = [kind.arm for part in PARTS.values() for kind in part.kinds.values()]
    assert len(set(arms)) == len(arms)


def test_the_documentation_has_the_presets_sizes() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+) M \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert [name for name, _ in rows] == list(PRESETS)
    for name, millions in rows:
        with torch.device("meta"):
            count = parameter_count(Smile(resolve(name, {}), 30 if name == "tiny" else 1000))
        assert f"{count / 1e6:.{2 if name == 'tiny' else 1}f}" == millions
