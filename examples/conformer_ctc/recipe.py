"""torchaudio's Conformer with CTC over words as a recipe: audio only, trained in a minute on a CPU.

The plan names it as `examples.conformer_ctc.recipe:RECIPE`. See docs/recipes-protocol.md for the methods.
"""

import hashlib
import math
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from common.conditions import conditions
from common.errors import TrainingFailed
from corpora.noise import NoiseBank, noisy, offset
from corpora.schema import SAMPLE_RATE_HZ, Utterance
from corpora.store import Corpus
from recipes.base import Curve, PlanFacts, TrainingJob, TrainingResult, Transcript, TranscriptionJob
from recipes.catalogue import Kind, Part, PlainCatalogue, Setting

MELS, HOP, STACK = 40, 160, 6  # six frames of 10 ms become one
STATE, WEIGHTS = "state.pt", "model.pt"
CATALOGUE = PlainCatalogue(
    parts={
        "convolution": Part(
            "the convolution module of each layer",
            {
                "after": Kind("after the attention, as in the Conformer paper"),
                "before": Kind("before the attention", arm="convolution-first"),
            },
        ),
        "augmentation": Part(
            "the masking of frequency bands and frames in training (SpecAugment)",
            {
                "specaugment": Kind(
                    "one band and one stretch", {"bands": Setting(8, 1, MELS), "frames": Setting(20, 1, 100)}
                ),
                "none": Kind("no masking", lacks="the augmentation"),
            },
            phrases=("SpecAugment", "augmentation"),
        ),
    },
    settings={
        "training.steps": Setting(150, 1),
        "training.batch_size": Setting(16, 1),
        "training.learning_rate": Setting(4e-3, 0.0, 1.0),
        "encoder.width": Setting(64, 4),
        "encoder.layers": Setting(2, 1),
        "encoder.dropout": Setting(0.0, 0.0, 0.9),
    },
)


