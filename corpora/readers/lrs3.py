"""LRS3-TED (Afouras, Chung and Zisserman 2018), as published.

lrs3://DIR: DIR has `trainval/ID/00001.mp4` and `test/ID/00001.mp4`, each with a .txt file next to it. The corpus has no list for
validation. So a hash of the ID holds out one ID in 27 of `trainval`: about 1200 of the 32 000 clips.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from corpora.readers import lrs
from corpora.readers.lrs import Source, require, videos
from corpora.readers.options import hashed
from corpora.schema import Clip, Rejected

VALID_IS_ONE_IN = 27


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
    """Return the clips of `trainval` and `test`. Raises UserError where the folder or one of these is missing."""
    for path in (folder, folder / "trainval", folder / "test"):
        require(path, "lrs3://DIR has trainval/ID/00001.mp4 and test/ID/00001.mp4")
    tested = [Source("test", file) for file in videos(folder / "test")]
    return tested + [Source(_split(file.parent.name), file) for file in videos(folder / "trainval")]


def _split(speaker: str) -> str:
    return "valid" if int(hashed(speaker), 16) % VALID_IS_ONE_IN == 0 else "train"
