"""The pictures and the sound of a prepared corpus. Every utterance is compared with its checksums before its first use."""

import hashlib
import mmap
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from corpora.layout import shard_paths
from corpora.record import Damaged, damaged
from corpora.schema import MOUTH_SIZE_PX, SAMPLES_PER_FRAME, Utterance, no_video
from corpora.tables import open_plain, unreadable

AUDIO_PLACE = 1


@dataclass(frozen=True)
class Stream:
    """One of the two files of a shard: its place in `shard_paths`, and the bytes of a frame."""

    name: str
    place: int
    frame_bytes: int

    def file(self, folder: Path, shard: int) -> str:
        """Return the path of the file below the corpus folder."""
        return str(shard_paths(folder, shard)[self.place].relative_to(folder))

    def bytes_of(self, utterance: Utterance) -> int:
        """Return the bytes of a frame of an utterance: none for the video of a corpus without pictures."""
        return self.frame_bytes if self.place == AUDIO_PLACE or utterance.has_video else 0

    def sha256(self, utterance: Utterance) -> str:
        """Return the checksum that the manifest has for this stream."""
        return (utterance.video_sha256, utterance.audio_sha256)[self.place]


VIDEO = Stream("video", 0, MOUTH_SIZE_PX * MOUTH_SIZE_PX)
AUDIO = Stream("audio", AUDIO_PLACE, 2 * SAMPLES_PER_FRAME)
STREAMS = (VIDEO, AUDIO)


class Shards:
    """Memory maps of the shards of a corpus. Raises Damaged for an utterance that differs from its checksum."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._maps: dict[tuple[int, str], np.ndarray] = {}
        self._checked: set[tuple[str, str]] = set()

    def video(self, utterance: Utterance) -> np.ndarray:
        """uint8 (T, 96, 96), or (T, 0, 0) without pictures."""
        if not utterance.has_video:
            return no_video(utterance.frames)
        return self._bytes(utterance, VIDEO).reshape(-1, MOUTH_SIZE_PX, MOUTH_SIZE_PX)

    def audio(self, utterance: Utterance) -> np.ndarray:
        """int16 (T * 640,)."""
        return self._bytes(utterance, AUDIO).view("<i2")

    def _bytes(self, utterance: Utterance, stream: Stream) -> np.ndarray:
        if (utterance.id, stream.name) not in self._checked:
            if fault := next(iter(faults(self._folder, [utterance], stream)), None):
                raise damaged(self._folder, f"a corpus is used as it was written; in {self._folder}, {fault}")
            self._checked.add((utterance.id, stream.name))
        first = utterance.first_frame * stream.frame_bytes
        return self._map(utterance.shard, stream)[first : first + utterance.frames * stream.frame_bytes]

    def _map(self, shard: int, stream: Stream) -> np.ndarray:
        """uint8 (bytes of the shard,), read-only."""
        if (shard, stream.name) not in self._maps:
            descriptor = open_plain(self._folder, stream.file(self._folder, shard))
            try:
                mapped = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
            finally:
                os.close(descriptor)
            self._maps[shard, stream.name] = np.frombuffer(mapped, np.uint8)
        return self._maps[shard, stream.name]


def faults(folder: Path, utterances: Iterable[Utterance], stream: Stream) -> list[str]:
    """Return the utterances of one shard whose stream differs from the checksum, in words; [] for none.

    The bytes are read and not mapped, so that a broken disk is an error and not a signal that ends the process. Raises UserError
    if this user may not read the shard.
    """
    found: list[str] = []
    descriptor, buffer, name = -1, bytearray(), ""
    try:
        for utterance in utterances:
            if descriptor == -1:
                name = stream.file(folder, utterance.shard)
                descriptor = open_plain(folder, name)
            size = utterance.frames * stream.bytes_of(utterance)
            if len(buffer) < size <= os.fstat(descriptor).st_size:
                buffer = bytearray(size)
            if not _is_sound(descriptor, memoryview(buffer)[:size], utterance, stream):
                found.append(f"the {stream.name} of {utterance.id} differs from its checksum ({name})")
    except OSError as error:
        raise unreadable(folder, name, error) from error
    finally:
        if descriptor != -1:
            os.close(descriptor)
    return found


def _is_sound(descriptor: int, buffer: memoryview, utterance: Utterance, stream: Stream) -> bool:
    each = stream.bytes_of(utterance)
    size, first = utterance.frames * each, utterance.first_frame * each
    if first + size > os.fstat(descriptor).st_size:
        return False
    os.lseek(descriptor, first, os.SEEK_SET)
    done = 0
    while done < size and (count := os.readv(descriptor, [buffer[done:]])):
        done += count
    return done == size and hashlib.sha256(buffer).hexdigest() == stream.sha256(utterance)


def _end(utterance: Utterance) -> int:
    return utterance.first_frame + utterance.frames


def size_faults(folder: Path, utterances: Iterable[Utterance]) -> list[str]:
    """Return the shards that are not plain files of exactly the size that the manifest says, in words."""
    last: dict[int, Utterance] = {}
    for utterance in utterances:
        last[utterance.shard] = max(last.get(utterance.shard, utterance), utterance, key=_end)
    found = []
    for shard, utterance in last.items():
        for stream in STREAMS:
            name, wanted = stream.file(folder, shard), _end(utterance) * stream.bytes_of(utterance)
            try:
                descriptor = open_plain(folder, name)
            except Damaged as error:
                found.append(error.fault)
                continue
            size = os.fstat(descriptor).st_size
            os.close(descriptor)
            if size != wanted:
                found.append(f"{name} has {size} bytes; the manifest says {wanted}")
    return found
