"""Capabilities that a recipe may have in addition to `recipes.base.Recipe`, with their defaults.

training_noise: kinds of recorded noise that training uses. Their recordings are part of the fingerprint of a checkpoint.
transcription_identity(settings): what decides the transcripts of a checkpoint and not the checkpoint, as JSON types.
progress(states): number of finished steps in a folder of states. A crashed trial with progress is started again.
transcriber(folder): a function from clips (`corpora.clip.Sample`) to their texts, for `ablate transcribe` and served models.
packages: names of the packages that `transcriber` imports, for the requirements of a served model.
frame_bytes(settings): bytes that a training step needs at least for each frame of its batch; None if they are not known.
device_bytes(): memory of all GPUs of this machine in bytes; None without a GPU.
check_corpus(corpus, kinds): refuses a corpus, and kinds of noise, that the recipe cannot use; `corpus` is a
    `common.external.External`, or None for a prepared corpus. Recipes without it take prepared corpora only.
mixed_noise(kinds): those kinds of noise of a plan that the service mixes for the recipe; by default all, and `training_noise`.
preload_check: modules that `check` imports, as `preload` has those of `train` and `transcribe`.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import UserError
from common.external import External
from recipes.base import Recipe

if TYPE_CHECKING:
    from corpora.clip import Sample

Texts = Callable[[Sequence["Sample"]], list[str]]


def training_noise(recipe: Recipe, noise: Mapping[str, str]) -> dict[str, str]:
    """Return the recordings of a plan that training uses."""
    return {kind: noise[kind] for kind in sorted(noise) if kind in getattr(recipe, "training_noise", ())}


def transcription_identity(recipe: Recipe, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what decides the transcripts in addition to the checkpoint."""
    return _call(recipe, "transcription_identity", settings) or {}


def progress(recipe: Recipe, states: Path) -> int:
    """Return the number of finished steps in a folder of states; 0 if it is not known."""
    return _call(recipe, "progress", states) or 0


def can_serve(recipe: Recipe) -> bool:
    """Return whether a recipe transcribes single clips."""
    return hasattr(recipe, "transcriber")


def transcriber(recipe: Recipe, folder: Path) -> Texts:
    """Load the checkpoint in a folder as a function from clips to texts. Raises UserError."""
    if not can_serve(recipe):
        raise UserError(
            f"single clips are transcribed by recipes with a `transcriber`, and {recipe.name} has none: use the toolkit of that "
            "recipe, or a model of another one"
        )
    found: Texts = _call(recipe, "transcriber", folder)
    return found


def packages(recipe: Recipe) -> tuple[str, ...]:
    """Return the packages that the transcriber of a recipe imports."""
    return tuple(getattr(recipe, "packages", ()))


def frame_bytes(recipe: Recipe, settings: Mapping[str, Any]) -> int | None:
    """Return the least bytes of a training step for each frame of its batch; None if they are not known."""
    found: int | None = _call(recipe, "frame_bytes", settings)
    return found


def device_bytes(recipe: Recipe) -> int | None:
    """Return the memory of all GPUs; None without a GPU, or if it is not known."""
    found: int | None = _call(recipe, "device_bytes")
    return found


def check_corpus(recipe: Recipe, corpus: External | None, kinds: Sequence[str]) -> None:
    """Raise UserError if the recipe cannot use a corpus (None: a prepared one), or cannot make noises of an external one."""
    if corpus is not None and not hasattr(recipe, "check_corpus"):
        raise UserError(
            f"recipe {recipe.name!r} trains on a prepared corpus, and of {corpus.uri} the service has no data; give a corpus that "
            "can be prepared, or a command recipe"
        )
    _call(recipe, "check_corpus", corpus, kinds)


def mixed_noise(recipe: Recipe, kinds: Sequence[str]) -> list[str]:
    """Return the kinds of noise that a study with these conditions mixes from the corpus, where it has no recordings of them."""
    if hasattr(recipe, "mixed_noise"):
        return list(_call(recipe, "mixed_noise", kinds))
    return [*kinds, *getattr(recipe, "training_noise", ())]


def preload_check(recipe: Recipe) -> tuple[str, ...]:
    """Return the modules that `check` imports."""
    return tuple(getattr(recipe, "preload_check", ()))


def _call(recipe: Recipe, name: str, *arguments: Any) -> Any:
    method = getattr(recipe, name, None)
    return None if method is None else method(*arguments)
