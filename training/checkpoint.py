"""A trained model on disk: `model.safetensors` (no pickle) and `config.json` (settings, tokenizer, seed, corpus)."""

import json
from dataclasses import asdict
from pathlib import Path

from safetensors.torch import load_file, save_file

from common.errors import UserError
from common.files import atomic_path, atomic_write
from model.config import load as load_settings
from model.smile import Smile
from training.tokenizer import Tokenizer

TOKENIZER = "units"  # the key in config.json, as earlier versions wrote it


def save(folder: Path, model: Smile, tokenizer: Tokenizer, *, seed: int, corpus_fingerprint: str) -> None:
    """Write both files atomically."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "settings": model.settings.model_dump(mode="json"),
        TOKENIZER: asdict(tokenizer),
        "seed": seed,
        "corpus_fingerprint": corpus_fingerprint,
    }
    with atomic_path(folder / "model.safetensors") as part:
        save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, part)
    atomic_write(folder / "config.json", json.dumps(config, indent=1))


def load(folder: Path) -> tuple[Smile, Tokenizer]:
    """Return the model, in evaluation mode, and its tokenizer. Raises UserError if the folder holds no checkpoint."""
    missing = [name for name in ("config.json", "model.safetensors") if not (folder / name).is_file()]
    if missing:
        raise UserError(f"a checkpoint is a folder with config.json and model.safetensors; {folder} lacks {missing}")
    config = json.loads((folder / "config.json").read_text())
    tokenizer = Tokenizer.from_json(config[TOKENIZER])
    model = Smile(load_settings(config["settings"]), len(tokenizer.symbols))
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model.eval(), tokenizer
