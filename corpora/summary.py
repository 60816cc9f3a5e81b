"""A prepared corpus in a few lines: its clips per split, those that were left out and why, and copies."""

import re
from collections import Counter, defaultdict

from corpora.layout import REJECTED
from corpora.schema import SPLITS, Rejected
from corpora.store import Corpus

MOST_REASONS = 20
MOST_IDS = 3


def described(corpus: Corpus) -> list[str]:
    """Return lines that count every clip of the source once: prepared, or left out for a reason."""
    used, left_out = corpus.all_utterances, corpus.rejected
    splits = Counter(utterance.split for utterance in used)
    counts = ", ".join(f"{splits[split]} {split}" for split in SPLITS)
    if not left_out:
        return [f"{_clips(len(used))}: {counts}; none was left out", *_copies(corpus)]
    head = f"{_clips(len(used))}: {counts}; {len(left_out)} left out, listed in {corpus.path / REJECTED}:"
    return [head, *_reasons(left_out), *_copies(corpus)]


def _reasons(left_out: list[Rejected]) -> list[str]:
    """Return one line per kind of reason, the most frequent first. Reasons that differ in numbers and ids only are one kind."""
    kinds: dict[str, list[Rejected]] = defaultdict(list)
    for rejected in left_out:
        kinds[re.sub(r"\S*\d\S*", "N", rejected.reason)].append(rejected)
    ordered = sorted(kinds.values(), key=len, reverse=True)
    lines = [f"  {len(kind)}: {kind[0].reason} ({_ids(kind)})" for kind in ordered[:MOST_REASONS]]
    rest = ordered[MOST_REASONS:]
    return lines + ([f"  {sum(map(len, rest))}: {len(rest)} other reasons"] if rest else [])


def _ids(kind: list[Rejected]) -> str:
    named = ", ".join(rejected.id for rejected in kind[:MOST_IDS])
    return named + (f" and {len(kind) - MOST_IDS} more" if len(kind) > MOST_IDS else "")


def _copies(corpus: Corpus) -> list[str]:
    contents = Counter((utterance.video_sha256, utterance.audio_sha256) for utterance in corpus.all_utterances)
    copies = sum(contents.values()) - len(contents)
    return [f"{_clips(copies)} with the picture and sound of another clip of the same split"] if copies else []


def _clips(count: int) -> str:
    return "1 clip" if count == 1 else f"{count} clips"
