"""Curves are read while a command writes them, whatever else it writes."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from recipes.command import curves
from recipes.command.curves import Curves

Points = list[tuple[int, dict[str, float]]]


def reader(path: Path) -> tuple[Curves, Points]:
    found: Points = []

    def log(step: int, metrics: Mapping[str, float]) -> None:
        found.append((step, dict(metrics)))

    return Curves(path, log), found


def test_lines_are_taken_once_and_when_they_are_complete(tmp_path: Path) -> None:
    file = tmp_path / "m.jsonl"
    read, found = reader(file)
    read.read()  # the file is not there yet
    with file.open("w") as writing:
        for piece in (
            '{"step": 0, "lo',
            'ss": 2.5}\n{"step": 1, "loss": 2, "valid wer": 0.5}\n{"step"',
            ': 2, "loss": 1}',
        ):
            writing.write(piece)
            writing.flush()
            read.read()
    assert found == [(0, {"loss": 2.5}), (1, {"loss": 2.0, "valid wer": 0.5})]
    read.read(at_end=True)
    assert (found[-1], read.last_step, read.skipped) == ((2, {"loss": 1.0}), 2, 0)


@pytest.mark.parametrize(
    "line",
    ["loss 3", "[1]", "3", "{}", '{"loss": 1}', '{"step": "a"}', '{"step": -1}', '{"step": 1.5}', '{"step": true}', "[" * 5000,
     '{"step": 1e400}', '{"step": NaN}', "\udcff", "x" * 300_000],
    ids=lambda line: line[:12],
)  # fmt: skip
def test_other_lines_are_skipped_and_counted(tmp_path: Path, line: str) -> None:
    file = tmp_path / "m.jsonl"
    file.write_bytes(f'{line}\n{{"step": 3, "loss": 1}}\n'.encode("utf-8", "surrogateescape"))
    read, found = reader(file)
    read.read(at_end=True)
    assert (found, read.skipped) == ([(3, {"loss": 1.0})], 1)


def test_values_that_are_no_numbers_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "m.jsonl"
    file.write_text(json.dumps({"step": 1, "loss": float("nan"), "lr": "1e-3", "ok": True, "a": [1], "b": 2, "t%k": 1}))
    read, found = reader(file)
    read.read(at_end=True)
    assert found == [(1, {"b": 2.0, "t_k": 1.0})]


def test_a_run_that_continues_repeats_no_points(tmp_path: Path) -> None:
    file = tmp_path / "m.jsonl"
    lines = [f'{{"step": {step}, "loss": {step}}}\n' for step in range(6)]
    read, found = reader(file)
    file.write_text("".join(lines[:4]))
    read.read()
    file.write_text("".join(lines[:2]))  # written anew, from an earlier state
    read.read()
    file.write_text("".join(lines))
    read.read()
    assert [step for step, _ in found] == [0, 1, 2, 3, 4, 5]


def test_points_of_earlier_tries_are_handed_on_again(tmp_path: Path) -> None:
    kept = tmp_path / "points.jsonl"
    (tmp_path / "one.jsonl").write_text('{"step": 0, "loss": 3}\n{"step": 1, "loss": 2}\n')
    Curves(tmp_path / "one.jsonl", lambda *_: None, kept).read()
    kept.write_text(kept.read_text() + '{"step": 2, "lo')  # a kill
    (tmp_path / "two.jsonl").write_text('{"step": 1, "loss": 2}\n{"step": 2, "loss": 1}\n')
    found: Points = []
    read = Curves(tmp_path / "two.jsonl", lambda step, metrics: found.append((step, dict(metrics))), kept)
    read.repeat()
    read.read()
    assert found == [(0, {"loss": 3.0}), (1, {"loss": 2.0}), (2, {"loss": 1.0})]
    assert len([line for line in kept.read_text().splitlines() if line.endswith("}")]) == 3


def test_the_number_of_parameters_can_be_told(tmp_path: Path) -> None:
    file = tmp_path / "m.jsonl"
    file.write_text('{"step": 0, "parameters": 1234}\n')
    read, found = reader(file)
    read.read()
    assert (read.parameters, found) == (1234, [])


def test_a_file_without_end_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "MOST_POINTS", 10)
    file = tmp_path / "m.jsonl"
    file.write_text("".join(f'{{"step": {step}, "loss": 1}}\n' for step in range(25)))
    read, found = reader(file)
    read.read()
    assert (len(found), read.skipped, read.last_step) == (10, 15, 24)


def test_a_folder_in_its_place_is_no_curve(tmp_path: Path) -> None:
    read, found = reader(tmp_path)
    read.read(at_end=True)
    assert found == []
