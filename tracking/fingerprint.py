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
from typing import Any

from common.content import content
from common.normalise import BASIC, VERSION
from common.source_code import code_of, computed_by

MOST_FILES = 3  # that `changes` names; a new version of this service changes dozens
SCORING = ("ablation.stats.scoring",)  # the module in which scoring begins
OLD_CODE = (
    "the earlier trial was stored by a version that compared code by file names, so its trials are trained once more"
)


def trial_inputs(
    settings: Mapping[str, Any],
    seed: int,
    corpus: str,
    noise: Mapping[str, str] | None = None,
    identity: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return all inputs that decide a trained checkpoint, by name and as JSON types.

    `corpus` is the fingerprint of the corpus. `noise` maps a kind to the recordings that training uses. `identity` is what the
    recipe adds: code, start weights, versions.
    """
    given = {"settings": dict(settings), "seed": seed, "corpus": corpus, "noise": _contents(noise or {})}
    return {**(identity or {}), **given}


def scoring_inputs(
    trial: str,
    conditions: Mapping[str, Sequence[float]],
    noise: Mapping[str, str],
    normalise: str = BASIC,
    transcription: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return all inputs that decide the error counts of the trial with the fingerprint `trial`.

    These are SNRs in dB, noise, the normalisation of texts with its version, code, and what the recipe says of `transcription`.
    """
    return {
        "trial": trial,
        "conditions": {kind: [float(snr_db) for snr_db in snrs_db] for kind, snrs_db in conditions.items()},
        "noise": _contents(noise),
        "normalise": {"name": normalise, "version": VERSION},
        "code": code_of(SCORING),
        "versions": dict(_versions()),
        "transcription": dict(transcription or {}),
    }


@lru_cache
def _versions() -> dict[str, str]:
    """Return the versions of the packages that count errors; looked up once, as each lookup parses a file."""
    return {package: version(package) for package in ("jiwer", "rapidfuzz", "regex")}


def _contents(noise: Mapping[str, str]) -> dict[str, str]:
    return {kind: content(noise[kind]) for kind in sorted(noise)}


def scoring_code(transcription: Mapping[str, Any]) -> str:
    """Return a hash of what transcribes, as the recipe says, and of the code that counts errors."""
    return fingerprint({"scoring": computed_by(SCORING), "transcription": dict(transcription)})


def fingerprint(inputs: Mapping[str, Any]) -> str:
    """Return 16 hex digits, equal for inputs that must give equal results on machines of one kind."""
    code = inputs.get("code")
    deciding = dict(inputs) | ({"code": code["computes"]} if isinstance(code, Mapping) and "computes" in code else {})
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()[:16]


def changes(earlier: Any, now: Any, at: str = "") -> list[str]:
    """Return the differences between the inputs of two trials, one line each, e.g. `training.steps: 600 -> 700`.

    For code, the lines name a few files whose content differs, and count the others. A file that only moved is no difference.
    """
    if at == "code" and (now is None or (isinstance(now, Mapping) and "computes" in now)):
        return _code_changes(earlier, now) if now else []  # another recipe has other code
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
    found = [
        *(f"{path} {'has changed' if path in gone else 'is new'}" for path in sorted(new)),
        *(f"{path} is gone" for path in sorted(gone - new)),
    ]
    more = len(found) - MOST_FILES
    return found if more < 2 else [*found[:MOST_FILES], f"{more} more files differ"]


def _shown(value: Any) -> str:
    return "nothing" if value is None else value if isinstance(value, str) else json.dumps(value)
