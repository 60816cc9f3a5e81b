"""Transfer of an AV-HuBERT checkpoint: its tensors, by fairseq's names, to our frontends, projection and encoder.

Reading the file runs no code that its pickle asks for. fairseq and omegaconf are not needed.
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
from model.finite import not_finite
from model.settings import Settings

FINE_TUNED = "encoder.w2v_model."  # prefix of all names of the encoder in a fine-tuned checkpoint
SETTINGS_MODULES = ("omegaconf", "argparse", "fairseq", "typing", "collections", "enum", "pathlib")

VIDEO = "feature_extractor_video.resnet."
# Our name -> the names in the checkpoint, whose tensors are concatenated along the first dimension. `{0}`, `{1}` are the groups.
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
    """Placeholder for a class of settings in a pickle. It stores its arguments and does nothing."""

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
    """The tensors that were `taken` (our names), `left` in the checkpoint (its names), and `missing` in it (our names)."""

    taken: list[str]
    left: list[str]
    missing: list[str]

    def __str__(self) -> str:
        left, missing = ", ".join(self.left) or "none", ", ".join(self.missing) or "none"
        return f"{len(self.taken)} tensors taken; left in the checkpoint: {left}; drawn at random: {missing}"


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors of the encoder by their pre-training names, and the settings of the model ({} if the file has none).

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
                "if you trust the file, load it yourself and save {'model': its tensors, 'cfg': plain values} as a new file"
            )
        with torch.serialization.safe_globals([(Inert, name) for name in asked]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{path} cannot be read as a PyTorch checkpoint ({reason}); give the .pt file itself"
        ) from error


def plain(value: Any) -> Any:
    """Return settings as plain values, for every class in the pickle (omegaconf keeps values in `_content` and `_val`)."""
    if isinstance(value, Inert):
        inside = vars(value)
        return plain(inside.get("_content", inside.get("_val", inside)))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items() if key not in ("_args", "_parent")}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def sources(name: str) -> list[str]:
    """Return the names in the checkpoint whose tensors make up our tensor; [] if AV-HuBERT has no such tensor."""
    for pattern, theirs in NAMES:
        if match := re.fullmatch(pattern, name):
            groups = match.groups()
            block = f"layer{int(groups[0]) // 2 + 1}.{int(groups[0]) % 2}" if "blocks" in pattern else ""
            return [template.format(*groups, block=block) for template in theirs]
    return []


@torch.no_grad()
def load(model: nn.Module, settings: Settings, path: Path) -> Transfer:
    """Copy tensors into `model` by name. Raises UserError if a tensor or a setting of the checkpoint does not fit."""
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
        raise UserError(f"{path} has no tensor with a name of AV-HuBERT; init_from takes only AV-HuBERT checkpoints")
    return Transfer(taken, [name for name in tensors if name not in used], missing)


def _copy(own: Tensor, new: Tensor, name: str) -> None:
    if own.shape != new.shape:
        raise UserError(
            f"init_from: {name} is {tuple(new.shape)} in the checkpoint and {tuple(own.shape)} here; "
            "use the preset of the checkpoint's size (base: width 768, large: 1024)"
        )
    own.copy_(new)


def _check(settings: Settings, published: Mapping[str, Any], path: Path) -> None:
    """Check the settings that shapes of tensors do not show."""
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
