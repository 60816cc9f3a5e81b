"""A prepared corpus on disk: written whole or not at all, read through memory maps.

corpus.json               schema version, uri, fingerprint, counts
manifest.parquet          one row per utterance: the fields of `schema.Utterance`
rejected.csv              id,split,reason
shards/video-00000.u8     frames of 96 x 96 bytes, one utterance after another
shards/audio-00000.i16    640 little-endian samples per frame, in the same order
"""

import csv
import hashlib
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, fields
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from common.errors import UserError
from corpora import cache
from corpora.schema import (
    MOUTH_SIZE_PX,
    SAMPLE_RATE_HZ,
    SAMPLES_PER_FRAME,
    SPLITS,
    Clip,
    Rejected,
    Utterance,
    problem,
    sha256,
)

SCHEMA_VERSION = 1
FRAMES_PER_SHARD = 50_000  # 461 MB of video: small enough to copy around, large enough that file counts stay low
FRAME_BYTES = MOUTH_SIZE_PX * MOUTH_SIZE_PX


def fingerprint(utterances: Iterable[Utterance]) -> str:
    """A hash of what the corpus says and shows, and of its splits: not of paths, dates, shards or order."""
    rows = sorted((u.id, u.speaker, u.split, u.text, u.frames, u.video_sha256, u.audio_sha256) for u in utterances)
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


class CorpusWriter:
    """Context manager that writes a corpus beside `path` and moves it there when the block ends without an error.

    A block that fails, or is interrupted, leaves nothing behind. If another process has put a corpus at `path`
    meanwhile, that one is kept: both were made from the same source.
    """

    def __init__(self, path: Path, uri: str, frames_per_shard: int = FRAMES_PER_SHARD) -> None:
        self.path, self.uri, self.frames_per_shard = path, uri, frames_per_shard
        self.utterances: list[Utterance] = []
        self.rejected: list[Rejected] = []
        self._ids: set[str] = set()
        self._shard, self._frames_in_shard = -1, 0
        self._files: tuple[BinaryIO, ...] = ()

    def __enter__(self) -> "CorpusWriter":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix=f".{self.path.name}.", dir=self.path.parent))
        (self._folder / "shards").mkdir()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._close_shard()
            if kind is None:
                self._finish()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, clip: Clip) -> None:
        """Append a clip. Raises ValueError if it breaks a rule of the schema or its id is taken: a reader's bug."""
        fault = problem(clip) or (f"the id {clip.id!r} occurs twice" if clip.id in self._ids else None)
        if fault:
            raise ValueError(f"clip {clip.id!r}: {fault}")
        self._ids.add(clip.id)
        first_frame = self._append(clip)
        self.utterances.append(
            Utterance(
                id=clip.id,
                speaker=clip.speaker,
                split=clip.split,
                text=clip.text,
                frames=len(clip.video),
                samples=len(clip.audio),
                video_sha256=sha256(clip.video),
                audio_sha256=sha256(clip.audio),
                shard=self._shard,
                first_frame=first_frame,
            )
        )

    def reject(self, rejected: Rejected) -> None:
        """Note a clip that is left out."""
        self.rejected.append(rejected)

    def _append(self, clip: Clip) -> int:
        if not self._files or self._frames_in_shard >= self.frames_per_shard:
            self._open_shard()
        video, audio = self._files
        video.write(np.ascontiguousarray(clip.video).data)
        audio.write(clip.audio.astype("<i2").data)
        first_frame, self._frames_in_shard = self._frames_in_shard, self._frames_in_shard + len(clip.video)
        return first_frame

    def _open_shard(self) -> None:
        self._close_shard()
        self._shard, self._frames_in_shard = self._shard + 1, 0
        self._files = tuple(path.open("wb") for path in _shard_paths(self._folder, self._shard))

    def _close_shard(self) -> None:
        for file in self._files:
            file.close()
        self._files = ()

    def _finish(self) -> None:
        if not self.utterances:
            reasons = Counter(rejected.reason for rejected in self.rejected).most_common(1)
            why = f"; most were rejected because: {reasons[0][0]}" if reasons else ""
            raise UserError(f"a corpus needs at least one sound utterance; {self.uri} has none{why}")
        names = [field.name for field in fields(Utterance)]
        manifest = pd.DataFrame([asdict(utterance) for utterance in self.utterances], columns=names)
        manifest.to_parquet(self._folder / "manifest.parquet", index=False)
        _write_rejected(self._folder / "rejected.csv", self.rejected)
        head = {"schema_version": SCHEMA_VERSION, "uri": self.uri, "fingerprint": fingerprint(self.utterances)}
        counts = _counts(self.utterances, len(self.rejected))
        (self._folder / "corpus.json").write_text(json.dumps(head | {"counts": counts}, indent=1) + "\n")
        self._folder.chmod(0o755)  # mkdtemp makes it private
        try:
            self._folder.rename(self.path)
        except OSError:
            if not (self.path / "corpus.json").is_file():
                raise


