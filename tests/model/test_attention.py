"""The kinds of `encoder.attention`, against torch's own attention with a mask and against a loop over tokens."""

import math

import pytest
import torch
from torch import Tensor, nn

from common.errors import UserError
from model.attention import Reach, attend, reaches_of
from model.attention_kinds import AttentionKind, CrossAttention, MixAttention, ParallelAttention, SelfAttention
from model.config import load, resolve
from model.encoder import Attention, rotation_table
from model.kind import kinds_of
from model.smile import Smile, parameter_count
from model.transformer import SelfAttention as TransformerAttention

WIDTH, HEADS, FRAMES = 16, 2, 5
LENGTHS = [5, 3]  # frames of the two utterances of the batch
KINDS = list(kinds_of(AttentionKind).values())
PUBLISHED = {"encoder.architecture": "transformer", "encoder.position_kernel": 8, "encoder.position_groups": 4}


def tokens(seed: int = 0) -> Tensor:
    return torch.randn(2, 2 * FRAMES, WIDTH, generator=torch.Generator().manual_seed(seed))


def padding() -> Tensor:
    return (torch.arange(FRAMES)[None] >= torch.tensor(LENGTHS)[:, None]).repeat(1, 2)


def forbidden(reach: Reach) -> Tensor:
    """(2T, 2T), True where a token (row) may not attend to another (column)."""
    stream = torch.arange(2 * FRAMES) // FRAMES
    same = stream[:, None] == stream[None]
    return {Reach.ALL: torch.zeros_like(same), Reach.OWN: ~same, Reach.OTHER: same}[reach]


def drawn(module: nn.Module) -> None:
    with torch.no_grad():
        for number, parameter in enumerate(module.parameters()):
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number)) / 4)


def of_torch(own: TransformerAttention, x: Tensor) -> Tensor:
    """Torch's multi-head attention with our weights and a mask over all tokens."""
    theirs = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(own.project.weight)
        theirs.in_proj_bias.copy_(own.project.bias)
        theirs.out_proj.weight.copy_(own.out.weight)
        theirs.out_proj.bias.copy_(own.out.bias)
    found = theirs(x, x, x, key_padding_mask=padding(), attn_mask=forbidden(own.reach), need_weights=False)[0]
    return found if own.beside is None else found + of_torch(own.beside, x)


@pytest.mark.parametrize("kind", KINDS)
def test_the_transformer_attends_as_torchs_own_attention_with_a_mask(kind: type[AttentionKind]) -> None:
    module, x = TransformerAttention(WIDTH, HEADS, 0.0, reaches_of(kind())).eval(), tokens()
    drawn(module)
    kept = ~padding()
    torch.testing.assert_close(module(x, padding(), 2)[kept], of_torch(module, x)[kept])


