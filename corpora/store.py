"""A prepared corpus on disk, opened for reading. `layout` describes the files, `writer` writes them."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import UserError
from corpora import cache
from corpora.layout import counts
from corpora.problems import problems
from corpora.record import damaged
from corpora.schema import SPLITS, Rejected, Utterance
from corpora.shards import Shards, size_faults
from corpora.tables import read_head, read_manifest, read_rejected


class Corpus:
    """A prepared corpus, read-only, which stays in the cache while it is open.

    The arrays that it returns are views of memory maps: copy them before you change them. What is read is compared with what was
    written: the manifest with the fingerprint, the shards with the sizes that it gives them, an utterance with its checksums at its
    first use. A difference raises `Damaged`.
    """

    def __init__(self, path: Path, head: dict[str, Any], shards: bool = True) -> None:
        self.path = path
        self.uri: str = head["uri"]
        self.fingerprint: str = head["fingerprint"]
        self._head = head
        self._shards, self._has_shards = Shards(path), shards

    @classmethod
    def open(cls, path: Path, *, shards: bool = True) -> "Corpus":
        """Raises UserError where `path` has no prepared corpus, a damaged one, or one of another schema version.

        `shards` is False for a folder that has the small files of a corpus only.
        """
        corpus = cls(Path(path), read_head(Path(path)), shards)
        cache.hold(corpus.path, corpus)
        return corpus

    @cached_property
    def all_utterances(self) -> list[Utterance]:
        """The utterances of all splits, in the order of the manifest. Raises Damaged, also for a shard of another size."""
        found = read_manifest(self.path, self._head)
        if self._has_shards and (faults := size_faults(self.path, found)):
            raise damaged(self.path, f"a corpus is used as it was written; in {self.path}, {faults[0]}")
        return found

    def utterances(self, split: str) -> list[Utterance]:
        """The utterances of one split; [] for a split that the corpus does not have."""
        if split not in SPLITS:
            raise UserError(f"a split is one of {', '.join(SPLITS)}, got {split!r}")
        return [utterance for utterance in self.all_utterances if utterance.split == split]

    @property
    def has_video(self) -> bool:
        """True if the corpus has pictures. Raises Damaged."""
        return self.all_utterances[0].has_video

    @property
    def rejected(self) -> list[Rejected]:
        """The clips that were left out, with their reasons. Raises Damaged."""
        return read_rejected(self.path, self._head)

    def video(self, utterance: Utterance) -> np.ndarray:
        """uint8 (T, 96, 96), or (T, 0, 0) in a corpus without pictures. Raises Damaged."""
        return self._shards.video(utterance)

    def audio(self, utterance: Utterance) -> np.ndarray:
        """int16 (T * 640,). Raises Damaged."""
        return self._shards.audio(utterance)

    def summary(self) -> dict[str, Any]:
        """Return uri, fingerprint, utterances per split, speakers per split, rejected clips, frames and hours.

        A corpus without pictures has `video: False` in addition.
        """
        found = counts(self.all_utterances, len(self.rejected)) | ({} if self.has_video else {"video": False})
        return {"uri": self.uri, "fingerprint": self.fingerprint, **found}

    def verify(self) -> list[str]:
        """Read every byte, and return what is wrong in words; [] for a sound corpus. See `corpora.problems`."""
        return problems(self.path)
