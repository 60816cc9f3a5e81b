"""Texts and files that are no YAML: one sentence, and never a traceback or a wait."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common.errors import UserError
from common.text_file import LONGEST_BYTES, read_text_file
from common.yaml_text import load_yaml


@pytest.mark.parametrize(
    "text",
    [
        "a: 2020-13-45",
        "a: 2020-01-01 99:99:99",
        f"a: {'9' * 5000}",
        f"a: 0x{'f' * 10_000}",
        "a: [0x_, 0b_]",
        "a: !!int abc",
        "a: !!float abc",
        "a: !!bool maybe",
        "a: !!timestamp abc",
        'a: "\\U99999999"',
        "a: !!python/object/apply:os.system [x]",
        "a: \0",
        "[" * 100_000,
        "{? [a]: b}",
        "a: =",
        "--- a\n--- b",
    ],
)
def test_a_text_that_is_no_yaml_is_one_sentence(text: str) -> None:
    with pytest.raises(UserError) as error:
        load_yaml(text)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_bytes(b"a: \xff"), "is UTF-8 text, but byte 3 is not; save it as UTF-8"),
        (Path.mkdir, "which is not a plain file; give one"),
        (os.mkfifo, "which is not a plain file; give one"),
        (lambda path: path.symlink_to("/dev/zero"), "which is not a plain file; give one"),
        (lambda path: path.symlink_to(path), r"cannot be read \(Too many levels of symbolic links\); give one"),
        (lambda path: (path.touch(), os.truncate(path, 1 << 40)), f"has at most {LONGEST_BYTES} bytes"),
        (lambda _: None, "no plan file at .*; give one"),
    ],
    ids=["not UTF-8", "folder", "pipe", "device", "loop", "huge", "absent"],
)
def test_a_file_that_is_no_text_is_one_sentence(tmp_path: Path, make: Callable[[Path], Any], words: str) -> None:
    make(tmp_path / "plan.yaml")
    with pytest.raises(UserError, match=words):
        read_text_file(tmp_path / "plan.yaml", "plan", "give one")


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
def test_a_name_that_no_file_can_have_is_one_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_text_file(tmp_path / name, "plan", "give one")
