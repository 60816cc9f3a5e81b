"""Upload and download of corpora, with a real server and real signatures. Each error is one sentence."""

import gc
import json
import os
import shutil
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.errors import UserError
from corpora.address import check
from corpora.prepare import prepare
from corpora.s3.index import LIMIT_BYTES, NAME, index_of, read_index, write_index
from corpora.s3.place import Place
from corpora.s3.transfer import pull, push
from corpora.schema import Clip
from corpora.store import Corpus
from corpora.writer import CorpusWriter


def write_corpus(path: Path, seed: int = 0, clips: int = 3) -> Path:
    """Clips of noise, each in a separate shard of 0.4 MB."""
    draw = np.random.default_rng(seed)
    with CorpusWriter(path, "noise://", frames_per_shard=40) as writer:
        for number in range(clips):
            video = draw.integers(0, 255, (40, 96, 96), np.uint8)
            writer.add(Clip(f"c{number}", "s1", "train", "bin", video, draw.integers(-99, 99, 25600, np.int16)))
    return path


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "corpus")


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_pull_returns_the_pushed_bytes(bucket: str, corpus: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    size = sum(len(data) for data in tree(corpus).values())
    assert push(corpus, f"s3://{bucket}/some/where/", lambda *progress: seen.append(progress)) == 9
    assert seen[-1] == (size, size)
    path = prepare(f"s3://{bucket}/some/where", tmp_path / "cache", progress=lambda *progress: seen.append(progress))
    assert tree(path) == tree(corpus)
    assert Corpus.open(path).verify() == []
    assert seen[-1] == (size, size)
    assert {entry.name for entry in path.parent.iterdir()} == {path.name, ".locks", ".checked"}


def test_a_file_of_several_parts_is_checksummed_part_by_part(bucket: str, s3_client: Any, tmp_path: Path) -> None:
    """25 MB of video in one shard: boto3 cuts at 8 MiB."""
    with CorpusWriter(tmp_path / "big", "noise://") as writer:
        video = np.random.default_rng(0).integers(0, 255, (2700, 96, 96), np.uint8)
        writer.add(Clip("a", "s1", "train", "bin", video, np.zeros(2700 * 640, np.int16)))
    push(tmp_path / "big", f"s3://{bucket}/big")
    head = s3_client.head_object(Bucket=bucket, Key="big/shards/video-00000.u8", ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"].endswith("-3")
    assert Corpus.open(pull(f"s3://{bucket}/big", tmp_path / "cache")).verify() == []


def test_a_present_corpus_is_neither_sent_nor_fetched_again(bucket: str, corpus: Path, tmp_path: Path) -> None:
    push(corpus, f"s3://{bucket}/a")
    assert push(corpus, f"s3://{bucket}/a") == 0
    first = pull(f"s3://{bucket}/a", tmp_path / "cache")
    (first / "left").write_text("a second download would not have it")
    push(corpus, f"s3://{bucket}/the/same/elsewhere")
    assert pull(f"s3://{bucket}/the/same/elsewhere", tmp_path / "cache") == first
    assert (first / "left").is_file()


def test_concurrent_pulls_download_a_corpus_once(bucket: str, corpus: Path, tmp_path: Path) -> None:
    push(corpus, f"s3://{bucket}/a")
    started, totals = threading.Barrier(4), []

    def fetch(_: int) -> Path:
        counts: list[int] = []
        started.wait()
        path = pull(f"s3://{bucket}/a", tmp_path / "cache", lambda done, _: counts.append(done))
        totals.append(len(counts))
        return path

    with ThreadPoolExecutor(4) as pool:
        [path] = set(pool.map(fetch, range(4)))
    assert sorted(totals)[:3] == [1, 1, 1]  # they were told once, that all is there
    assert sorted(totals)[3] > 1
    assert tree(path) == tree(corpus)
    assert {entry.name for entry in path.parent.iterdir()} == {path.name, ".locks", ".checked"}


def test_another_corpus_at_the_place_is_left_alone(bucket: str, corpus: Path, tmp_path: Path) -> None:
    push(corpus, f"s3://{bucket}/a")
    other = write_corpus(tmp_path / "other", seed=1)
    with pytest.raises(UserError, match=r"has another corpus .* choose another prefix"):
        push(other, f"s3://{bucket}/a")
    assert tree(pull(f"s3://{bucket}/a", tmp_path / "cache")) == tree(corpus)


def test_the_second_of_two_pushes_does_not_replace_the_first(
    bucket: str, s3_client: Any, corpus: Path, tmp_path: Path
) -> None:
    place, other = Place.parse(f"s3://{bucket}/a"), write_corpus(tmp_path / "other", seed=1)
    indices = [index_of(path, Corpus.open(path).fingerprint) for path in (corpus, other)]
    assert [write_index(s3_client, place, index) for index in indices] == [True, False]
    assert read_index(s3_client, place) == indices[0]


def test_a_corpus_appears_when_its_index_does(bucket: str, s3_client: Any, corpus: Path, tmp_path: Path) -> None:
    push(corpus, f"s3://{bucket}/a")
    s3_client.delete_object(Bucket=bucket, Key=f"a/{NAME}")
    with pytest.raises(UserError, match=f"has files but no {NAME}, .* push the corpus again"):
        pull(f"s3://{bucket}/a", tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
    assert push(corpus, f"s3://{bucket}/a") == 0  # the files of the first attempt are used
    assert tree(pull(f"s3://{bucket}/a", tmp_path / "cache")) == tree(corpus)


def test_a_damaged_corpus_is_not_pushed(bucket: str, s3_client: Any, corpus: Path) -> None:
    shard = corpus / "shards" / "audio-00001.i16"
    shard.write_bytes(bytes(len(shard.read_bytes())))
    with pytest.raises(UserError, match="1 faults, the first: the audio of c1 differs from its checksum"):
        push(corpus, f"s3://{bucket}/a")
    assert s3_client.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_file_changed_in_s3_is_found_and_the_others_are_kept(
    bucket: str, s3_client: Any, corpus: Path, tmp_path: Path
) -> None:
    push(corpus, f"s3://{bucket}/a")
    key, good = "a/shards/video-00001.u8", (corpus / "shards" / "video-00001.u8").read_bytes()
    s3_client.put_object(Bucket=bucket, Key=key, Body=b"x" + good[1:])
    with pytest.raises(UserError, match=r"video-00001.u8 differs from its checksum"):
        pull(f"s3://{bucket}/a", tmp_path / "cache")
    [part] = (tmp_path / "cache").glob("*.part")
    assert tree(part) == {name: data for name, data in tree(corpus).items() if name != "shards/video-00001.u8"}
    s3_client.put_object(Bucket=bucket, Key=key, Body=good)
    assert tree(pull(f"s3://{bucket}/a", tmp_path / "cache")) == tree(corpus)


def test_a_partial_file_damaged_on_disk_is_fetched_again(bucket: str, corpus: Path, tmp_path: Path) -> None:
    push(corpus, f"s3://{bucket}/a")
    path = pull(f"s3://{bucket}/a", tmp_path / "cache")
    part = path.rename(path.with_name(f".{path.name}.part"))
    (part / "shards" / "audio-00000.i16").write_bytes(b"half")
    assert tree(pull(f"s3://{bucket}/a", tmp_path / "cache")) == tree(corpus)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../../outside"},
        {"name": "/etc/passwd"},
        {"name": "shards/../../outside"},
        {"name": ".hidden"},
        {"name": "manifest.parquet"},
        {"bytes": -1},
        {"sha256": "0"},
        {"unknown": 1},
    ],
)
def test_a_forged_index_cannot_name_other_paths(
    bucket: str, s3_client: Any, corpus: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    index = index_of(corpus, Corpus.open(corpus).fingerprint).model_dump(mode="json")
    index["files"][-1] |= change
    s3_client.put_object(Bucket=bucket, Key=f"a/{NAME}", Body=json.dumps(index))
    with pytest.raises(UserError, match="is not the index of a corpus"):
        pull(f"s3://{bucket}/a", tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_an_index_of_other_contents_is_refused(bucket: str, s3_client: Any, corpus: Path, tmp_path: Path) -> None:
    push(corpus, f"s3://{bucket}/a")
    index = json.loads(s3_client.get_object(Bucket=bucket, Key=f"a/{NAME}")["Body"].read())
    index["fingerprint"] = "0" * 64
    s3_client.put_object(Bucket=bucket, Key=f"a/{NAME}", Body=json.dumps(index))
    with pytest.raises(UserError, match=r"does not have the fingerprint in its index.json"):
        pull(f"s3://{bucket}/a", tmp_path / "cache")


def test_a_full_disk_is_reported_before_the_download(
    bucket: str, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(corpus, f"s3://{bucket}/a")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(UserError, match=r"needs 0.00127 GB in .*, where 1e-06 GB are free"):
        pull(f"s3://{bucket}/a", tmp_path / "cache")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, r"does not accept these credentials \(SignatureDoesNotMatch\)"),
        ({"AWS_ACCESS_KEY_ID": "nobody"}, r"does not accept these credentials \(InvalidAccessKeyId\)"),
        ({"AWS_SECRET_ACCESS_KEY": None}, "needs credentials for S3 .*missing: AWS_SECRET_ACCESS_KEY"),
        (
            {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None},
            "needs credentials for S3 .*set ABLATE_S3_ACCESS_KEY_ID and ABLATE_S3_SECRET_ACCESS_KEY, or .* AWS_ACCESS_KEY_ID",
        ),
        ({"AWS_PROFILE": "nobody"}, "needs credentials for S3 .*nobody"),
        (
            {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1"},
            "cannot be reached at http://127.0.0.1:1 .*check AWS_ENDPOINT_URL_S3",
        ),
        ({"AWS_ENDPOINT_URL_S3": "127.0.0.1:1"}, "AWS_ENDPOINT_URL_S3 is an address like http://host:8333"),
        (
            {"ABLATE_S3_ACCESS_KEY_ID": "akey", "ABLATE_S3_SECRET_ACCESS_KEY": "wrong"},
            "check ABLATE_S3_ACCESS_KEY_ID and ABLATE_S3_SECRET_ACCESS_KEY",
        ),
        (
            {"ABLATE_S3_SECRET_ACCESS_KEY": "a-secret-of-half"},
            "SECRET_ACCESS_KEY is set without ABLATE_S3_ACCESS_KEY_ID",
        ),
        (
            {"ABLATE_S3_ENDPOINT": "http://127.0.0.1:1"},
            "cannot be reached at http://127.0.0.1:1 .*check ABLATE_S3_ENDPOINT",
        ),
        ({"ABLATE_S3_ENDPOINT": "127.0.0.1:1"}, "ABLATE_S3_ENDPOINT is an address like http://host:8333"),
    ],
)
def test_errors_of_server_and_credentials_are_one_sentence(
    bucket: str, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], words: str
) -> None:
    push(corpus, f"s3://{bucket}/a")
    for name, value in settings.items():
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    for attempt in (lambda: pull(f"s3://{bucket}/a", tmp_path / "cache"), lambda: push(corpus, f"s3://{bucket}/b")):
        with pytest.raises(UserError, match=words) as raised:
            attempt()
        assert raised.value.exit_code == (1 if "cannot be reached" in words else 2)
        for name in ("AWS_SECRET_ACCESS_KEY", "ABLATE_S3_SECRET_ACCESS_KEY"):
            assert os.environ.get(name, "a-secret") not in str(raised.value)
        assert "\n" not in str(raised.value)
    assert not (tmp_path / "cache").exists()


def test_our_own_variables_are_enough_and_win(
    bucket: str, s3_server: str, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a pod, where AWS_* belong to Kubeflow's launcher."""
    for name, value in {"ENDPOINT": s3_server, "ACCESS_KEY_ID": "akey", "SECRET_ACCESS_KEY": "a-secret\n"}.items():
        monkeypatch.setenv(f"ABLATE_S3_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-kubeflow")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-kubeflow")
    assert push(corpus, f"s3://{bucket}/a") == 9
    assert tree(pull(f"s3://{bucket}/a", tmp_path / "cache")) == tree(corpus)


def test_a_missing_bucket_or_corpus_is_reported(bucket: str, corpus: Path, tmp_path: Path) -> None:
    for attempt in (lambda: pull("s3://no-such-bucket/a", tmp_path), lambda: push(corpus, "s3://no-such-bucket/a")):
        with pytest.raises(UserError, match="has no bucket 'no-such-bucket'"):
            attempt()
    for attempt in (lambda uri: pull(uri, tmp_path), lambda uri: check(uri, here=True)):
        with pytest.raises(UserError, match=r"there is no corpus at .*, or correct the URI"):
            attempt(f"s3://{bucket}/not/here")
    check(f"s3://{bucket}/not/here", here=False)  # a cluster may see another server


@pytest.mark.parametrize(
    "uri", ["s3://", "s3://bucket", "s3://bucket/", "s3://Bucket/a", "s3://bucket/a?train=3", "s3:///a"]
)
def test_a_uri_that_names_no_place_is_refused(uri: str, tmp_path: Path) -> None:
    for attempt in (lambda: check(uri, here=False), lambda: check(uri, here=True), lambda: prepare(uri, tmp_path)):
        with pytest.raises(UserError, match="a place in S3 is s3://bucket/prefix, without options; got"):
            attempt()


def test_an_index_without_end_is_not_read(bucket: str, s3_client: Any, tmp_path: Path) -> None:
    s3_client.put_object(Bucket=bucket, Key="a/index.json", Body=b"[" * (LIMIT_BYTES + 1))
    with pytest.raises(UserError, match=rf"has at most {LIMIT_BYTES} bytes, and s3://{bucket}/a/index.json has more"):
        pull(f"s3://{bucket}/a", tmp_path)


def test_a_file_that_is_larger_than_the_index_says_is_not_downloaded_whole(
    bucket: str, s3_client: Any, corpus: Path, tmp_path: Path
) -> None:
    push(corpus, f"s3://{bucket}/a")
    s3_client.put_object(Bucket=bucket, Key="a/manifest.parquet", Body=bytes(30_000_000))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # boto3 leaves the connection of an ended download open
        with pytest.raises(UserError, match=r"manifest\.parquet has more than the \d+ bytes in index\.json"):
            pull(f"s3://{bucket}/a", tmp_path)
        gc.collect()
    assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.name.startswith("manifest")) < 1_000_000


def test_a_manifest_too_large_to_be_one_is_refused(bucket: str, s3_client: Any, corpus: Path, tmp_path: Path) -> None:
    push(corpus, f"s3://{bucket}/a")
    index = json.loads(s3_client.get_object(Bucket=bucket, Key="a/index.json")["Body"].read())
    for file in index["files"]:
        file["bytes"] = 10**13 if file["name"] == "manifest.parquet" else file["bytes"]
    s3_client.put_object(Bucket=bucket, Key="a/index.json", Body=json.dumps(index).encode())
    with pytest.raises(UserError, match=r"manifest\.parquet has at most \d+ bytes, and here 10000000000000"):
        pull(f"s3://{bucket}/a", tmp_path)
