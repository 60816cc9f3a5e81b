"""The synthetic corpus: the same bytes whoever makes them, splits that share nothing, and a mouth that says what is heard."""

import gc
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from common.errors import UserError
from corpora.readers.grid_sources import WORDS
from corpora.schema import FPS, SAMPLES_PER_FRAME, SPLITS, Clip, Rejected, problem, sha256
from corpora.synthetic import talking_mouth as synthetic
from corpora.synthetic.drawing import draw_mouth
from corpora.synthetic.face import Face
from corpora.synthetic.lines import Line, Options, draw_lines, number, speakers
from corpora.synthetic.visemes import OPEN, PRESS, TUCK, track

QUERY = {"train": "6", "test": "3", "valid": "1"}
LETTERS = "abcdefghijklmnopqrstuvxyz"


def made(workers: int = 1, **options: str) -> list[Clip]:
    found = list(synthetic.clips("talking-mouth", QUERY | options, workers))
    return [clip for clip in found if isinstance(clip, Clip)]


def sums(clips: list[Clip]) -> list[tuple[str, ...]]:
    return [(c.id, c.speaker, c.split, c.text, sha256(c.video), sha256(c.audio)) for c in clips]


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    return made()


def test_the_bytes_depend_neither_on_the_workers_nor_on_the_run(clips: list[Clip]) -> None:
    """espeak-ng seeds itself with the clock and remembers what it said before."""
    assert sums(made(workers=2)) == sums(clips)
    again = (
        "from corpora.synthetic import talking_mouth as synthetic; from corpora.schema import sha256\n"
        f"for c in synthetic.clips('talking-mouth', {QUERY}, 3): print(sha256(c.video), sha256(c.audio))"
    )
    output = subprocess.run([sys.executable, "-c", again], capture_output=True, text=True, check=True).stdout
    assert output.split() == [sum_ for clip in clips for sum_ in (sha256(clip.video), sha256(clip.audio))]


def test_speech_does_not_depend_on_what_was_said_before() -> None:
    line = Line("x", "en-us+f2", "test", "set white with s six please", (0, 0, 0))
    first = synthetic.make(line)
    synthetic.make(Line("y", "en-gb-scotland+m7", "test", "lay blue by q nine soon", (9, 9, 9)))
    for one, other in zip(first, synthetic.make(line), strict=True):
        assert np.array_equal(one, other)


def test_the_seed_changes_everything_drawn(clips: list[Clip]) -> None:
    for one, other in zip(clips, made(seed="1"), strict=True):
        assert one.id == other.id
        assert sha256(one.video) != sha256(other.video)
        assert sha256(one.audio) != sha256(other.audio)
    assert [clip.text for clip in clips] != [clip.text for clip in made(seed="1")]


def test_every_clip_keeps_the_schema_and_none_is_clipped_or_silent(clips: list[Clip]) -> None:
    assert [problem(clip) for clip in clips] == [None] * synthetic.count("talking-mouth", QUERY)
    assert {clip.split for clip in clips} == set(SPLITS)
    for clip in clips:
        assert 0.2 * 32767 < np.abs(clip.audio.astype(int)).max() < 0.75 * 32767
        assert 25 <= len(clip.video) <= 60
        assert 20 < clip.video.mean() < 235
        quiet = clip.audio[: 2 * SAMPLES_PER_FRAME].std()
        assert 0 < quiet < 20
        assert clip.audio.std() > 20 * quiet


def test_no_torch_is_imported_to_make_it() -> None:
    """Workers start in the time that they import: NumPy and no more."""
    check = "import sys, corpora.synthetic.worker; print([m for m in ('torch', 'scipy', 'pandas') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", check], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_reader_that_stops_early_leaves_no_process_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Watched(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Watched)
    found: Iterator[Clip | Rejected] = synthetic.clips("talking-mouth", {}, 2)
    next(found)
    assert [process.returncode for process in started] == [None, None]
    del found
    gc.collect()
    assert all(process.returncode is not None for process in started)


