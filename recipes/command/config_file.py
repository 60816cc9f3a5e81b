"""A config file of another toolkit, and copies of it with some keys changed.

YAML is changed as a tree of nodes, not as data: tags of other toolkits (`!ref`, `!new:...`), numbers as they are written, anchors
and merges stay as they are. Comments are lost.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any

import yaml

from common.errors import UserError
from common.files import atomic_write
from common.hints import did_you_mean
from common.text_file import read_text_file

MERGE = "tag:yaml.org,2002:merge"


class ConfigFile:
    """A config of YAML or JSON."""

    def __init__(self, path: Path, text: str, root: yaml.Node) -> None:
        self.path, self._text, self._root = path, text, root

    def check(self, key: str) -> None:
        """Raise UserError if the config lacks a key, given with dots."""
        node = self._root
        steps = key.split(".")
        for number, step in enumerate(steps):
            inner = _child(node, step)
            if inner is None:
                wrong = ".".join(steps[: number + 1])
                known = [".".join([*steps[:number], name]) for name in _names(node)]
                raise UserError(
                    f"{self.path.name} has no key {key!r}{did_you_mean(wrong, known)}; to set a new key, add it to "
                    f"{self.path.name} with the value of the baseline"
                )
            node = inner

    def write(self, changes: Mapping[str, Any], target: Path) -> Path:
        """Write a copy with changed keys (dotted key -> plain value). Raises UserError for a key that the config lacks."""
        for key in changes:
            self.check(key)
        if self.path.suffix == ".json":
            return atomic_write(target, _changed_json(json.loads(self._text), changes))
        root = self._root
        for key, value in changes.items():
            root = _with(root, key.split("."), _node_of(value))
        return atomic_write(target, yaml.serialize(root, Dumper=yaml.SafeDumper, allow_unicode=True))


def read(path: Path) -> ConfigFile:
    """Read a config. Raises UserError in one sentence."""
    text = read_text_file(path, "config", "give the path of a YAML or JSON file in `config: {base: FILE}`")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if path.suffix == ".json":
            json.loads(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"the config {path} is not valid ({reason}); correct it") from error
    if not isinstance(root, yaml.MappingNode):
        raise UserError(f"the config {path} is not a mapping of keys; give another file")
    return ConfigFile(path, text, root)


def _names(node: yaml.Node) -> list[str]:
    if isinstance(node, yaml.SequenceNode):
        return [str(number) for number in range(len(node.value))]
    return list(dict.fromkeys(key.value for key, _ in _pairs(node)))


def _pairs(node: yaml.Node) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
    """Yield keys and values of a mapping, its own first, then those that it merges (`<<: *base`)."""
    if not isinstance(node, yaml.MappingNode):
        return
    yield from ((key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode) and key.tag != MERGE)
    for key, value in node.value:
        if key.tag == MERGE:
            for each in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                yield from _pairs(each)


def _child(node: yaml.Node, step: str) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode):
        return node.value[int(step)] if step.isdecimal() and int(step) < len(node.value) else None
    return next((value for key, value in _pairs(node) if key.value == step), None)


def _with(node: yaml.Node, steps: Sequence[str], value: yaml.Node) -> yaml.Node:
    """Return a copy of a tree with another value. Other places that share a part of it by an alias keep theirs."""
    if not steps:
        return value
    new, step = copy(node), steps[0]
    if isinstance(node, yaml.SequenceNode):
        new.value = list(node.value)
        new.value[int(step)] = _with(node.value[int(step)], steps[1:], value)
        return new
    inner = _with(_child(node, step) or value, steps[1:], value)
    own = any(key.value == step and key.tag != MERGE for key, _ in node.value)
    new.value = [(key, inner if key.value == step and key.tag != MERGE else old) for key, old in node.value]
    if not own:  # it was merged in
        new.value.append((yaml.ScalarNode("tag:yaml.org,2002:str", step), inner))
    return new


def _node_of(value: Any) -> yaml.Node:
    return yaml.SafeDumper("").represent_data(value)


def _changed_json(data: Any, changes: Mapping[str, Any]) -> str:
    for key, value in changes.items():
        *steps, last = key.split(".")
        inner = data
        for step in steps:
            inner = inner[int(step) if isinstance(inner, list) else step]
        inner[int(last) if isinstance(inner, list) else last] = value
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"
