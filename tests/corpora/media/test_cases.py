"""Real clips with offsets, holes, dropped pictures and damage, next to the time line that ffmpeg's own filters give them."""

import hashlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.filter import Graph

from corpora.media.frames import Frames
from corpora.media.pictures import survey
from corpora.media.sound import read_sound
from corpora.media.timeline import aligned
from corpora.media.tracks import Unusable
from corpora.readers.media import damage

CASES, GRID = Path("../shared/cases/media"), Path("../shared/data/grid")
pytestmark = pytest.mark.skipif(
    not CASES.is_dir() or not GRID.is_dir(), reason="the clips of ../shared/cases and ../shared/data are not here"
)
ALIGNED = {"a-late.mp4": 75, "alate.mkv": 75, "vlate.mp4": 83, "a-gap.mkv": 75, "vfr-drop5.mp4": 75}


def through_filters(file: Path, kind: str, *filters: tuple[str, str]) -> list[np.ndarray]:
    """Return what ffmpeg's filters make of the default track of a kind."""
    found = list[np.ndarray]()
    with av.open(str(file)) as container:
        track = container.streams.best(kind)
        graph = Graph()
        source = graph.add_abuffer(template=track) if kind == "audio" else graph.add_buffer(template=track)
        nodes = [source, *(graph.add(*each) for each in filters), graph.add(f"{'a' * (kind == 'audio')}buffersink")]
        graph.link_nodes(*nodes).configure()
        for frame in [*container.decode(track), None]:
            graph.push(frame)
            try:
                while True:
                    found.append(graph.pull().to_ndarray())
            except (av.error.BlockingIOError, av.error.EOFError):
                pass
    return found


@pytest.mark.parametrize("name", sorted(ALIGNED))
def test_frames_are_those_of_ffmpegs_time_line(name: str) -> None:
    expected = [
        frame.astype(float)
        for frame in through_filters(CASES / name, "video", ("fps", "fps=25:start_time=0"), ("format", "rgb24"))
    ]
    frames = Frames.of(CASES / name, any_rate=False, longest_s=60)
    assert len(frames) == len(expected) == ALIGNED[name]
    for places, pixels in frames:
        for place in places:
            assert np.abs(pixels - expected[place]).max() == 0


@pytest.mark.parametrize("name", sorted(ALIGNED))
def test_sound_lies_where_ffmpeg_plays_it(name: str) -> None:
    filters = [
        ("aresample", "16000:async=1:first_pts=0:min_hard_comp=0.04"),
        ("aformat", "sample_fmts=s16:channel_layouts=mono"),
    ]
    expected = np.concatenate(through_filters(CASES / name, "audio", *filters), axis=1)[0].astype(float)
    found = aligned(read_sound(CASES / name).pieces, 0.0, ALIGNED[name]).astype(float)
    length = min(len(found), len(expected))
    for start in range(0, length - 8000, 4000):
        part, whole = found[start : start + 8000], expected[max(0, start - 800) : start + 8800]
        if part.std() > 100 and len(whole) == 9600:
            lag = int(np.argmax(np.correlate(whole, part, "valid"))) - 800
            assert abs(lag) <= 32, f"{lag} samples apart at {start}"


def test_the_hole_is_silence_and_the_late_sound_begins_late() -> None:
    gap = aligned(read_sound(CASES / "a-gap.mkv").pieces, 0.0, 75)
    assert not gap[16_500:24_500].any()
    assert gap[25_000:].std() > 100
    late = aligned(read_sound(CASES / "a-late.mp4").pieces, 0.0, 75)
    assert not late[: int(0.33 * 16_000)].any()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (
            "sound-6s-picture-3s.mp4",
            "sound and picture differ in length: the picture ends at 3.00 s, the sound at 6.02 s",
        ),
        ("no-sound.mp4", "it has no sound track"),
        ("layout-change.ts", "the time stamps of its sound run back"),
        ("grid-like.mpg", "the time stamps of its sound run back"),
        ("vlate.mp4", "83 frames (75 pictures); 75 wanted"),
        ("first-track-silent-second-default.mp4", None),
        ("vfr-drop5.mp4", None),
    ],
)
def test_what_the_file_shows_is_said(name: str, reason: str | None) -> None:
    assert str(damage(CASES / name, 75)).startswith(str(reason))


def test_sound_may_change_its_layout_and_rate(tmp_path: Path) -> None:
    """Stereo, then mono at another rate, one after the other in a bare stream of MP2 with the pictures of a clip."""
    [(_, whole)] = read_sound(GRID / "raw/s1/bbaf2n.mpg").pieces
    path, places, time = tmp_path / "mixed.ts", (0, 20_000, len(whole)), 0.0
    with av.open(str(path), "w", format="mpegts") as container:
        video = container.add_stream("mpeg1video", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream("mp2", rate=48_000, layout="stereo")
        for _ in range(75):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        container.mux(video.encode())
        second = av.CodecContext.create("mp2", "w")
        second.sample_rate, second.layout, second.format = 32_000, "mono", "s16"
        for encoder, rate, layout, start, end in (
            (audio, 48_000, "stereo", *places[:2]),
            (second, 32_000, "mono", *places[1:]),
        ):
            resampler = av.AudioResampler("s16", layout, rate, frame_size=1152)
            frame = av.AudioFrame.from_ndarray(whole[None, start:end], format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16_000, start
            made = [out for each in (frame, None) for out in resampler.resample(each)]
            for packet in [packet for out in [*made, None] for packet in encoder.encode(out)]:
                packet.stream, packet.time_base = audio, Fraction(1, 90_000)
                packet.pts = packet.dts = round(time * 90_000)
                time += 1152 / rate
                container.mux(packet)
    pieces = read_sound(path).pieces
    assert pieces[-1][0] - pieces[0][0] == pytest.approx(1.25, abs=0.08)
    assert sum(len(piece) for _, piece in pieces) == pytest.approx(len(whole), abs=3000)


def test_clips_of_grid_are_as_the_first_version_made_them() -> None:
    """The sound of two clips, bit for bit; it was decoded without time stamps."""
    for name, digest in EARLIER.items():
        audio = aligned(read_sound(GRID / name).pieces, survey(GRID / name).stamps_s[0], 75)
        assert hashlib.sha256(audio.tobytes()).hexdigest()[:16] == digest


def test_a_long_video_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(Unusable, match=r"it lasts 3 s by its header; a clip lasts at most 1 s"):
        survey(CASES / "jump.mp4", longest_s=1)


EARLIER = {"raw/s1/bbaf2n.mpg": "0f07079fd69deffe", "train/bbaf3s.mkv": "d9a05d9dc8ef22ba"}
