"""Start from AV-HuBERT, against a reference of torchaudio's wav2vec 2.0 layers and the published ResNet, by their names.

There is no published checkpoint here: the reference's random weights are saved under the published names.
"""

import argparse
import math
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torchaudio.models.wav2vec2 import components

from ablation.plan.arms import expand
from ablation.plan.plan import plan_from_mapping
from common.errors import UserError
from model.av_hubert import read
from model.config import CATALOGUE, resolve
from model.filterbank import StackedFilterbank
from model.smile import Inputs, Smile, initialise, start_from_checkpoint

WIDTH, LAYERS, HEADS, FEEDFORWARD, KERNEL = 64, 2, 4, 96, 128
SIZES = {
    "encoder.width": WIDTH,
    "encoder.layers": LAYERS,
    "encoder.heads": HEADS,
    "encoder.feedforward": FEEDFORWARD,
    "fusion.tokens": "channel",
    "adapter": "none",
}
LAYER_NAMES = {
    "attention.": "self_attn.",
    "layer_norm.": "self_attn_layer_norm.",
    "feed_forward.intermediate_dense.": "fc1.",
    "feed_forward.output_dense.": "fc2.",
    "final_layer_norm.": "final_layer_norm.",
}


def reference_encoder(norm_first: bool) -> torch.nn.Module:
    """torchaudio's Transformer: what it calls `layer_norm_first` is the norm in front of all layers, hence `not`."""
    layers = torch.nn.ModuleList(
        components.EncoderLayer(
            attention=components.SelfAttention(WIDTH, HEADS),
            dropout=0.0,
            layer_norm_first=norm_first,
            feed_forward=components.FeedForward(WIDTH, FEEDFORWARD, 0.0, 0.0),
        )
        for _ in range(LAYERS)
    )
    positions = components.ConvolutionalPositionalEmbedding(WIDTH, KERNEL, 16)
    return components.Transformer(positions, 0.0, layers, not norm_first, 0.0).eval()


def published_encoder(encoder: torch.nn.Module) -> dict[str, Tensor]:
    """The reference's weights under fairseq's names."""
    found = {}
    for name, value in encoder.state_dict().items():
        if name.startswith("layers."):
            number, rest = name.removeprefix("layers.").split(".", 1)
            old, new = next((old, new) for old, new in LAYER_NAMES.items() if rest.startswith(old))
            found[f"encoder.layers.{number}.{new}{rest.removeprefix(old)}"] = value
        elif name.startswith("pos_conv_embed."):
            last = name.rpartition(".")[2]
            last = {"original0": "weight_g", "original1": "weight_v"}.get(last, last)
            found[f"encoder.pos_conv.0.{last}"] = value
        else:
            found[f"encoder.{name}"] = value
    return found


def published_rest(draw: torch.Generator) -> dict[str, Tensor]:
    """Random weights of both frontends and of the projection; sizes as published but for the model's width."""

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw) / math.sqrt(math.prod(shape[1:]) or 1)

    def norm(name: str, width: int) -> dict[str, Tensor]:
        return {
            f"{name}.weight": 1 + 0.1 * normal(width),
            f"{name}.bias": 0.1 * normal(width),
            f"{name}.running_mean": 0.1 * normal(width),
            f"{name}.running_var": 1 + 0.1 * torch.rand(width, generator=draw),
            f"{name}.num_batches_tracked": torch.tensor(7),
        }

    net, video = "feature_extractor_video.resnet", dict[str, Tensor]()
    video[f"{net}.frontend3D.0.weight"] = normal(64, 1, 5, 7, 7)
    video |= norm(f"{net}.frontend3D.1", 64) | {f"{net}.frontend3D.2.weight": 0.25 + 0.1 * normal(64)}
    before = 64
    for layer, width in enumerate((64, 128, 256, 512), 1):
        for number in range(2):
            block = f"{net}.trunk.layer{layer}.{number}"
            video |= {f"{block}.conv1.weight": normal(width, before, 3, 3)} | norm(f"{block}.bn1", width)
            video |= {f"{block}.conv2.weight": normal(width, width, 3, 3)} | norm(f"{block}.bn2", width)
            video |= {f"{block}.relu{n}.weight": 0.25 + 0.1 * normal(width) for n in (1, 2)}
            if before != width:
                video |= {f"{block}.downsample.0.weight": normal(width, before, 1, 1)}
                video |= norm(f"{block}.downsample.1", width)
            before = width
    return video | {
        "feature_extractor_video.proj.weight": normal(WIDTH, 512),
        "feature_extractor_video.proj.bias": normal(WIDTH),
        "feature_extractor_audio.proj.weight": normal(WIDTH, 104),
        "feature_extractor_audio.proj.bias": normal(WIDTH),
        "layer_norm.weight": 1 + 0.1 * normal(2 * WIDTH),
        "layer_norm.bias": 0.1 * normal(2 * WIDTH),
        "post_extract_proj.weight": normal(WIDTH, 2 * WIDTH),
        "post_extract_proj.bias": normal(WIDTH),
    }


