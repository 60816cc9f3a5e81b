"""The sizes that the files of a prepared corpus must have, from its manifest. Damage is found without reading the shards."""

import shutil
import tempfile
from pathlib import Path

from common.errors import UserError
from corpora import cache
from corpora.layout import REJECTED, shard_paths
from corpora.schema import MOUTH_SIZE_PX, SAMPLES_PER_FRAME
from corpora.store import Corpus

_VIDEO_BYTES, _AUDIO_BYTES = MOUTH_SIZE_PX * MOUTH_SIZE_PX, 2 * SAMPLES_PER_FRAME  # per frame


def missing(folder: Path) -> list[str]:
    """Return the files that a prepared corpus lacks, or that have another size than its manifest says; [] for none.

    Raises UserError if there is no corpus, or if its manifest cannot be read.
    """
    frames: dict[int, int] = {}
    for utterance in Corpus.open(folder).all_utterances:
        frames[utterance.shard] = max(frames.get(utterance.shard, 0), utterance.first_frame + utterance.frames)
    expected: dict[Path, int] = {}
    for shard, count in frames.items():
        video, audio = shard_paths(folder, shard)
        expected |= {video: count * _VIDEO_BYTES, audio: count * _AUDIO_BYTES}
    faulty = [path for path, size in expected.items() if not path.is_file() or path.stat().st_size != size]
    faulty += [path for path in (folder / REJECTED,) if not path.is_file()]
    return [str(path.relative_to(folder)) for path in faulty]


def is_whole(folder: Path) -> bool:
    """Return True if a whole corpus is in the folder. It then counts as used now."""
    try:
        return cache.has(folder) and not missing(folder)
    except UserError:
        return False


def discard_damaged(folder: Path) -> None:
    """Remove a corpus that is not whole, so that it can be prepared again. Raises UserError if that is not possible.

    Another process may do the same at this time, and have prepared the corpus again already.
    """
    try:
        with cache.alone(folder.with_name(f".{folder.name}{cache.PART}")):
            if folder.exists() and not is_whole(folder):
                gone = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", suffix=cache.GONE, dir=folder.parent))
                folder.rename(gone / folder.name)  # the corpus disappears at once, its files later
                shutil.rmtree(gone, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f"a corpus has all files of its manifest; {folder} does not, and cannot be removed ({error.strerror}): "
            "delete the folder, so that the corpus is prepared again"
        ) from error
