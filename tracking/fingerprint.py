"""Fingerprints of trials: hashes of settings, seed, corpus content, noise, the code that computes the trial, and torch.

Code counts by what it computes (`common.source_code`). Comments, docstrings and paths do not count, nor do modules that
training never uses. The error counts of a trial also depend on conditions, test noise and the scoring code. These form a
second fingerprint, so that a new condition is scored without training again.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from common.normalise import BASIC, VERSION
from common.source_code import computed_by, used_by

TRAINING = ("training.loop",)  # the modules in which training and scoring begin
SCORING = ("training.evaluate", "ablation.stats.scoring")
OLD_CODE = (
    "the earlier trial was stored by a version that compared code by file names, so its trials are trained once more"
)


def trial_inputs(
    settings: Mapping[str, Any],
    seed: int,
    corpus: str,
    recordings: str | None = None,
    init_from: str | None = None,
) -> dict[str, Any]:
    """Return all inputs that decide a trained checkpoint, by name and as JSON types.

    `corpus` is the fingerprint of the corpus. `recordings` is the path of the file or folder that replaces its babble.
    `init_from` is the checkpoint from which the weights start.
    """
    return {
        "settings": dict(settings),
        "seed": seed,
        "corpus": corpus,
        "noise": {"babble": content(recordings)} if recordings else {},
        "start": content(init_from) if init_from else None,
        "code": _code(TRAINING),
        "torch": version("torch"),
    }


def scoring_inputs(
    trial: str, conditions: Mapping[str, Sequence[float]], noise: Mapping[str, str], normalise: str = BASIC
) -> dict[str, Any]:
    """Return all inputs that decide the error counts of the trial with the fingerprint `trial`.

    These are SNRs in dB, noise, the normalisation of texts with its version, and code.
    """
    return {
        "trial": trial,
        "conditions": {kind: [float(snr_db) for snr_db in snrs_db] for kind, snrs_db in conditions.items()},
        "noise": {kind: content(noise[kind]) for kind in sorted(noise)},
        "normalise": {"name": normalise, "version": VERSION},
        "code": _code(SCORING),
        "versions": {package: version(package) for package in ("torch", "jiwer", "rapidfuzz", "regex")},
    }


def _code(modules: tuple[str, ...]) -> dict[str, Any]:
    """Return `computes`, which decides, and `files`, which later show which file has changed."""
    return {"computes": computed_by(modules), "files": used_by(modules)}


def scoring_code() -> str:
    """Return a hash of the code that transcribes and counts errors."""
    return computed_by(SCORING)


def fingerprint(inputs: Mapping[str, Any]) -> str:
    """Return 16 hex digits, equal for inputs that must give equal results on machines of one kind."""
    deciding = dict(inputs) | ({"code": inputs["code"]["computes"]} if "code" in inputs else {})
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()[:16]


def changes(earlier: Any, now: Any, at: str = "") -> list[str]:
    """Return the differences between the inputs of two trials, one line each, e.g. `training.steps: 600 -> 700`.

    For code, the lines name the files whose content differs. A file that only moved is not a difference.
    """
    if at == "code":
        return _code_changes(earlier, now)
    if isinstance(earlier, Mapping) and isinstance(now, Mapping):
        keys = dict.fromkeys([*earlier, *now])
        return [line for key in keys for line in changes(earlier.get(key), now.get(key), f"{at}.{key}" if at else key)]
    return [] if earlier == now else [f"{at.removeprefix('settings.')}: {_shown(earlier)} -> {_shown(now)}"]


def _code_changes(earlier: Mapping[str, Any] | None, now: Mapping[str, Any]) -> list[str]:
    if earlier is None or "computes" not in earlier:
        return [OLD_CODE]
    if earlier["computes"] == now["computes"]:
        return []
    before, after = earlier["files"], now["files"]
    new = {path for path in after if after[path] not in before.values()}
    gone = {path for path in before if before[path] not in after.values()}
    return [
        *(f"{path} {'has changed' if path in gone else 'is new'}" for path in sorted(new)),
        *(f"{path} is gone" for path in sorted(gone - new)),
    ]


def _shown(value: Any) -> str:
    return "nothing" if value is None else value if isinstance(value, str) else json.dumps(value)


@lru_cache
def content(source: str) -> str:
    """Return a hash of a file's content, or of the names and contents of all files in a folder. Dates and the path do not count.

    A path that does not exist here, e.g. one of another machine, gives `absent: PATH`. The reader of the path reports it.
    """
    path, digest = Path(source), hashlib.sha256()
    if not path.exists():
        return f"absent: {source}"
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            digest.update(str(file.relative_to(path)).encode() + b"\0")
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16]