@pytest.mark.parametrize(
    ("name", "query", "words"),
    [
        ("talking-moth", {}, "did you mean 'talking-mouth'"),
        ("talking-mouth", {"trian": "5"}, "did you mean 'train'"),
        ("talking-mouth", {"train": "0"}, "train= takes a whole number"),
        ("talking-mouth", {"test": "-1"}, "test= takes a whole number"),
        ("talking-mouth", {"valid": "many"}, "got 'many'"),
        ("talking-mouth", {"train": ""}, "got ''"),
        ("talking-mouth", {"train": "1e3"}, "got '1e3'"),
        ("talking-mouth", {"train": "²"}, "got '²'"),
        ("talking-mouth", {"train": "9" * 5000}, "from 1 to 1000000"),
        ("talking-mouth", {"seed": "0.5"}, "seed= takes a whole number from 0"),
        ("talking-mouth", {"test": "30000", "valid": "3000"}, "hold out at most 32000"),
    ],
)
def test_a_bad_query_is_refused_before_any_work(name: str, query: dict[str, str], words: str) -> None:
    for ask in (lambda: synthetic.count(name, query), lambda: synthetic.clips(name, query, 1)):
        with pytest.raises(UserError, match=words):
            ask()


def test_splits_share_neither_voices_nor_sentences() -> None:
    lines = draw_lines(Options.read("talking-mouth", {"train": "3000"}))
    spoken = {split: {line.text for line in lines if line.split == split} for split in SPLITS}
    heard = {split: {line.speaker for line in lines if line.split == split} for split in SPLITS}
    variants = {split: {voice.split("+")[1] for voice in heard[split]} for split in SPLITS}
    for one, other in (("train", "test"), ("train", "valid"), ("valid", "test")):
        assert not spoken[one] & spoken[other]
        assert not variants[one] & variants[other]
    for split in SPLITS:
        assert heard[split] == set(speakers(split))
        assert len(speakers(split)) == len(heard[split])
    assert len(heard["train"]) >= 40
    assert len(heard["test"]) >= 8
    assert len({line.id for line in lines}) == len(lines) == 3360


def test_every_word_is_trained_on_and_as_often_as_any_other() -> None:
    lines = draw_lines(Options.read("talking-mouth", {"train": "200"}))
    words = [line.text.split() for line in lines if line.split == "train"]
    for place, choices in enumerate(WORDS):
        counts = [sum(sentence[place] == word for sentence in words) for word in choices.values()]
        assert min(counts) > 0
        assert max(counts) <= min(counts) + 3  # a few were drawn again because they are held out


