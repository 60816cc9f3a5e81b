"""A speech recogniser of linear recurrences in one file: log-mel features, blocks, CTC over words. It imports PyTorch and SciPy.

    python linear_recurrent.py train --data DIR --out OUT --seed 1           reads DIR/train, writes OUT/model.pt, OUT/metrics.jsonl
    python linear_recurrent.py decode --data DIR --checkpoint OUT --conditions clean,babble_5db --hypotheses FOLDER

A set of utterances is a folder with manifest.jsonl, an utterance a line: {"id": ..., "audio_filepath": ..., "text": ...}. The sound
is mono, 16 kHz.

A block has a linear recurrence over the frames, one over the features (the input is transposed for it), and a multi-layer
perceptron. A recurrence of diagonal states is a convolution with a sum of decaying exponentials, so no loop over time is needed.
"""

import argparse
import json
import random
from pathlib import Path

import torch
from scipy.io import wavfile
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

RATE, FFT, HOP, MELS = 16_000, 512, 320, 40
STACK = 3  # frames that become one: 60 ms
STATES = 8  # of a recurrence, per channel and direction
BLOCKS = 3


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


def features(samples: Tensor) -> Tensor:
    """Return log-mel features with zero mean and unit variance per band, (frames, MELS * STACK)."""
    spectrum = torch.stft(samples, FFT, HOP, window=torch.hann_window(FFT), return_complex=True).abs().square()
    mel = (spectrum.T @ mel_filters() + 1e-6).log()
    mel = (mel - mel.mean(0)) / (mel.std(0) + 1e-3)
    return mel[: len(mel) // STACK * STACK].reshape(-1, MELS * STACK)


class Recurrence(nn.Module):
    """Linear recurrences of diagonal states along the sequence, forwards and backwards.

    `channels` is 1 if all channels share one recurrence.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        decay = torch.linspace(0.3, 0.98, STATES).logit().expand(2, channels, STATES)
        self.decay = nn.Parameter(decay.clone())
        self.weights = nn.Parameter(torch.randn(2, channels, STATES) / STATES)

    def forward(self, inputs: Tensor) -> Tensor:
        """Take and return (batch, length, channels)."""
        steps = torch.arange(inputs.shape[1])
        powers = self.decay.sigmoid()[..., None] ** steps
        forward, backward = (self.weights[..., None] * powers).sum(2)
        apart = steps[:, None] - steps
        kernel = torch.where(apart >= 0, forward[:, apart.clamp(min=0)], backward[:, apart.neg().clamp(min=0)])
        return torch.einsum("cts,bsc->btc", kernel.expand(inputs.shape[2], -1, -1), inputs)


class Block(nn.Module):
    """Recurrences over frames and, if `twist`, over features, then the layers between blocks: `mlp`, `linear` or `none`."""

    def __init__(self, size: int, twist: bool, between: str) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(size) for _ in range(3))
        self.time, self.twist = Recurrence(size), Recurrence(1) if twist else None
        hidden = {
            "mlp": [nn.Linear(size, 2 * size), nn.GELU(), nn.Linear(2 * size, size)],
            "linear": [nn.Linear(size, size)],
        }
        self.between = nn.Sequential(*hidden[between]) if between in hidden else None

    def forward(self, inputs: Tensor, inside: Tensor) -> Tensor:
        """Take and return (batch, frames, size); `inside`, (batch, frames, 1), is 0 behind the end of an utterance."""
        found = inputs + nn.functional.gelu(self.time(self.norms[0](inputs) * inside))
        if self.twist is not None:
            found = found + nn.functional.gelu(self.twist(self.norms[1](found).transpose(1, 2)).transpose(1, 2))
        return found if self.between is None else found + self.between(self.norms[2](found))


class Recogniser(nn.Module):
    """Blocks over features; the output are logits of words, with the blank first."""

    def __init__(self, words: int, size: int, twist: bool, between: str) -> None:
        super().__init__()
        self.input = nn.Linear(MELS * STACK, size)
        self.blocks = nn.ModuleList(Block(size, twist, between) for _ in range(BLOCKS))
        self.output = nn.Linear(size, words + 1)

    def forward(self, inputs: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Take features of utterances. Return log-probabilities, (frames, batch, words + 1), and lengths, (batch,)."""
        lengths = torch.tensor([len(each) for each in inputs])
        inside = (torch.arange(int(lengths.max())) < lengths[:, None])[..., None].float()
        hidden = self.input(pad_sequence(inputs, batch_first=True))
        for block in self.blocks:
            hidden = block(hidden, inside)
        return self.output(hidden).log_softmax(-1).transpose(0, 1), lengths


def read_set(folder: Path) -> list[tuple[str, Tensor, str]]:
    """Return id, features and text of every utterance of a set."""
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    return [(row["id"], features(read_wav(folder / row["audio_filepath"])), row["text"]) for row in rows]


def train(given: argparse.Namespace) -> None:
    """Train, and write the weights with the words that they belong to."""
    torch.manual_seed(given.seed)
    order = random.Random(given.seed)
    data = read_set(given.data / "train")
    words = sorted({word for _, _, text in data for word in text.split()})
    index = {word: number for number, word in enumerate(words, 1)}
    kept = {"words": len(words), "size": given.size, "twist": given.twist == "on", "between": given.between}
    model = Recogniser(**kept)
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
            sizes = torch.tensor([len(each) for each in targets])
            loss = ctc(scores, pad_sequence(targets, batch_first=True), lengths, sizes)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            if step % 10 == 0 or step + 1 == given.steps:
                print(json.dumps({"step": step, "loss": loss.item()}), file=curves, flush=True)
    torch.save({"weights": model.state_dict(), "model": kept, "words": words}, given.out / "model.pt")


def decode(given: argparse.Namespace) -> None:
    """Write a file for each condition, with a line `words (id)` for each utterance: the best word of every frame."""
    kept = torch.load(given.checkpoint / "model.pt")
    model = Recogniser(**kept["model"])
    model.load_state_dict(kept["weights"])
    for condition in given.conditions.split(","):
        data = read_set(given.data / "test" / condition)
        with torch.no_grad():
            scores, lengths = model([inputs for _, inputs, _ in data])
        with (given.hypotheses / f"{condition}.trn").open("w", encoding="utf-8") as file:
            for (name, _, _), best, length in zip(data, scores.argmax(-1).T, lengths, strict=True):
                found = torch.unique_consecutive(best[:length]).tolist()
                print(*(kept["words"][number - 1] for number in found if number), f"({name})", file=file)


def arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=["train", "decode"])
    for name in ("data", "out", "checkpoint", "hypotheses"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--conditions", default="clean")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1e-2)
    parser.add_argument("--twist", choices=["on", "off"], default="on")
    parser.add_argument("--between", choices=["mlp", "linear", "none"], default="mlp")
    return parser.parse_args()


if __name__ == "__main__":
    given = arguments()
    {"train": train, "decode": decode}[given.job](given)
