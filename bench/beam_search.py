"""Time the joint beam search of a whole batch against the same search one utterance at a time; the texts have to be equal.

On two cores:  python bench/beam_search.py
On a GPU:      python bench/beam_search.py --utterances 1321 --batch 64 --frames 150 --width 768 --layers 6 --pieces 1000

An untrained decoder is undecided and writes long texts, so this is nearer the worst case than a trained one.
"""

import argparse
import time

import torch

from model.config import DecoderSettings
from model.decoder import Decoder
from training.devices import join
from training.search import beam_search


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in {"utterances": 16, "batch": 16, "frames": 30, "width": 96, "layers": 2, "pieces": 100}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    given, device = parser.parse_args(), join().device
    settings = DecoderSettings(layers=given.layers, feedforward=4 * given.width)
    torch.manual_seed(0)
    decoder = Decoder(settings, given.width, given.pieces).to(device).eval()
    frames = torch.randn(given.utterances, given.frames, given.width, device=device)
    log_probs = (2 * torch.randn(given.utterances, given.frames, given.pieces, device=device)).log_softmax(-1)
    padding = torch.zeros(given.utterances, given.frames, dtype=torch.bool, device=device)
    texts, seconds = {}, {}
    for size in (given.batch, 1):
        few = given.utterances if size > 1 else min(given.utterances, 16)  # one at a time, some are enough
        started = time.perf_counter()
        texts[size] = [
            text
            for first in range(0, few, size)
            for text in beam_search(
                decoder, *(x[first : min(first + size, few)] for x in (frames, padding, log_probs)), settings
            )
        ]
        seconds[size] = (time.perf_counter() - started) / few * given.utterances
        print(f"{size:>4} at a time: {seconds[size]:.2f} s for {given.utterances} utterances, beam {settings.beam}")
    assert texts[given.batch][: len(texts[1])] == texts[1]
    print(f"batched search: {seconds[1] / seconds[given.batch]:.1f} times as fast")


if __name__ == "__main__":
    main()
