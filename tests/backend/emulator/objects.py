"""The object store that keeps the artifacts of all runs. Only objects exist in it: an empty folder leaves no trace."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

BUCKET = "minio://mlpipeline/"


class Objects:
    """Objects by their key. A key has the address of an artifact, and the path within it if that is a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def keys(self, uri: str) -> Iterator[tuple[Path, str]]:
        """Yield the file of each object below an address, and the object's path there; empty for a single object."""
        place = self._file(uri)
        if place.is_file():
            yield place, ""
        for file in sorted(place.rglob("*")) if place.is_dir() else ():
            if file.is_file():
                yield file, file.relative_to(place).as_posix()

    def download(self, uri: str, target: Path) -> int:
        """Copy all objects below an address to `target`. Return their bytes. Nothing is created where none exists."""
        count = 0
        for file, inside in self.keys(uri):
            copy = target / inside if inside else target
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
            count += file.stat().st_size
        return count

    def upload(self, source: Path, uri: str, resolve: Callable[[Path], Path]) -> int:
        """Store a file, or every file of a folder, and return the bytes. A missing source is not an error.

        `resolve` gives the file that a path within the pod means, because links are followed there.
        """
        source = resolve(source)
        if source.is_dir():
            return sum(self.upload(item, f"{uri}/{item.name}", resolve) for item in sorted(source.iterdir()))
        if not source.exists():
            return 0
        copy = self._file(uri)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
        return copy.stat().st_size

    def delete(self, uri: str) -> int:
        """Delete all objects below an address. Return how many there were."""
        files = [file for file, _ in self.keys(uri)]
        for file in files:
            file.unlink()
        return len(files)

    def _file(self, uri: str) -> Path:
        if not uri.startswith(BUCKET):
            raise ValueError(f"the address {uri} is not in the bucket {BUCKET}")
        return self.root / uri.removeprefix(BUCKET)
