"""Start from an AV-HuBERT checkpoint: its tensors, by fairseq's names, onto our frontends, projection and encoder.

The file is read without running anything that its pickle might ask for; fairseq and omegaconf are not needed.
"""

import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from common.errors import UserError
from model.settings import Settings

FINE_TUNED = "encoder.w2v_model."  # stands before every name of the encoder in a fine-tuned checkpoint
SETTINGS_MODULES = ("omegaconf", "argparse", "fairseq", "typing", "collections", "enum", "pathlib")

VIDEO = "feature_extractor_video.resnet."
# Our name -> the names there, joined along the first dimension. `{n}` is a number, `{0}` and on are groups.
NAMES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"frontends\.(audio|video)\.project\.(.+)", ("feature_extractor_{0}.proj.{1}",)),
    (r"frontends\.video\.stem\.(.+)", (VIDEO + "frontend3D.0.{0}",)),
    (r"frontends\.video\.norm\.(.+)", (VIDEO + "frontend3D.1.{0}",)),
    (r"frontends\.video\.act\.(.+)", (VIDEO + "frontend3D.2.{0}",)),
    (r"frontends\.video\.blocks\.(\d+)\.conv(\d)\.(.+)", (VIDEO + "trunk.{block}.conv{1}.{2}",)),
    (r"frontends\.video\.blocks\.(\d+)\.norm(\d)\.(.+)", (VIDEO + "trunk.{block}.bn{1}.{2}",)),
    (r"frontends\.video\.blocks\.(\d+)\.act(\d)\.(.+)", (VIDEO + "trunk.{block}.relu{1}.{2}",)),
    (r"frontends\.video\.blocks\.(\d+)\.shortcut\.(.+)", (VIDEO + "trunk.{block}.downsample.{1}",)),
    (r"tokens\.norm\.(.+)", ("layer_norm.{0}",)),
    (r"tokens\.project\.(.+)", ("post_extract_proj.{0}",)),
    (r"encoder\.positions\.gain", ("encoder.pos_conv.0.weight_g",)),
    (r"encoder\.positions\.direction", ("encoder.pos_conv.0.weight_v",)),
    (r"encoder\.positions\.bias", ("encoder.pos_conv.0.bias",)),
    (r"encoder\.norm\.(.+)", ("encoder.layer_norm.{0}",)),
    (
        r"encoder\.layers\.(\d+)\.attention\.project\.(.+)",
        tuple(f"encoder.layers.{{0}}.self_attn.{part}_proj.{{1}}" for part in "qkv"),
    ),
    (r"encoder\.layers\.(\d+)\.attention\.out\.(.+)", ("encoder.layers.{0}.self_attn.out_proj.{1}",)),
    (r"encoder\.layers\.(\d+)\.feedforward\.0\.(.+)", ("encoder.layers.{0}.fc1.{1}",)),
    (r"encoder\.layers\.(\d+)\.feedforward\.2\.(.+)", ("encoder.layers.{0}.fc2.{1}",)),
    (r"encoder\.layers\.(\d+)\.norms\.0\.(.+)", ("encoder.layers.{0}.self_attn_layer_norm.{1}",)),
    (r"encoder\.layers\.(\d+)\.norms\.1\.(.+)", ("encoder.layers.{0}.final_layer_norm.{1}",)),
)


class Inert:
    """Stands for a class of settings in a pickle: holds what it is given and does nothing."""

    def __new__(cls, *_args: object, **_named: object) -> "Inert":
        return super().__new__(cls)

    def __init__(self, *args: object, **named: object) -> None:
        self.__dict__.update(named, _args=args)

    def __setstate__(self, state: object) -> None:
        self.__dict__.update(state if isinstance(state, dict) else {"_state": state})

    def __setitem__(self, key: object, value: object) -> None:
        self.__dict__[str(key)] = value


