"""Pictures as players show them: orientation, shape of pixels, default tracks; files that were cut off or are no clips."""

import os
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from corpora.media.pictures import Upright, pictures, survey
from corpora.media.tracks import Unusable, opened

PIXELS = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)  # 64 x 48
ONE = 65536


def write(
    path: Path, frames: int = 25, aspect: Fraction = Fraction(1), grey: list[int] | None = None, fps: int = 25
) -> Path:
    """Write a file whose tracks show `PIXELS`, or one track per grey level; the last track is the default."""
    levels = grey or [-1]
    with av.open(str(path), "w") as container:
        videos = [container.add_stream("libx264", rate=fps) for _ in levels]
        for video, level in zip(videos, levels, strict=True):
            video.width, video.height, video.pix_fmt = 64, 48, "yuv444p"
            video.options = {"crf": "4", "preset": "ultrafast"}
            video.codec_context.sample_aspect_ratio = aspect
            video.disposition = Disposition.default if level == levels[-1] else Disposition(0)
        for video, level in zip(videos, levels, strict=True):
            shown = PIXELS if level < 0 else np.full_like(PIXELS, level)
            for _ in range(frames):
                container.mux(video.encode(av.VideoFrame.from_ndarray(shown, format="rgb24")))
            container.mux(video.encode())
    return path


def first(path: Path) -> np.ndarray:
    with opened(path) as tracks:
        picture = next(pictures(tracks))
        return Upright.of(tracks, picture.frame)(picture.frame)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((1, 0, 0, 1), PIXELS),
        ((-1, 0, 0, -1), np.rot90(PIXELS, 2)),
        ((0, 1, -1, 0), np.rot90(PIXELS, -1)),  # 90 degrees clockwise, as telephones held upright write it
        ((0, -1, 1, 0), np.rot90(PIXELS, 1)),
        ((-1, 0, 0, 1), PIXELS[:, ::-1]),  # mirrored: its "angle" is 180 degrees as well
        ((1, 0, 0, -1), PIXELS[::-1]),
        ((0, 1, 1, 0), PIXELS.swapaxes(0, 1)),
    ],
)
def test_a_display_matrix_is_applied(tmp_path: Path, matrix: tuple[int, ...], expected: np.ndarray) -> None:
    path = write(tmp_path / "turned.mp4", 3)
    data = path.read_bytes()
    place = data.index(struct.pack(">9i", ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30), data.index(b"tkhd"))
    a, b, c, d = (ONE * value for value in matrix)
    path.write_bytes(data[:place] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + data[place + 36 :])
    found = first(path)
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).mean() < 12
    path.write_bytes(
        data[:place] + struct.pack(">9i", 46341, 46341, 0, -46341, 46341, 0, 0, 0, 1 << 30) + data[place + 36 :]
    )
    with pytest.raises(Unusable, match="not a multiple of 90 degrees"):
        first(path)


@pytest.mark.parametrize(
    ("aspect", "shape"), [(Fraction(1), (48, 64)), (Fraction(2), (48, 128)), (Fraction(3, 4), (64, 64))]
)
def test_pixels_become_square(tmp_path: Path, aspect: Fraction, shape: tuple[int, int]) -> None:
    assert first(write(tmp_path / "wide.mp4", 3, aspect)).shape[:2] == shape


def test_the_default_track_is_shown(tmp_path: Path) -> None:
    assert abs(first(write(tmp_path / "two.mkv", 3, grey=[200, 60])).mean() - 60) < 5


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_a_file_that_was_cut_off_is_named(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"whole.{suffix}", 100)
    assert survey(path).frames_per_second == pytest.approx(25)
    assert len(survey(path).stamps_s) == 100
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(Unusable, match=r"was cut off|cannot be decoded|no pictures"):
        survey(path)


def test_a_long_clip_is_refused_by_its_header(tmp_path: Path) -> None:
    path = write(tmp_path / "long.mkv", 70, fps=1)
    with pytest.raises(Unusable, match="it lasts 70 s by its header; a clip lasts at most 60 s"):
        survey(path)
    assert len(survey(path, longest_s=100).stamps_s) == 70
    write(tmp_path / "long.h264", 70, fps=1).rename(path)  # a bare stream has no header that says so
    with pytest.raises(Unusable, match="it goes on after 2 s"):
        survey(path, longest_s=2)


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "zero.mp4").symlink_to("/dev/zero")
    (tmp_path / "list.mkv").write_text(f"ffconcat version 1.0\nfile {write(tmp_path / 'a.mkv', 3)}\n")
    for name, words in (
        ("pipe.mp4", "not a file"),
        ("zero.mp4", "not a file"),
        ("none.mp4", "missing"),
        ("list.mkv", "decoded"),
    ):
        with pytest.raises(Unusable, match=words):
            survey(tmp_path / name)
