"""The prepared corpus as steps hand it to each other: a reference of a few kilobytes, never the data.

The data are in one of three places: a folder that all steps see (`corpora_root`), S3, or the artifact of prepare-corpus, which is
for small corpora only. A step that trains or scores asks the reference for the folder with the data.
"""

import atexit
import json
import os
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from common.errors import Unavailable, UserError
from common.external import is_external
from common.files import atomic_write
from common.owned_folder import owned_folder
from components.shared.volumes import check_writable

REFERENCE_FILE = "reference.json"
INSIDE = ""  # the place of a corpus that is in the artifact of prepare-corpus


@dataclass(frozen=True)
class CorpusReference:
    """A prepared corpus: its URI, the fingerprint of its content, `Corpus.summary()`, and where its data are.

    `place` is a folder, a URI that starts with s3://, the URI of an external corpus, which has no data here, or INSIDE.
    """

    uri: str
    fingerprint: str
    summary: dict[str, Any]
    place: str

    def write(self, folder: Path) -> "CorpusReference":
        """Write the reference into a folder, which is created if it is missing."""
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write(folder / REFERENCE_FILE, json.dumps(asdict(self), indent=1) + "\n")
        return self

    @classmethod
    def read(cls, folder: Path | str) -> "CorpusReference":
        """Read what `write` wrote."""
        return cls(**json.loads((Path(folder) / REFERENCE_FILE).read_text(encoding="utf-8")))

    def data(self, inside: Path, corpora_root: str) -> Path:
        """Return the folder with the data on this machine, and keep it in use until this process ends.

        `inside` is the folder of the artifact of prepare-corpus. Data that are not here, or not any more, are prepared or fetched
        again: into `corpora_root`, or into a temporary folder of this process. For an external corpus, `inside` is returned, which
        has no data. Raises UserError.
        """
        from corpora import cache

        if is_external(self.place):
            return inside
        here = inside if self.place == INSIDE else Path(self.place)
        found = here if "://" not in self.place and self._is_at(here) else self._again(corpora_root)
        cache.hold(found, CorpusReference)
        return found

    def _is_at(self, folder: Path) -> bool:
        from corpora.checked import is_sound
        from corpora.store import Corpus

        return is_sound(folder) and Corpus.open(folder).fingerprint == self.fingerprint

    def _again(self, corpora_root: str) -> Path:
        """Prepare or fetch the data. Of several processes, one does it and the others wait."""
        from corpora import cache
        from corpora.store import Corpus

        root = Path(corpora_root) if corpora_root else _temporary_folder()
        if found := self._found_in(root):
            return found
        with ExitStack() as alone:
            if corpora_root:
                check_writable(root, "corpora_root")
                alone.enter_context(cache.alone(root / f".{self.fingerprint[:16]}{cache.PART}"))
            found = self._found_in(root) or self._prepare(root)
        if (fingerprint := Corpus.open(found).fingerprint) != self.fingerprint:
            raise UserError(
                f"a study has one corpus, and {self.uri} has changed since this one began (fingerprint {fingerprint[:12]}, not "
                f"{self.fingerprint[:12]}): start the study again, or restore the source of the corpus"
            )
        return found

    def _found_in(self, root: Path) -> Path | None:
        from corpora.prepare import place_of

        try:
            found = place_of(self.uri, root)
        except UserError as error:
            if self.place == self.uri:  # its only place: the sentence says what is wrong there
                raise
            kind = Unavailable if isinstance(error, Unavailable) else UserError
            raise kind(
                f"{self.place or 'the artifact of prepare-corpus'} does not have the corpus any more, and it cannot be prepared "
                f"again: {error}"
            ) from error
        return found if self._is_at(found) else None

    def _prepare(self, root: Path) -> Path:
        gone = f"the corpus is not at {self.place or 'the artifact of prepare-corpus'}; preparing {self.uri} in {root}"
        print(f"fetching the corpus {self.uri} into {root}" if self.place == self.uri else gone, flush=True)
        return prepare_whole(self.uri, root)


def prepare_whole(uri: str, root: Path, *, name: str = "", **arguments: Any) -> Path:
    """Return the folder below `root` with the prepared corpus, as `corpora.prepare.prepare`. A damaged one is replaced.

    `name` is the input that gives `root`: the folder must be writable unless the corpus is there. Raises UserError.
    """
    from corpora.checked import is_sound
    from corpora.prepare import place_of, prepare

    if name and not is_sound(found := place_of(uri, root)):
        try:
            check_writable(root, name)
        except UserError as error:
            if os.path.lexists(found):
                raise UserError(
                    f"the corpus in {found} is damaged, and cannot be prepared again there: {error}"
                ) from error
            raise
    return prepare(uri, root, **arguments)


def _temporary_folder() -> Path:
    """A folder that is removed when this process ends. Raises UserError."""
    try:
        held = ExitStack()
        folder = held.enter_context(owned_folder(Path(tempfile.gettempdir()), "ablate-corpus-"))
    except OSError as error:
        raise UserError(
            f"without `corpora_root` the corpus needs a temporary folder, and there is none ({error.strerror}): give "
            "`corpora_root` on a volume, or let steps write to /tmp"
        ) from error
    atexit.register(held.close)
    return folder
