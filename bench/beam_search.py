"""Time the joint beam search of batches against the same search one utterance at a time; the texts have to be equal.

On two cores:  python bench/beam_search.py
On a GPU:      python bench/beam_search.py --utterances 1321 --batch 64 --frames 150 --width 768 --layers 6 --pieces 1000

`--few` utterances are searched one at a time, for the time of all. Times are the best of `--rounds`.

With `--auto-avsr DIR`, against that peer's search with a decoder of the same shape, too; bench/auto_avsr.py says how to get it.

Utterances have from half of `--frames` up to that many, batched by length as in an evaluation. Decoders are untrained and kept from
ending a text (ours and the peer's), so that every text has a unit for each frame: three to five times what speech has.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import auto_avsr
import torch
from torch import Tensor

from model.decoder import END, Decoder
from model.settings import DecoderSettings
from training.distributed import join_processes
from training.search import beam_search

NEVER_ENDS = -30.0
SIZES = {"utterances": 16, "batch": 16, "frames": 30, "width": 96, "layers": 2, "pieces": 100, "few": 16, "rounds": 2}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--auto-avsr", type=Path)
    given, device = parser.parse_args(), join_processes().device
    settings = DecoderSettings(layers=given.layers, feedforward=4 * given.width)
    torch.manual_seed(0)
    lengths = torch.linspace(given.frames / 2, given.frames, given.utterances).round().int().tolist()
    frames = [torch.randn(length, given.width, device=device) for length in lengths]
    log_probs = [(2 * torch.randn(length, given.pieces, device=device)).log_softmax(-1) for length in lengths]
    ours = our_search(settings, given.width, given.pieces, device)
    stride = max(1, given.utterances // given.few)
    few = range(0, given.utterances, stride)

    def batched() -> list[list[int]]:
        parts = range(0, len(frames), given.batch)
        return [text for n in parts for text in ours(frames[n : n + given.batch], log_probs[n : n + given.batch])]

    runs = {
        f"{given.batch} at a time": (batched, 1.0),
        "1 at a time": (lambda: [ours([frames[n]], [log_probs[n]])[0] for n in few], given.utterances / len(few)),
    }
    if given.auto_avsr:
        theirs = peer_search(given.auto_avsr, settings, given.width, given.pieces, device)
        runs["auto_avsr"] = (lambda: [theirs(frames[n]) for n in few], given.utterances / len(few))
    seconds, texts = timed(runs, given.rounds)
    together, single, *_ = texts.values()
    assert [together[n] for n in few] == single
    for name, each in seconds.items():
        print(
            f"{name:>14}: {each:8.2f} s for {given.utterances} utterances, {each / min(seconds.values()):.1f} times the fastest"
        )


def timed(runs: dict[str, tuple[Callable[[], list], float]], rounds: int) -> tuple[dict[str, float], dict[str, list]]:
    """Seconds of each, for all utterances, and what it found: the best of some rounds by turns."""
    seconds, texts = {name: float("inf") for name in runs}, {}
    for _ in range(rounds):
        for name, (run, factor) in runs.items():
            started = time.perf_counter()
            texts[name] = run()
            seconds[name] = min(seconds[name], factor * (time.perf_counter() - started))
    return seconds, texts


def our_search(
    settings: DecoderSettings, width: int, pieces: int, device: torch.device
) -> Callable[..., list[list[int]]]:
    decoder = Decoder(settings, width, pieces).to(device).eval()
    with torch.no_grad():
        decoder.out.bias[END] = NEVER_ENDS

    def search(frames: list[Tensor], log_probs: list[Tensor]) -> list[list[int]]:
        lengths = torch.tensor([len(each) for each in frames], device=device)
        padding = torch.arange(int(lengths.max()), device=device) >= lengths[:, None]
        fused, probs = (torch.nn.utils.rnn.pad_sequence(each, batch_first=True) for each in (frames, log_probs))
        return beam_search(decoder, fused, padding, probs, settings)

    return search


def peer_search(
    folder: Path, settings: DecoderSettings, width: int, pieces: int, device: torch.device
) -> Callable[..., list[int]]:
    auto_avsr.use(folder)
    decoder, search = auto_avsr.search(settings, width, pieces)
    with torch.no_grad():
        decoder.output_layer.bias[-1] = NEVER_ENDS
    search.to(device)
    return lambda frames: auto_avsr.text(search, frames)


if __name__ == "__main__":
    main()
