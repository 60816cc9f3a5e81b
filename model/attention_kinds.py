"""Typed settings of the kinds of `encoder.attention`; `attention.py` holds their code. Imports no torch."""

from typing import Literal

from model.kind import Kind, PartText


class AttentionKind(Kind):
    part = PartText(
        "which tokens an encoder layer's attention reaches: those of the same stream, of the other stream, or both",
        (
            "encoder attention",
            "mix attention",
            "mix-attention encoder layer",
            "attention mechanism",
            "cross-modal interactions",
            "cross-modal interactions within the mix-attention encoder layers",
        ),
    )


class MixAttention(AttentionKind):
    description = "every token attends to all tokens of both streams: within and across the streams"
    phrases = ("mix attention", "mixed attention", "joint attention", "attention within and across the streams")
    arm = "mix-attention"
    kind: Literal["mix"] = "mix"


class SelfAttention(AttentionKind):
    description = "each stream attends to itself alone: no information crosses the streams before they are fused"
    phrases = (
        "self-attention",
        "standard self-attention",
        "self-attention only",
        "single-modal attention",
        "no cross-modal interactions",
        "no cross-modal attention",
    )
    arm = "self-attention"
    lacks = "the cross-modal attention"
    kind: Literal["self"] = "self"


class CrossAttention(AttentionKind):
    description = "each stream attends to the other stream alone; needs `fusion.tokens` `time`"
    phrases = ("cross-attention", "cross-attention only", "cross-modal attention only")
    arm = "cross-attention"
    kind: Literal["cross"] = "cross"


class ParallelAttention(AttentionKind):
    description = (
        "attention to the own stream and attention to the other, each with its own weights, summed; "
        "needs `fusion.tokens` `time`"
    )
    phrases = (
        "parallel attention",
        "parallel self and cross attention",
        "self-attention and cross-attention in parallel",
    )
    arm = "parallel-attention"
    kind: Literal["parallel"] = "parallel"