@dataclass(frozen=True)
class Transfer:
    """Which tensors were `taken` (our names), `left` in the checkpoint (its names), and `missing` there (our names)."""

    taken: list[str]
    left: list[str]
    missing: list[str]

    def __str__(self) -> str:
        left, missing = ", ".join(self.left) or "none", ", ".join(self.missing) or "none"
        return f"{len(self.taken)} tensors taken; left in the checkpoint: {left}; drawn anew: {missing}"


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The encoder's tensors by their pre-training names, and the model's settings ({} where the file has none).

    Raises UserError for a file that is no checkpoint, or whose pickle asks for more than tensors and settings.
    """
    content = _unpickled(path)
    tensors = content.get("model") if isinstance(content, Mapping) else None
    if not isinstance(tensors, Mapping) or not tensors:
        raise UserError(
            f"{path} is no fairseq checkpoint: it has no tensors under the key 'model'; give the .pt file itself"
        )
    settings = plain(content.get("cfg") or content.get("args") or {})
    settings = settings.get("model", settings)
    settings = plain(settings.get("w2v_args") or {}).get("model", settings)
    prefix = FINE_TUNED if any(name.startswith(FINE_TUNED) for name in tensors) else ""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}, settings


def _unpickled(path: Path) -> Any:
    try:
        asked = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        foreign = [name for name in asked if name.partition(".")[0] not in SETTINGS_MODULES]
        if foreign:
            raise UserError(
                f"{path} holds more than tensors and settings: its pickle asks for {', '.join(foreign)}, which is not run; "
                "where you trust the file, load it yourself and save {'model': its tensors, 'cfg': plain values} anew"
            )
        with torch.serialization.safe_globals([(Inert, name) for name in asked]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{path} cannot be read as a PyTorch checkpoint ({reason}); give the .pt file itself"
        ) from error


def plain(value: Any) -> Any:
    """Settings as plain values, whatever held them in the pickle (omegaconf's nodes keep theirs in `_content`, `_val`)."""
    if isinstance(value, Inert):
        inside = vars(value)
        return plain(inside.get("_content", inside.get("_val", inside)))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items() if key not in ("_args", "_parent")}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def sources(name: str) -> list[str]:
    """The checkpoint's names of what our tensor is made of; [] for one that AV-HuBERT has not."""
    for pattern, theirs in NAMES:
        if match := re.fullmatch(pattern, name):
            groups = match.groups()
            block = f"layer{int(groups[0]) // 2 + 1}.{int(groups[0]) % 2}" if "blocks" in pattern else ""
            return [template.format(*groups, block=block) for template in theirs]
    return []


@torch.no_grad()
def load(model: nn.Module, settings: Settings, path: Path) -> Transfer:
    """Copy what fits by name into `model`; raises UserError where a tensor or a setting of the checkpoint does not fit."""
    if settings.encoder.architecture != "transformer":
        raise UserError(f"init_from fits the presets base and large, not {settings.preset}; choose one of them")
    tensors, published = read(path)
    _check(settings, published, path)
    taken, missing, used = [], [], set[str]()
    for name, own in model.state_dict().items():
        theirs = sources(name)
        if theirs and all(source in tensors for source in theirs):
            _copy(
                own, torch.cat([tensors[source] for source in theirs]) if len(theirs) > 1 else tensors[theirs[0]], name
            )
            taken.append(name)
            used.update(theirs)
        elif not name.startswith("teacher."):
            missing.append(name)
    if not taken:
        raise UserError(f"{path} has no tensor by a name of AV-HuBERT's; init_from takes its checkpoints only")
    return Transfer(taken, [name for name in tensors if name not in used], missing)


def _copy(own: Tensor, new: Tensor, name: str) -> None:
    if own.shape != new.shape:
        raise UserError(
            f"init_from: {name} is {tuple(new.shape)} in the checkpoint and {tuple(own.shape)} here; "
            "use the preset of the checkpoint's size (base: width 768, large: 1024)"
        )
    own.copy_(new)


def _check(settings: Settings, published: Mapping[str, Any], path: Path) -> None:
    """What no tensor's shape tells."""
    encoder = settings.encoder
    for theirs, ours, value in (
        ("layer_norm_first", "encoder.norm_first", encoder.norm_first),
        ("encoder_attention_heads", "encoder.heads", encoder.heads),
        ("resnet_relu_type", "", "prelu"),
        ("activation_fn", "", "gelu"),
        ("modality_fuse", "", "concat"),
        ("sub_encoder_layers", "", 0),
    ):
        if published.get(theirs, value) != value:
            remedy = (
                f"set {ours}: {str(published[theirs]).lower()}" if ours else "such a checkpoint cannot be used here"
            )
            raise UserError(
                f"{path} was trained with {theirs}: {published[theirs]}, and the model has {value}; {remedy}"
            )
