"""The text of a recipe file: its data, the line of every value, and values that wait to be filled in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from common.errors import UserError
from common.text_file import read_text_file
from common.yaml_text import load_yaml

FILL_IN = "FILL_IN"  # the value of whatever the author of a recipe has still to fill in
Path_ = tuple[str, ...]


@dataclass(frozen=True)
class Document:
    """A recipe file. `data` is its plain content."""

    path: Path
    text: str
    data: Any

    @cached_property
    def _nodes(self) -> dict[Path_, int]:
        return dict(_walk(yaml.compose(self.text, Loader=yaml.SafeLoader), ()))

    def line(self, place: Sequence[str | int]) -> int | None:
        """Return the line of the value at a path of keys, or of the nearest value around it; None without any."""
        steps = tuple(map(str, place))
        return next((self._nodes[steps[:end]] for end in range(len(steps), 0, -1) if steps[:end] in self._nodes), None)

    def to_fill_in(self) -> list[tuple[int, str]]:
        """Return line and dotted path of every value that is `FILL_IN`, or has it inside."""
        found = yaml.compose(self.text, Loader=yaml.SafeLoader)
        return [(line, ".".join(place)) for place, line, text in _scalars(found, ()) if FILL_IN in text]


def read_document(path: Path) -> Document:
    """Read a recipe file. Raises UserError in one sentence."""
    if path.suffix == ".py":
        raise UserError(
            f"{path} is Python: a plan names such a recipe as `recipe: package.module:OBJECT`; give a file in YAML"
        )
    text = read_text_file(path, "recipe", "give the path of a recipe in YAML")
    try:
        data = load_yaml(text)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    if not isinstance(data, dict):
        raise UserError(f"{path}: a recipe is a mapping with keys such as `recipe` and `train`; see docs/recipes.md")
    if "study" in data:
        raise UserError(f"{path} is a plan, not a recipe; give the recipe that it names")
    return Document(path, text, data)


def _walk(node: yaml.Node | None, place: Path_) -> Iterator[tuple[Path_, int]]:
    """Yield the path and the line of every value; keys of mappings give the line of the key."""
    for step, key, value in _inside(node):
        yield (*place, step), key.start_mark.line + 1
        yield from _walk(value, (*place, step))


def _scalars(node: yaml.Node | None, place: Path_) -> Iterator[tuple[Path_, int, str]]:
    for step, key, value in _inside(node):
        if FILL_IN in step:
            yield (*place, step), key.start_mark.line + 1, step
        if isinstance(value, yaml.ScalarNode):
            yield (*place, step), value.start_mark.line + 1, value.value
        yield from _scalars(value, (*place, step))


def _inside(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        yield from ((str(key.value), key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode))
    elif isinstance(node, yaml.SequenceNode):
        yield from ((str(number), value, value) for number, value in enumerate(node.value))
