"""The decoder of fine-tuned checkpoints, against PyTorch's own Transformer decoder with the same weights."""

import io
import math
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import torch
from av_hubert_file import FEEDFORWARD, HEADS, LAYERS, SIZES, WIDTH, batch, build, decoder_weights, lend, save
from torch import Tensor
from torch.nn import functional as F

from common.errors import UserError
from corpora.store import Corpus
from model.config import CATALOGUE, resolve
from model.fairseq_file import read
from model.smile import start_from_checkpoint
from training.hygiene import examine
from training.tokenizer import tokenizer_for

PREFIX = "encoder.w2v_model."
DECODER = {
    "decoder.layers": LAYERS,
    "decoder.heads": HEADS,
    "decoder.feedforward": FEEDFORWARD,
    "fusion.layers": "last",
}
SYMBOLS = ["<s>", "<pad>", "</s>", "<unk>", "\u2581a", "b", "\u2581c", "d"]
OURS = ["<blank>", "b", "d", "\u2581a", "\u2581c"]


class Dictionary:
    """fairseq's, as far as a pickle shows it."""

    def __init__(self, symbols: list[str]) -> None:
        self.symbols, self.count, self.indices = symbols, [1] * len(symbols), {s: n for n, s in enumerate(symbols)}


class SentencepieceBPE:
    """fairseq's, as far as a pickle shows it: it holds the real processor."""

    def __init__(self, processor: sentencepiece.SentencePieceProcessor) -> None:
        self.sp, self.enable_sampling, self.alpha = processor, False, None


def settings_of(**model: Any) -> dict[str, Any]:
    start = {"model": {"layer_norm_first": True, "encoder_attention_heads": HEADS}, "task": {"normalize": True}}
    fine_tuned = {"w2v_path": "p", "decoder_attention_heads": HEADS, "w2v_args": start} | model
    return {"model": fine_tuned, "task": {"normalize": True}}


def fine_tuned(
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    symbols: list[str] = SYMBOLS,
    decoder: dict[str, Tensor] | None = None,
    cfg: Any = None,
    **state: Any,
) -> dict[str, Tensor]:
    """Save a checkpoint with a decoder; return its decoder's weights."""
    found = decoder_weights(len(symbols)) if decoder is None else decoder
    for kind, module in ((Dictionary, "fairseq.data.dictionary"), (SentencepieceBPE, "fairseq.data.encoders")):
        lend(monkeypatch, kind, module)
    task = {"target_dictionary": Dictionary(symbols)} | state
    save(path, prefix=PREFIX, decoder=found, cfg=cfg or settings_of(), task_state=task)
    return found


def reference(w: dict[str, Tensor], frames: Tensor, padding: Tensor, numbers: Tensor) -> Tensor:
    """fairseq's decoder over frames (B, T, D), by PyTorch's layers: logits (B, U, entries of the dictionary)."""
    half = WIDTH // 2
    rates = torch.tensor([10_000 ** (-n / (half - 1)) for n in range(half)])
    angles = torch.arange(2, 2 + numbers.shape[1])[:, None] * rates  # its first position is the padding's number + 1
    x = F.embedding(numbers, w["decoder.embed_tokens.weight"]) + torch.cat([angles.sin(), angles.cos()], 1)
    causal = torch.full((numbers.shape[1],) * 2, -math.inf).triu(1)
    for n in range(LAYERS):
        layer = torch.nn.TransformerDecoderLayer(
            WIDTH, HEADS, FEEDFORWARD, 0.0, "relu", batch_first=True, norm_first=True
        ).eval()
        layer.load_state_dict(layer_state(w, f"decoder.layers.{n}."))
        x = layer(x, frames, tgt_mask=causal, memory_key_padding_mask=padding)
    x = F.layer_norm(x, (WIDTH,), w["decoder.layer_norm.weight"], w["decoder.layer_norm.bias"])
    return x @ w["decoder.embed_tokens.weight"].T


