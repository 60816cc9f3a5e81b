"""The folder that a command lists."""

from pathlib import Path

from common.errors import UserError


def check_folder(folder: Path, default: Path, content: str) -> None:
    """Refuse a folder to list that is not there, unless it is the default, which the first study makes. Raises UserError."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"a folder {content} is listed, and {folder} is a file; give the folder")
    if folder != default and not folder.exists():
        raise UserError(f"no folder {folder}; give an existing folder {content}, by default {default}")
