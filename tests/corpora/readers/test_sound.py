"""A corpus of sound without pictures: read from files, stored, and refused where pictures are needed."""

import csv
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.errors import UserError
from corpora.address import check, check_video
from corpora.prepare import prepare
from corpora.schema import NO_VIDEO, Clip, no_video
from corpora.show import show
from corpora.store import Corpus
from corpora.writer import CorpusWriter

RATES = {"train": 16_000, "valid": 8_000, "test": 48_000}


def write_wav(file: Path, seconds: float, rate: int = 16_000) -> np.ndarray:
    draw = np.random.default_rng(len(file.name))
    samples = (3000 * draw.standard_normal(int(seconds * rate))).astype("<i2")
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(samples.tobytes())
    return samples


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """A folder with three recordings and their table; changes of the table by `change`."""

    def make(change: Callable[[list[dict[str, Any]]], object] = lambda rows: rows) -> Path:
        place = tmp_path / "sounds"
        place.mkdir(exist_ok=True)
        rows = []
        for number, (split, rate) in enumerate(RATES.items()):
            write_wav(place / f"{number}.wav", 1.01 + number, rate)
            rows.append(
                {"file": f"{number}.wav", "speaker": "a", "clip": number, "transcript": "bin blue", "split": split}
            )
        change(rows)
        with (place / "clips.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return place

    return make


def test_sound_is_stored_without_pictures(folder: Callable[..., Path], tmp_path: Path) -> None:
    place = folder()
    corpus = Corpus.open(prepare(f"sound://{place}", tmp_path / "corpora", workers=1))
    assert [(each.id, each.split, each.frames) for each in corpus.all_utterances] == [
        ("a-0", "train", 26),
        ("a-1", "valid", 51),
        ("a-2", "test", 76),
    ]
    first = corpus.all_utterances[0]
    heard = corpus.audio(first)
    assert (heard[: int(1.01 * 16_000)] == write_wav(place / "0.wav", 1.01)).all()
    assert corpus.video(first).shape == (26, 0, 0)
    assert (corpus.has_video, corpus.summary()["video"], first.video_sha256) == (False, False, NO_VIDEO)
    assert corpus.verify() == []
    show(corpus, tmp_path / "sounds.png")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda rows: [row.pop("split") for row in rows], "has a column split"),
        (lambda rows: rows[1].update(split="dev"), "line 3 of .* has the unknown split 'dev'"),
        (lambda rows: rows[1].update(clip=0), "a-0 occurs 2 times"),
        (lambda rows: rows[0].update(transcript="..."), "line 2 of .* has a transcript without letters"),
        (lambda rows: rows[2].update(file="9.wav"), r"a-2 would be \(file is missing\)|may be left out, and a-2"),
        (lambda rows: rows[2].update(file="clips.csv"), "may be left out, and a-2"),
    ],
)
def test_faults_are_one_sentence(
    folder: Callable[..., Path], tmp_path: Path, change: Callable[[Any], object], why: str
) -> None:
    with pytest.raises(UserError, match=why) as refused:
        prepare(f"sound://{folder(change)}", tmp_path / "corpora", workers=1)
    assert "\n" not in str(refused.value)


def test_a_folder_without_a_table_and_unknown_options_are_refused(tmp_path: Path, folder: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match=r"has none: give sound://DIR with one"):
        check(f"sound://{tmp_path}", here=True)
    with pytest.raises(UserError, match=r"sound:// takes allow_rejected; got test=3"):
        check(f"sound://{folder()}?test=3", here=True)


def test_a_recipe_that_needs_pictures_refuses_sound(folder: Callable[..., Path]) -> None:
    uri = f"sound://{folder()}"
    check(uri, here=True)
    with pytest.raises(UserError, match="this recipe needs pictures of the speaker"):
        check(uri, here=True, needs_video=True)
    check("synthetic://talking-mouth?train=4&test=3&valid=2", here=True, needs_video=True)
    with pytest.raises(UserError, match="has only sound"):
        check_video("s3://bucket/x", has_video=False)


def test_pictures_of_some_clips_only_are_a_bug_of_the_reader(tmp_path: Path) -> None:
    sound = np.zeros(2 * 640, np.int16)
    with CorpusWriter(tmp_path / "c", "x") as writer:
        writer.add(Clip("a", "s", "train", "bin", no_video(2), sound))
        with pytest.raises(ValueError, match="pictures of all its clips, or of none"):
            writer.add(Clip("b", "s", "train", "bin", np.zeros((2, 96, 96), np.uint8), sound))
