"""The name of this revision of the code: from git in a checkout, else from the content of the sources."""

import re
import subprocess
from functools import cache
from pathlib import Path


@cache
def code_rev() -> str:
    """Return the git revision of this checkout, with `+` if files differ from it; empty outside of git."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def image_tag(revision: str) -> str:
    """Return the image tag of a revision: at most 128 letters, digits and `_.-`. Outside of git, it hashes the sources."""
    if not revision:
        from common.source_code import sources_fingerprint

        return f"sources-{sources_fingerprint()[:12]}"
    changed = revision.endswith("+")
    tag = re.sub(r"[^A-Za-z0-9_.-]", "-", revision.removesuffix("+")).lstrip(".-")[:120]
    return f"{tag}-dirty" if changed else tag
