"""From a URI to a folder that is complete or absent: reuse, damage, interruption, bad input."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from common import source_code
from common.errors import UserError
from corpora.layout import fingerprint
from corpora.prepare import place_of, prepare
from corpora.schema import Clip, Rejected
from corpora.store import Corpus
from corpora.writer import CorpusWriter

ROOT = Path(__file__).parents[2]
SMALL = "synthetic://talking-mouth?train=3&valid=1&test=2"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(SMALL, tmp_path_factory.mktemp("corpora"), workers=1)


def clip(id_: str, split: str = "train", frames: int = 4, text: str = "bin blue") -> Clip:
    draw = np.random.default_rng(len(id_))
    video = draw.integers(0, 255, (frames, 96, 96), np.uint8)
    return Clip(id_, "s1", split, text, video, draw.integers(-99, 99, frames * 640, np.int16))


def test_a_corpus_is_prepared_once_and_then_used_again(prepared: Path) -> None:
    seen: list[tuple[int, int]] = []
    before = (prepared / "manifest.parquet").stat().st_mtime_ns
    again = prepare(SMALL, prepared.parent, progress=lambda done, total: seen.append((done, total)))
    assert again == prepared
    assert (prepared / "manifest.parquet").stat().st_mtime_ns == before
    assert seen == [(6, 6)]
    assert {path.name for path in prepared.parent.iterdir()} == {prepared.name, ".checked"}


def test_other_options_are_another_corpus_and_their_order_is_not(prepared: Path) -> None:
    names = {place_of(f"synthetic://talking-mouth?train=3&test={test}", Path()) for test in (2, 3)}
    assert len(names) == 2
    assert place_of("synthetic://talking-mouth?test=2&train=3&valid=1", Path()).name == prepared.name


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("talking-mouth", "a corpus is a URI"),
        ("synthetic://", "a corpus is a URI"),
        ("gird://somewhere", "did you mean 'grid'"),
        ("synthetic://talking-mouth?train=3&train=4", "train= more than once"),
        ("synthetic://talking-moth", "did you mean 'talking-mouth'"),
        ("grid:///nowhere/at/all", "does not exist"),
    ],
)
def test_a_bad_uri_is_refused_in_a_sentence_and_leaves_nothing(uri: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=words):
        prepare(uri, tmp_path / "root")
    assert not (tmp_path / "root").exists()


def test_a_block_that_fails_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), CorpusWriter(tmp_path / "corpus", "test://") as writer:  # noqa: PT012
        writer.add(clip("a"))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shard", ["shards/video-00000.u8", "shards/audio-00000.i16"])
@pytest.mark.parametrize("size", [None, -1, 1])
def test_a_shard_that_is_gone_or_of_another_size_is_found_at_once(
    prepared: Path, tmp_path: Path, shard: str, size: int | None
) -> None:
    copy = shutil.copytree(prepared, tmp_path / "copy")
    if size is None:
        (copy / shard).unlink()
    else:
        os.truncate(copy / shard, (copy / shard).stat().st_size + size)
    with pytest.raises(UserError, match=f"{shard}.*: rerun the study, which prepares the corpus again"):
        Corpus.open(copy).utterances("train")
    assert len(Corpus.open(copy, shards=False).utterances("train")) == 3


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (clip("a", split="dev"), "split must be one of"),
        (clip("a", text=" "), "empty transcript"),
        (
            Clip("a", "s1", "train", "bin", np.zeros((2, 96, 96), np.uint8), np.zeros(1279, np.int16)),
            "need 1280 samples",
        ),
        (
            Clip("a", "s1", "train", "bin", np.zeros((2, 88, 88), np.uint8), np.zeros(1280, np.int16)),
            "video must be uint8",
        ),
    ],
)
def test_a_clip_that_breaks_the_schema_is_never_written(bad: Clip, words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words), CorpusWriter(tmp_path / "corpus", "test://") as writer:
        writer.add(bad)
    assert not (tmp_path / "corpus").exists()


def test_a_corpus_of_several_shards_is_read_back(tmp_path: Path) -> None:
    clips = [clip(f"{'x' * n}", frames=n + 2) for n in range(1, 6)]
    with CorpusWriter(tmp_path / "corpus", "test://", frames_per_shard=6) as writer:
        for item in clips:
            writer.add(item)
        writer.reject(Rejected("bad", "grey, wholly", "test"))
    corpus = Corpus.open(tmp_path / "corpus")
    assert len(list((tmp_path / "corpus" / "shards").iterdir())) > 2
    for item, utterance in zip(clips, corpus.all_utterances, strict=True):
        np.testing.assert_array_equal(corpus.video(utterance), item.video)
        np.testing.assert_array_equal(corpus.audio(utterance), item.audio)
    assert corpus.verify() == []
    assert corpus.rejected == [Rejected("bad", "grey, wholly", "test")]
    with (tmp_path / "corpus" / "rejected.csv").open() as file:
        assert list(csv.reader(file)) == [["id", "split", "reason"], ["bad", "test", "grey, wholly"]]


def test_shards_and_order_do_not_change_the_fingerprint(tmp_path: Path) -> None:
    clips = [clip("a"), clip("bb"), clip("ccc")]
    prints = []
    for name, order, size in (("one", clips, 100), ("two", clips[::-1], 3)):
        with CorpusWriter(tmp_path / name, "test://", frames_per_shard=size) as writer:
            for item in order:
                writer.add(item)
        prints.append(Corpus.open(tmp_path / name).fingerprint)
    assert prints[0] == prints[1] == fingerprint(Corpus.open(tmp_path / "two").all_utterances)
    clips[1].text = "bin red"
    with CorpusWriter(tmp_path / "three", "test://") as writer:
        for item in clips:
            writer.add(item)
    assert Corpus.open(tmp_path / "three").fingerprint != prints[0]


def test_damage_is_found_by_name(prepared: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(prepared, copy)
    shard = copy / "shards" / "audio-00000.i16"
    data = bytearray(shard.read_bytes())
    data[100] ^= 1
    shard.write_bytes(data)
    [first, *_] = Corpus.open(copy).all_utterances
    assert Corpus.open(copy).verify() == [f"the audio of {first.id} differs from its checksum (shards/audio-00000.i16)"]
    (copy / "manifest.parquet").write_bytes(b"nothing")
    [fault] = Corpus.open(copy).verify()
    assert "manifest.parquet cannot be read" in fault
    (copy / "manifest.parquet").unlink()
    with pytest.raises(UserError, match=r"manifest\.parquet"):
        Corpus.open(copy).utterances("test")


def test_a_folder_that_is_not_a_current_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ablate corpus prepare"):
        Corpus.open(tmp_path)
    (tmp_path / "corpus.json").write_text("{")
    with pytest.raises(UserError, match="must be JSON"):
        Corpus.open(tmp_path)
    (tmp_path / "corpus.json").write_text(json.dumps({"schema_version": 99}))
    with pytest.raises(UserError, match="schema version 99"):
        Corpus.open(tmp_path)


def test_a_corpus_without_a_usable_clip_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="most were rejected because: grey"),
        CorpusWriter(tmp_path / "corpus", "test://") as writer,
    ):
        writer.reject(Rejected("a", "grey", ""))
    assert not (tmp_path / "corpus").exists()


@pytest.mark.parametrize(
    ("changed", "text", "uri", "again"),
    [
        ("corpora/synthetic/visemes.py", "x = 1\n", SMALL, True),
        ("corpora/synthetic/worker.py", "x = 1\n", SMALL, True),  # a separate process, which no module imports
        ("corpora/synthetic/visemes.py", "# a comment\n", SMALL, False),
        ("corpora/readers/lrs.py", "x = 1\n", SMALL, False),
        ("corpora/show.py", "x = 1\n", SMALL, False),
        ("corpora/readers/registry.py", "x = 1\n", SMALL, False),
        ("corpora/readers/reader.py", "x = 1\n", SMALL, False),
        ("corpora/writer.py", "x = 1\n", SMALL, True),
        ("corpora/schema.py", "x = 1\n", SMALL, True),
    ],
)
def test_a_corpus_is_prepared_again_when_its_reader_changes(
    sources: Path, changed: str, text: str, uri: str, again: bool
) -> None:
    before = place_of(uri, Path())
    with (sources / changed).open("a") as file:
        file.write(text)
    source_code.forget()
    assert (place_of(uri, Path()) != before) == again


@pytest.mark.parametrize(
    "module",
    ["corpora.readers.media", "corpora.mouth.worker", "corpora.mouth.geometry", "corpora.readers.grid_sources"],
)
def test_the_hash_covers_all_code_for_real_video(module: str) -> None:
    assert f"{module.replace('.', '/')}.py" in source_code.used_by(("corpora.readers.grid",))
