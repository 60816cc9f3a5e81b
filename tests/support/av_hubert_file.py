"""A checkpoint in the form of AV-HuBERT's, of a small width, and its layers by torchaudio and by hand.

There is no published checkpoint here: random weights are saved under the published names.
"""

import math
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torchaudio.models.wav2vec2 import components

from model.config import resolve
from model.smile import Inputs, Smile, initialise

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
    path: Path,
    norm_first: bool = True,
    prefix: str = "",
    decoder: dict[str, Tensor] | None = None,
    **more: Any,
) -> tuple[torch.nn.Module, dict[str, Tensor]]:
    torch.manual_seed(11)
    encoder = reference_encoder(norm_first)
    weights = published_encoder(encoder) | published_rest(torch.Generator().manual_seed(5))
    extra = {"mask_emb": torch.zeros(104), "label_embs_concat": torch.zeros(5, 7)}
    named = {prefix + name: value for name, value in (weights | extra).items()} | (decoder or {})
    torch.save({"model": named} | more, path)
    return encoder, weights


def decoder_weights(units: int, layers: int = LAYERS, **more: Tensor) -> dict[str, Tensor]:
    """Random weights of a decoder under fairseq's names; `units` entries of its dictionary."""
    draw = torch.Generator().manual_seed(7)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw) / math.sqrt(shape[-1])

    found = {"embed_tokens.weight": 3 * normal(units, WIDTH)}
    linear = [f"{kind}_attn.{part}_proj" for kind in ("self", "encoder") for part in ("q", "k", "v", "out")]
    norms = [f"layers.{n}.{name}_layer_norm" for n in range(layers) for name in ("self_attn", "encoder_attn", "final")]
    for n in range(layers):
        sizes = dict.fromkeys(linear, (WIDTH, WIDTH)) | {"fc1": (FEEDFORWARD, WIDTH), "fc2": (WIDTH, FEEDFORWARD)}
        for name, shape in sizes.items():
            found |= {f"layers.{n}.{name}.weight": normal(*shape), f"layers.{n}.{name}.bias": normal(shape[0])}
    for name in [*norms, "layer_norm"]:
        found |= {f"{name}.weight": 1 + 0.1 * normal(WIDTH), f"{name}.bias": 0.1 * normal(WIDTH)}
    return {f"decoder.{name}": value for name, value in found.items()} | more


def lend(monkeypatch: pytest.MonkeyPatch, kind: type, module: str) -> None:
    """Let pickles find `kind` in a module of a package that is not installed."""
    monkeypatch.setattr(kind, "__module__", module)
    parts = module.split(".")
    for size in range(1, len(parts) + 1):
        name = ".".join(parts[:size])
        if name not in sys.modules:
            package = types.ModuleType(name)
            package.__path__ = []
            monkeypatch.setitem(sys.modules, name, package)
    monkeypatch.setattr(sys.modules[module], kind.__name__, kind, raising=False)


def build(path: Path, symbols: Sequence[str] | None = None, **more: object) -> Smile:
    model = Smile(resolve("base", SIZES | {"init_from.checkpoint": str(path)} | more), len(symbols or range(9)))
    initialise(model, 1, symbols)
    return model.eval()
