"""Sound tracks: stamps, layouts, default tracks, numbers; and which sound is broken."""

from pathlib import Path

import av
import numpy as np
import pytest

from corpora.media.sound import broken, read_sound
from corpora.media.tracks import Unusable

RATE = 16_000
DRAW = np.random.default_rng(0)


def speech(samples: int = 3 * RATE) -> np.ndarray:
    """Noise whose loudness varies as that of syllables does."""
    loud = np.abs(np.sin(np.arange(samples) / RATE * 2 * np.pi * 2)) ** 3
    return (DRAW.normal(0, 2500, samples) * loud + DRAW.normal(0, 8, samples)).astype(np.int16)


def write(path: Path, pieces: list[tuple[float, np.ndarray]]) -> Path:
    """Write stretches of sound, each at its time in seconds, and one picture a second."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream("pcm_s16le", rate=RATE)
        audio.layout = "mono"
        for _ in range(25):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        container.mux(video.encode())
        for start, samples in pieces:
            for place in range(0, len(samples), 1024):
                frame = av.AudioFrame.from_ndarray(samples[None, place : place + 1024], format="s16", layout="mono")
                frame.sample_rate, frame.pts = RATE, round(start * RATE) + place
                container.mux(audio.encode(frame))
        container.mux(audio.encode())
    return path


def test_a_hole_begins_a_new_piece_at_its_time(tmp_path: Path) -> None:
    first, second = speech(RATE), speech(RATE)
    found = read_sound(write(tmp_path / "hole.mkv", [(0.25, first), (1.75, second)])).pieces
    assert [round(start, 3) for start, _ in found] == [0.25, 1.75]
    assert np.array_equal(found[0][1], first)
    assert np.array_equal(found[1][1], second)


def test_stamps_that_containers_round_are_no_holes(tmp_path: Path) -> None:
    sound = speech()
    [(start, samples)] = read_sound(write(tmp_path / "whole.mkv", [(0.0, sound)])).pieces
    assert start == 0
    assert np.array_equal(samples, sound)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_sound_that_is_no_number_is_refused(tmp_path: Path, value: float) -> None:
    path = tmp_path / "nan.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream("pcm_f32le", rate=RATE)
        audio.layout = "mono"
        container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        container.mux(video.encode())
        samples = np.zeros((1, RATE), np.float32)
        samples[0, 700] = value
        frame = av.AudioFrame.from_ndarray(samples, format="flt", layout="mono")
        frame.sample_rate, frame.pts = RATE, 0
        container.mux([*audio.encode(frame), *audio.encode()])
    with pytest.raises(Unusable, match="samples that are not numbers"):
        read_sound(path)


def test_opposite_channels_are_refused(tmp_path: Path) -> None:
    sound = speech(RATE)
    for name, sign, refused in (("same", 1, False), ("opposite", -1, True)):
        path = tmp_path / f"{name}.mkv"
        with av.open(str(path), "w") as container:
            video = container.add_stream("mpeg4", rate=25)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            audio = container.add_stream("pcm_s16le", rate=RATE, layout="stereo")
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
            container.mux(video.encode())
            both = np.stack([sound, sign * sound]).T.reshape(1, -1).copy()
            frame = av.AudioFrame.from_ndarray(both, format="s16", layout="stereo")
            frame.sample_rate, frame.pts = RATE, 0
            container.mux([*audio.encode(frame), *audio.encode()])
        if refused:
            with pytest.raises(Unusable, match="channels cancel each other out"):
                read_sound(path)
        else:
            assert np.abs(read_sound(path).pieces[0][1].astype(int) - sound).max() <= 1


def tone() -> np.ndarray:
    return (3000 * np.sin(np.arange(3 * RATE) * 0.05)).astype(np.int16)


@pytest.mark.parametrize(
    "audio", [speech(), tone(), speech() // 40, np.concatenate([np.zeros(2 * RATE, np.int16), speech(RATE)])]
)
def test_speech_is_not_broken_however_quiet(audio: np.ndarray) -> None:
    assert broken(audio) is None
    assert broken((audio.astype(int) + 300).astype(np.int16)) is None, "an offset is no fault"


def square(period: int) -> np.ndarray:
    return np.where(np.arange(3 * RATE) // period % 2, 9000, -9000).astype(np.int16)


@pytest.mark.parametrize(
    ("audio", "words"),
    [
        (np.zeros(RATE, np.int16), "silence"),
        (np.full(RATE, 1000, np.int16), "constant but for 0 of 16000"),
        (np.r_[np.int16(1), np.zeros(RATE - 1, np.int16)], "constant but for 0"),
        (np.r_[np.int16(30_000), np.zeros(RATE - 1, np.int16)], "constant but for 1 of 16000"),
        (square(1), "clipped: 100%"),
        (square(40), "clipped: 100%"),
        (np.clip(speech().astype(int) * 1000, -32768, 32767).astype(np.int16), "clipped"),
    ],
)
def test_broken_sound_is_named(audio: np.ndarray, words: str) -> None:
    assert words in str(broken(audio))