def by_loop(own: Attention, x: Tensor) -> Tensor:
    """Rotary attention, one token of one head after the other."""
    wide, out = WIDTH // HEADS, torch.zeros_like(x)
    rates = [math.exp(-2 * math.log(400.0) * number / wide) for number in range(wide // 2)]

    def turned(vector: Tensor, frame: int) -> Tensor:
        pairs = [
            torch.view_as_complex(torch.stack([vector[n], vector[n + wide // 2]]))
            * complex(math.cos(frame * rate), math.sin(frame * rate))
            for n, rate in enumerate(rates)
        ]
        return torch.stack([p.real for p in pairs] + [p.imag for p in pairs])

    for b in range(len(x)):
        q, k, v = own.project(x[b]).chunk(3, dim=-1)
        for i in range(2 * FRAMES):
            reached = [j for j in range(2 * FRAMES) if not padding()[b, j] and not forbidden(own.reach)[i, j]]
            for head in range(HEADS):
                own_values = slice(head * wide, (head + 1) * wide)
                query = turned(q[i, own_values], i % FRAMES)
                scores = torch.stack([query @ turned(k[j, own_values], j % FRAMES) for j in reached])
                weights = (scores / math.sqrt(wide)).softmax(0)
                out[b, i, own_values] = weights @ v[reached, own_values]
    found = own.out(out)
    return found if own.beside is None else found + by_loop(own.beside, x)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_the_conformer_attends_as_a_loop_over_tokens(kind: type[AttentionKind]) -> None:
    module, x = Attention(WIDTH, HEADS, reaches_of(kind())), tokens()
    drawn(module)
    cosines, sines = rotation_table(FRAMES, WIDTH // HEADS, x)
    found = module(x, padding(), 2, (cosines.repeat(2, 1), sines.repeat(2, 1)))
    kept = ~padding()
    torch.testing.assert_close(found[kept], by_loop(module, x)[kept], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("reach", Reach)
def test_gradients_reach_the_tokens_that_the_kind_names_and_no_padding(reach: Reach) -> None:
    q, k, v = (torch.randn(2, HEADS, 2 * FRAMES, 8, requires_grad=True) for _ in range(3))
    found = attend((q, k, v), padding(), reach, 2)
    assert found.shape == q.shape
    for i in range(2 * FRAMES):
        for source in torch.autograd.grad(found[1, :, i].sum(), (k, v), retain_graph=True):
            reached = source[1].abs().sum((0, 2)) > 1e-7
            allowed = ~forbidden(reach)[i] & ~padding()[1]
            assert torch.equal(reached, allowed)
            assert not source[0].any()


@pytest.mark.parametrize("encoder", [{}, PUBLISHED], ids=["conformer", "transformer"])
def test_only_parallel_attention_has_more_weights(encoder: dict[str, object]) -> None:
    settings = {kind.arm: resolve("tiny", {"encoder.attention": kind().kind, **encoder}) for kind in KINDS}
    sizes = {arm: parameter_count(Smile(each, 9)) for arm, each in settings.items()}
    width, layers = settings["mix-attention"].encoder.width, settings["mix-attention"].encoder.layers
    more = layers * (3 * width * width + 3 * width + width * width + width)
    assert sizes["mix-attention"] == sizes["self-attention"] == sizes["cross-attention"]
    assert sizes["parallel-attention"] - sizes["mix-attention"] == more


def test_the_first_attention_keeps_its_name_under_every_kind() -> None:
    """So a checkpoint of AV-HuBERT fits all kinds, and arms of one seed start with the same weights."""
    names = {
        kind.arm: set(Smile(resolve("tiny", {"encoder.attention": kind().kind}), 9).state_dict()) for kind in KINDS
    }
    assert names["mix-attention"] == names["self-attention"] == names["cross-attention"]
    assert all(".attention.beside." in name for name in names["parallel-attention"] - names["mix-attention"])
    assert names["mix-attention"] < names["parallel-attention"]


def test_one_stream_attends_to_itself() -> None:
    q, k, v = (torch.randn(2, HEADS, FRAMES, 8) for _ in range(3))
    own = padding()[:, :FRAMES]
    torch.testing.assert_close(attend((q, k, v), own, Reach.OWN, 1), attend((q, k, v), own, Reach.ALL, 1))


@pytest.mark.parametrize("tokens", ["audio_only", "video_only", "channel"])
@pytest.mark.parametrize(
    ("part", "kind"),
    [("encoder.attention", kind().kind) for kind in (CrossAttention, ParallelAttention)]
    + [("fusion.output", "concatenate"), ("fusion.output", "attention")],
)
def test_a_model_of_one_stream_has_no_other_to_attend_to(tokens: str, part: str, kind: str) -> None:
    with pytest.raises(UserError) as refused:
        resolve("tiny", {"fusion.tokens": tokens, part: kind})
    assert str(refused.value) == (
        f"the kind {kind!r} of {part} needs tokens of both streams, and fusion.tokens {tokens!r} gives the encoder one "
        f"stream; use fusion.tokens 'time' or another kind of {part}"
    )
    with pytest.raises(ValueError, match="needs tokens of both streams"):
        load({"preset": "tiny", "parts": {"fusion.tokens": {"kind": tokens}, part: {"kind": kind}}})


@pytest.mark.parametrize("kind", [MixAttention, SelfAttention])
@pytest.mark.parametrize("tokens", ["audio_only", "video_only", "channel"])
def test_mix_and_self_attention_take_one_stream(kind: type[AttentionKind], tokens: str) -> None:
    assert (
        resolve("tiny", {"fusion.tokens": tokens, "encoder.attention": kind().kind}).parts.encoder_attention == kind()
    )


@pytest.mark.parametrize("encoder", [{}, PUBLISHED], ids=["conformer", "transformer"])
@pytest.mark.parametrize(("kind", "mixed"), [("mix", True), ("self", False), ("cross", True), ("parallel", True)])
def test_streams_mix_in_the_encoder_unless_each_attends_to_itself(
    kind: str, mixed: bool, encoder: dict[str, object]
) -> None:
    model = Smile(resolve("tiny", {"encoder.attention": kind, "encoder.dropout": 0.0, **encoder}), 9).eval()
    width = model.settings.encoder.width
    audio, one, other = (torch.randn(1, 7, width, generator=torch.Generator().manual_seed(n)) for n in range(3))
    nothing = torch.zeros(1, 7, dtype=torch.bool)
    first, second = (model.encoder({"audio": audio, "video": video}, nothing)[-1]["audio"] for video in (one, other))
    assert torch.equal(first, second) is not mixed
