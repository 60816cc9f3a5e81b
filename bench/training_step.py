"""Time a training step: our Transformer encoder against torchaudio's wav2vec 2.0 encoder of the same shape, then the whole model.

On two cores:  python bench/training_step.py
On a GPU:      python bench/training_step.py --preset base --batch 32 --frames 150 --steps 20 --precision bfloat16

With `--auto-avsr DIR`, against that peer's encoder, too; bench/auto_avsr.py says how to get it and how it is built.

Prints milliseconds per step (best of three rounds that alternate), the machine's measured matrix rate, the share of it that each
step reaches, and where the whole model's time goes.
"""

import argparse
import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import auto_avsr
import torch
import torchaudio
from flops import count
from torch import nn
from torch.profiler import ProfilerActivity, profile, record_function
from torch.utils.flop_counter import FlopCounterMode

from model.attention_kinds import MixAttention
from model.config import resolve
from model.settings import EncoderSettings
from model.smile import Inputs, Smile, initialise
from model.transformer import TransformerEncoder
from training.distributed import join_processes
from training.optimiser import build_optimiser

DEVICE = join_processes().device
SMALL = {"encoder.architecture": "transformer", "encoder.position_kernel": 32}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="tiny", choices=["tiny", "base", "large"])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--frames", type=int, default=75)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--auto-avsr", type=Path)
    given = parser.parse_args()
    settings = resolve(given.preset, {**(SMALL if given.preset == "tiny" else {}), "encoder.dropout": 0.0})
    card = torch.cuda.get_device_name() if DEVICE.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    rate = matrix_rate(torch.bfloat16 if given.precision == "bfloat16" else torch.float32)
    print(f"{card}: {rate / 1e12:.2f} TFLOP/s in {given.precision} matrix products, measured")
    in_half = torch.autocast(DEVICE.type, torch.bfloat16, enabled=given.precision == "bfloat16")
    tokens = torch.randn(given.batch, 2 * given.frames, settings.encoder.width, device=DEVICE)
    models = {"ours": our_encoder(settings.encoder, tokens), "torchaudio": peer_encoder(settings.encoder, tokens)}
    if given.auto_avsr:
        models["auto_avsr"] = auto_avsr_encoder(given.auto_avsr, settings.encoder, tokens)
    models["whole"] = whole_model(settings, given.batch, given.frames)
    steps = {name: training_step(*pair, in_half) for name, pair in models.items()}
    best = {name: min(times) for name, times in alternated(steps, given.steps).items()}
    for name, seconds in best.items():
        operations = given.batch * count(settings, given.frames)[1] if name == "whole" else flops(steps[name])
        share = operations / seconds / rate
        print(f"{name:>10}: {1e3 * seconds:8.1f} ms per step, {100 * share:5.1f} % of the matrix rate")
    for name in [name for name in best if name not in ("ours", "whole")]:
        print(f"encoder: {name}'s step takes {best[name] / best['ours']:.2f} times ours")
    print(where_the_time_goes(steps["whole"]))


