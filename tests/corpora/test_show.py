"""The contact sheet: a real picture, with the utterances that it should have."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from common.errors import UserError
from corpora.schema import SAMPLE_RATE_HZ, Utterance
from corpora.show import DPI, HEIGHT_IN, MEL_BINS, WIDTH_IN, log_mel_db, mouths, pick, show
from corpora.store import Corpus


def utterance(number: int, speaker: str, split: str) -> Utterance:
    return Utterance(f"{split}-{speaker}-{number}", speaker, split, "a b", 10, 6400, "", "", 0, 0)


CROWD = [
    utterance(number, speaker, split)
    for split, speakers in (("train", "abc"), ("valid", "d"), ("test", "ef"))
    for speaker in speakers
    for number in range(4)
]


@pytest.mark.parametrize("count", [1, 6])
def test_the_sheet_is_a_png_with_one_band_per_utterance(small_corpus: Path, tmp_path: Path, count: int) -> None:
    out = tmp_path / "new folder" / "sheet.png"
    show(Corpus.open(small_corpus), out, count)
    assert out.read_bytes().startswith(b"\x89PNG\r\n")
    picture = imread(out)[..., :3]
    assert picture.shape[:2] == (round(HEIGHT_IN * DPI * count), round(WIDTH_IN * DPI))
    bands = picture.reshape(count, -1, *picture.shape[1:])
    assert all(band.std() > 0.1 for band in bands)
    assert [path.name for path in out.parent.iterdir()] == ["sheet.png"]


def test_a_count_above_the_corpus_draws_all_utterances(small_corpus: Path, tmp_path: Path) -> None:
    corpus = Corpus.open(small_corpus)
    few = corpus.all_utterances[:3]
    corpus.all_utterances = few
    show(corpus, tmp_path / "sheet.png", count=50)
    assert imread(tmp_path / "sheet.png").shape[0] == round(HEIGHT_IN * DPI * 3)


def test_splits_and_speakers_take_turns_in_any_order() -> None:
    chosen = pick(CROWD, 5)
    assert [(item.split, item.speaker) for item in chosen] == [
        ("train", "a"),
        ("train", "b"),
        ("valid", "d"),
        ("valid", "d"),
        ("test", "e"),
    ]
    assert pick(CROWD[::-1], 5) == chosen
    assert len(set(pick(CROWD, 100))) == len(CROWD)


def test_mouths_are_in_order_and_span_the_whole_clip() -> None:
    video = np.repeat(np.arange(75, dtype=np.uint8), 96 * 96).reshape(75, 96, 96)
    shown = mouths(video)[0, ::96]
    assert list(np.diff(shown.astype(int))) == pytest.approx([75 / 12] * 11, abs=1)
    assert shown[0] < 5
    assert shown[-1] > 69
    assert mouths(video[:2]).shape == (96, 12 * 96)


def test_a_tone_lights_up_the_bin_of_its_frequency() -> None:
    tone = (8000 * np.sin(2 * np.pi * 1000 * np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ)).astype(np.int16)
    picture = log_mel_db(tone)
    assert picture.shape == (MEL_BINS, 100)
    mel = np.log1p(np.array([20.0, 1000.0, 8000.0]) / 700)
    expected = MEL_BINS * (mel[1] - mel[0]) / (mel[2] - mel[0])
    assert picture[:, 10:90].mean(1).argmax() == pytest.approx(expected, abs=1.5)
    assert np.isfinite(log_mel_db(np.zeros(640, np.int16))).all()


def test_an_unwritable_path_is_reported_in_a_sentence(small_corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be a folder"):
        show(Corpus.open(small_corpus), tmp_path / "file" / "sheet.png", 1)
