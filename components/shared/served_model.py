"""The code that MLflow runs to load a registered checkpoint, and that imports the installed ablate.

Each registered model contains a copy of this file, of the version that registered it. So the names that any version imported
here must stay importable: tests/components/test_served_model.py lists them.
"""

from collections.abc import Callable
from pathlib import Path

from tracking.served import serve

RECIPE = "smile"  # in a registered copy, the recipe of its checkpoint


def load(folder: Path) -> Callable[[list[bytes], list[bytes]], list[str]]:
    """Return the checkpoint in `folder` as a function from the clips' audio and video to their texts."""
    from corpora.clip import from_bytes
    from recipes.optional import transcriber
    from recipes.registry import find, trusted

    texts = transcriber(find(trusted(RECIPE, folder)), folder)
    return lambda audio, video: texts([from_bytes(*pair) for pair in zip(audio, video, strict=True)])


serve(load)
