"""Packages as YAML that everybody reads as it was meant.

kfp writes YAML 1.1, and a server reads YAML 1.2 (Go's yaml.v3 and sigs.k8s.io/yaml). The text `1e5` needs no quotes in the first
and is a number in the second: the server accepts the package, and then refuses every run or silently changes a key. So every
text is quoted that is not plainly a word, and the result is read back by parsers of both versions.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from common.errors import UserError

WORD = re.compile(r"[A-Za-z/](?:[A-Za-z0-9_./$@ -]*[A-Za-z0-9_./$@-])?")
NOT_TEXT = {"true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf", "infinity"}
# Numbers of Go's parsers that kfp leaves without quotes. Go takes upper case in `0B1`.
NUMBER = re.compile(
    r"[-+]?(?:0[bB][01]+|0[oO][0-7]+|0[xX][0-9a-fA-F]+|(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"
)
WIDTH = 120


class _Dumper(yaml.SafeDumper):
    """PyYAML's dumper with quotes around every text that is not plainly a word, and without aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (PyYAML's signature)
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = WORD.fullmatch(text) and text.lower() not in NOT_TEXT
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _text)


def read_documents(package: Path) -> tuple[str, list[Any]]:
    """Return the comment at the top and the documents of a package that kfp's compiler wrote."""
    text = package.read_text(encoding="utf-8")
    comment = re.match(r"(?:#[^\n]*\n)*", text)
    return comment.group() if comment else "", list(yaml.safe_load_all(text))


def package_text(documents: Sequence[Any], comment: str = "") -> str:
    """Return documents as YAML. Raises UserError if a parser of YAML 1.1 or 1.2 reads anything else from it."""
    text = comment + "---\n".join(
        yaml.dump(each, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=WIDTH) for each in documents
    )
    check_reads_as(text, documents)
    return text


def check_reads_as(text: str, meant: Sequence[Any]) -> None:
    """Raise UserError if a parser of YAML 1.1 or of YAML 1.2 reads other documents from a text."""
    from ruamel.yaml import YAML

    readings = {"1.1": yaml.safe_load_all(text), "1.2": YAML(typ="safe", pure=True).load_all(text)}
    for version, documents in readings.items():
        for found in _differences(list(meant), list(documents), "document"):
            raise UserError(
                f"a package means the same in YAML 1.1 and 1.2: YAML {version} reads {found}; give the setting another value"
            )


def _differences(meant: Any, got: Any, place: str) -> Iterator[str]:
    """Yield where two values differ, types included: for Python, 1, 1.0 and True are equal."""
    if type(meant) is not type(got) or (not isinstance(meant, (dict, list)) and meant != got):
        yield f"{place} as {got!r} instead of {meant!r}"
    elif isinstance(meant, dict):
        if [*meant] != [*got] or [*map(type, meant)] != [*map(type, got)]:
            yield f"the keys of {place} as {[*got]} instead of {[*meant]}"
        for key in meant.keys() & got.keys():
            yield from _differences(meant[key], got[key], f"{place}.{key}")
    elif isinstance(meant, list):
        if len(meant) != len(got):
            yield f"{place} with {len(got)} entries instead of {len(meant)}"
        for number, (one, other) in enumerate(zip(meant, got, strict=False)):
            yield from _differences(one, other, f"{place}.{number}")


def numbers_for_go(text: str) -> Iterator[str]:
    """Yield the texts of a YAML file that have no quotes and are numbers for a server, e.g. `1e5` and `0o17`."""
    for node in yaml.compose_all(text, Loader=yaml.SafeLoader):
        yield from _unquoted(node)


def is_number_for_go(text: str) -> bool:
    """Return True if a server reads a text without quotes as a number. It drops every `_` but the first character."""
    return not text.startswith("_") and NUMBER.fullmatch(text.replace("_", "")) is not None


def _unquoted(node: yaml.Node) -> Iterator[str]:
    if isinstance(node, yaml.ScalarNode):
        if node.tag == "tag:yaml.org,2002:str" and node.style is None and is_number_for_go(node.value):
            yield node.value
        return
    for inside in node.value:
        for part in inside if isinstance(inside, tuple) else (inside,):
            yield from _unquoted(part)
