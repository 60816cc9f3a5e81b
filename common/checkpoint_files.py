"""The files of a checkpoint: all that a recipe has written into its folder."""

import re
from pathlib import Path

from common.errors import UserError

MOST_FILES = 100  # each is a request and a tag of MLflow
NAME = re.compile(r"[\w.-][\w.\- ]*(?:/[\w.-][\w.\- ]*)*", re.ASCII)  # which MLflow takes as a part of a tag's key
LONGEST_NAME = 200


def checkpoint_files(folder: Path) -> list[str]:
    """Return the files of a checkpoint, relative to its folder. Raises UserError if there are none, or some that cannot be kept."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    if not names:
        raise UserError(
            f"training leaves its checkpoint in the folder `out`, and {folder} has no file: correct the recipe"
        )
    if len(names) > MOST_FILES:
        raise UserError(
            f"a checkpoint has at most {MOST_FILES} files, got {len(names)}; let the recipe leave only what transcription needs"
        )
    for name in names:
        if not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
            raise UserError(
                f"a checkpoint's file has a name of at most {LONGEST_NAME} letters, digits, dots, hyphens, underscores and spaces, "
                f"got {name!r}; rename it"
            )
    return names
