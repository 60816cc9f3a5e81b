"""A trained model on disk: `model.safetensors` (no pickle) and `config.json` (settings, units, seed, corpus)."""

import json
from dataclasses import asdict
from pathlib import Path

from safetensors.torch import load_file, save_file

from common.errors import UserError
from model.config import load as load_settings
from model.smile import Smile
from training.units import Units


def save(folder: Path, model: Smile, units: Units, *, seed: int, corpus_fingerprint: str) -> None:
    """Write both files; each appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "settings": model.settings.model_dump(mode="json"),
        "units": asdict(units),
        "seed": seed,
        "corpus_fingerprint": corpus_fingerprint,
    }
    weights = folder / "model.safetensors.part"
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, weights)
    weights.replace(folder / "model.safetensors")
    text = folder / "config.json.part"
    text.write_text(json.dumps(config, indent=1))
    text.replace(folder / "config.json")


def load(folder: Path) -> tuple[Smile, Units]:
    """The model, in evaluation mode, and its units. Raises UserError where the folder holds no checkpoint."""
    missing = [name for name in ("config.json", "model.safetensors") if not (folder / name).is_file()]
    if missing:
        raise UserError(f"a checkpoint is a folder with config.json and model.safetensors; {folder} lacks {missing}")
    config = json.loads((folder / "config.json").read_text())
    units = Units.from_json(config["units"])
    model = Smile(load_settings(config["settings"]), len(units.symbols))
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model.eval(), units
