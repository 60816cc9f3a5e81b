"""What MLflow runs to load a registered checkpoint: a copy of this file lies beside it, and imports the installed ablate."""

from collections.abc import Callable
from pathlib import Path

from tracking.served import serve


def load(folder: Path) -> Callable[[list[bytes], list[bytes]], list[str]]:
    """The checkpoint in `folder` as a function from the clips' audio and video to their texts."""
    from recipes.smile_transcriber import Transcriber, from_bytes

    transcriber = Transcriber.load(folder)
    return lambda audio, video: transcriber([from_bytes(*pair) for pair in zip(audio, video, strict=True)])


serve(load)
