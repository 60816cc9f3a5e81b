"""Damage in a prepared corpus: each kind is found by `corpus verify`, and before anything is trained, in one sentence."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from cli.corpus import DAMAGED, corpus_app
from common.errors import UserError
from components.shared.corpus_reference import prepare_whole
from corpora import record
from corpora.prepare import prepare
from corpora.store import Corpus

URI = "synthetic://talking-mouth?train=3&valid=1&test=2"
VIDEO, AUDIO = "shards/video-00000.u8", "shards/audio-00000.i16"
FILES = ("corpus.json", "manifest.parquet", "rejected.csv", VIDEO, AUDIO)
Damage = Callable[[Path], Any]


def cut(name: str, size: int) -> Damage:
    """Change the size of a file: negative sizes count from its end."""
    return lambda folder: os.truncate(folder / name, size if size >= 0 else (folder / name).stat().st_size + size)


def flipped(name: str, at: int, *, silently: bool = False) -> Damage:
    """Change one byte of a file, and with `silently` no time stamp that a program can set."""

    def change(folder: Path) -> None:
        path = folder / name
        before, data = path.stat(), bytearray(path.read_bytes())
        data[at] ^= 0xFF
        path.write_bytes(data)
        if silently:
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    return change


def replaced(name: str, make: Callable[[Path], Any]) -> Damage:
    def change(folder: Path) -> None:
        (folder / name).rename(folder / "elsewhere")
        make(folder / name)

    return change


def written(name: str, content: bytes) -> Damage:
    return lambda folder: (folder / name).write_bytes(content)


def head(**changes: Any) -> Damage:
    def change(folder: Path) -> None:
        path = folder / "corpus.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def manifest(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Damage:
    return lambda folder: change(pd.read_parquet(folder / "manifest.parquet")).to_parquet(
        folder / "manifest.parquet", index=False
    )


def value(column: str, row: int, new: Any) -> Damage:
    return manifest(
        lambda table: table.assign(**{column: [new if n == row else old for n, old in enumerate(table[column])]})
    )


DAMAGES: dict[str, Damage] = {
    **{f"{name} is gone": replaced(name, lambda _: None) for name in FILES[1:]},
    **{f"{name} is a folder": replaced(name, Path.mkdir) for name in FILES},
    **{f"{name} is a pipe": replaced(name, os.mkfifo) for name in FILES},
    **{f"{name} is a link": replaced(name, lambda path: path.symlink_to("elsewhere")) for name in FILES},
    **{f"{name} is empty": cut(name, 0) for name in FILES},
    "the video is an endless device": replaced(VIDEO, lambda path: path.symlink_to("/dev/zero")),
    "the video lacks a byte": cut(VIDEO, -1),
    "the video lacks a frame": cut(VIDEO, -9216),
    "the video has a frame more": lambda folder: os.truncate(folder / VIDEO, (folder / VIDEO).stat().st_size + 9216),
    "the audio lacks a frame": cut(AUDIO, -1280),
    "a byte of the video differs": flipped(VIDEO, 5000),
    "a byte of the audio differs": flipped(AUDIO, 5000, silently=True),
    "the shards are a file": lambda folder: (
        (folder / "shards").rename(folder / "other"),
        (folder / "shards").write_text(""),
    ),
    "the head is a list": written("corpus.json", b"[]"),
    "the head has no fingerprint": written("corpus.json", b'{"schema_version": 1}'),
    "the head is nested deeply": written("corpus.json", b"[" * 100_000),
    "the head is binary": written("corpus.json", b"\xff\xfe\0" * 20),
    "the head is large": cut("corpus.json", 2_000_000),
    "the fingerprint is a number": head(fingerprint=5),
    "the fingerprint is another": head(fingerprint="a" * 64),
    "the address is null": head(uri=None),
    "the manifest is cut": cut("manifest.parquet", 3000),
    "the manifest has another column": manifest(lambda table: table.rename(columns={"text": "words"})),
    "the manifest has a column more": manifest(lambda table: table.assign(x=1)),
    "the manifest has no rows": manifest(lambda table: table[:0]),
    "the manifest lacks rows": manifest(lambda table: table[:3]),
    "the manifest has a row twice": manifest(lambda table: table.assign(id="a")),
    "a text is missing": value("text", 0, None),
    "a text is another": value("text", 0, "other words"),
    "a length is text": manifest(lambda table: table.assign(frames=table["frames"].astype(str))),
    "a length is no whole number": manifest(lambda table: table.assign(frames=table["frames"] + 0.5)),
    "a length is huge": value("frames", 0, 2**62),
    "a length is not that of the sound": value("samples", 0, 640),
    "a place is negative": value("first_frame", 3, -5),
    "two places are exchanged": manifest(lambda table: table.assign(first_frame=table["first_frame"].tolist()[::-1])),
    "a shard is another": value("shard", 3, 7),
    "a shard is negative": value("shard", 3, -1),
    "a split is unknown": value("split", 0, "dev"),
    "the rejected have other columns": written("rejected.csv", b"a,b\n1,2\n"),
    "a rejected clip has a value more": written("rejected.csv", b"id,split,reason\na,test,b,c\n"),
    "a rejected clip has a value less": written("rejected.csv", b"id,split,reason\na\n"),
    "a rejected clip was added": written("rejected.csv", b"id,split,reason\na,test,b\n"),
    "the rejected are binary": written("rejected.csv", b"\xff\xfe\0\n" * 20),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(URI, tmp_path_factory.mktemp("corpora"), workers=1)


@pytest.fixture
def cached(sound: Path, tmp_path: Path) -> Path:
    """A copy of a sound corpus in a cache, which was checked."""
    folder = tmp_path / sound.name
    shutil.copytree(sound, folder)
    assert prepare_whole(URI, tmp_path) == folder
    assert record.is_remembered(folder)
    return folder


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_and_the_corpus_prepared_again(
    cached: Path, damage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    DAMAGES[damage](cached)
    found = CliRunner().invoke(corpus_app, ["verify", str(cached)])
    assert found.exit_code == DAMAGED
    assert "Traceback" not in found.output
    capfd.readouterr()
    assert prepare_whole(URI, cached.parent) == cached
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert "; preparing it again" in said
    assert Corpus.open(cached).verify() == []
    assert [path.name for path in cached.parent.iterdir() if path.name.startswith(".synthetic")] == []


def test_a_sound_corpus_is_read_once(cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corpora.checked.problems", lambda _: pytest.fail("it is read again"))
    assert prepare_whole(URI, cached.parent) == cached
    (cached / AUDIO).touch()
    with pytest.raises(pytest.fail.Exception, match="read again"):
        prepare_whole(URI, cached.parent)


def test_damage_without_any_trace_is_found_at_the_first_use(cached: Path) -> None:
    """The record is as before, as if the disk had lost a bit."""
    flipped(AUDIO, 10)(cached)
    record.remember(cached, record.state(cached))
    assert prepare_whole(URI, cached.parent) == cached
    corpus = Corpus.open(cached)
    first, *others = corpus.all_utterances
    assert len(corpus.video(first)) == first.frames
    for utterance in others:
        assert len(corpus.audio(utterance)) == utterance.samples
    with pytest.raises(
        UserError, match=rf"in .*{cached.name}, the audio of {first.id} differs .*: rerun the study, which"
    ):
        corpus.audio(first)
    prepare_whole(URI, cached.parent)  # the record was forgotten
    assert Corpus.open(cached).verify() == []


def test_no_corpus_and_no_permission_are_not_damage(cached: Path) -> None:
    assert CliRunner().invoke(corpus_app, ["verify", str(cached.parent)]).exception.__class__ is UserError
    (cached / "corpus.json").unlink()
    with pytest.raises(UserError, match=r"a prepared corpus is a folder with corpus\.json"):
        Corpus.open(cached)