def our_encoder(settings: EncoderSettings, tokens: torch.Tensor) -> tuple[nn.Module, Callable[[], torch.Tensor]]:
    """(B, 2T, D) as two streams; dropout is off in both."""
    encoder = TransformerEncoder(settings, ("audio", "video"), MixAttention()).to(DEVICE)
    halves = dict(zip(("audio", "video"), tokens.chunk(2, dim=1), strict=True))
    padding = torch.zeros(len(tokens), tokens.shape[1] // 2, dtype=torch.bool, device=DEVICE)
    return encoder, lambda: torch.cat(list(encoder(halves, padding)[-1].values()), dim=1).float().square().mean()


def peer_encoder(settings: EncoderSettings, tokens: torch.Tensor) -> tuple[nn.Module, Callable[[], torch.Tensor]]:
    peer = torchaudio.models.wav2vec2_model(
        extractor_mode="group_norm",
        extractor_conv_layer_config=[(settings.width, 10, 5)],
        extractor_conv_bias=False,
        encoder_embed_dim=settings.width,
        encoder_projection_dropout=0.0,
        encoder_pos_conv_kernel=settings.position_kernel,
        encoder_pos_conv_groups=settings.position_groups,
        encoder_num_layers=settings.layers,
        encoder_num_heads=settings.heads,
        encoder_attention_dropout=0.0,
        encoder_ff_interm_features=settings.feedforward,
        encoder_ff_interm_dropout=0.0,
        encoder_dropout=0.0,
        encoder_layer_norm_first=settings.norm_first,
        encoder_layer_drop=0.0,
        aux_num_out=None,
    ).encoder.to(DEVICE)
    return peer, lambda: peer(tokens).float().square().mean()


def auto_avsr_encoder(
    folder: Path, settings: EncoderSettings, tokens: torch.Tensor
) -> tuple[nn.Module, Callable[[], torch.Tensor]]:
    auto_avsr.use(folder)
    peer = auto_avsr.encoder(settings).to(DEVICE)
    return peer, lambda: peer(tokens, None)[0].float().square().mean()


def whole_model(settings, batch: int, frames: int) -> tuple[nn.Module, Callable[[], torch.Tensor]]:
    model = Smile(settings, 40)
    initialise(model, 0)
    model.to(DEVICE).train()
    inputs = Inputs(
        torch.randn(batch, frames * 640, device=DEVICE),
        torch.randint(0, 255, (batch, frames, 88, 88), dtype=torch.uint8, device=DEVICE),
        torch.zeros(batch, frames, dtype=torch.bool, device=DEVICE),
        [frames] * batch,
    )
    masks = {name: torch.rand(batch, frames, device=DEVICE) < 0.3 for name in model.inputs}
    targets = [[1 + number % 30 for number in range(frames // 4)]] * batch
    for name in ("frontends", "encoder", "decoder"):
        if (part := getattr(model, name)) is not None:
            for each in part.values() if isinstance(part, nn.ModuleDict) else [part]:
                label(each, name)
    return model, lambda: model.losses(inputs, targets, masks).total


def label(module: nn.Module, name: str) -> None:
    """Let the profile show a module's forward passes under its name."""
    forward = module.forward

    def named(*args, **kwargs):
        with record_function(f"forward: {name}"):
            return forward(*args, **kwargs)

    module.forward = named


def training_step(module: nn.Module, loss: Callable[[], torch.Tensor], context) -> Callable[[], None]:
    optimiser = build_optimiser(module, resolve("tiny", {}).training)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        with context:
            value = loss()
        with record_function("backward"):
            value.backward()
        with record_function("optimiser"):
            optimiser.step()

    return step


def alternated(steps: dict[str, Callable[[], None]], count: int) -> dict[str, list[float]]:
    """Seconds per step of each, in three rounds by turns, so that a busy moment hits all of them."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for round_number in range(4):
        for name, step in steps.items():
            synchronise()
            started = time.perf_counter()
            for _ in range(count):
                step()
            synchronise()
            if round_number:  # the first is a warm-up
                times[name].append((time.perf_counter() - started) / count)
    return times


def matrix_rate(dtype: torch.dtype) -> float:
    size = 8192 if DEVICE.type == "cuda" else 1024
    left, right = (torch.randn(size, size, device=DEVICE, dtype=dtype) for _ in range(2))
    times = alternated({"": lambda: left.matmul(right)}, 10)[""]
    return 2 * size**3 / min(times)


def flops(step: Callable[[], None]) -> int:
    counter = FlopCounterMode(display=False)
    with counter:
        step()
    return counter.get_total_flops()


def where_the_time_goes(step: Callable[[], None]) -> str:
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if DEVICE.type == "cuda" else [])]
    with profile(activities=activities) as found:
        step()
        synchronise()
    kind = "device_time_total" if DEVICE.type == "cuda" else "cpu_time_total"
    rows = [row for row in found.key_averages() if row.key.startswith(("forward: ", "backward", "optimiser"))]
    total = sum(getattr(row, kind) for row in rows) or 1
    return "\n".join(f"{row.key:>20}: {100 * getattr(row, kind) / total:5.1f} % of the labelled time" for row in rows)


def synchronise() -> None:
    with contextlib.suppress(AssertionError, RuntimeError):
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
