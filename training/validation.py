"""A look at the validation split while a model is trained."""

import math

import torch
from torchaudio.functional import edit_distance

from corpora.store import Corpus
from model.smile import Smile
from training.batches import Batch, by_length, centre_crop, collate
from training.decode import greedy
from training.devices import moved
from training.search import beam_search
from training.units import Units

EVALUATION_BATCH = 32


def validation_wer(model: Smile, units: Units, data: Corpus) -> float:
    """Pooled WER of greedy decoding on the clean validation split; NaN without one."""
    errors = words = 0
    for utterances in by_length(data.utterances("valid"), EVALUATION_BATCH):
        audio = [data.audio(utterance) / 32768.0 for utterance in utterances]
        batch = collate(utterances, audio, [centre_crop(data.video(utterance)) for utterance in utterances])
        for utterance, text in zip(utterances, recognise(model, batch, units), strict=True):
            errors += edit_distance(utterance.text.split(), text.split())
            words += len(utterance.text.split())
    return errors / words if words else math.nan


@torch.inference_mode()
def recognise(model: Smile, batch: Batch, units: Units) -> list[str]:
    """The texts of a batch: by beam search where the model has a decoder, else by greedy CTC decoding."""
    model.eval()
    inputs = moved(batch.inputs, next(model.parameters()).device)
    if model.decoder is None:
        return greedy(model(inputs), inputs.lengths, units)
    fused = model.fused(inputs)
    found = beam_search(model.decoder, fused, inputs.padding, model.frame_log_probs(fused), model.settings.decoder)
    return [units.decode(text) for text in found]
