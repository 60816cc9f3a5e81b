"""Start from AV-HuBERT, against a reference of torchaudio's wav2vec 2.0 layers and the published ResNet, by their names."""

import argparse
import math
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from av_hubert_file import HEADS, LAYERS, WIDTH, batch, build, embedded, save
from torch.nn import functional as F

from ablation.plan.arms import expand
from ablation.plan.plan import plan_from_mapping
from common.errors import UserError
from model.config import CATALOGUE, resolve
from model.fairseq_file import read
from model.filterbank import StackedFilterbank
from model.smile import Smile, initialise, start_from_checkpoint


@pytest.mark.parametrize("norm_first", [True, False])
def test_the_encoder_gives_av_huberts_outputs(tmp_path: Path, norm_first: bool) -> None:
    cfg = {"model": {"layer_norm_first": norm_first, "encoder_attention_heads": HEADS}}
    encoder, weights = save(tmp_path / "a.pt", norm_first, cfg=cfg)
    model, inputs = build(tmp_path / "a.pt", **{"encoder.norm_first": norm_first}), batch()
    kept = ~inputs.padding
    video = ((inputs.video / 255 - 0.421) / 0.165 * kept[..., None, None])[:, None]
    with torch.no_grad():
        features = embedded(weights, StackedFilterbank(26)(inputs.audio, inputs.padding), video)
        hidden = torch.where(inputs.padding, -math.inf, 0.0)[:, None, None].expand(-1, 1, 12, -1)
        expected = encoder(features * kept[..., None], hidden)
        found = model.encode(model.features(inputs), inputs.padding)[-1]["joint"]
    assert expected[kept].std() > 0.3
    torch.testing.assert_close(found[kept], expected[kept], atol=1e-5, rtol=1e-5)


def test_taken_left_and_missing_tensors_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, weights = save(tmp_path / "a.pt")
    found = start_from_checkpoint(build(tmp_path / "a.pt"))
    assert found.left == ["mask_emb", "label_embs_concat"]
    assert len(found.taken) == len(weights) - 4 * LAYERS  # queries, keys and values are one tensor here
    assert all(
        name.startswith(("head.", "decoder.", "siamese.", "mask_tokens.", "layer_sum.")) for name in found.missing
    )
    assert f"{len(found.taken)} tensors taken; left in the checkpoint: mask_emb" in capsys.readouterr().out


def test_a_single_stream_enters_as_in_av_hubert(tmp_path: Path) -> None:
    _, weights = save(tmp_path / "a.pt")
    inputs = batch()
    model = build(tmp_path / "a.pt", **{"fusion.tokens": "time"})
    with torch.no_grad():
        audio = model.tokens(model.features(inputs))["audio"]
        a = F.linear(
            StackedFilterbank(26)(inputs.audio, inputs.padding),
            weights["feature_extractor_audio.proj.weight"],
            weights["feature_extractor_audio.proj.bias"],
        )
        alone = torch.cat([a, torch.zeros_like(a)], -1)
        alone = F.layer_norm(alone, (2 * WIDTH,), weights["layer_norm.weight"], weights["layer_norm.bias"])
        expected = F.linear(alone, weights["post_extract_proj.weight"], weights["post_extract_proj.bias"])
    torch.testing.assert_close(audio, expected, atol=1e-5, rtol=1e-5)


def test_fine_tuned_names_are_read_and_the_teacher_gets_them(tmp_path: Path) -> None:
    save(tmp_path / "a.pt")
    save(tmp_path / "b.pt", prefix="encoder.w2v_model.")
    first, second = (build(tmp_path / name, siamese="ema") for name in ("a.pt", "b.pt"))
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())
    state = first.state_dict()
    assert torch.equal(state["teacher.encoder.positions.gain"], state["encoder.positions.gain"])


def test_settings_in_foreign_classes_are_read_without_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Published checkpoints hold omegaconf's nodes or an argparse namespace."""

    class Node:
        def __init__(self, **inside: object) -> None:
            self.__dict__.update(inside)

    module = types.ModuleType("omegaconf.dictconfig")
    Node.__module__, Node.__qualname__, module.Node = "omegaconf.dictconfig", "Node", Node  # type: ignore[attr-defined]
    package = types.ModuleType("omegaconf")
    package.__path__ = []
    first = Node(_val=False, _parent=None)
    nodes = Node(_content={"model": Node(_content={"layer_norm_first": first})})
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "omegaconf", package)
        patched.setitem(sys.modules, "omegaconf.dictconfig", module)
        save(tmp_path / "a.pt", cfg=nodes)
    save(tmp_path / "b.pt", args=argparse.Namespace(layer_norm_first=False))
    for name in ("a.pt", "b.pt"):
        assert read(tmp_path / name).encoder == {"layer_norm_first": False}
        with pytest.raises(UserError, match=r"layer_norm_first: False, .*; set encoder\.norm_first: false"):
            build(tmp_path / name)


class Runs:
    """A pickle that would run code."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return exec, (f"open({str(self.path)!r}, 'w')",)


def test_a_pickle_that_asks_for_more_is_refused_and_not_run(tmp_path: Path) -> None:
    save(tmp_path / "a.pt", cfg=Runs(tmp_path / "ran"))
    with pytest.raises(UserError, match=r"more than tensors and settings: its pickle asks for builtins\.exec.*not run"):
        build(tmp_path / "a.pt")
    assert not (tmp_path / "ran").exists()


def test_mistakes_get_one_sentence(tmp_path: Path) -> None:
    save(tmp_path / "a.pt")
    (tmp_path / "text.pt").write_text("no checkpoint")
    torch.save({"weights": {}}, tmp_path / "other.pt")
    for name, more, sentence in (
        ("text.pt", {}, "cannot be read as a PyTorch checkpoint"),
        ("other.pt", {}, "is not a fairseq checkpoint: it has no tensors under the key 'model'"),
        ("absent.pt", {}, "init_from: no checkpoint at"),
        ("a.pt", {"encoder.width": 128}, r"trained with encoder_embed_dim: 64, .* set encoder\.width: 64"),
        ("a.pt", {"init_from.sha256": "0" * 64}, "and not 0000"),
    ):
        with pytest.raises(UserError, match=sentence) as caught:
            build(tmp_path / name, **more)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="fits the presets base and large"):
        initialise(Smile(resolve("tiny", {"init_from.checkpoint": str(tmp_path / "a.pt")}), 9), 1)
    with pytest.raises(UserError, match=r"takes a path, file:// or https://, got 's3://"):
        resolve("base", {"init_from.checkpoint": "s3://bucket/a.pt"})


def test_the_content_of_the_start_checkpoint_identifies_trials(tmp_path: Path) -> None:
    plan = {"study": "s", "preset": "base", "init_from": str(tmp_path / "a.pt"), "leave_one_out": ["masking"]}
    hashes = []
    for content in (b"one", b"other"):
        (tmp_path / "a.pt").write_bytes(content)
        arms = expand(plan_from_mapping(plan_from_mapping(plan).as_mapping()), CATALOGUE)
        hashes.append({arm.settings["init_from"]["sha256"] for arm in arms})
    assert [len(found) for found in hashes] == [1, 1]
    assert hashes[0] != hashes[1]