@pytest.mark.parametrize("voice", [voice for split in SPLITS for voice in speakers(split)][::3])
def test_every_voice_speaks_and_every_sound_has_a_shape(voice: str) -> None:
    for letter, text in zip(("a", "w"), ("place white at {} zero again", "lay green with {} three soon"), strict=True):
        audio, phonemes = synthetic.utter(Line("x", voice, "test", text.format(letter), (0,)), np.random.default_rng(0))
        assert np.isfinite(track(phonemes, len(audio) // SAMPLES_PER_FRAME, np.random.default_rng(0))).all()
        assert all(one.ends == pytest.approx(other.begins, abs=1e-9) for one, other in pairwise(phonemes))


def faces(voice: str) -> Face:
    return Face.drawn(np.random.default_rng(number(voice)))


@cache
def filmed(voice: str, letter: str) -> tuple[np.ndarray, np.ndarray, list[tuple[str, int]]]:
    """`set red in LETTER nine soon`: video, track, and the frame of each phoneme's middle."""
    draw = np.random.default_rng(number(voice + letter))
    audio, phonemes = synthetic.utter(Line("x", voice, "test", f"set red in {letter} nine soon", (0,)), draw)
    shape = track(phonemes, len(audio) // SAMPLES_PER_FRAME, draw)
    middles = [(phoneme.name, int((phoneme.begins + phoneme.ends) / 2 * FPS)) for phoneme in phonemes]
    return draw_mouth(faces(voice), shape, draw), shape, middles


def at_the_letter(voice: str, letter: str) -> np.ndarray:
    """The five frames from the one before the letter's first sound, as one vector; what the face looks like taken out."""
    video, _, middles = filmed(voice, letter)
    start = middles[after_in(middles)][1]
    small = video[:, 24:80, 12:84].reshape(len(video), 14, 4, 18, 4).mean((2, 4))
    moved = (small - small.mean(0))[start - 1 : start + 4].ravel()
    return moved / np.linalg.norm(moved)


def after_in(middles: list[tuple[str, int]]) -> int:
    """Where the letter begins: behind the n of `in`, which follows the d of `red`."""
    names = [name for name, _ in middles]
    return names.index("n", names.index("d")) + 1


def rows_that_show_the_inside(video: np.ndarray, frame: int) -> int:
    """In how many rows the middle of the mouth is much darker or brighter than skin and lips: teeth, or a dark gap."""
    middle = video[frame, 30:75, 44:53].astype(float)
    return int((np.abs(middle - np.median(middle)).max(1) > 45).sum())


def accuracy(pair: str, train: list[str], test: list[str]) -> float:
    """How often the nearest mean of the two letters, from some voices, is the right one for voices not among them."""
    centres = [np.mean([at_the_letter(voice, letter) for voice in train], axis=0) for letter in pair]
    right = [
        np.argmin([np.square(at_the_letter(voice, letter) - centre).sum() for centre in centres]) == place
        for voice in test
        for place, letter in enumerate(pair)
    ]
    return float(np.mean(right))


@pytest.mark.parametrize("pair", ["bd", "mn", "pt", "fs"])
def test_letters_that_sound_alike_in_noise_look_different_on_unseen_faces(pair: str) -> None:
    assert accuracy(pair, speakers("train")[:12], speakers("test")) >= 0.8


def test_sounds_that_lips_cannot_tell_apart_look_alike() -> None:
    """It is a mouth, not an oracle: b and p differ in the throat."""
    assert accuracy("bp", speakers("train")[:12], speakers("test")) <= 0.75


@pytest.mark.parametrize("letter", ["b", "p", "m"])
def test_bilabials_close_the_lips(letter: str) -> None:
    shown = []
    for voice in speakers("test"):
        video, shape, middles = filmed(voice, letter)
        places = dict(middles[after_in(middles) :][:3])[letter], dict(middles)["'aI"]
        closed, opened = (range(place - 1, place + 2) for place in places)  # a closure may fall between two frames
        assert shape[closed, OPEN].min() < 0.06 < 0.3 < shape[opened, OPEN].max()
        assert shape[closed, PRESS].max() > 0.7
        shown.append([[rows_that_show_the_inside(video, frame) for frame in frames] for frames in (closed, opened)])
    least, most = np.min(shown, axis=2)[:, 0], np.max(shown, axis=2)[:, 1]
    assert (least < most).all()
    assert (most - least).mean() > 5


def test_labiodentals_tuck_the_lip_and_other_sounds_do_not() -> None:
    for voice in speakers("test"):
        for letter, tucks in (("v", True), ("f", True), ("s", False), ("b", False), ("o", False)):
            assert (filmed(voice, letter)[1][:, TUCK].max() > 0.6) == tucks


def test_the_lips_move_when_the_voice_is_heard() -> None:
    """Loudness and opening agree best when neither is shifted, over all clips together."""
    pairs = []
    for voice in speakers("test"):
        draw = np.random.default_rng(number(voice))
        audio, phonemes = synthetic.utter(Line("x", voice, "test", "place white by a five again", (0,)), draw)
        opening = track(phonemes, len(audio) // SAMPLES_PER_FRAME, draw)[:, OPEN]
        loudness = np.sqrt(np.square(audio.reshape(len(opening), -1).astype(float)).mean(1))
        pairs.append((opening, loudness))
    lags = range(-6, 7)
    agreement = [np.mean([np.corrcoef(np.roll(o, lag), loud)[0, 1] for o, loud in pairs]) for lag in lags]
    assert abs(lags[int(np.argmax(agreement))]) <= 1
    assert max(agreement) > 0.4


def test_faces_differ_and_stay() -> None:
    seen = {hashlib.sha256(faces(voice).skin.tobytes()).hexdigest() for voice in speakers("train")}
    assert len(seen) == len(speakers("train"))
    assert np.array_equal(faces("en-us+f2").skin, faces("en-us+f2").skin)
