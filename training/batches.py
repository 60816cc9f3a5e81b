"""Batches of a prepared corpus: what a step sees depends on the seed and the step's number, and on nothing else.

So every arm of a seed gets the same utterances in the same order with the same noise, crops and flips. Shapes: B batch,
T frames of the longest utterance in the batch.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from common.errors import UserError
from corpora.noise import NoiseBank, noisy
from corpora.schema import MOUTH_SIZE_PX, SAMPLES_PER_FRAME, Utterance
from corpora.store import Corpus
from model.frontend import CROP_PX
from model.settings import TrainingSettings
from model.smile import Inputs

MARGIN_PX = MOUTH_SIZE_PX - CROP_PX


def generator(seed: int, *names: object) -> np.random.Generator:
    """A generator for one purpose, e.g. `generator(seed, "noise", step)`; other purposes' draws do not disturb it."""
    digest = hashlib.sha256("/".join(map(str, (seed, *names))).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))


def curriculum(step: int, recipe: TrainingSettings) -> float:
    """The share of the utterances of a step that may be noisy or masked: from 0 to 1 over `recipe.curriculum`.

    CTC has to find out first which sounds are which word; hidden and drowned from the first step, it takes far longer.
    """
    return min(1.0, (step + 1) / max(1.0, recipe.curriculum * recipe.steps))


@dataclass
class Batch:
    """Model inputs and what they are inputs of; `rows` are their places in the step's batch."""

    inputs: Inputs
    utterances: list[Utterance]
    rows: list[int]


def collate(
    utterances: Sequence[Utterance],
    audio: Sequence[np.ndarray],
    video: Sequence[np.ndarray],
    rows: Sequence[int] | None = None,
) -> Batch:
    """Pad float audio (T_i * 640,) and uint8 crops (T_i, 88, 88) with zeros to the longest."""
    lengths = [utterance.frames for utterance in utterances]
    frames = max(lengths)
    samples = np.zeros((len(lengths), frames * SAMPLES_PER_FRAME), np.float32)
    pixels = np.zeros((len(lengths), frames, CROP_PX, CROP_PX), np.uint8)
    for row, (sound, crop) in enumerate(zip(audio, video, strict=True)):
        samples[row, : len(sound)] = sound
        pixels[row, : len(crop)] = crop
    padding = torch.arange(frames)[None] >= torch.tensor(lengths)[:, None]
    inputs = Inputs(torch.from_numpy(samples), torch.from_numpy(pixels), padding, lengths)
    return Batch(inputs, list(utterances), list(rows if rows is not None else range(len(lengths))))


class TrainingBatches:
    """The training split, shuffled anew every epoch, with babble, random crops and flips."""

    def __init__(self, corpus: Corpus, recipe: TrainingSettings, seed: int, babble: NoiseBank) -> None:
        self.corpus, self.recipe, self.seed, self.babble = corpus, recipe, seed, babble
        self.utterances = sorted(corpus.utterances("train"), key=lambda utterance: utterance.id)
        longest = max(utterance.frames for utterance in self.utterances)
        if recipe.max_frames_per_batch is not None and recipe.max_frames_per_batch < longest:
            rule = "training.max_frames_per_batch has to hold the longest training utterance"
            raise UserError(f"{rule}, which has {longest} frames; got {recipe.max_frames_per_batch}")
        self._epoch = lru_cache(maxsize=2)(self._plan)

    def chosen(self, step: int) -> list[Utterance]:
        """The utterances of step 0, 1, ..., in the order of the batch's rows."""
        if self.recipe.max_frames_per_batch is not None:
            epoch, place = divmod(step, len(self._epoch(0)))
            return [self.utterances[number] for number in self._epoch(epoch)[place]]
        first = step * self.recipe.batch_size
        places = (divmod(first + row, len(self.utterances)) for row in range(self.recipe.batch_size))
        return [self.utterances[self._epoch(epoch)[place][0]] for epoch, place in places]

    def batch(self, step: int, share: int = 0, of: int = 1) -> Batch | None:
        """Every `of`-th row of a step's batch from row `share` on; None if there is none.

        All random numbers are drawn for all rows, so that an utterance looks the same in whichever share it is.
        """
        draw = generator(self.seed, "augment", step)
        noise_probability = self.recipe.noise_probability * curriculum(step, self.recipe)
        chosen = self.chosen(step)
        rows = range(share, len(chosen), of)
        audio = [self._audio(each, draw, noise_probability, row in rows) for row, each in enumerate(chosen)]
        video = [self._video(each, draw) for each in chosen]
        if not rows:
            return None
        return collate([chosen[n] for n in rows], [audio[n] for n in rows], [video[n] for n in rows], rows)

    def _plan(self, epoch: int) -> list[list[int]]:
        """Numbers of utterances, batch by batch; one each without a budget of frames.

        With one, utterances are sorted by length (in a random order where equal), cut, and the batches shuffled.
        """
        draw = generator(self.seed, "order", epoch)
        order = draw.permutation(len(self.utterances)).tolist()
        if self.recipe.max_frames_per_batch is None:
            return [[number] for number in order]
        batches: list[list[int]] = []
        for number in sorted(order, key=lambda number: self.utterances[number].frames):
            frames = self.utterances[number].frames
            if not batches or frames * (len(batches[-1]) + 1) > self.recipe.max_frames_per_batch:
                batches.append([])
            batches[-1].append(number)
        return [batches[place] for place in draw.permutation(len(batches))]

    def _audio(
        self, utterance: Utterance, draw: np.random.Generator, noise_probability: float, wanted: bool
    ) -> np.ndarray:
        # All numbers are drawn whether they are used or not, so that one setting does not shift the others' draws.
        is_noisy = draw.random() < noise_probability
        snr_db = draw.uniform(*self.recipe.noise_snr_db)
        segment = self.babble.segment(utterance.samples, draw)
        return noisy(self.corpus.audio(utterance), segment, snr_db if is_noisy else None) if wanted else segment

    def _video(self, utterance: Utterance, draw: np.random.Generator) -> np.ndarray:
        top, left = draw.integers(0, MARGIN_PX + 1, 2)
        crop = self.corpus.video(utterance)[:, top : top + CROP_PX, left : left + CROP_PX]
        return crop[..., ::-1] if draw.random() < 0.5 else crop


def centre_crop(video: np.ndarray) -> np.ndarray:
    """(T, 96, 96) -> (T, 88, 88)."""
    low = MARGIN_PX // 2
    return video[:, low : low + CROP_PX, low : low + CROP_PX]


def by_length(utterances: Sequence[Utterance], size: int) -> list[list[Utterance]]:
    """Batches of at most `size` utterances of like length, so that little is padding."""
    ordered = sorted(utterances, key=lambda utterance: (utterance.frames, utterance.id))
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]
