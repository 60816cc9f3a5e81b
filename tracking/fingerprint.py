"""What makes a trial the same trial: settings, seed, corpus content, noise, the code that computes it, and torch.

Code counts by what it computes (`common.source_code`): its comments, docstrings and place do not count, nor do modules that
training never uses. What the counts of a trial depend on besides its training (conditions, test noise, scoring) is a second
fingerprint, so that another condition scores again and trains nothing.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from common.source_code import computed_by, used_by

TRAINING = ("training.loop",)  # the modules at which training and scoring begin
SCORING = ("training.evaluate", "ablation.stats.scoring")
OLD_CODE = (
    "the code is not comparable: the earlier trial is of a version that knew code by file names, and its trials are trained once "
    "more"
)


def trial_inputs(
    settings: Mapping[str, Any],
    seed: int,
    corpus: str,
    recordings: str | None = None,
    init_from: str | None = None,
) -> dict[str, Any]:
    """Everything that decides a trained checkpoint, by name and as JSON types.

    `corpus` is the corpus's own fingerprint, `recordings` names the file or folder that stands in for its babble,
    `init_from` the checkpoint that its weights start from.
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


def scoring_inputs(trial: str, conditions: Mapping[str, Sequence[float]], noise: Mapping[str, str]) -> dict[str, Any]:
    """Everything that decides the counts of a trial with the fingerprint `trial`: conditions in dB, noise, code."""
    return {
        "trial": trial,
        "conditions": {kind: [float(snr_db) for snr_db in snrs_db] for kind, snrs_db in conditions.items()},
        "noise": {kind: content(noise[kind]) for kind in sorted(noise)},
        "code": _code(SCORING),
        "versions": {package: version(package) for package in ("torch", "jiwer", "rapidfuzz")},
    }


def _code(modules: tuple[str, ...]) -> dict[str, Any]:
    """`computes` decides; `files` is there to say later which file has changed."""
    return {"computes": computed_by(modules), "files": used_by(modules)}


def scoring_code() -> str:
    """Return a hash of the code that transcribes and counts errors."""
    return computed_by(SCORING)


def fingerprint(inputs: Mapping[str, Any]) -> str:
    """16 hex digits; equal for inputs that must give equal results on one kind of machine."""
    deciding = dict(inputs) | ({"code": inputs["code"]["computes"]} if "code" in inputs else {})
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()[:16]


def changes(earlier: Any, now: Any, at: str = "") -> list[str]:
    """What differs between the inputs of two trials, one entry each: `settings.training.steps: 600 -> 700`.

    Of code, the files that differ are named, wherever they lie.
    """
    if at == "code":
        return _code_changes(earlier, now)
    if isinstance(earlier, Mapping) and isinstance(now, Mapping):
        keys = dict.fromkeys([*earlier, *now])
        return [line for key in keys for line in changes(earlier.get(key), now.get(key), f"{at}.{key}" if at else key)]
    return [] if earlier == now else [f"{at.removeprefix('settings.')}: {_shown(earlier)} -> {_shown(now)}"]


def _code_changes(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    if "computes" not in earlier:
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
    """A hash of a file, or of all files of a folder with their names; of their content and not of dates or place.

    What is not there has none, as a path of another machine; whoever reads it says so.
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
