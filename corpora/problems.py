"""Faults of a prepared corpus: every byte is read and compared with its checksum."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from corpora import record
from corpora.schema import Utterance
from corpora.shards import STREAMS, Stream, faults, size_faults
from corpora.tables import read_head, read_manifest, read_rejected

THREADS = 4  # hashing releases the interpreter lock


def problems(folder: Path) -> list[str]:
    """Return what is wrong with a prepared corpus, in words; [] for a sound corpus.

    Raises UserError if there is no corpus, or if this user may not read it.
    """
    try:
        head = read_head(folder)
        utterances, _ = read_manifest(folder, head), read_rejected(folder, head)
    except record.Damaged as error:
        return [error.fault]
    found = size_faults(folder, utterances)
    if not found:
        with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
            parts = pool.map(lambda job: faults(folder, *job), _jobs(utterances))
            found = [fault for part in parts for fault in part]
    if found:
        record.forget(folder)
    return found


def _jobs(utterances: list[Utterance]) -> Iterator[tuple[list[Utterance], Stream]]:
    """Yield the utterances of each shard, once per stream: one file is read from its start to its end."""
    shards: dict[int, list[Utterance]] = {}
    for utterance in sorted(utterances, key=lambda utterance: utterance.first_frame):
        shards.setdefault(utterance.shard, []).append(utterance)
    for _, inside in sorted(shards.items()):
        for stream in STREAMS:
            yield inside, stream
