"""Hashes of what our source code computes, for the fingerprints of trials and of prepared corpora.

The hash of a module is that of its syntax tree without docstrings, comments and layout. In the tree, the hash of an imported module
of ours replaces its name. So a hash changes when any used code changes, and stays the same when a module moves to another folder or
file name. Modules that a string names, for `python -m`, count as used.
"""

import ast
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any
from uuid import uuid4

ROOT = Path(__file__).resolve().parents[1]
FOLLOWED = ("ablation", "corpora", "model", "training")  # the packages whose code decides a result
DECIDING = ("common.normalise",)  # modules of other packages that do
GAP = uuid4().hex  # so that it is in no source

Imports = ast.Import | ast.ImportFrom | ast.Constant


@cache
def computed_by(modules: tuple[str, ...]) -> str:
    """Return a hash of what some modules, given by dotted names, compute with everything of ours that they use."""
    waiting, hashes = list(modules), dict[str, str]()
    while waiting:
        name = waiting.pop()
        if name not in hashes:
            hashes[name] = _hash(name)
            waiting += _started_by(name)
    return hashlib.sha256("\n".join(sorted(set(hashes.values()))).encode()).hexdigest()[:16]


@cache
def used_by(modules: tuple[str, ...]) -> dict[str, str]:
    """Return file -> hash of that file alone, for some modules and everything of ours that they use."""
    waiting, found = list(modules), dict[str, str]()
    while waiting:
        name = waiting.pop()
        path = str(_file(name).relative_to(ROOT))
        if path not in found:
            read = _read(name)
            found[path] = read.digest([""] * len(read.imported))
            waiting += [target for targets in (*read.imported, read.started) for target in targets]
    return dict(sorted(found.items()))


def code_of(modules: tuple[str, ...]) -> dict[str, Any]:
    """Return `computes`, which decides, and `files`, which later show which file has changed."""
    return {"computes": computed_by(modules), "files": used_by(modules)}


@cache
def sources_fingerprint() -> str:
    """Return a hash of all sources of corpora, model and training; README, plans and the report do not count."""
    files = sorted(path for package in ("corpora", "model", "training") for path in (ROOT / package).rglob("*.py"))
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files]
    return computed_by(tuple(names))


@cache
def _hash(name: str) -> str:
    """Return the hash of a module. Modules must not import each other in a circle."""
    read = _read(name)
    return read.digest([",".join(_hash(target) for target in targets) for targets in read.imported])


@cache
def _started_by(name: str) -> frozenset[str]:
    """Return the modules that a module, or one that it imports, starts as separate processes."""
    read = _read(name)
    return frozenset(read.started).union(*(_started_by(target) for targets in read.imported for target in targets))


def forget() -> None:
    """Read the sources again at the next call."""
    for cached in (computed_by, used_by, sources_fingerprint, _hash, _started_by, _read):
        cached.cache_clear()


@dataclass(frozen=True)
class _Source:
    """A module, read once: the parts of its syntax tree as text, with a gap for the modules that each import of ours names.

    `imported` has the modules of each gap, `started` those that strings name.
    """

    parts: tuple[str, ...]
    imported: tuple[tuple[str, ...], ...]
    started: tuple[str, ...]

    def digest(self, fillings: Sequence[str]) -> str:
        """Return a hash of the text with its gaps filled."""
        pairs = zip_longest(self.parts, fillings, fillvalue="")
        return hashlib.sha256("".join(text for pair in pairs for text in pair).encode()).hexdigest()[:12]


@cache
def _read(name: str) -> _Source:
    tree, order, started = _tree(name), dict[str, tuple[str, ...]](), list[str]()
    for node, targets in _references(tree):
        if isinstance(node, ast.Constant):
            started += targets
            _replace(node, "")
        else:
            mark = f"{GAP}{len(order)}{GAP}"
            order[str(len(order))] = targets
            _replace(node, mark)
    parts = ast.dump(tree).split(GAP)  # text, number of a gap, text, ...
    return _Source(tuple(parts[::2]), tuple(order[number] for number in parts[1::2]), tuple(started))


def _tree(name: str) -> ast.Module:
    """Return the syntax tree of a module without its docstrings."""
    tree = ast.parse(_file(name).read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node
        ):
            del node.body[0]
    return tree


def _references(tree: ast.Module) -> list[tuple[Imports, tuple[str, ...]]]:
    """Return the nodes of a tree that name modules of ours, each with these modules."""
    named = (node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom, ast.Constant)))
    found = ((node, tuple(_targets(node))) for node in named)
    return [(node, targets) for node, targets in found if targets]


def _targets(node: Imports) -> Iterator[str]:
    """Yield the modules of ours that a node names, as dotted names."""
    if isinstance(node, ast.Constant):
        candidates = [node.value] if isinstance(node.value, str) and "." in node.value else []
    elif isinstance(node, ast.Import):
        candidates = [alias.name for alias in node.names]
    else:
        within = [f"{node.module}.{alias.name}" for alias in node.names]
        candidates = [name for name in within if _is_ours(name)] or [str(node.module)]
    yield from (name for name in candidates if _is_ours(name))


def _replace(node: Imports, by: str) -> None:
    """Replace the names of modules by `by`. The names that the code uses stay."""
    if isinstance(node, ast.Constant):
        node.value = by
        return
    for alias in node.names:
        if isinstance(node, ast.Import) or _is_ours(f"{node.module}.{alias.name}"):
            alias.asname = alias.asname or alias.name
            alias.name = "module"
    if isinstance(node, ast.ImportFrom):
        node.module = by
    else:
        node.names.append(ast.alias(name=by))


def _is_ours(name: str) -> bool:
    followed = name.partition(".")[0] in FOLLOWED or name in DECIDING
    return followed and name.replace(".", "").isidentifier() and _file(name).is_file()


def _file(name: str) -> Path:
    return ROOT.joinpath(*name.split(".")).with_suffix(".py")
