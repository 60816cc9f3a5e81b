"""A speech recogniser in one file: log-mel features, a GRU, CTC over words. It imports PyTorch and SciPy.

    python gru_ctc.py train --data DIR --out OUT --seed 1      reads DIR/train, writes OUT/model.pt and OUT/metrics.jsonl
    python gru_ctc.py decode --data DIR --checkpoint OUT --condition clean --hypotheses FILE         reads DIR/test/clean

A set of utterances is a folder with manifest.jsonl, an utterance a line: {"id": ..., "audio_filepath": ..., "text": ...}. The sound
is mono, 16 kHz.
"""

import argparse
import json
import random
from pathlib import Path

import torch
from scipy.io import wavfile
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

RATE, FFT, HOP, MELS = 16_000, 512, 320, 40
STACK = 3  # frames that become one: 60 ms


def read_wav(path: Path) -> Tensor:
    """Return the samples of a file of 16-bit numbers or of fractions, (samples,), full scale 1."""
    _, samples = wavfile.read(path)
    return torch.from_numpy(samples / 32768 if samples.dtype == "int16" else samples).float()


def mel_filters() -> Tensor:
    """Return triangular filters on the mel scale, (FFT // 2 + 1, MELS)."""
    top = 2595 * torch.log10(torch.tensor(1 + RATE / 2 / 700))
    edges = 700 * (10 ** (torch.linspace(0, float(top), MELS + 2) / 2595) - 1)
    hertz = torch.linspace(0, RATE / 2, FFT // 2 + 1)[:, None]
    up = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    down = (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
    return torch.minimum(up, down).clamp(min=0)


def features(samples: Tensor, normalise: bool) -> Tensor:
    """Return log-mel features, (frames, MELS * STACK), with zero mean and unit variance per band if `normalise`."""
    spectrum = torch.stft(samples, FFT, HOP, window=torch.hann_window(FFT), return_complex=True).abs().square()
    mel = (spectrum.T @ mel_filters() + 1e-6).log()
    if normalise:
        mel = (mel - mel.mean(0)) / (mel.std(0) + 1e-3)
    return mel[: len(mel) // STACK * STACK].reshape(-1, MELS * STACK)


class Recogniser(nn.Module):
    """A GRU over features; its output are logits of words, with the blank first."""

    def __init__(self, words: int, size: int, both: bool) -> None:
        super().__init__()
        self.gru = nn.GRU(MELS * STACK, size, num_layers=2, bidirectional=both, batch_first=True)
        self.output = nn.Linear(size * (1 + both), words + 1)

    def forward(self, inputs: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Take features of utterances. Return log-probabilities, (frames, batch, words + 1), and lengths, (batch,)."""
        lengths = torch.tensor([len(each) for each in inputs])
        packed = pack_padded_sequence(
            pad_sequence(inputs, batch_first=True), lengths, batch_first=True, enforce_sorted=False
        )
        hidden, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True)
        return self.output(hidden).log_softmax(-1).transpose(0, 1), lengths


def read_set(folder: Path, normalise: bool) -> list[tuple[str, Tensor, str]]:
    """Return id, features and text of every utterance of a set."""
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    return [(row["id"], features(read_wav(folder / row["audio_filepath"]), normalise), row["text"]) for row in rows]


def train(given: argparse.Namespace) -> None:
    """Train, and write the weights with the words that they belong to."""
    torch.manual_seed(given.seed)
    order = random.Random(given.seed)
    data = read_set(given.data / "train", given.normalise == "utterance")
    words = sorted({word for _, _, text in data for word in text.split()})
    index = {word: number for number, word in enumerate(words, 1)}
    model = Recogniser(len(words), given.size, given.direction == "both")
    optimiser = torch.optim.Adam(model.parameters(), lr=given.rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, given.rate, total_steps=given.steps)
    ctc = nn.CTCLoss(zero_infinity=True)
    with (given.out / "metrics.jsonl").open("w") as curves:
        size = sum(weights.numel() for weights in model.parameters())
        print(json.dumps({"step": 0, "parameters": size}), file=curves, flush=True)
        for step in range(given.steps):
            batch = order.sample(data, min(given.batch, len(data)))
            scores, lengths = model([inputs for _, inputs, _ in batch])
            targets = [torch.tensor([index[word] for word in text.split()]) for _, _, text in batch]
            loss = ctc(
                scores, pad_sequence(targets, batch_first=True), lengths, torch.tensor([len(each) for each in targets])
            )
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            if step % 10 == 0 or step + 1 == given.steps:
                print(json.dumps({"step": step, "loss": loss.item()}), file=curves, flush=True)
    kept = {
        "words": words,
        "size": given.size,
        "both": given.direction == "both",
        "normalise": given.normalise == "utterance",
    }
    torch.save({"weights": model.state_dict(), **kept}, given.out / "model.pt")


def decode(given: argparse.Namespace) -> None:
    """Write a line `words (id)` for every utterance of a condition: the best word of every frame, once per run, without blanks."""
    kept = torch.load(given.checkpoint / "model.pt")
    model = Recogniser(len(kept["words"]), kept["size"], kept["both"])
    model.load_state_dict(kept["weights"])
    data = read_set(given.data / "test" / given.condition, kept["normalise"])
    with torch.no_grad():
        scores, lengths = model([inputs for _, inputs, _ in data])
    with given.hypotheses.open("w", encoding="utf-8") as file:
        for (name, _, _), best, length in zip(data, scores.argmax(-1).T, lengths, strict=True):
            found = torch.unique_consecutive(best[:length]).tolist()
            print(*(kept["words"][number - 1] for number in found if number), f"({name})", file=file)


def arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=["train", "decode"])
    for name in ("data", "out", "checkpoint", "hypotheses"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--condition", default="clean")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--rate", type=float, default=5e-3)
    parser.add_argument("--direction", choices=["both", "forward"], default="both")
    parser.add_argument("--normalise", choices=["utterance", "none"], default="utterance")
    return parser.parse_args()


if __name__ == "__main__":
    given = arguments()
    {"train": train, "decode": decode}[given.job](given)
