"""The cache keeps its bound, removes the least recently used corpora, and none that is in use."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from common.errors import UserError
from components.prepare_corpus import prepare_for_trials
from corpora import cache
from corpora.prepare import prepare
from corpora.schema import Clip
from corpora.store import Corpus
from corpora.writer import CorpusWriter

CLIP_BYTES = 40 * 96 * 96 + 40 * 1280


def write(root: Path, name: str, hours_ago: float) -> Path:
    """A corpus of 0.42 MB that was last used this many hours ago."""
    with CorpusWriter(root / name, "noise://") as writer:
        writer.add(Clip("a", "s", "train", "bin", np.zeros((40, 96, 96), np.uint8), np.zeros(25600, np.int16)))
    then = time.time() - 3600 * hours_ago
    os.utime(root / name, (then, then))
    return root / name


def names(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


@pytest.fixture
def three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Corpora `old`, `older` and `oldest`, 1.3 MB in all, with a bound of 1.5 MB."""
    for hours, name in enumerate(("old", "older", "oldest"), start=1):
        write(tmp_path, name, hours)
    monkeypatch.setenv(cache.BOUND, "0.0015")
    return tmp_path


def test_the_least_recently_used_corpus_goes_first(three: Path) -> None:
    cache.make_room(three, CLIP_BYTES, for_what="a test")
    assert names(three) == ["old", "older"]
    cache.make_room(three, 2 * CLIP_BYTES, for_what="a test")
    assert names(three) == ["old"]


def test_a_request_for_a_corpus_counts_as_use(three: Path) -> None:
    assert cache.has(three / "oldest")
    cache.make_room(three, CLIP_BYTES, for_what="a test")
    assert names(three) == ["old", "oldest"]


