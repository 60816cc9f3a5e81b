"""The names of AV-HuBERT's tensors, as fairseq has them, for the tensors of our modules. Imports no torch."""

import re

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
    (r"decoder\.norm\.(.+)", ("decoder.layer_norm.{0}",)),
    (
        r"decoder\.layers\.(\d+)\.project\.(.+)",
        tuple(f"decoder.layers.{{0}}.self_attn.{part}_proj.{{1}}" for part in "qkv"),
    ),
    (r"decoder\.layers\.(\d+)\.out\.(.+)", ("decoder.layers.{0}.self_attn.out_proj.{1}",)),
    (r"decoder\.layers\.(\d+)\.query\.(.+)", ("decoder.layers.{0}.encoder_attn.q_proj.{1}",)),
    (
        r"decoder\.layers\.(\d+)\.frames\.(.+)",
        tuple(f"decoder.layers.{{0}}.encoder_attn.{part}_proj.{{1}}" for part in "kv"),
    ),
    (r"decoder\.layers\.(\d+)\.gather\.(.+)", ("decoder.layers.{0}.encoder_attn.out_proj.{1}",)),
    (r"decoder\.layers\.(\d+)\.feedforward\.0\.(.+)", ("decoder.layers.{0}.fc1.{1}",)),
    (r"decoder\.layers\.(\d+)\.feedforward\.2\.(.+)", ("decoder.layers.{0}.fc2.{1}",)),
    (r"decoder\.layers\.(\d+)\.norms\.0\.(.+)", ("decoder.layers.{0}.self_attn_layer_norm.{1}",)),
    (r"decoder\.layers\.(\d+)\.norms\.1\.(.+)", ("decoder.layers.{0}.encoder_attn_layer_norm.{1}",)),
    (r"decoder\.layers\.(\d+)\.norms\.2\.(.+)", ("decoder.layers.{0}.final_layer_norm.{1}",)),
)


def sources(name: str) -> list[str]:
    """Return the names in the checkpoint whose tensors make up our tensor; [] if AV-HuBERT has no such tensor."""
    for pattern, theirs in NAMES:
        if match := re.fullmatch(pattern, name):
            groups = match.groups()
            block = f"layer{int(groups[0]) // 2 + 1}.{int(groups[0]) % 2}" if "blocks" in pattern else ""
            return [template.format(*groups, block=block) for template in theirs]
    return []
