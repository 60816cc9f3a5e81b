"""The files of a prepared corpus on disk, for its writer and its reader.

corpus.json               schema version, uri, fingerprint, counts
manifest.parquet          one row per utterance: the fields of `schema.Utterance`
rejected.csv              id,split,reason
shards/video-00000.u8     frames of 96 x 96 bytes, one utterance after another
shards/audio-00000.i16    640 little-endian samples per frame, in the same order
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from corpora.schema import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, SPLITS, Utterance

SCHEMA_VERSION = 1
HEAD, MANIFEST, REJECTED, SHARDS = "corpus.json", "manifest.parquet", "rejected.csv", "shards"


def shard_paths(folder: Path, number: int) -> tuple[Path, Path]:
    """The files of a shard: its video and its audio."""
    return folder / SHARDS / f"video-{number:05d}.u8", folder / SHARDS / f"audio-{number:05d}.i16"


def fingerprint(utterances: Iterable[Utterance]) -> str:
    """Return a hash of the texts, pictures, sound and splits. Paths, dates, shards and order do not count."""
    rows = sorted((u.id, u.speaker, u.split, u.text, u.frames, u.video_sha256, u.audio_sha256) for u in utterances)
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def counts(utterances: list[Utterance], rejected: int) -> dict[str, Any]:
    """Return utterances per split, speakers per split, rejected clips, frames and hours."""
    frames = sum(utterance.frames for utterance in utterances)
    per_split = {split: sum(u.split == split for u in utterances) for split in SPLITS}
    speakers = {split: len({u.speaker for u in utterances if u.split == split}) for split in SPLITS}
    hours = round(frames * SAMPLES_PER_FRAME / SAMPLE_RATE_HZ / 3600, 4)
    return {**per_split, "speakers": speakers, "rejected": rejected, "frames": frames, "hours": hours}
