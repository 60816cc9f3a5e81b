"""Splits that share no sentence and no content, and splits that are not empty."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from common.errors import UserError
from common.normalise import normalise
from corpora.prepare import prepare
from corpora.readers import grid
from corpora.readers.copies import Entry, contradictions
from corpora.readers.grid_sources import Source, sources
from corpora.readers.reader import Reader
from corpora.readers.registry import READERS
from corpora.schema import Clip, Rejected
from corpora.store import Corpus
from corpora.summary import described

LEAK = Path("../shared/cases/splits/leak-clips.csv")


def test_sentences_are_held_out_by_their_normalised_text() -> None:
    options = grid.Options.read({"test": "2", "valid": "1"})
    written = [f"bin blue at {letter} two now" for letter in "abcdefgh"]
    other = [text.replace("bin", "Bin\u00ad,") + "." for text in written]
    found = [Source(str(n), "s1", Path("x"), text) for n, text in enumerate([*written, *other])]
    splits = grid.draw_splits([options.held_out(source) for source in found], 2, 1)
    assert [splits[options.held_out(s)] for s in found[:8]] == [splits[options.held_out(s)] for s in found[8:]]
    assert grid.draw_splits(written, 2, 1) == splits  # texts of GRID keep their splits


@pytest.mark.skipif(not LEAK.is_file(), reason="the cases of ../shared are not here")
def test_no_test_sentence_is_in_train_whatever_its_punctuation(tmp_path: Path) -> None:
    shutil.copy(LEAK, tmp_path / "clips.csv")
    options, found = grid.Options.read({"test": "4", "valid": "1"}), sources(tmp_path)
    splits = grid.draw_splits([options.held_out(source) for source in found], 4, 1)
    texts = {
        split: {normalise(s.text) for s in found if splits[options.held_out(s)] == split} for split in splits.values()
    }
    assert len(found) == 16
    assert not texts["test"] & texts["train"]
    assert not texts["valid"] & texts["train"]


def entries(folder: Path, *rows: tuple[str, str, str, str]) -> list[Entry]:
    """Create one clip per row of id, content, words and split."""
    for id_, content, _, _ in rows:
        (folder / id_).write_text(content)
    return [Entry(id_, folder / id_, words, split) for id_, _, words, split in rows]


def test_a_copy_in_another_split_or_with_other_words_is_left_out(tmp_path: Path) -> None:
    found = contradictions(
        entries(
            tmp_path,
            ("a", "one", "bin", "train"),
            ("b", "one", "bin", "test"),
            ("c", "one", "bin", "valid"),
            ("d", "two", "lay", "train"),
            ("e", "two", "set", "train"),
            ("f", "six", "red", "train"),
            ("g", "six", "red", "train"),
            ("h", "own", "red", "test"),
        ),
        workers=2,
    )
    assert {id_: rejected.reason for id_, rejected in found.items()} == {
        "a": "same content as b, which is in test",
        "c": "same content as b, which is in test",
        "d": "same content as e, which has other words",
        "e": "same content as d, which has other words",
    }


def test_files_of_different_sizes_are_not_read(tmp_path: Path) -> None:
    rows = entries(tmp_path, ("a", "one", "bin", "train"), ("b", "seven", "bin", "test"))
    (tmp_path / "gone").unlink(missing_ok=True)
    assert contradictions([*rows, Entry("gone", tmp_path / "gone", "bin", "test")], 1) == {}


def clip(id_: str, split: str, content: int = 0) -> Clip:
    draw = np.random.default_rng(content or sum(map(ord, id_)))
    video = draw.integers(0, 255, (2, 96, 96), np.uint8)
    return Clip(id_, "s1", split, "bin blue", video, draw.integers(-99, 99, 1280, np.int16))


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[Clip | Rejected]]:
    """The items that a reader of real video yields; `prepare("toy://x", ...)` prepares them."""
    items: list[Clip | Rejected] = []

    class Toy(Reader):
        def clips(self, *_: object) -> Iterator[Clip | Rejected]:
            yield from items

        def count(self, *_: object) -> int:
            return len(items)

        def stamp(self, *_: object) -> str:
            return ""

    monkeypatch.setitem(READERS, "toy", Toy("toy://X", "", "corpora.readers.grid", needs_mouth=True))
    yield items
    shutil.rmtree(tmp_path)


def test_decoded_copies_in_two_splits_are_left_out_and_all_clips_counted(
    prepared: list[Clip | Rejected], tmp_path: Path
) -> None:
    prepared += [clip("a", "test", 7), clip("b", "valid"), clip("c", "train", 7), clip("d", "train", 8)]
    prepared += [clip("e", "train", 8), *(Rejected(f"x{n}", f"no face in {n} of 75 frames", "train") for n in range(5))]
    corpus = Corpus.open(prepare("toy://x", tmp_path / "root"))
    assert described(corpus) == [
        f"4 clips: 2 train, 1 valid, 1 test; 6 left out, listed in {corpus.path}/rejected.csv:",
        "  5: no face in 0 of 75 frames (x0, x1, x2 and 2 more)",
        "  1: same picture and sound as a, which is in test (c)",
        "1 clip with the picture and sound of another clip of the same split",
    ]


@pytest.mark.parametrize("missing", ["train", "valid", "test"])
def test_an_empty_split_is_an_error_and_leaves_nothing(
    prepared: list[Clip | Rejected], tmp_path: Path, missing: str
) -> None:
    prepared += [clip(split, split) for split in ("train", "valid", "test") if split != missing]
    prepared.append(Rejected("x", "no face", missing))
    with pytest.raises(UserError, match=rf"has none for {missing} \(x was left out: no face\): add clips"):
        prepare("toy://x", tmp_path / "root")
    assert not [path for path in (tmp_path / "root").iterdir() if path.name != ".checked"]