def resnet(w: dict[str, Tensor], video: Tensor) -> Tensor:
    """The published frontend on weights by name, (B, 1, T, 88, 88) -> (B, T, 512)."""
    net = "feature_extractor_video.resnet"

    def norm(x: Tensor, name: str) -> Tensor:
        return F.batch_norm(x, *(w[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")))

    x = norm(
        F.conv3d(video, w[f"{net}.frontend3D.0.weight"], stride=(1, 2, 2), padding=(2, 3, 3)), f"{net}.frontend3D.1"
    )
    x = F.prelu(x, w[f"{net}.frontend3D.2.weight"])
    x = F.max_pool3d(x, (1, 3, 3), (1, 2, 2), (0, 1, 1))
    frames = x.shape[2]
    x = x.transpose(1, 2).flatten(0, 1)
    for layer in range(1, 5):
        for number in range(2):
            block, stride = f"{net}.trunk.layer{layer}.{number}", 2 if layer > 1 and number == 0 else 1
            out = norm(F.conv2d(x, w[f"{block}.conv1.weight"], stride=stride, padding=1), f"{block}.bn1")
            out = F.conv2d(F.prelu(out, w[f"{block}.relu1.weight"]), w[f"{block}.conv2.weight"], padding=1)
            if f"{block}.downsample.0.weight" in w:
                x = norm(F.conv2d(x, w[f"{block}.downsample.0.weight"], stride=stride), f"{block}.downsample.1")
            x = F.prelu(norm(out, f"{block}.bn2") + x, w[f"{block}.relu2.weight"])
    return x.mean((2, 3)).unflatten(0, (-1, frames))


def embedded(w: dict[str, Tensor], audio: Tensor, video: Tensor) -> Tensor:
    """Features (B, T, 104) and pixels to what enters the encoder, (B, T, D)."""
    a = F.linear(audio, w["feature_extractor_audio.proj.weight"], w["feature_extractor_audio.proj.bias"])
    seen = resnet(w, video)
    v = F.linear(seen, w["feature_extractor_video.proj.weight"], w["feature_extractor_video.proj.bias"])
    both = F.layer_norm(torch.cat([a, v], -1), (2 * WIDTH,), w["layer_norm.weight"], w["layer_norm.bias"])
    return F.linear(both, w["post_extract_proj.weight"], w["post_extract_proj.bias"])


def batch() -> Inputs:
    draw, lengths = torch.Generator().manual_seed(3), [12, 8]
    padding = torch.arange(12)[None] >= torch.tensor(lengths)[:, None]
    audio = torch.randn(2, 12 * 640, generator=draw) * 0.1 * ~padding.repeat_interleave(640, 1)
    video = torch.randint(256, (2, 12, 88, 88), generator=draw, dtype=torch.uint8)
    return Inputs(audio, video, padding, lengths)


def save(
    path: Path, norm_first: bool = True, prefix: str = "", **more: Any
) -> tuple[torch.nn.Module, dict[str, Tensor]]:
    torch.manual_seed(11)
    encoder = reference_encoder(norm_first)
    weights = published_encoder(encoder) | published_rest(torch.Generator().manual_seed(5))
    extra = {"mask_emb": torch.zeros(104), "label_embs_concat": torch.zeros(5, 7)}
    torch.save({"model": {prefix + name: value for name, value in (weights | extra).items()}} | more, path)
    return encoder, weights


def build(path: Path, **more: object) -> Smile:
    model = Smile(resolve("base", SIZES | {"init_from.checkpoint": str(path)} | more), 9)
    initialise(model, 1)
    return model.eval()


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
        assert read(tmp_path / name)[1] == {"layer_norm_first": False}
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
        ("a.pt", {"encoder.width": 128}, r"is \(64, 104\) in the checkpoint and \(128, 104\) here"),
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
