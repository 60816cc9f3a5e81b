"""The commands of docs/import.md work as they stand, one after the other, on files in the layouts that they name."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis_files import av_hubert, kaldi, nemo, own_names, recogs, sclite_trn

from ablation.imports.formats import FORMATS
from ablation.imports.options import CHOICES
from ablation.stats.measures import known_direction

PAGE = (Path(__file__).parents[3] / "docs" / "import.md").read_text(encoding="utf-8")
LAYOUTS = {
    "exp/{arm}/seed{seed}/{condition}.trn": sclite_trn(1),
    "later/{arm}/seed{seed}/{condition}.trn": sclite_trn(1),
    "espnet/asr_{arm}_seed{seed}/decode/{condition}/text": kaldi(1),
    "nemo/{arm}/{seed}/{condition}.json": nemo,
    "av/{arm}/seed{seed}/{condition}/hypo-123456.json": av_hubert,
    "icefall/{arm}/seed{seed}/recogs-{condition}-beam_4.txt": recogs,
    "own/{arm}/{seed}/{condition}.jsonl": own_names,
}


def blocks(language: str = "") -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == language]


@pytest.mark.slow  # eight whole reports
def test_every_command_of_the_page_works(
    results: Any, ablate: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    for pattern, writer in LAYOUTS.items():
        results.write(pattern, writer)
    Path("data/test").mkdir(parents=True)
    Path("data/test/text").write_text(kaldi(0)(next(iter(results.aligned.values()))), encoding="utf-8")
    [arms] = blocks("yaml")
    Path("arms.yaml").write_text(arms, encoding="utf-8")
    commands = [shlex.split(line) for block in blocks() for line in block.splitlines()]
    [scores] = blocks("csv")
    Path("scores.csv").write_text(scores, encoding="utf-8")
    assert len(commands) == 14
    for command in commands:
        answer = ablate(*command[1:])
        assert (answer.code, answer.err if "--mlflow" not in command else "") == (0, ""), command
    assert "arm no-augmentation makes it worse" in Path("studies/vision/report.md").read_text(encoding="utf-8")
    assert "removing the language model makes it worse" in Path("studies/mine/report.md").read_text(encoding="utf-8")


def test_the_page_names_all_formats_and_choices() -> None:
    for name in FORMATS:
        assert f"`{name}`" in PAGE
    for option, (_, choice) in list(CHOICES.items())[:3]:
        assert f"--{option} {choice}" in PAGE


def test_the_page_names_metrics_whose_direction_is_known() -> None:
    [line] = re.findall(r"common names, such as (.*?)\. For others", PAGE, re.DOTALL)
    for name in re.split(r",\s|\sand\s", line):
        assert known_direction(name) is not None, name
