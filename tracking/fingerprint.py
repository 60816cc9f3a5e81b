"""What makes a trial the same trial: settings, seed, corpus content, noise, the code that computes it, and torch.

Code counts by what it does: comments, docstrings and layout do not, nor do modules that a training never imports. What a
trial's counts depend on beyond its training (conditions, test noise, scoring) is a second fingerprint, so that another
condition scores again and trains nothing.
"""

import ast
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("corpora", "model", "training")
TRAINING = ("training/loop.py",)  # where the imports of a training, and of a scoring, begin
SCORING = ("training/evaluate.py", "ablation/scoring.py")


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
        "code": modules(TRAINING),
        "torch": version("torch"),
    }


def scoring_inputs(trial: str, conditions: Mapping[str, Sequence[float]], noise: Mapping[str, str]) -> dict[str, Any]:
    """Everything that decides the counts of a trial with the fingerprint `trial`: conditions in dB, noise, code."""
    return {
        "trial": trial,
        "conditions": {kind: [float(snr_db) for snr_db in snrs_db] for kind, snrs_db in conditions.items()},
        "noise": {kind: content(noise[kind]) for kind in sorted(noise)},
        "code": modules(SCORING),
        "versions": {package: version(package) for package in ("torch", "jiwer", "rapidfuzz")},
    }


def fingerprint(inputs: Mapping[str, Any]) -> str:
    """16 hex digits; equal for inputs that must give equal results on one kind of machine."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]


def changes(earlier: Any, now: Any, at: str = "") -> list[str]:
    """What differs between the inputs of two trials, one entry each: `settings.training.steps: 600 -> 700`.

    Of code, the file is named and not its hash.
    """
    if isinstance(earlier, Mapping) and isinstance(now, Mapping):
        keys = dict.fromkeys([*earlier, *now])
        return [line for key in keys for line in changes(earlier.get(key), now.get(key), f"{at}.{key}" if at else key)]
    if earlier == now:
        return []
    if at.startswith("code."):
        what = "is new" if earlier is None else "is gone" if now is None else "has changed"
        return [f"{at.removeprefix('code.')} {what}"]
    return [f"{at.removeprefix('settings.')}: {_shown(earlier)} -> {_shown(now)}"]


def _shown(value: Any) -> str:
    return "nothing" if value is None else value if isinstance(value, str) else json.dumps(value)


@lru_cache
def sources_fingerprint() -> str:
    """A hash of all sources of corpora, model and training. A change of README, plans or the report is none."""
    paths = sorted(path for package in SOURCES for path in (ROOT / package).rglob("*.py"))
    return fingerprint({str(path.relative_to(ROOT)): _meaning(path) for path in paths})


@lru_cache
def modules(entries: tuple[str, ...]) -> dict[str, str]:
    """Path -> hash of the entry modules and of all of our sources that they import, directly or not."""
    waiting, found = list(entries), {}
    while waiting:
        path = waiting.pop()
        if path not in found:
            found[path] = _meaning(ROOT / path)
            waiting += _imported(ROOT / path)
    return dict(sorted(found.items()))


def _imported(path: Path) -> Iterator[str]:
    """Files of `SOURCES` that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            file = Path(*name.split(".")).with_suffix(".py")
            if file.parts[0] in SOURCES and (ROOT / file).is_file():
                yield str(file)


def _meaning(path: Path) -> str:
    """A hash of what a module does: its syntax tree without docstrings, which knows no comments and no layout."""
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and ast.get_docstring(
            node
        ):
            del node.body[0]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:12]


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