def layer_state(w: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    found = {}
    for ours, theirs in (("self_attn", "self_attn"), ("multihead_attn", "encoder_attn")):
        for kind in ("weight", "bias"):
            found[f"{ours}.in_proj_{kind}"] = torch.cat([w[f"{prefix}{theirs}.{part}_proj.{kind}"] for part in "qkv"])
            found[f"{ours}.out_proj.{kind}"] = w[f"{prefix}{theirs}.out_proj.{kind}"]
    pairs = (("linear1", "fc1"), ("linear2", "fc2"), ("norm1", "self_attn_layer_norm"))
    for ours, theirs in (*pairs, ("norm2", "encoder_attn_layer_norm"), ("norm3", "final_layer_norm")):
        found |= {f"{ours}.{kind}": w[f"{prefix}{theirs}.{kind}"] for kind in ("weight", "bias")}
    return found


def test_the_decoder_gives_av_huberts_logits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = fine_tuned(tmp_path / "a.pt", monkeypatch)
    model, inputs = build(tmp_path / "a.pt", OURS, **DECODER), batch()
    entries = torch.tensor([SYMBOLS.index("</s>"), *(SYMBOLS.index(symbol) for symbol in OURS[1:])])
    units = torch.tensor([[0, 3, 1, 4], [0, 4, 2, 2]])
    assert model.decoder is not None
    with torch.no_grad():
        fused = model.fused(inputs)
        expected = reference(weights, fused, inputs.padding, entries[units])[..., entries]
        found = model.decoder(fused, inputs.padding, units)
        memory = model.decoder.remember(fused, inputs.padding)
        steps = [model.decoder.step(units[:, n : n + 1], n, memory)[:, 0] for n in range(4)]
    assert expected.std() > 0.5
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(torch.stack(steps, 1), expected.log_softmax(-1), atol=1e-5, rtol=1e-5)


def test_units_without_an_entry_stay_drawn_and_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = fine_tuned(tmp_path / "a.pt", monkeypatch)
    first, second = (build(tmp_path / "a.pt", ["<blank>", "d", "zz"], **DECODER) for _ in range(2))
    assert "2 of 3 units have the checkpoint's embedding" in capsys.readouterr().out
    assert first.decoder is not None
    assert second.decoder is not None
    rows, theirs = first.decoder.embedding.weight, weights["decoder.embed_tokens.weight"]
    assert torch.equal(rows[:2], theirs[[2, 7]])
    assert torch.equal(rows[2], second.decoder.embedding.weight[2])


@pytest.mark.parametrize("alone", [{"init_from.decoder": False}, {"decoder.layers": 0}])
def test_the_encoder_can_be_taken_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alone: dict[str, Any]) -> None:
    untied = decoder_weights(8) | {"decoder.embed_out": torch.zeros(8, WIDTH)}
    fine_tuned(tmp_path / "a.pt", monkeypatch, decoder=untied)
    found = start_from_checkpoint(build(tmp_path / "a.pt", OURS, **(DECODER | alone)), OURS)
    assert untied.keys() < set(found.left)
    assert any(name.startswith("encoder.layers.1.") for name in found.taken)
    assert not any(name.startswith("decoder.") for name in found.taken)


@pytest.mark.parametrize(
    ("more", "model", "plan", "says"),
    [
        ({}, {"decoder_attention_heads": 8}, {}, r"decoder_attention_heads: 8, .* has 4; set decoder\.heads: 8"),
        ({}, {}, {"decoder.layers": 1}, r"decoder_layers: 2, .* set decoder\.layers: 2"),
        ({}, {}, {"decoder.feedforward": 32}, r"decoder_ffn_embed_dim: 96, .* set decoder\.feedforward: 96"),
        ({}, {}, {"decoder.architecture": "plain"}, r"set decoder\.architecture: av_hubert"),
        ({"decoder.embed_out": torch.zeros(8, WIDTH)}, {}, {}, r"embed: False, .* set init_from\.decoder: false"),
        ({}, {"no_scale_embedding": False}, {}, r"no_scale_embedding: False, .* set init_from\.decoder: false"),
        (
            {},
            {"decoder_attention_heads": 2},
            {"encoder.norm_first": False},
            r"layer_norm_first: True, decoder_attention_heads: 2, and the model has False, 4; "
            r"set encoder\.norm_first: true and decoder\.heads: 2",
        ),
    ],
)
def test_a_contradiction_says_what_to_set(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    more: dict[str, Tensor],
    model: dict[str, Any],
    plan: dict[str, Any],
    says: str,
) -> None:
    fine_tuned(tmp_path / "a.pt", monkeypatch, decoder=decoder_weights(8) | more, cfg=settings_of(**model))
    with pytest.raises(UserError, match=says) as raised:
        build(tmp_path / "a.pt", OURS, **(DECODER | plan))
    assert "\n" not in str(raised.value)


