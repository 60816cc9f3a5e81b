"""Write a prepared corpus to disk, whole or not at all. `layout` describes the files."""

import csv
import json
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, fields
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
import pandas as pd

from common.errors import UserError
from common.owned_folder import owned_folder
from corpora.layout import HEAD, MANIFEST, REJECTED, SCHEMA_VERSION, SHARDS, counts, fingerprint, shard_paths
from corpora.schema import Clip, Rejected, Utterance, problem, sha256

WRITING = ".writing"  # the suffix of the hidden folder of a corpus that is being written
FRAMES_PER_SHARD = 50_000  # 461 MB of video: small enough to copy around, large enough that file counts stay low


class CorpusWriter:
    """Context manager that writes a corpus next to `path` and moves it there when the block ends without an error.

    A block that fails, or is interrupted, leaves nothing behind; what a killed process leaves, `cache.sweep` removes.
    If another process has put a corpus at `path` in the meantime, that corpus is kept: both were made from the same source.
    """

    def __init__(self, path: Path, uri: str, frames_per_shard: int = FRAMES_PER_SHARD) -> None:
        self.path, self.uri, self.frames_per_shard = path, uri, frames_per_shard
        self.utterances: list[Utterance] = []
        self.rejected: list[Rejected] = []
        self._ids: set[str] = set()
        self._shard, self._frames_in_shard = -1, 0
        self._files: tuple[BinaryIO, ...] = ()
        self._owned = ExitStack()

    def __enter__(self) -> "CorpusWriter":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._folder = self._owned.enter_context(owned_folder(self.path.parent, f".{self.path.name}.", WRITING))
        (self._folder / SHARDS).mkdir()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._close_shard()
            if kind is None:
                self._finish()
        finally:
            self._owned.close()

    def add(self, clip: Clip) -> None:
        """Append a clip. Raises ValueError if it breaks a rule of the schema or if its id occurs twice: a bug in a reader."""
        fault = problem(clip) or (f"the id {clip.id!r} occurs twice" if clip.id in self._ids else None)
        if self.utterances and self.utterances[0].has_video != bool(clip.video.size):
            fault = fault or "a corpus has pictures of all its clips, or of none"
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
        """Record a clip that is left out."""
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
        self._files = tuple(path.open("wb") for path in shard_paths(self._folder, self._shard))

    def _close_shard(self) -> None:
        for file in self._files:
            file.close()
        self._files = ()

    def _finish(self) -> None:
        if not self.utterances:
            reasons = Counter(rejected.reason for rejected in self.rejected).most_common(1)
            why = f"; most were rejected because: {reasons[0][0]}" if reasons else ""
            raise UserError(f"a corpus needs at least one usable utterance; {self.uri} has none{why}")
        names = [field.name for field in fields(Utterance)]
        manifest = pd.DataFrame([asdict(utterance) for utterance in self.utterances], columns=names)
        manifest.to_parquet(self._folder / MANIFEST, index=False)
        _write_rejected(self._folder / REJECTED, self.rejected)
        head = {"schema_version": SCHEMA_VERSION, "uri": self.uri, "fingerprint": fingerprint(self.utterances)}
        head_and_counts = head | {"counts": counts(self.utterances, len(self.rejected))}
        (self._folder / HEAD).write_text(json.dumps(head_and_counts, indent=1) + "\n")
        self._folder.chmod(0o755)  # mkdtemp makes it private
        self._move()

    def _move(self) -> None:
        try:
            self._folder.rename(self.path)
        except OSError:
            if not (self.path / HEAD).is_file():
                raise


def _write_rejected(path: Path, rejected: list[Rejected]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "split", "reason"])
        writer.writerows([row.id, row.split, row.reason] for row in sorted(rejected, key=lambda row: row.id))
