"""Read a prepared corpus from disk through memory maps. `layout` describes the files, `writer` writes them."""

import csv
import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.errors import UserError
from corpora import cache
from corpora.layout import HEAD, MANIFEST, REJECTED, SCHEMA_VERSION, counts, fingerprint, shard_paths
from corpora.schema import MOUTH_SIZE_PX, SAMPLES_PER_FRAME, SPLITS, Clip, Rejected, Utterance, problem, sha256

PREPARE_AGAIN = "delete the folder and prepare it again"


class Corpus:
    """A prepared corpus, read-only, which stays in the cache while it is open.

    The arrays that it returns are views of memory maps: copy them before you change them.
    """

    def __init__(self, path: Path, head: dict[str, Any]) -> None:
        self.path = path
        self.uri: str = head["uri"]
        self.fingerprint: str = head["fingerprint"]
        self._maps: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    @classmethod
    def open(cls, path: Path) -> "Corpus":
        """Raises UserError where `path` has no prepared corpus, or one of another schema version."""
        corpus = cls(Path(path), _head(Path(path)))
        cache.hold(corpus.path, corpus)
        return corpus

    @cached_property
    def all_utterances(self) -> list[Utterance]:
        """The utterances of all splits, in the order of the manifest. Raises UserError where the manifest is damaged."""
        try:
            rows = pd.read_parquet(self.path / MANIFEST).to_dict("records")
        except (OSError, ValueError) as error:  # pyarrow raises ValueError for a damaged file
            raise UserError(
                f"a prepared corpus has a {MANIFEST}; the one in {self.path} cannot be read: {PREPARE_AGAIN}"
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
        with (self.path / REJECTED).open(newline="", encoding="utf-8") as file:
            return [Rejected(**row) for row in csv.DictReader(file)]

    def video(self, utterance: Utterance) -> np.ndarray:
        """uint8 (T, 96, 96)."""
        return self._shard(utterance.shard)[0][utterance.first_frame : utterance.first_frame + utterance.frames]

    def audio(self, utterance: Utterance) -> np.ndarray:
        """int16 (T * 640,)."""
        first = utterance.first_frame * SAMPLES_PER_FRAME
        return self._shard(utterance.shard)[1][first : first + utterance.samples]

    def summary(self) -> dict[str, Any]:
        """Return uri, fingerprint, utterances per split, speakers per split, rejected clips, frames and hours."""
        found = counts(self.all_utterances, len(self.rejected))
        return {"uri": self.uri, "fingerprint": self.fingerprint, **found}

    def verify(self) -> list[str]:
        """Read every byte, compare it with the manifest, and return the problems in words; [] for a sound corpus."""
        problems = []
        for utterance in self.all_utterances:
            try:
                clip = Clip(utterance.id, utterance.speaker, utterance.split, utterance.text, *self._arrays(utterance))
            except (OSError, ValueError) as error:
                problems.append(f"{utterance.id}: shard {utterance.shard} cannot be read ({error})")
                continue
            problems += [f"{utterance.id}: {fault}" for fault in _faults(clip, utterance)]
        if fingerprint(self.all_utterances) != self.fingerprint:
            problems.append(f"the manifest does not have the fingerprint in {HEAD}: one of them was changed")
        return problems

    def _arrays(self, utterance: Utterance) -> tuple[np.ndarray, np.ndarray]:
        return self.video(utterance), self.audio(utterance)

    def _shard(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        if number not in self._maps:
            video, audio = shard_paths(self.path, number)
            frames = np.memmap(video, np.uint8, "r").reshape(-1, MOUTH_SIZE_PX, MOUTH_SIZE_PX)
            self._maps[number] = frames, np.memmap(audio, "<i2", "r")
        return self._maps[number]


def _head(path: Path) -> dict[str, Any]:
    """Return the contents of corpus.json. Raises UserError."""
    file = path / HEAD
    if not file.is_file():
        raise UserError(f"a prepared corpus is a folder with {HEAD}; {path} has none: run `ablate corpus prepare`")
    try:
        head: dict[str, Any] = json.loads(file.read_text())
    except ValueError as error:
        raise UserError(f"{file} must be JSON ({error}): {PREPARE_AGAIN}") from error
    if head.get("schema_version") != SCHEMA_VERSION:
        raise UserError(
            f"{path} has corpus schema version {head.get('schema_version')}, this program reads {SCHEMA_VERSION}: "
            f"{PREPARE_AGAIN}"
        )
    return head


def _faults(clip: Clip, utterance: Utterance) -> list[str]:
    faults = [fault] if (fault := problem(clip)) else []
    if sha256(clip.video) != utterance.video_sha256:
        faults.append("the video differs from its checksum")
    if sha256(clip.audio) != utterance.audio_sha256:
        faults.append("the audio differs from its checksum")
    return faults
