"""The version before the present names of settings wrote `earlier_checkpoint/`; `outputs.json` are its log-probabilities."""

import json
from pathlib import Path

import pytest
import torch

from common.errors import UserError
from model.config import EARLIER_NAMES
from model.smile import Inputs
from training import checkpoint
from training.tokenizer import Tokenizer
from training.transcriber import Transcriber, from_bytes

FOLDER = Path(__file__).parent / "earlier_checkpoint"


def test_the_stored_settings_have_only_earlier_names() -> None:
    stored = json.loads((FOLDER / "config.json").read_text(encoding="utf-8"))["settings"]
    for earlier, present in EARLIER_NAMES.items():
        group, name = earlier.split(".")
        assert name in stored[group]
        assert present.split(".")[1] not in stored[group]


def test_an_earlier_checkpoint_gives_the_same_outputs() -> None:
    model, tokenizer = checkpoint.load(FOLDER)
    recipe, decoder = model.settings.training, model.settings.decoder
    assert (recipe.gradient_accumulation_steps, recipe.max_frames_per_batch, recipe.warmup_ratio) == (2, 400, 0.25)
    assert (decoder.beam_size, decoder.length_penalty, decoder.vocab_size) == (3, 0.5, 500)
    assert tokenizer.symbols[:3] == ("<blank>", " ", "a")
    draw = torch.Generator().manual_seed(0)
    audio = 0.1 * torch.randn(1, 640 * 12, generator=draw)
    video = torch.randint(256, (1, 12, 88, 88), generator=draw, dtype=torch.uint8)
    with torch.no_grad():
        found = model(Inputs(audio, video, torch.zeros(1, 12, dtype=torch.bool), [12]))[0, ::4, :6]
    expected = torch.tensor(json.loads((FOLDER / "outputs.json").read_text(encoding="utf-8")))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_an_earlier_served_model_transcribes() -> None:
    """Served models import these two names from `training.transcriber`."""
    silence = from_bytes(bytes(2 * 640 * 12), bytes(96 * 96 * 12))
    (text,) = Transcriber.load(FOLDER)([silence])
    assert isinstance(text, str)


def test_a_new_checkpoint_keeps_the_file_format(tmp_path: Path) -> None:
    model, tokenizer = checkpoint.load(FOLDER)
    checkpoint.save(tmp_path / "new", model, tokenizer, seed=1, corpus_fingerprint="c")
    config = json.loads((tmp_path / "new" / "config.json").read_text(encoding="utf-8"))
    assert config.keys() == {"settings", "units", "seed", "corpus_fingerprint"}
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["config.json", "model.safetensors"]
    again, same = checkpoint.load(tmp_path / "new")
    assert (again.settings, same) == (model.settings, tokenizer)
    assert isinstance(same, Tokenizer)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_checkpoint_without_one_of_its_files_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    with pytest.raises(UserError, match=r"a checkpoint is a folder with config\.json and model\.safetensors"):
        checkpoint.load(tmp_path)
