"""Damage of files as disks, copies and people do it, undone after a block."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

Damage = Callable[[Path], None]


def cut(file: Path) -> None:
    """Keep the first half."""
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def zeroed(file: Path) -> None:
    """Keep the length."""
    file.write_bytes(bytes(file.stat().st_size))


def forged(file: Path) -> None:
    """Change one byte in the middle, to another digit if it is one, so that text stays readable."""
    content = bytearray(file.read_bytes())
    digits = [place for place in range(len(content) // 2, len(content)) if chr(content[place]).isdigit()]
    place = digits[0] if digits else len(content) // 2
    content[place] = ord("8") if content[place] == ord("7") else ord("7") if digits else content[place] ^ 1
    file.write_bytes(content)


def missing(file: Path) -> None:
    """Remove the file."""
    file.unlink()


DAMAGES: tuple[Damage, ...] = (cut, zeroed, forged, missing)


@contextlib.contextmanager
def damaged(files: Iterable[Path], damage: Damage) -> Iterator[list[Path]]:
    """Damage files during the block. At least one must exist."""
    before = {file: file.read_bytes() for file in files}
    assert before
    try:
        for file in before:
            damage(file)
        yield list(before)
    finally:
        for file, content in before.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
