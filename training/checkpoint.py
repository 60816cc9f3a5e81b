"""A trained model on disk: `model.safetensors` (no pickle) and `config.json` (settings, tokenizer, seed, corpus)."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from common.errors import UserError
from common.files import atomic_path, atomic_write
from model.config import load as load_settings
from model.finite import not_finite
from model.smile import Smile
from training.tokenizer import Tokenizer

TOKENIZER = "units"  # the key in config.json, as earlier versions wrote it


def save(folder: Path, model: Smile, tokenizer: Tokenizer, *, seed: int, corpus_fingerprint: str) -> None:
    """Write both files atomically, the weights last."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "settings": model.settings.model_dump(mode="json"),
        TOKENIZER: asdict(tokenizer),
        "seed": seed,
        "corpus_fingerprint": corpus_fingerprint,
    }
    written = atomic_write(folder / "config.json", json.dumps(config, indent=1))
    with atomic_path(folder / "model.safetensors") as part:
        save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, part)
        shutil.copymode(written, part)  # safetensors lets only the owner read its files


def load(folder: Path) -> tuple[Smile, Tokenizer]:
    """Return the model, in evaluation mode, and its tokenizer.

    Raises UserError if the folder holds no checkpoint, or one whose weights are damaged or not finite.
    """
    missing = [name for name in ("config.json", "model.safetensors") if not (folder / name).is_file()]
    if missing:
        raise UserError(f"a checkpoint is a folder with config.json and model.safetensors; {folder} lacks {missing}")
    config = json.loads((folder / "config.json").read_text())
    tokenizer = Tokenizer.from_json(config[TOKENIZER])
    model = Smile(load_settings(config["settings"]), len(tokenizer.symbols))
    model.load_state_dict(_weights(folder / "model.safetensors"))
    return model.eval(), tokenizer


def _weights(file: Path) -> dict[str, Tensor]:
    try:
        tensors = load_file(file)
    except SafetensorError as error:
        raise UserError(
            f"{file} is damaged, it cannot be read as safetensors ({error}); train that trial again"
        ) from error
    if name := not_finite(tensors):
        raise UserError(f"the weights of a checkpoint are finite, and {name} in {file} is not; train that trial again")
    return tensors
