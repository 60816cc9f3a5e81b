"""LRS2-BBC (Afouras, Chung, Senior, Vinyals and Zisserman 2018), as published.

lrs2://DIR: DIR has `main/ID/00001.mp4`, each with a .txt file next to it. `train.txt`, `val.txt` and `test.txt` list the clips of
the splits. They are in DIR or in the folder above it.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from common.errors import UserError
from corpora.readers import lrs
from corpora.readers.lrs import Source, require, with_suffix
from corpora.readers.text_files import lines, read_text
from corpora.schema import Clip, Rejected

LISTS = {"test": "test.txt", "valid": "val.txt", "train": "train.txt"}


def clips(place: str, query: Mapping[str, str], workers: int) -> Iterator[Clip | Rejected]:
    """See `lrs.clips`."""
    return lrs.clips(sources, Path(place), query, workers)


def count(place: str, query: Mapping[str, str]) -> int:
    """See `lrs.count`."""
    return lrs.count(sources, Path(place), query)


def stamp(place: str) -> str:
    """See `lrs.stamp`."""
    return lrs.stamp(sources, Path(place))


def sources(folder: Path) -> list[Source]:
    """Return the clips of the three lists. Raises UserError where the folder, a list, or a clip's ID is not as published."""
    require(folder, "lrs2://DIR has main, train.txt, val.txt and test.txt")
    require(folder / "main", "lrs2://DIR has main/ID/00001.mp4")
    return [Source(split, file) for split, name in LISTS.items() for file in _listed(folder, name)]


def _listed(folder: Path, name: str) -> Iterator[Path]:
    path = next((place / name for place in (folder, folder.parent) if (place / name).is_file()), None)
    if path is None:
        raise UserError(
            f"the splits of LRS2 are its lists; {name} is neither in {folder} nor in the folder above it: put it there"
        )
    for line in lines(read_text(path)):
        if line.strip():
            clip = line.split()[0]  # the test list has marks after the clip
            if len([part for part in clip.split("/") if part not in ("", ".", "..")]) != 2:
                raise UserError(f"a line of LRS2's lists is ID/00001; {path} has {line!r}: correct it")
            yield with_suffix(folder / "main" / f"{clip}.mp4", ".mp4")
