"""Transfer of an AV-HuBERT checkpoint: its tensors, by fairseq's names, to our frontends, projection, encoder and decoder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from common.errors import UserError
from model import checkpoint_file, fairseq_file
from model.av_hubert_check import check, has_decoder
from model.av_hubert_names import sources
from model.fairseq_file import Published
from model.settings import Settings

EMBEDDING, THEIR_EMBEDDING = "decoder.embedding.weight", "decoder.embed_tokens.weight"
# Our unit 0 begins and ends a text, as fairseq's `</s>` does. Our own `</s>` is in no text: it takes a row that means nothing.
THEIR_SYMBOL = {"<blank>": "</s>", "</s>": "<pad>"}


@dataclass(frozen=True)
class Transfer:
    """The tensors that were `taken` (our names), `left` in the checkpoint (its names), and `missing` in it (our names).

    `remarks` are sentences on what else the user has to know.
    """

    taken: list[str]
    left: list[str]
    missing: list[str]
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        left, missing = ", ".join(self.left) or "none", ", ".join(self.missing) or "none"
        lists = f"{len(self.taken)} tensors taken; left in the checkpoint: {left}; drawn at random: {missing}"
        return "; ".join([lists, *self.remarks])


@torch.no_grad()
def load(model: nn.Module, settings: Settings, path: Path, symbols: Sequence[str] | None = None) -> Transfer:
    """Copy tensors into `model` by name; the embedding of the decoder by unit, if `symbols` are the model's units.

    Raises UserError if a tensor or a setting of the checkpoint does not fit.
    """
    published = fairseq_file.read(path)
    remarks = _fitting(settings, published, path)
    tensors = dict(published.tensors)
    if not (settings.decoder.layers and settings.init_from.decoder):
        tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("decoder.")}
    rows = _rows(symbols, published) if settings.decoder.units == "sentencepiece" else {}
    taken, missing, used = [], [], set[str]()
    for name, own in model.state_dict().items():
        theirs = sources(name)
        if theirs and all(source in tensors for source in theirs):
            parts = [tensors[source] for source in theirs]
            _copy(own, torch.cat(parts) if len(parts) > 1 else parts[0], name)
            taken.append(name)
            used.update(theirs)
        elif name == EMBEDDING and THEIR_EMBEDDING in tensors and rows:
            own[list(rows)] = tensors[THEIR_EMBEDDING][list(rows.values())].to(own.dtype)
            taken.append(name)
            used.add(THEIR_EMBEDDING)
            remarks.append(f"{len(rows)} of {len(own)} units have the checkpoint's embedding")
        elif not name.startswith("teacher."):
            missing.append(name)
    if not taken:
        raise UserError(f"{path} has no tensor with a name of AV-HuBERT; init_from takes only AV-HuBERT checkpoints")
    left = [name for name in published.tensors if name not in used]
    return Transfer(taken, left, missing, tuple(remarks))


def check_start(settings: Sequence[Settings]) -> None:
    """Raise UserError if the checkpoint of one of the settings of a study does not fit, or cannot be read.

    A checkpoint that is not on this machine is not checked.
    """
    files = [each.init_from.checkpoint and checkpoint_file.at_hand(each.init_from.checkpoint) for each in settings]
    published = {file: fairseq_file.read(file) for file in set(files) if file}
    for each, file in zip(settings, files, strict=True):
        if file:
            _fitting(each, published[file], file)


def _fitting(settings: Settings, published: Published, path: Path) -> list[str]:
    """Return remarks on the checkpoint. Raises UserError if it contradicts the settings."""
    if settings.encoder.architecture != "transformer":
        raise UserError(f"init_from fits the presets base and large, not {settings.preset}; choose one of them")
    return check(settings, published, path)


def _rows(symbols: Sequence[str] | None, published: Published) -> dict[int, int]:
    """Return our number of a unit -> its number in the checkpoint, for the units that both have."""
    numbers = {symbol: number for number, symbol in enumerate(published.symbols or [])}
    wanted = {number: THEIR_SYMBOL.get(symbol, symbol) for number, symbol in enumerate(symbols or [])}
    return {own: numbers[symbol] for own, symbol in wanted.items() if symbol in numbers}


def _copy(own: Tensor, new: Tensor, name: str) -> None:
    if own.shape != new.shape:
        raise UserError(
            f"init_from: {name} is {tuple(new.shape)} in the checkpoint and {tuple(own.shape)} here; "
            "use the preset of the checkpoint's size (base: width 768, large: 1024)"
        )
    own.copy_(new)


def sentencepiece_model(path: Path) -> bytes | None:
    """Return the SentencePiece model of a fine-tuned checkpoint, whose units its decoder writes; None if it has none of these.

    Raises UserError as `fairseq_file.read` does.
    """
    published = fairseq_file.read(path)
    return published.sentencepiece if has_decoder(published) and published.symbols is not None else None
