"""Texts with two braces on their way through Kubeflow, which replaces or refuses `{{...}}` in every input of a run.

`protect` puts a mark between the braces and `restore` takes it out, so that a plan's question arrives as it was written. Marks that
a text has at such a place itself are kept: each of the two functions adds, or removes, exactly one.
"""

import re
from collections.abc import Mapping
from typing import Any

MARK = "\ue000"  # a character for private use, which a server keeps
_OPEN = re.compile(rf"\{{(?={MARK}*\{{)")
_MARKED = re.compile(rf"\{{{MARK}(?={MARK}*\{{)")


def protect(value: Any) -> Any:
    """Return plain JSON data with a mark between the braces of every text and key."""
    return _each(value, lambda text: _OPEN.sub("{" + MARK, text))


def restore(value: Any) -> Any:
    """Return the data that `protect` was given."""
    return _each(value, lambda text: _MARKED.sub("{", text))


def _each(value: Any, change: Any) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {_each(key, change): _each(item, change) for key, item in value.items()}
    return [_each(item, change) for item in value] if isinstance(value, list | tuple) else value