def build(settings: Mapping[str, Any], words: int) -> Any:
    """Return the model: features (batch, frames, MELS * STACK) and lengths (batch,) to log-probabilities of words."""
    import torch
    from torchaudio.models import Conformer

    class Recogniser(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            encoder, first = settings["encoder"], settings["parts"]["convolution"]["kind"] == "before"
            width, dropout = encoder["width"], encoder["dropout"]
            self.input = torch.nn.Linear(MELS * STACK, width)
            self.encoder = Conformer(width, 4, 2 * width, encoder["layers"], 15, dropout, convolution_first=first)
            self.output = torch.nn.Linear(width, words + 1)  # the blank comes first

        def forward(self, features: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
            return self.output(self.encoder(self.input(features), lengths)[0]).log_softmax(-1)

    return Recogniser()


class Features:
    """Log-mel features of sounds, (frames, MELS * STACK), with zero mean and unit variance."""

    def __init__(self) -> None:
        from torchaudio.transforms import MelSpectrogram

        self.mel = MelSpectrogram(SAMPLE_RATE_HZ, n_fft=400, hop_length=HOP, n_mels=MELS)

    def __call__(self, sounds: Sequence[Any], mask: Any = None) -> tuple[Any, Any]:
        """Return a padded batch and its lengths. `mask` changes the features of one sound, (frames, MELS)."""
        import torch
        from torch.nn.utils.rnn import pad_sequence

        found = []
        for sound in sounds:
            mel = (self.mel(torch.from_numpy(sound)).T + 1e-6).log()
            mel = (mel - mel.mean(0)) / (mel.std(0) + 1e-3)
            mel = mel if mask is None else mask(mel)
            found.append(mel[: len(mel) // STACK * STACK].reshape(-1, MELS * STACK))
        return pad_sequence(found, batch_first=True), torch.tensor([len(each) for each in found])


class ConformerCtc:
    """The recipe `conformer-ctc`."""

    name = "conformer-ctc"
    catalogue = CATALOGUE
    presets = tuple(CATALOGUE.presets)
    curves = (Curve("loss", "CTC loss", chart=True), Curve("learning_rate", "learning rate"))
    needs_video = False
    distributed = False
    preload = ()

    def identity(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002
        """Return what else decides a checkpoint: this file, and the versions of torch."""
        digest = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
        return {"file": digest, "versions": {name: version(name) for name in ("torch", "torchaudio")}}

    def check(self, arms: Mapping[str, Mapping[str, Any]]) -> PlanFacts:
        """Count the parameters of every arm, for 50 words."""
        sizes = {arm: sum(each.numel() for each in build(settings, 50).parameters()) for arm, settings in arms.items()}
        return PlanFacts(sizes, lines=[f"  {arm}: {size:,} parameters (with 50 words)" for arm, size in sizes.items()])

    def train(self, job: TrainingJob) -> TrainingResult:
        """Train one trial on the clean sound of the training split, from the state of an earlier call if there is one."""
        import torch

        torch.set_num_threads(job.threads)
        torch.manual_seed(job.seed)
        corpus, recipe, started = Corpus.open(job.corpus), job.settings["training"], time.perf_counter()
        utterances = corpus.utterances("train")
        words = sorted({word for utterance in utterances for word in utterance.text.split()})
        index = {word: number for number, word in enumerate(words, 1)}
        model, features = build(job.settings, len(words)), Features()
        optimiser = torch.optim.Adam(model.parameters(), recipe["learning_rate"])
        points = _restore(job.states / STATE, model, optimiser)
        for step, metrics in points:
            job.log(step, metrics)
        saved = time.monotonic()
        for step in range(points[-1][0] + 1 if points else 0, recipe["steps"]):
            draw = random.Random(
                f"{job.seed} {step}"
            )  # a step depends on seed and number only, so that it can be resumed
            torch.manual_seed(draw.getrandbits(32))
            batch = draw.sample(utterances, min(recipe["batch_size"], len(utterances)))
            mask = _masking(job.settings["parts"]["augmentation"], draw)
            inputs, lengths = features([noisy(sound := corpus.audio(each), sound, None) for each in batch], mask)
            targets = [torch.tensor([index[word] for word in each.text.split()]) for each in batch]
            scores = model(inputs, lengths).transpose(0, 1)
            sizes = torch.tensor([len(each) for each in targets])
            loss = torch.nn.functional.ctc_loss(scores, torch.cat(targets), lengths, sizes, zero_infinity=True)
            if not math.isfinite(loss.item()):
                raise TrainingFailed(f"training diverged: the loss is {loss.item()} at step {step}")
            rate = recipe["learning_rate"] * min((step + 1) / 20, 1 - step / recipe["steps"])
            optimiser.param_groups[0]["lr"] = rate
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimiser.step()
            if step % 10 == 0 or step + 1 == recipe["steps"]:
                points.append((step, {"loss": loss.item(), "learning_rate": rate}))
                job.log(*points[-1])
                if time.monotonic() - saved > job.save_every_s:
                    _save(job.states / STATE, model, optimiser, points)
                    saved = time.monotonic()
        torch.save({"words": words, "weights": model.state_dict()}, job.out / WEIGHTS)
        size = sum(each.numel() for each in model.parameters())
        return TrainingResult(recipe["steps"], time.perf_counter() - started, size)

    def transcribe(self, job: TranscriptionJob) -> Iterator[Transcript]:
        """Yield the best word of every frame, once per run and without blanks, for the test split in every condition."""
        import torch

        torch.set_num_threads(job.threads)
        kept, corpus, features = torch.load(job.checkpoint / WEIGHTS), Corpus.open(job.corpus), Features()
        model = build(job.settings, len(kept["words"])).eval()
        model.load_state_dict(kept["weights"])
        for condition in conditions(job.conditions):
            kind = condition.kind
            bank = None if kind is None else NoiseBank.from_corpus(corpus, kind, job.noise.get(kind), "test")
            for utterance in corpus.utterances("test"):
                with torch.no_grad():
                    scores = model(*features([_sound(corpus, utterance, kind, condition.snr_db, bank)]))
                best = torch.unique_consecutive(scores[0].argmax(-1)).tolist()
                text = " ".join(kept["words"][number - 1] for number in best if number)
                yield Transcript(utterance.id, condition.name, text)


def _sound(corpus: Corpus, utterance: Utterance, kind: str | None, snr_db: float | None, bank: NoiseBank | None) -> Any:
    """Return the sound with the noise that every recipe gets, float32 (samples,)."""
    audio = corpus.audio(utterance)
    if kind is None or bank is None:
        return noisy(audio, audio, None)
    return noisy(audio, bank.at(offset(utterance, kind, bank), len(audio)), snr_db)


def _masking(spec: Mapping[str, Any], draw: random.Random) -> Any:
    """Return the function that masks a band and a stretch of frames, or None."""
    if spec["kind"] == "none":
        return None

    def mask(mel: Any) -> Any:
        for axis, most in ((1, spec["bands"]), (0, spec["frames"])):
            size = draw.randint(0, min(most, mel.shape[axis] // 2))
            mel = mel.index_fill(axis, _places(draw.randint(0, mel.shape[axis] - size), size), 0.0)
        return mel

    return mask


def _places(start: int, size: int) -> Any:
    import torch

    return torch.arange(start, start + size)


def _save(path: Path, model: Any, optimiser: Any, points: list[Any]) -> None:
    """Save the state under another name first: a kill leaves the old one or the new one."""
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save({"model": model.state_dict(), "optimiser": optimiser.state_dict(), "points": points}, part)
    part.replace(path)


def _restore(path: Path, model: Any, optimiser: Any) -> list[Any]:
    """Put a saved state into model and optimiser, if there is one; return the points of the curves until then."""
    import torch

    if not path.is_file():
        return []
    state = torch.load(path)
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    return list(state["points"])


RECIPE = ConformerCtc()
