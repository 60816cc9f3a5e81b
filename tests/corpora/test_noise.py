"""Noise: exact levels, 0 dB as a value, fixed offsets, and different tracks for training and test."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.conditions import Condition, conditions
from common.errors import UserError
from corpora.noise import FULL_SCALE, NoiseBank, noisy, offset
from corpora.schema import Clip
from corpora.store import Corpus
from corpora.writer import CorpusWriter

NOISE = Path("../shared/data/noise/babble20_dev_120s_16k.flac")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    path, draw = tmp_path_factory.mktemp("noise") / "corpus", np.random.default_rng(0)
    with CorpusWriter(path, "test://noise") as writer:
        for number in range(30):
            audio = (draw.standard_normal(25 * 640) * 1000).astype(np.int16)
            video = np.zeros((25, 96, 96), np.uint8)
            writer.add(Clip(f"u{number}", "s", "train" if number < 25 else "test", "bin blue", video, audio))
    return Corpus.open(path)


def decibels(signal: np.ndarray, noise: np.ndarray) -> float:
    return float(
        10 * np.log10(np.mean(np.square(signal, dtype=np.float64)) / np.mean(np.square(noise, dtype=np.float64)))
    )


@given(snr_db=st.floats(-20, 40), seed=st.integers(0, 99))
def test_the_snr_is_what_was_asked_for(snr_db: float, seed: int) -> None:
    draw = np.random.default_rng(seed)
    speech = (draw.standard_normal(8000) * 3000).astype(np.int16)
    mixed = noisy(speech, draw.standard_normal(8000).astype(np.float32), snr_db)
    clean = speech / FULL_SCALE
    assert decibels(clean, mixed - clean) == pytest.approx(snr_db, abs=1e-3)


def test_zero_db_is_a_value_and_none_is_clean() -> None:
    """A well-known recipe tests `if snr:` and so evaluates 0 dB at random levels."""
    draw = np.random.default_rng(1)
    speech, noise = (draw.standard_normal(8000) * 3000).astype(np.int16), draw.standard_normal(8000).astype(np.float32)
    clean = noisy(speech, noise, None)
    assert np.array_equal(clean, speech.astype(np.float32) / FULL_SCALE)
    assert decibels(clean, noisy(speech, noise, 0.0) - clean) == pytest.approx(0.0, abs=1e-3)
    assert [condition.name for condition in conditions({"babble": [0, -5], "white": [10]})] == [
        "clean",
        "babble_0db",
        "babble_-5db",
        "white_10db",
    ]
    assert conditions({"babble": [0]})[1] == Condition("babble", 0.0)


def test_every_run_and_snr_mixes_the_same_piece_of_noise(corpus: Corpus) -> None:
    banks = [NoiseBank.from_corpus(corpus, "babble", None, "test") for _ in range(2)]
    utterances = corpus.utterances("test")
    places = [[offset(utterance, "babble", bank) for utterance in utterances] for bank in banks]
    assert places[0] == places[1]
    assert len(set(places[0])) == 5
    piece = banks[0].at(places[0][0], utterances[0].samples)
    speech = corpus.audio(utterances[0])
    added = [noisy(speech, piece, snr_db) - noisy(speech, piece, None) for snr_db in (10.0, 0.0, -5.0)]
    assert [np.corrcoef(noise, piece)[0, 1] for noise in added] == pytest.approx([1, 1, 1], abs=1e-5)


def test_babble_for_tests_is_another_track_than_for_training(corpus: Corpus) -> None:
    train = NoiseBank.from_corpus(corpus, "babble", purpose="train").track
    test = NoiseBank.from_corpus(corpus, "babble", purpose="test").track
    assert np.mean(train**2) == pytest.approx(1, rel=1e-3)
    assert abs(np.corrcoef(train, test)[0, 1]) < 0.1
    assert np.array_equal(train, NoiseBank.from_corpus(corpus, "babble").track)


def test_a_segment_runs_around_the_end_and_the_seed_matters(corpus: Corpus) -> None:
    bank = NoiseBank.from_corpus(corpus, "white")
    assert np.array_equal(bank.at(len(bank.track) - 2, 4), [*bank.track[-2:], *bank.track[:2]])
    one, same, other = (bank.segment(100, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_bad_noise_is_refused_in_a_sentence(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no noise of kind 'rain'"):
        NoiseBank.from_corpus(corpus, "rain")
    with pytest.raises(UserError, match="found none in"):
        NoiseBank.from_corpus(corpus, "babble", str(tmp_path))
    (tmp_path / "broken.wav").write_bytes(b"no sound at all")
    with pytest.raises(UserError, match="cannot be decoded"):
        NoiseBank.from_corpus(corpus, "babble", str(tmp_path))


@pytest.mark.skipif(not NOISE.is_file(), reason="the recorded babble of ../shared/data is not here")
def test_recorded_babble_is_halved_between_training_and_test(corpus: Corpus) -> None:
    train, test = (NoiseBank.from_corpus(corpus, "babble", str(NOISE), purpose) for purpose in ("train", "test"))
    assert len(train.track) == pytest.approx(60 * 16_000, rel=0.01)
    assert not np.array_equal(train.track[:1000], test.track[:1000])
