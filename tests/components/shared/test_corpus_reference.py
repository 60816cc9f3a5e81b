"""The corpus as a reference: where the data are, that steps find them, and what happens when they are gone."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from common.errors import UserError
from components import prepare_corpus
from components.prepare_corpus import NOTE_FILE, prepare_for_trials
from components.shared.corpus_reference import INSIDE, CorpusReference
from corpora import cache
from corpora.s3.transfer import push
from corpora.store import Corpus

ROOT = Path(__file__).parents[3]
URI = "synthetic://talking-mouth?train=2&test=1&valid=1"


@pytest.fixture(autouse=True)
def _temporary_folders_of_this_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))


def prepared(tmp_path: Path, uri: str = URI, root: str = "") -> CorpusReference:
    """Run the step, and let its artifacts pass through a store that keeps files and nothing else."""
    found = prepare_for_trials(uri, root, tmp_path / "out" / "reference", tmp_path / "out" / "corpus")
    for name in ("reference", "corpus"):
        shutil.rmtree(tmp_path / name, ignore_errors=True)
        for file in (tmp_path / "out" / name).rglob("*"):
            assert not file.is_symlink()
            if file.is_file():
                copy = tmp_path / name / file.relative_to(tmp_path / "out" / name)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)
    assert CorpusReference.read(tmp_path / "reference") == found
    return found


def bytes_in(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def data(tmp_path: Path, root: str = "") -> Corpus:
    return Corpus.open(CorpusReference.read(tmp_path / "reference").data(tmp_path / "corpus", root))


def test_a_folder_that_all_steps_see_has_the_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = str(tmp_path / "root")
    found = prepared(tmp_path, root=root)
    corpus = data(tmp_path, root)
    assert (str(corpus.path), corpus.fingerprint, corpus.summary()) == (found.place, found.fingerprint, found.summary)
    assert [file.name for file in (tmp_path / "corpus").iterdir()] == [NOTE_FILE]
    assert bytes_in(tmp_path / "corpus") + bytes_in(tmp_path / "reference") < 2000 < bytes_in(corpus.path)
    assert capsys.readouterr().out == ""


def test_a_small_corpus_without_a_place_is_in_the_artifact(tmp_path: Path) -> None:
    found = prepared(tmp_path)
    assert (found.place, data(tmp_path).path, data(tmp_path).verify()) == (INSIDE, tmp_path / "corpus", [])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["corpus", "reference"]


def test_a_large_corpus_without_a_place_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare_corpus, "INSIDE_LIMIT_BYTES", 100_000)
    with pytest.raises(UserError, match=r"has at most 0.0001 GB, .*: give `corpora_root` on a volume .* corpus push"):
        prepared(tmp_path)
    assert bytes_in(tmp_path) == 0


@pytest.mark.parametrize("root", ["", "root"])
def test_a_corpus_in_s3_is_fetched_by_those_who_need_it(
    bucket: str, small_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], root: str
) -> None:
    push(small_corpus, f"s3://{bucket}/small")
    root = str(tmp_path / root) if root else ""
    found = prepared(tmp_path, f"s3://{bucket}/small", root)
    assert found.summary == Corpus.open(small_corpus).summary()
    corpus = data(tmp_path, root)
    assert corpus.verify() == []
    if root:
        assert (found.place, capsys.readouterr().out) == (str(corpus.path), "")
    else:
        assert found.place == f"s3://{bucket}/small"
        assert capsys.readouterr().out.startswith(f"fetching the corpus s3://{bucket}/small into {tmp_path / 'tmp'}/")
    assert bytes_in(tmp_path / "corpus") + bytes_in(tmp_path / "reference") < 2000


def test_a_root_of_another_node_gets_the_corpus_once(
    bucket: str, small_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    push(small_corpus, f"s3://{bucket}/small")
    prepared(tmp_path, f"s3://{bucket}/small", str(tmp_path / "node-1"))
    shutil.rmtree(tmp_path / "node-1")
    first, second = (data(tmp_path, str(tmp_path / "node-2")) for _ in range(2))
    assert first.path == second.path
    assert capsys.readouterr().out.count("preparing s3://") == 1


@pytest.mark.parametrize("root", ["", "root"])
def test_data_that_are_gone_are_prepared_again_and_a_line_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], root: str
) -> None:
    root = str(tmp_path / root) if root else ""
    found = prepared(tmp_path, root=root)
    shutil.rmtree(found.place or tmp_path / "corpus")
    assert data(tmp_path, root).verify() == []
    where = found.place or "the artifact of prepare-corpus"
    assert f"the corpus is not at {where}; preparing {URI} in {root or tmp_path / 'tmp'}" in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["a shard is gone", "a shard is cut", "the manifest is cut", "the head is cut"])
def test_a_damaged_corpus_is_replaced(tmp_path: Path, damage: str) -> None:
    root = str(tmp_path / "root")
    folder = Path(prepared(tmp_path, root=root).place)
    name = {"a": "shards/audio-00000.i16", "the": "manifest.parquet"}[damage.split()[0]]
    file = folder / ("corpus.json" if "head" in damage else name)
    if "gone" in damage:
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-100])
    assert data(tmp_path, root).verify() == []
    file.unlink()
    assert Corpus.open(Path(prepared(tmp_path, root=root).place)).verify() == []
    assert not list(Path(root).glob(f"*{cache.GONE}"))


def test_a_source_that_has_changed_is_refused(
    bucket: str, s3_client: Any, small_corpus: Path, other_corpus: Path, tmp_path: Path
) -> None:
    push(small_corpus, f"s3://{bucket}/a")
    prepared(tmp_path, f"s3://{bucket}/a")
    s3_client.delete_object(Bucket=bucket, Key="a/index.json")
    with pytest.raises(UserError, match=r"the upload was interrupted, so push the corpus again"):
        data(tmp_path)
    push(other_corpus, f"s3://{bucket}/a")
    with pytest.raises(UserError, match=r"has changed since this one began .*: start the study again, or restore"):
        data(tmp_path)


def test_a_source_that_is_gone_too_is_named(bucket: str, s3_client: Any, small_corpus: Path, tmp_path: Path) -> None:
    push(small_corpus, f"s3://{bucket}/a")
    found = prepared(tmp_path, f"s3://{bucket}/a", str(tmp_path / "root"))
    s3_client.delete_object(Bucket=bucket, Key="a/index.json")
    assert data(tmp_path, str(tmp_path / "root")).verify() == []  # the folder is enough
    shutil.rmtree(found.place)
    with pytest.raises(UserError, match=rf"{found.place} does not have the corpus any more, and it cannot be prepared"):
        data(tmp_path, str(tmp_path / "root"))


def test_half_a_corpus_of_a_killed_step_is_not_taken(tmp_path: Path) -> None:
    """The step is killed after its first clip, and then starts again in the same folders."""
    code = (
        "import os, sys; from pathlib import Path; from corpora.writer import CorpusWriter; add = CorpusWriter.add\n"
        "CorpusWriter.add = lambda self, clip: (add(self, clip), os.kill(os.getpid(), 9))\n"
        "from components.prepare_corpus import prepare_for_trials\n"
        "prepare_for_trials(sys.argv[1], sys.argv[2], *map(Path, sys.argv[3:]))"
    )
    out = tmp_path / "out"
    for given in (str(tmp_path / "root"), ""):
        shutil.rmtree(out, ignore_errors=True)
        command = [sys.executable, "-c", code, URI, given, str(out / "reference"), str(out / "corpus")]
        assert subprocess.run(command, cwd=ROOT, check=False).returncode == -9
        assert not (out / "reference").exists()
        prepared(tmp_path, root=given)
        assert data(tmp_path, given).verify() == []


def test_a_root_that_cannot_be_written_is_refused_unless_it_has_the_corpus() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # pytest's own folders are private
        root, of_user = Path(folder) / "root", Path(folder) / "of-user"
        Path(folder).chmod(0o755)
        root.mkdir()
        of_user.mkdir()
        refused = as_another_user(of_user, root)
        assert "UserError: `corpora_root` is a folder that the steps can" in refused.stderr.splitlines()[-1]
        place = prepared(Path(folder), root=str(root)).place
        done = as_another_user(of_user, root)
        assert (done.returncode, done.stdout) == (0, f"{place}\n"), done.stderr


def as_another_user(out: Path, root: Path) -> "subprocess.CompletedProcess[str]":
    """Run the step as user 4242, with artifacts in `out`."""
    python = ["setpriv", "--reuid=4242", "--regid=4242", "--clear-groups", sys.executable, "-c"]
    if (
        os.getuid() != 0
        or not shutil.which("setpriv")
        or subprocess.run([*python, "import ctypes"], check=False).returncode
    ):
        pytest.skip("another user needs root, setpriv, and a Python that this user can read")
    os.chown(out, 4242, 4242)
    code = (
        "import sys; from pathlib import Path; from components.prepare_corpus import prepare_for_trials\n"
        "print(prepare_for_trials(*sys.argv[1:3], *map(Path, sys.argv[3:])).place)"
    )
    command = [*python, code, URI, str(root), str(out / "reference"), str(out / "corpus")]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