def test_a_contradiction_is_found_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fine_tuned(tmp_path / "a.pt", monkeypatch)
    start = SIZES | DECODER | {"init_from.checkpoint": str(tmp_path / "a.pt")}
    arms = {"baseline": {}, "post-norm": {"encoder.norm_first": False}}
    resolved = {arm: CATALOGUE.resolve("base", start | more) for arm, more in arms.items()}
    examine({"baseline": resolved["baseline"]})
    with pytest.raises(UserError, match=r"layer_norm_first: True, .* set encoder\.norm_first: true"):
        examine(resolved)
    with pytest.raises(UserError, match="fits the presets base and large, not tiny"):
        examine({"baseline": CATALOGUE.resolve("tiny", {"init_from.checkpoint": str(tmp_path / "a.pt")})})


def sentencepiece_of(texts: list[str]) -> sentencepiece.SentencePieceProcessor:
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=written, vocab_size=24, hard_vocab_limit=False, minloglevel=2
    )
    return sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())


@pytest.mark.parametrize("earlier", [False, True])
def test_the_units_of_the_checkpoint_are_those_of_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beeps: Path, earlier: bool
) -> None:
    """`earlier`: sentencepiece once pickled its model alone, as bytes."""
    corpus = Corpus.open(beeps)
    processor = sentencepiece_of([utterance.text for utterance in corpus.utterances("train")])
    pieces = [processor.id_to_piece(n) for n in range(3, len(processor))]
    symbols = ["<s>", "<pad>", "</s>", "<unk>", *pieces]
    if earlier:
        kind = sentencepiece.SentencePieceProcessor
        monkeypatch.setattr(kind, "__getstate__", lambda self: self.serialized_model_proto())
    fine_tuned(tmp_path / "a.pt", monkeypatch, symbols, s2s_tokenizer=SentencepieceBPE(processor))
    assert read(tmp_path / "a.pt").sentencepiece == processor.serialized_model_proto()
    plan = DECODER | {"encoder.width": WIDTH, "init_from.checkpoint": str(tmp_path / "a.pt")}
    tokenizer = tokenizer_for(resolve("base", plan | {"encoder.heads": HEADS}), corpus)
    assert list(tokenizer.symbols) == ["<blank>", "<s>", "</s>", *pieces]
    text = corpus.utterances("train")[0].text
    assert tokenizer.encode(text) == processor.encode(text)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    built = build(tmp_path / "a.pt", tokenizer.symbols, **DECODER)
    assert built.decoder is not None
    theirs = read(tmp_path / "a.pt").tensors["decoder.embed_tokens.weight"]
    numbers = [symbols.index(each) for each in ("</s>", "<s>", "<pad>", *pieces)]
    assert torch.equal(built.decoder.embedding.weight.data, theirs[numbers])


def test_units_that_cannot_write_the_training_texts_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beeps: Path
) -> None:
    processor = sentencepiece_of(["abc abd", "dab cab"])
    fine_tuned(tmp_path / "a.pt", monkeypatch, s2s_tokenizer=SentencepieceBPE(processor))
    plan = {"init_from.checkpoint": str(tmp_path / "a.pt")}
    with pytest.raises(UserError, match=r"cannot write the training text .*set init_from\.decoder: false"):
        tokenizer_for(resolve("base", plan), Corpus.open(beeps))
