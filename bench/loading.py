"""Count the utterances per second that training batches are made at: noise, crops and flips included.

python bench/loading.py corpora-cache/NAME
"""

import argparse
import time
from pathlib import Path

from corpora.noise import NoiseBank
from corpora.store import Corpus
from model.settings import TrainingSettings
from training.batches import TrainingBatches
from training.prefetch import prefetched


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--batches", type=int, default=60)
    given = parser.parse_args()
    corpus, recipe = Corpus.open(given.corpus), TrainingSettings(batch_size=16, curriculum=0.0)
    batches = TrainingBatches(corpus, recipe, 1, NoiseBank.from_corpus(corpus, "babble"))
    for workers in (0, 1, 2, 4):
        started = time.perf_counter()
        count = sum(len(b.utterances) for b in prefetched(batches.batch, 0, given.batches, workers) if b is not None)
        print(f"{workers} threads: {count / (time.perf_counter() - started):.0f} utterances per second")


if __name__ == "__main__":
    main()