class Corpus:
    """A prepared corpus, read-only, which stays in the cache while it is open.

    Arrays that it hands out are views of memory maps: copy before changing them.
    """

    def __init__(self, path: Path, head: dict[str, Any]) -> None:
        self.path = path
        self.uri: str = head["uri"]
        self.fingerprint: str = head["fingerprint"]
        self._maps: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    @classmethod
    def open(cls, path: Path) -> "Corpus":
        """Raises UserError where `path` holds no prepared corpus, or one of another schema version."""
        head_file = Path(path) / "corpus.json"
        if not head_file.is_file():
            rule = "a prepared corpus is a folder with corpus.json"
            raise UserError(f"{rule}; {path} has none: run `ablate corpus prepare`")
        try:
            head = json.loads(head_file.read_text())
        except ValueError as error:
            raise UserError(f"{head_file} must be JSON ({error}): delete the folder and prepare it again") from error
        if head.get("schema_version") != SCHEMA_VERSION:
            raise UserError(
                f"{path} has corpus schema version {head.get('schema_version')}, this program reads {SCHEMA_VERSION}: "
                "delete the folder and prepare it again"
            )
        corpus = cls(Path(path), head)
        cache.hold(corpus.path, corpus)
        return corpus

    @cached_property
    def all_utterances(self) -> list[Utterance]:
        """Every utterance of every split, in the manifest's order. Raises UserError where the manifest is damaged."""
        try:
            rows = pd.read_parquet(self.path / "manifest.parquet").to_dict("records")
        except (OSError, ValueError) as error:  # pyarrow's complaint about a damaged file is a ValueError
            remedy = "delete the folder and prepare it again"
            raise UserError(
                f"a prepared corpus has a manifest.parquet, in {self.path} it cannot be read: {remedy}"
            ) from error
        return [Utterance(**{str(name): value for name, value in row.items()}) for row in rows]

    def utterances(self, split: str) -> list[Utterance]:
        """The utterances of one split; [] for a split that the corpus does not have."""
        if split not in SPLITS:
            raise UserError(f"a split is one of {', '.join(SPLITS)}, got {split!r}")
        return [utterance for utterance in self.all_utterances if utterance.split == split]

    @property
    def rejected(self) -> list[Rejected]:
        """The clips that were left out, with their reasons."""
        with (self.path / "rejected.csv").open(newline="", encoding="utf-8") as file:
            return [Rejected(**row) for row in csv.DictReader(file)]

    def video(self, utterance: Utterance) -> np.ndarray:
        """uint8 (T, 96, 96)."""
        return self._shard(utterance.shard)[0][utterance.first_frame : utterance.first_frame + utterance.frames]

    def audio(self, utterance: Utterance) -> np.ndarray:
        """int16 (T * 640,)."""
        first = utterance.first_frame * SAMPLES_PER_FRAME
        return self._shard(utterance.shard)[1][first : first + utterance.samples]

    def summary(self) -> dict[str, Any]:
        """uri, fingerprint, utterances per split, speakers per split, rejected, frames and hours."""
        counts = _counts(self.all_utterances, len(self.rejected))
        return {"uri": self.uri, "fingerprint": self.fingerprint, **counts}

    def verify(self) -> list[str]:
        """Read every byte and compare it with the manifest; the problems in words, [] if the corpus is sound."""
        problems = []
        for utterance in self.all_utterances:
            try:
                clip = Clip(utterance.id, utterance.speaker, utterance.split, utterance.text, *self._arrays(utterance))
            except (OSError, ValueError) as error:
                problems.append(f"{utterance.id}: shard {utterance.shard} cannot be read ({error})")
                continue
            problems += [f"{utterance.id}: {fault}" for fault in _faults(clip, utterance)]
        if fingerprint(self.all_utterances) != self.fingerprint:
            problems.append("the manifest does not give the fingerprint in corpus.json: one of them was changed")
        return problems

    def _arrays(self, utterance: Utterance) -> tuple[np.ndarray, np.ndarray]:
        return self.video(utterance), self.audio(utterance)

    def _shard(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        if number not in self._maps:
            video, audio = _shard_paths(self.path, number)
            frames = np.memmap(video, np.uint8, "r").reshape(-1, MOUTH_SIZE_PX, MOUTH_SIZE_PX)
            self._maps[number] = frames, np.memmap(audio, "<i2", "r")
        return self._maps[number]


def _shard_paths(folder: Path, number: int) -> tuple[Path, Path]:
    return folder / "shards" / f"video-{number:05d}.u8", folder / "shards" / f"audio-{number:05d}.i16"


def _write_rejected(path: Path, rejected: list[Rejected]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "split", "reason"])
        writer.writerows([row.id, row.split, row.reason] for row in sorted(rejected, key=lambda row: row.id))


def _counts(utterances: list[Utterance], rejected: int) -> dict[str, Any]:
    frames = sum(utterance.frames for utterance in utterances)
    per_split = {split: sum(u.split == split for u in utterances) for split in SPLITS}
    speakers = {split: len({u.speaker for u in utterances if u.split == split}) for split in SPLITS}
    hours = round(frames * SAMPLES_PER_FRAME / SAMPLE_RATE_HZ / 3600, 4)
    return {**per_split, "speakers": speakers, "rejected": rejected, "frames": frames, "hours": hours}


def _faults(clip: Clip, utterance: Utterance) -> list[str]:
    faults = [fault] if (fault := problem(clip)) else []
    if sha256(clip.video) != utterance.video_sha256:
        faults.append("the video differs from its checksum")
    if sha256(clip.audio) != utterance.audio_sha256:
        faults.append("the audio differs from its checksum")
    return faults
