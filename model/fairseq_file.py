"""Checkpoints as fairseq writes them, read without fairseq and without running anything that their pickle asks for.

Tensors are read as tensors. The classes that hold settings, the dictionary and the SentencePiece model are read as inert values.
"""

import pickle
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from common.errors import UserError
from model.finite import not_finite

# Prefixes of the encoder's names in fine-tuned checkpoints: with a decoder, and with CTC.
FINE_TUNED = ("encoder.w2v_model.", "w2v_encoder.w2v_model.")
# Packages whose classes hold settings. omegaconf's nodes also name the types of their values; a task's state names a tokenizer.
SETTINGS_MODULES = ("omegaconf", "argparse", "fairseq", "typing", "collections", "enum", "pathlib")
SETTINGS_CLASSES = (
    *(f"builtins.{name}" for name in ("bool", "bytes", "dict", "float", "int", "list", "str", "tuple")),
    "_operator.getitem",  # of `Tuple[float, float, float]`, the type of a setting
    "sentencepiece.SentencePieceProcessor",
    "avhubert.hubert.AVHubertConfig",
    "avhubert.hubert_asr.AVHubertCtcConfig",
    "avhubert.hubert_asr.AVHubertSeq2SeqConfig",
    "avhubert.hubert_pretraining.AVHubertPretrainingConfig",
)
NEWER_NAMES = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
LEGACY = b"\x80"  # the first byte of a bare pickle: PyTorch's format before 1.6
# What a damaged or forged file can lead to.
DAMAGED = (
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


class Inert:
    """Placeholder for a class in a pickle. It stores its arguments and does nothing."""

    def __new__(cls, *_args: object, **_named: object) -> "Inert":
        return super().__new__(cls)

    def __init__(self, *args: object, **named: object) -> None:
        self.__dict__.update(named, _args=args)

    def __setstate__(self, state: object) -> None:
        self.__dict__.update(
            {str(key): value for key, value in state.items()} if isinstance(state, dict) else {"_state": state}
        )


@dataclass(frozen=True)
class Published:
    """A checkpoint: `tensors` by their pre-training names, those of a decoder with `decoder.` in front.

    `encoder`, `decoder` and `task` are the settings in the file, without defaults; None if the file has none. `symbols` are the
    entries of its dictionary by number, and `sentencepiece` is its model of units; None if it has none.
    """

    tensors: dict[str, Tensor]
    encoder: Mapping[str, Any] | None = None
    decoder: Mapping[str, Any] | None = None
    task: Mapping[str, Any] | None = None
    symbols: Sequence[str] | None = None
    sentencepiece: bytes | None = None


def read(path: Path) -> Published:
    """Return the content of a checkpoint.

    Raises UserError for a file that is not a checkpoint, for a pickle that asks for more than tensors and settings, and for weights
    that are not finite.
    """
    content = _unpickled(path)
    tensors = content.get("model") if isinstance(content, Mapping) else None
    if (
        not isinstance(tensors, Mapping)
        or not tensors
        or not all(isinstance(each, Tensor) for each in tensors.values())
    ):
        raise UserError(
            f"{path} is not a fairseq checkpoint: it has no tensors under the key 'model'; give the .pt file itself"
        )
    if name := not_finite(tensors):
        raise UserError(f"the weights of a checkpoint are finite, and {name} in {path} is not; get the file again")
    try:
        encoder, decoder, task = _settings(content)
        symbols, units = _units(content.get("task_state"))
    except RecursionError as error:
        raise UserError(
            f"the settings in {path} contain themselves; save {{'model': its tensors}} as a new file"
        ) from error
    return Published({_name(name): tensor for name, tensor in tensors.items()}, encoder, decoder, task, symbols, units)


def _name(name: str) -> str:
    for prefix in FINE_TUNED:
        name = name.removeprefix(prefix)
    for newer, older in NEWER_NAMES.items():
        name = name.replace(newer, older)
    return name


def _unpickled(path: Path) -> Any:
    """Return the content of the file, with `Inert` in place of every admitted class."""
    try:
        if _is_legacy(path):
            raise UserError(
                f"{path} has PyTorch's format before 1.6; load it yourself, save it with torch.save, and give the new file"
            )
        asked = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        foreign = [
            name
            for name in sorted(asked)
            if name.partition(".")[0] not in SETTINGS_MODULES and name not in SETTINGS_CLASSES
        ]
        if foreign:
            raise UserError(
                f"{path} holds more than tensors and settings: its pickle asks for {', '.join(foreign)}, which is not run; "
                "if you trust the file, load it yourself and save {'model': its tensors, 'cfg': plain values} as a new file"
            )
        inert: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
            (_empty if name == "collections.defaultdict" else Inert, name) for name in asked
        ]
        with torch.serialization.safe_globals(inert):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except UserError:  # which is a ValueError, and has its own sentence
        raise
    except DAMAGED as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(
            f"{path} cannot be read as a PyTorch checkpoint ({reason}); give the .pt file itself"
        ) from error


def _empty(*_args: object) -> dict[object, object]:
    """Return a dict in place of a defaultdict, because the items of a pickle go only into a dict."""
    return {}


def _is_legacy(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(1) == LEGACY and not zipfile.is_zipfile(path)


def plain(value: Any) -> Any:
    """Return settings as plain values, for every class in the pickle (omegaconf keeps values in `_content` and `_val`).

    A member of an enumeration becomes its value, a class None.
    """
    if isinstance(value, Inert):
        inside = vars(value)
        if set(inside) == {"_args"} and len(inside["_args"]) == 1:
            return plain(inside["_args"][0])
        return plain(inside.get("_content", inside.get("_val", inside)))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items() if key not in ("_args", "_parent", "_metadata")}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return None if isinstance(value, type) else value


Settings = Mapping[str, Any] | None


def _settings(content: Mapping[str, Any]) -> tuple[Settings, Settings, Settings]:
    """Return the settings of the encoder, of the decoder and of the task.

    A fine-tuned checkpoint has the encoder's in `w2v_args`. Earlier versions of fairseq have all in one flat namespace, `args`.
    """
    everything = plain(content.get("cfg")) or plain(content.get("args"))
    if not isinstance(everything, Mapping):
        return None, None, None
    model, task = _part(everything, "model"), _part(everything, "task")
    start = model.get("w2v_args")
    if isinstance(start, Mapping):
        return _part(start, "model"), model, task
    return (None, model, task) if "w2v_path" in model else (model, None, task)


def _part(settings: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = settings.get(name, settings)
    return part if isinstance(part, Mapping) else settings


def _units(state: Any) -> tuple[Sequence[str] | None, bytes | None]:
    """Return the symbols of the dictionary and the model of SentencePiece in the state of a task."""
    state = state if isinstance(state, Mapping) else {}
    symbols = _within(state.get("target_dictionary"), "symbols")
    processor = _within(state.get("s2s_tokenizer"), "sp")
    model = _within(processor, "_state") or _within(processor, "model_proto")
    known = isinstance(symbols, list) and all(isinstance(symbol, str) for symbol in symbols)
    return symbols if known else None, model if isinstance(model, bytes) else None


def _within(value: Any, name: str) -> Any:
    return vars(value).get(name) if isinstance(value, Inert) else None
