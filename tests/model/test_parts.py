"""Parts and kinds: derived from the typed settings, in step with the code and the documentation, without ambiguous names."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from generators import generator

from model.config import CATALOGUE, load, resolve
from model.kind import Kind
from model.masking import sampler
from model.parts import PARTS, Parts
from model.presets import PRESETS
from model.settings import Settings
from model.smile import Smile, parameter_count

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "model.md"
BASES = {field.alias or name: (name, field.annotation) for name, field in Parts.model_fields.items()}


def test_the_tables_in_the_documentation_are_up_to_date() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    written = generator("generate_model").generated(text)
    assert written == text, "docs/model.md is stale; run `python docs/generate_model.py`"
    listed = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \| (.+?) \| .*\|$", written, re.MULTILINE)
    kinds = [(part, kind, entry.kinds[kind].description) for part, entry in PARTS.items() for kind in entry.kinds]
    assert [row for row in listed if row[0] in PARTS] == kinds
    assert all(f"| `{key}` |" in written for key in ("training.warmup_ratio", "decoder.beam_size", "frontend.audio"))


def test_stale_tables_are_found() -> None:
    stale = DOCUMENT.read_text(encoding="utf-8").replace(
        "| `training.steps` | int | 700 |", "| `training.steps` | int | 600 |"
    )
    assert generator("generate_model").generated(stale) != stale


def test_every_kind_can_be_chosen_and_the_first_is_the_default() -> None:
    default = resolve("tiny", {}).parts
    assert set(PARTS) == set(BASES)
    for part, entry in PARTS.items():
        assert getattr(default, BASES[part][0]).kind == next(iter(entry.kinds))
        for kind in entry.kinds:
            assert getattr(resolve("tiny", {part: kind}).parts, BASES[part][0]).kind == kind


LATER = ["encoder.attention", "fusion.output", "masking.fill", "siamese.head", "siamese.target"]


def test_settings_leave_out_what_earlier_versions_did_not_have() -> None:
    """So the settings of a trial that uses none of it, and their part of its fingerprint, stay those of earlier versions."""
    stored = json.loads((Path(__file__).parents[1] / "training" / "earlier_checkpoint" / "config.json").read_text())
    settings = CATALOGUE.resolve("tiny", {"fusion.layers": "mean"})
    assert not set(LATER) & set(settings["parts"])
    assert set(settings["parts"]) == set(PARTS) - set(LATER) == set(stored["settings"]["parts"])
    assert settings["parts"]["fusion.layers"] == {"kind": "mean"}
    for part in LATER:
        default, *others = PARTS[part].kinds
        assert CATALOGUE.resolve("tiny", {part: others[0]}, {part: default}) == CATALOGUE.resolve("tiny")
        chosen = CATALOGUE.resolve("tiny", {part: others[0]})
        assert chosen["parts"][part] == {"kind": others[0]}
        assert load(chosen) == resolve("tiny", {part: others[0]})


def build_and_mask(settings: Settings) -> None:
    Smile(settings, 9)
    sampler(settings.parts.masking, "audio")(20, np.random.default_rng(0))


@pytest.mark.parametrize("part", PARTS)
def test_a_kind_without_code_is_an_error(part: str) -> None:
    """No part falls back to some kind where the code does not know one."""
    field, base = BASES[part]
    assert isinstance(base, type)
    unknown = type("Unknown", (base,), {"__annotations__": {"kind": Literal["unknown"]}, "kind": "unknown"})
    parts = resolve("tiny", {}).parts.model_copy(update={field: unknown()})
    with pytest.raises(TypeError, match="Unknown"):
        build_and_mask(Settings.model_construct(preset="tiny", parts=parts))


TOY_SETTINGS = """

class ToyScale(FusionScaleKind):
    description = "the video stream counts twice"
    phrases = ("toy scale",)
    arm = "toy-scale"
    kind: Literal["toy"] = "toy"
"""
TOY_CODE = ("        case kinds.GatedScale():", "        case kinds.ToyScale():\n            return Constant(2.0)\n")
TOY_USE = """
import torch
from model.config import CATALOGUE, load
from model.parts import PARTS
from model.smile import Inputs, Smile
assert list(PARTS["fusion.scale"].kinds)[-1] == "toy"
model = Smile(load(CATALOGUE.resolve("tiny", {"fusion.scale": "toy"})), 9)
assert model.scale_values() == {"fusion/scale": 2.0}
video = torch.zeros(1, 5, 88, 88, dtype=torch.uint8)
padding = torch.zeros(1, 5, dtype=torch.bool)
assert model.eval()(Inputs(torch.zeros(1, 3200), video, padding, [5])).shape == (1, 5, 9)
"""


def test_a_new_kind_takes_its_settings_and_its_code(tmp_path: Path) -> None:
    """With these two, plans accept the kind, the model computes it, and the documentation is generated with it."""
    for package in ("common", "model", "docs"):
        shutil.copytree(ROOT / package, tmp_path / package)
    with (tmp_path / "model" / "kinds.py").open("a", encoding="utf-8") as file:
        file.write(TOY_SETTINGS)
    fusion = tmp_path / "model" / "fusion.py"
    before, new = TOY_CODE
    code = fusion.read_text(encoding="utf-8")
    assert code.count(before) == 1
    fusion.write_text(code.replace(before, new + before), encoding="utf-8")
    for command in (["-c", TOY_USE], ["docs/generate_model.py"]):
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    row = "| `fusion.scale` | `toy` | the video stream counts twice |"
    assert row in (tmp_path / "docs" / "model.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("part", PARTS)
def test_no_phrase_and_no_arm_name_means_two_kinds(part: str) -> None:
    kinds = PARTS[part].kinds.values()
    phrases = [phrase for kind in kinds for phrase in {*kind.phrases, kind.arm}]
    assert len(set(phrases)) == len(phrases)
    assert all(kind.description and kind.phrases and kind.arm for kind in kinds)


def test_no_phrase_means_two_parts_and_arm_names_are_unique() -> None:
    phrases = [phrase for part in PARTS.values() for phrase in part.phrases]
    assert [phrase for phrase in set(phrases) if phrases.count(phrase) > 1] == ["mix attention"]  # replacements decide
    arms = [kind.arm for part in PARTS.values() for kind in part.kinds.values()]
    assert len(set(arms)) == len(arms)
    assert all(issubclass(kind, Kind) for part in PARTS.values() for kind in part.kinds.values())


def test_the_documentation_has_the_presets_sizes() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+) M \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert [name for name, _ in rows] == list(PRESETS)
    for name, millions in rows:
        with torch.device("meta"):
            count = parameter_count(Smile(resolve(name, {}), 30 if name == "tiny" else 1000))
        assert f"{count / 1e6:.{2 if name == 'tiny' else 1}f}" == millions