def test_without_a_bound_everything_stays(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(cache.BOUND)
    cache.make_room(three, CLIP_BYTES, for_what="a test")
    assert names(three) == ["old", "older", "oldest"]


def test_a_corpus_that_a_process_has_open_stays(three: Path) -> None:
    code = f"from pathlib import Path; from corpora.store import Corpus; c = Corpus.open(Path({str(three / 'oldest')!r})); input()"
    reader = subprocess.Popen([sys.executable, "-c", code + "; print(c.verify())"], stdin=-1, stdout=-1, text=True)
    try:
        while not cache.in_use(three / "oldest"):
            assert reader.poll() is None
            time.sleep(0.05)
        cache.make_room(three, CLIP_BYTES, for_what="a test")
        assert names(three) == ["old", "oldest"]
        assert reader.communicate("\n")[0] == "[]\n"
    finally:
        reader.kill()
        reader.wait()
    cache.make_room(three, 2 * CLIP_BYTES, for_what="a test")
    assert names(three) == ["old"]


def test_a_closed_corpus_is_not_in_use(three: Path) -> None:
    corpus = Corpus.open(three / "old")
    assert cache.in_use(three / "old")
    del corpus
    assert not cache.in_use(three / "old")


def test_a_linked_corpus_stays_until_the_link_is_gone(three: Path) -> None:
    run = three / "run"
    run.mkdir()
    cache.link(three / "oldest", run / "corpus")
    assert Corpus.open(run / "corpus").summary()["train"] == 1
    cache.make_room(three, CLIP_BYTES, for_what="a test")
    assert names(three) == [".links", "old", "oldest", "run"]
    (run / "corpus").unlink()
    cache.make_room(three, 2 * CLIP_BYTES, for_what="a test")
    assert names(three) == [".links", "old", "run"]


def test_the_prepare_step_keeps_the_corpus_of_a_run(tmp_path: Path) -> None:
    uri, run = "synthetic://talking-mouth?train=2&test=1&valid=1", tmp_path / "run"
    found = prepare_for_trials(uri, str(tmp_path / "cache"), run / "reference", run / "corpus")
    path = Path(found.place)
    os.utime(path, (0, 0))
    assert cache.in_use(path)
    shutil.rmtree(run)
    assert not cache.in_use(path)


def test_nothing_is_removed_if_everything_is_in_use(three: Path) -> None:
    held = [Corpus.open(three / name) for name in names(three)]
    with pytest.raises(
        UserError, match=r"may take 0.0015 GB .* a test needs 0.00042 GB more, and those in use take 0.00128 GB"
    ):
        cache.make_room(three, CLIP_BYTES, for_what="a test")
    assert len(held) == len(names(three)) == 3


def test_a_download_that_cannot_fit_removes_nothing(three: Path) -> None:
    with pytest.raises(UserError, match="allow more"):
        cache.make_room(three, 10**9, for_what="a test")
    assert names(three) == ["old", "older", "oldest"]


def test_an_abandoned_download_makes_room(three: Path) -> None:
    part = three / ".s3-1.part"
    part.mkdir()
    (part / "shard").write_bytes(bytes(CLIP_BYTES))
    os.utime(part, (0, 0))
    with cache.alone(part):
        assert cache.in_use(part)
        cache.make_room(three, 0, for_what="a test")
        assert names(three) == [".locks", ".s3-1.part", "old", "older"]
    assert not cache.in_use(part)
    cache.make_room(three, CLIP_BYTES, for_what="a test")
    assert names(three) == [".locks", "old", "older"]


def test_one_process_at_a_time_has_a_download(three: Path) -> None:
    """Also after the folder was moved away: a lock on the folder itself would then keep nobody out."""
    part = three / ".s3-1.part"
    lines = ("from pathlib import Path", "from corpora import cache", "print('ready', flush=True)")
    code = "\n".join((*lines, f"with cache.alone(Path({str(part)!r})): print('in')"))
    with cache.alone(part):
        part.mkdir()
        waiting = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == "ready\n"
        part.rename(three / "s3-1")
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(0.5)
    assert waiting.communicate(timeout=60)[0] == "in\n"


def test_a_new_corpus_displaces_others_when_it_is_complete(three: Path) -> None:
    path = prepare("synthetic://talking-mouth?train=1&test=1&valid=1", three, workers=1)
    assert names(three) == [".checked", path.name]


@pytest.mark.parametrize("value", ["many", "-1", "0", "nan", "inf"])
def test_a_bound_is_a_number(three: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(cache.BOUND, value)
    with pytest.raises(UserError, match=f"number of gigabytes above 0, got '{value}'"):
        prepare("synthetic://talking-mouth?train=1&test=1&valid=1", three)
    assert names(three) == ["old", "older", "oldest"]


def test_what_a_killed_preparation_left_is_counted_and_swept(three: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from corpora.writer import CorpusWriter; from corpora.prepare import prepare\n"
        "add = CorpusWriter.add\n"
        "CorpusWriter.add = lambda self, clip: (add(self, clip), os.kill(os.getpid(), int(sys.argv[3])))\n"
        "prepare(sys.argv[1], Path(sys.argv[2]), workers=1)"
    )
    uri = "synthetic://talking-mouth?train=2&test=1&valid=1"
    stopped = subprocess.Popen([sys.executable, "-c", code, uri, str(three), "19"])  # SIGSTOP: it lives
    try:
        os.waitid(os.P_PID, stopped.pid, os.WSTOPPED)
        [living] = three.glob(".*.writing")
        killed = [sys.executable, "-c", code, uri, str(three), "9"]
        assert subprocess.run(killed, check=False).returncode == -9
        [dead] = set(three.glob(".*.writing")) - {living}
        assert {living, dead} < set(cache.folders(three))
        assert (cache.in_use(living), cache.in_use(dead)) == (True, False)
        (three / ".old.gone").mkdir()
        cache.sweep(three)
        assert names(three) == [living.name, "old", "older", "oldest"]
    finally:
        stopped.kill()
        stopped.wait()
    cache.sweep(three)
    assert names(three) == ["old", "older", "oldest"]
