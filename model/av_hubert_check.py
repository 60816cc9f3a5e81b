"""Contradictions between an AV-HuBERT checkpoint and the settings of a model, each with what to set."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import UserError
from model.fairseq_file import Published
from model.settings import Settings

ENCODER_ALONE = "init_from.decoder: false"


@dataclass(frozen=True)
class Fact:
    """A setting of the checkpoint, its value there, and what it has to be here; `remedy` sets it, None if nothing can."""

    name: str
    value: Any
    here: Any
    remedy: str | None


def has_decoder(published: Published) -> bool:
    """Return whether the checkpoint has the layers of a decoder."""
    return any(name.startswith("decoder.layers.") for name in published.tensors)


def check(settings: Settings, published: Published, path: Path) -> list[str]:
    """Raise UserError, in one sentence, for all contradictions at once. Return remarks on what could not be checked."""
    facts = [*_sizes(settings, published), *_encoder(settings, published.encoder), *_task(published.task)]
    takes_decoder = settings.decoder.layers and settings.init_from.decoder and has_decoder(published)
    if takes_decoder:
        facts += _decoder(settings, published)
    wrong = [fact for fact in facts if fact.value != fact.here]
    if wrong:
        theirs = ", ".join(f"{fact.name}: {fact.value}" for fact in wrong)
        ours = ", ".join(str(fact.here) for fact in wrong)
        remedies = list(dict.fromkeys(fact.remedy for fact in wrong if fact.remedy))
        usable = all(fact.remedy for fact in wrong)
        remedy = f"set {_words(remedies)}" if usable else "such a checkpoint cannot be used here"
        raise UserError(f"{path} was trained with {theirs}, and the model has {ours}; {remedy}")
    unknown = published.encoder is None or (takes_decoder and published.decoder is None)
    return ["the checkpoint has no settings, so norm_first and the heads are the plan's"] if unknown else []


def _words(items: Sequence[str]) -> str:
    *before, last = items
    return f"{', '.join(before)} and {last}" if before else last


def _set(setting: str, value: Any) -> str:
    return f"{setting}: {str(value).lower()}"


def _sizes(settings: Settings, published: Published) -> Iterator[Fact]:
    """Sizes that the shapes of tensors show. A model may have fewer layers than the checkpoint: those above are left."""
    encoder, shapes = settings.encoder, {name: tuple(tensor.shape) for name, tensor in published.tensors.items()}
    norm, hidden = shapes.get("encoder.layer_norm.weight"), shapes.get("encoder.layers.0.fc1.weight")
    positions, layers = shapes.get("encoder.pos_conv.0.weight_v"), _layers("encoder", published)
    if norm:
        yield Fact("encoder_embed_dim", norm[0], encoder.width, _set("encoder.width", norm[0]))
    if hidden:
        yield Fact("encoder_ffn_embed_dim", hidden[0], encoder.feedforward, _set("encoder.feedforward", hidden[0]))
    if positions and len(positions) == 3:
        groups = positions[0] // max(1, positions[1])
        yield Fact("conv_pos", positions[2], encoder.position_kernel, _set("encoder.position_kernel", positions[2]))
        yield Fact("conv_pos_groups", groups, encoder.position_groups, _set("encoder.position_groups", groups))
    if 0 < layers < encoder.layers:
        yield Fact("encoder_layers", layers, encoder.layers, _set("encoder.layers", layers))


def _layers(part: str, published: Published) -> int:
    numbers = [int(found[1]) for name in published.tensors if (found := re.match(rf"{part}\.layers\.(\d+)\.", name))]
    return max(numbers, default=-1) + 1


def _encoder(settings: Settings, theirs: Mapping[str, Any] | None) -> Iterator[Fact]:
    """Settings of the encoder that no shape shows, with fairseq's default where the checkpoint does not state one."""
    if theirs is None:
        return
    for name, default, setting, here in (
        ("layer_norm_first", False, "encoder.norm_first", settings.encoder.norm_first),
        ("encoder_attention_heads", 12, "encoder.heads", settings.encoder.heads),
        ("resnet_relu_type", "prelu", "", "prelu"),
        ("activation_fn", "gelu", "", "gelu"),
        ("modality_fuse", "concat", "", "concat"),
        ("sub_encoder_layers", 0, "", 0),
    ):
        value = theirs.get(name, default)
        yield Fact(name, value, here, _set(setting, value) if setting else None)


def _task(theirs: Mapping[str, Any] | None) -> Iterator[Fact]:
    """Settings of the input that differ from ours if a checkpoint states another value."""
    for name, here in (("normalize", True), ("image_mean", 0.421), ("image_std", 0.165), ("stack_order_audio", 4)):
        value = (theirs or {}).get(name, here)
        if not isinstance(value, str):  # an interpolation: the value stands elsewhere
            yield Fact(name, value, here, None)


def _decoder(settings: Settings, published: Published) -> Iterator[Fact]:
    """Settings of the decoder, which can be left out."""
    own, tensors, theirs = settings.decoder, published.tensors, published.decoder
    yield Fact("decoder", "av_hubert", own.architecture, "decoder.architecture: av_hubert")
    layers, hidden = _layers("decoder", published), tensors.get("decoder.layers.0.fc1.weight")
    yield Fact("decoder_layers", layers, own.layers, _set("decoder.layers", layers))
    if hidden is not None:
        yield Fact(
            "decoder_ffn_embed_dim", hidden.shape[0], own.feedforward, _set("decoder.feedforward", hidden.shape[0])
        )
    embedding = tensors.get("decoder.embed_tokens.weight")
    if embedding is not None:
        yield Fact("decoder_embed_dim", embedding.shape[1], settings.encoder.width, ENCODER_ALONE)
    yield Fact("share_decoder_input_output_embed", "decoder.embed_out" not in tensors, True, ENCODER_ALONE)
    yield Fact("decoder_normalize_before", "decoder.layer_norm.weight" in tensors, True, ENCODER_ALONE)
    yield Fact("decoder_learned_pos", "decoder.embed_positions.weight" in tensors, False, ENCODER_ALONE)
    if theirs is not None:
        heads = theirs.get("decoder_attention_heads", 4)
        yield Fact("decoder_attention_heads", heads, own.heads, _set("decoder.heads", heads))
        yield Fact("no_scale_embedding", theirs.get("no_scale_embedding", True), True, ENCODER_ALONE)
        without = theirs.get("no_token_positional_embeddings", False)
        yield Fact("no_token_positional_embeddings", without, False, ENCODER_ALONE)
