"""What makes a trial the same trial: settings, seed, corpus content, the code that computes it, and torch."""

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("corpora", "model", "training")


def trial_fingerprint(settings: Mapping[str, Any], seed: int, corpus_fingerprint: str) -> str:
    """16 hex digits; equal for trials that must give equal results on one kind of machine."""
    parts = [dict(settings), seed, corpus_fingerprint, sources_fingerprint(), version("torch")]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


@lru_cache
def sources_fingerprint() -> str:
    """A hash of the sources that decide a trial's result. A change of README, plans or the report is none."""
    digest = hashlib.sha256()
    for path in sorted(path for package in SOURCES for path in (ROOT / package).rglob("*.py")):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
