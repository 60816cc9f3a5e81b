"""YAML as people expect it: `1e6` is a number, `no` is a word, and a duplicate key is an error."""

import re
from collections.abc import Hashable
from typing import Any

import yaml

from common.errors import UserError

BOOL, FLOAT = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:float"
MOST_DIGITS = 100
MOST_VALUES = 100_000  # with all aliases expanded: nine lines of aliases can expand to a billion values
MOST_WRITTEN = 20_000  # without: a plan needs some hundreds, and reading takes 40 us a value


class _Loader(yaml.SafeLoader):
    """PyYAML's loader with YAML 1.2's rules for numbers and booleans. In YAML 1.1, `1e6` is text and `no` is false."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (the name and form are PyYAML's)
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in (BOOL, FLOAT)]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    written = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Count the values, and stop at a text that is far too long, before it has taken seconds to read."""
        self.written += 1
        if self.written > MOST_WRITTEN:
            line = self.peek_event().start_mark.line + 1
            raise UserError(
                f"line {line}: over {MOST_WRITTEN:,} values up to here; a plan needs some hundreds: shorten its lists"
            )
        return super().compose_node(parent, index)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Name the line of a value that is not valid, such as a 13th month."""
        try:
            return super().construct_object(node, deep)
        except UserError:
            raise
        except (ValueError, OverflowError, LookupError, AttributeError, TypeError) as error:
            # PyYAML's own constructors: `2026-13-01`, `!!bool maybe`, `0x_`
            reason = " ".join(str(error).split())[:80]
            given = repr(node.value)[:40]
            raise UserError(
                f"line {node.start_mark.line + 1}: {given} is not a valid value ({reason}); "
                "correct it, or put it in quotes if it is text"
            ) from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Refuse a duplicate key, of which YAML keeps the last one only: an arm would be lost silently."""
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            line = key.start_mark.line + 1
            if key.value in lines:
                first = lines[key.value]
                raise UserError(f"key {key.value!r} occurs twice, on lines {first} and {line}; rename or remove one")
            lines[key.value] = line
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """Refuse integers that Python itself does not print."""
        if len(node.value) > MOST_DIGITS:
            raise UserError(f"line {node.start_mark.line + 1}: a number has at most {MOST_DIGITS} digits; correct it")
        return int(super().construct_yaml_int(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_implicit_resolver(BOOL, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_implicit_resolver(
    FLOAT,
    re.compile(
        r"^[-+]?(?:(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.(?:inf|Inf|nan|NaN))$"
    ),
    list("-+0123456789."),
)


def load_yaml(text: str) -> Any:
    """Return the data of a YAML or JSON text. Raises UserError with line and column of a syntax error."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _values(node, {})
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise UserError(f"this is not valid YAML: {place}{error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise UserError(f"this is not valid YAML: {' '.join(str(error).split())}") from error
    except UserError:
        raise
    except (ValueError, OverflowError, LookupError, AttributeError, TypeError) as error:
        # PyYAML's own scanner: `\U99999999`
        reason = " ".join(str(error).split())[:120]
        raise UserError(f"this is not valid YAML: a value is not valid ({reason})") from error
    except RecursionError as error:
        raise UserError("lists and mappings are nested hundreds deep; a plan needs a few levels") from error


def _values(node: yaml.Node, known: dict[yaml.Node, int]) -> int:
    """Return the number of values of a node with its aliases expanded. Raises UserError for too many or endless ones."""
    if node in known:
        return known[node]
    known[node] = MOST_VALUES  # an alias inside its own value has no end
    inside = [node.value] if isinstance(node, yaml.ScalarNode) else node.value
    parts = [part for item in inside for part in (item if isinstance(item, tuple) else (item,))]
    known[node] = 1 + sum(_values(part, known) for part in parts if isinstance(part, yaml.Node))
    if known[node] > MOST_VALUES:
        line = node.start_mark.line + 1
        raise UserError(f"line {line}: with its aliases (*) written out this is over {MOST_VALUES:,} values; drop them")
    return known[node]
