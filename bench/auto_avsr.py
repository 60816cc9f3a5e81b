"""A peer to measure against: the encoder, decoder and beam search of auto_avsr, from a checkout that the user makes.

    git clone https://github.com/mpc001/auto_avsr DIR          (and `git -C DIR checkout v1.0.0` for the older layout)

Nothing of it is part of this project. Its encoder is built without its convolutions and without its second
feed-forward, so that it has the layers of `base`: it still has relative positions.
"""

import importlib
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from common.errors import UserError
from model.settings import DecoderSettings, EncoderSettings

NETS = "espnet.nets"
TORCH = f"{NETS}.pytorch_backend"


def use(folder: Path) -> None:
    """Let `espnet` be what the checkout has. Raises UserError where it has none."""
    if not (folder / "espnet" / "nets" / "batch_beam_search.py").is_file():
        raise UserError(f"--auto-avsr takes a checkout of github.com/mpc001/auto_avsr; {folder} has no espnet/nets")
    sys.path.insert(0, str(folder))


def encoder(settings: EncoderSettings) -> nn.Module:
    """(tokens (B, T, D), mask None) -> (tokens, mask), without dropout."""
    shape = _shape(settings, settings.width)
    try:
        return _get(f"{TORCH}.encoder.conformer_encoder", "ConformerEncoder")(
            **shape, macaron_style=False, use_cnn_module=False
        )
    except ModuleNotFoundError:  # v1.0.0
        built: nn.Module = _get(f"{TORCH}.transformer.encoder", "Encoder")(
            **shape, input_layer="conv1d", relu_type="swish", encoder_attn_layer_type="rel_mha"
        )
        built.frontend, built.embed = None, built.embed[1]  # tokens enter as they are
        return built


def search(settings: DecoderSettings, width: int, vocabulary: int) -> tuple[nn.Module, nn.Module]:
    """Its decoder, and its search over one utterance (T, D) at a time with the CTC head within; weights as they are drawn."""
    try:
        decoder = _get(f"{TORCH}.decoder.transformer_decoder", "TransformerDecoder")
    except ModuleNotFoundError:
        decoder = _get(f"{TORCH}.transformer.decoder", "Decoder")
    model = decoder(vocabulary, **_shape(settings, width))
    end = vocabulary - 1
    scorer = _get(f"{NETS}.scorers.ctc", "CTCPrefixScorer")(_get(f"{TORCH}.ctc", "CTC")(vocabulary, width, 0.0), end)
    found = _get(f"{NETS}.batch_beam_search", "BatchBeamSearch")(
        beam_size=settings.beam_size,
        vocab_size=vocabulary,
        weights={"decoder": 1 - settings.ctc_weight, "ctc": settings.ctc_weight},
        scorers={"decoder": model, "ctc": scorer},
        sos=end,
        eos=end,
        token_list=None,
        pre_beam_score_key="decoder",
    )
    found.add_module("ctc", scorer.ctc)
    return model, found.eval()


@torch.inference_mode()
def text(search: nn.Module, frames: Tensor) -> list[int]:
    """The best text of an utterance (T, D)."""
    found: list[int] = search(frames)[0].yseq[1:-1].tolist()
    return found


def _shape(settings: EncoderSettings | DecoderSettings, width: int) -> dict[str, Any]:
    return {
        "attention_dim": width,
        "attention_heads": settings.heads,
        "linear_units": settings.feedforward,
        "num_blocks": settings.layers,
        "dropout_rate": 0.0,
        "positional_dropout_rate": 0.0,
    }


def _get(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)
