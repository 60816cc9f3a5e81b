"""The WER of the validation split during training."""

import math

import torch
from torchaudio.functional import edit_distance

from corpora.store import Corpus
from model.smile import Smile
from training.batches import Batch, by_length, centre_crop, collate
from training.decode import greedy
from training.distributed import moved
from training.search import beam_search
from training.tokenizer import Tokenizer

EVALUATION_BATCH = 32


def validation_wer(model: Smile, tokenizer: Tokenizer, data: Corpus) -> float:
    """Return the pooled WER on the clean validation split; NaN without a validation split."""
    errors = words = 0
    for utterances in by_length(data.utterances("valid"), EVALUATION_BATCH):
        audio = [data.audio(utterance) / 32768.0 for utterance in utterances]
        batch = collate(utterances, audio, [centre_crop(data.video(utterance)) for utterance in utterances])
        for utterance, text in zip(utterances, recognise(model, batch, tokenizer), strict=True):
            errors += edit_distance(utterance.text.split(), text.split())
            words += len(utterance.text.split())
    return errors / words if words else math.nan


@torch.inference_mode()
def recognise(model: Smile, batch: Batch, tokenizer: Tokenizer) -> list[str]:
    """Return the texts of a batch: by beam search if the model has a decoder, otherwise by greedy CTC decoding."""
    model.eval()
    inputs = moved(batch.inputs, next(model.parameters()).device)
    if model.decoder is None:
        return greedy(model(inputs), inputs.lengths, tokenizer)
    fused = model.fused(inputs)
    found = beam_search(model.decoder, fused, inputs.padding, model.frame_log_probs(fused), model.settings.decoder)
    return [tokenizer.decode(text) for text in found]
