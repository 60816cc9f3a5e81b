"""The GRID reader: both layouts, sentences from names, splits that hold out sentences, damaged clips by name."""

import ast
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from common.errors import UserError
from corpora.mouth.cut import interpreter
from corpora.readers import grid, grid_sources
from corpora.readers.media import damage
from corpora.readers.options import Tolerance
from corpora.schema import Clip, Rejected

DATA = Path("../shared/data/grid")
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the GRID clips of ../shared/data are not here")


def _mouth_environment() -> bool:
    try:
        return interpreter().is_file()
    except UserError:
        return False


needs_mouths = pytest.mark.skipif(not _mouth_environment(), reason="no .venv-mouth; run `make mouth`")


def write_video(path: Path, frames: int, *, grey: int = 0, sound: bool = True) -> None:
    """Write a small clip without a face: `grey` flat frames, then noise."""
    draw = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg1video", rate=25)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        audio = container.add_stream("mp2", rate=44_100, layout="stereo") if sound else None
        for t in range(frames):
            pixels = np.full((64, 96, 3), 128, np.uint8) if t < grey else draw.integers(0, 255, (64, 96, 3), np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(video.encode(None))
        if audio is not None:
            pitch = 0.05 + sum(path.stem.encode()) % 50 / 1000  # another one in each file: copies are another matter
            tone = (3000 * np.sin(np.arange(frames * 1764) * pitch)).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(
                np.stack([tone, tone]).T.reshape(1, -1).copy(), format="s16", layout="stereo"
            )
            frame.sample_rate = 44_100
            resampler = av.AudioResampler(format="s16", layout="stereo", rate=44_100, frame_size=1152)
            for piece in [*resampler.resample(frame), *resampler.resample(None)]:
                container.mux(audio.encode(piece))
            container.mux(audio.encode(None))


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("bbaf2n", "bin blue at f two now"),
        ("swwz9s", "set white with z nine soon"),
        ("lrizzp", "lay red in z zero please"),
    ],
)
def test_a_name_encodes_a_sentence(code: str, text: str) -> None:
    assert grid_sources.sentence(code) == text


@pytest.mark.parametrize("code", ["bbaw2n", "bbaf2", "xbaf2n", "bbaf2nn", ""])
def test_a_name_that_encodes_no_sentence_is_refused(code: str) -> None:
    with pytest.raises(UserError, match="the name of a GRID clip encodes six words"):
        grid_sources.sentence(code)


def test_an_align_file_is_read_without_its_silences(tmp_path: Path) -> None:
    path = tmp_path / "bbaf2n.align"
    path.write_text("0 23750 sil\n23750 29500 bin\n29500 34000 blue\n53000 74500 sil\n")
    assert grid_sources.read_align(path) == "bin blue"
    path.write_text("0 23750\n")
    with pytest.raises(UserError, match="start end word"):
        grid_sources.read_align(path)


def test_the_official_layout_needs_no_align_files(tmp_path: Path) -> None:
    for place in ("s1/bbaf2n.mpg", "s1/video/bbaf3s.mpg", "s2/lwbs9a.mpg"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
    (tmp_path / "align" / "s1").mkdir(parents=True)
    (tmp_path / "align" / "s1" / "bbaf2n.align").write_text("0 10 sil\n10 20 bin\n20 30 blue\n")
    found = {source.id: (source.speaker, source.text) for source in grid_sources.sources(tmp_path)}
    assert found == {
        "s1-bbaf2n": ("s1", "bin blue"),
        "s1-bbaf3s": ("s1", "bin blue at f three soon"),
        "s2-lwbs9a": ("s2", "lay white by s nine again"),
    }


def test_bad_folders_are_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        grid_sources.sources(tmp_path / "nowhere")
    with pytest.raises(UserError, match="has neither"):
        grid_sources.sources(tmp_path)
    (tmp_path / "clips.csv").write_text("file,speaker,clip,transcript\na.mpg,s1,a,\n")
    with pytest.raises(UserError, match="s1-a has an empty transcript"):
        grid_sources.sources(tmp_path)
    (tmp_path / "clips.csv").write_text("file,clip\na.mpg,a\n")
    with pytest.raises(UserError, match="lacks speaker, transcript"):
        grid_sources.sources(tmp_path)
    (tmp_path / "clips.csv").write_text("file,speaker,clip,transcript\na.mpg,s1,a,bin\nb.mpg,s1,a,bin\n")
    with pytest.raises(UserError, match="s1-a occurs 2 times"):
        grid_sources.sources(tmp_path)


def test_the_split_of_a_sentence_depends_on_it_alone() -> None:
    texts = [f"sentence {number}" for number in range(100)]
    splits = grid.draw_splits(texts, 20, 10)
    assert sorted(splits.values()).count("test") == 20
    assert sorted(splits.values()).count("valid") == 10
    assert splits == grid.draw_splits(texts[::-1] + texts[:5], 20, 10)
    with pytest.raises(UserError, match="cannot give 20 for test"):
        grid.draw_splits(texts[:30], 20, 10)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"tset": "3"}, "got tset="),
        ({"test": "many"}, "whole number of at least 1, got 'many'"),
        ({"valid": "0"}, "whole number of at least 1, got '0'"),
        ({"speakers": "all"}, "shared or disjoint, got 'all'"),
    ],
)
def test_a_bad_query_is_refused(query: dict[str, str], words: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=words):
        list(grid.clips(str(tmp_path), query, 1))


def test_without_the_mouth_environment_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABLATE_MOUTH_PYTHON", "/nowhere/python")
    with pytest.raises(UserError, match="make mouth"):
        interpreter()


def test_the_file_alone_shows_damage(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mpg"
    write_video(clip, 75, grey=12)
    assert damage(clip, 75) == "12 of 75 frames are grey (damaged video)"
    write_video(clip, 70)
    assert damage(clip, 75) == "70 frames; 75 wanted"
    write_video(clip, 75, sound=False)
    assert damage(clip, 75) == "it has no sound track"
    clip.write_bytes(b"no video at all")
    assert str(damage(clip, 75)).startswith("cannot be decoded")
    write_video(clip, 75)
    assert damage(clip, 75) is None


@needs_mouths
def test_a_clip_without_a_face_is_rejected_by_name(tmp_path: Path) -> None:
    (tmp_path / "s1").mkdir()
    for name in ("bbaf2n", "bbaf3s", "bbaf4p"):
        write_video(tmp_path / "s1" / f"{name}.mpg", 75)
    query = {"test": "1", "valid": "1"}
    found = list(grid.clips(str(tmp_path), query | {"allow_rejected": "3"}, 1))
    assert [item.reason for item in found if isinstance(item, Rejected)] == ["no face in 75 of 75 frames"] * 3
    with pytest.raises(UserError, match="at most 0 clips may be left out"):
        list(grid.clips(str(tmp_path), query, 1))


def test_at_most_2_percent_are_rejected_and_none_in_test() -> None:
    bear = Tolerance(clips=100, allowed=None)
    assert bear(Rejected("a", "grey", "")).id == "a"
    with pytest.raises(UserError, match=r"no clip of the test split may be left out, and b would be \(no face\)"):
        bear(Rejected("b", "no face", "test"))
    with pytest.raises(UserError, match=r"at most 2 clips may be left out, and c \(grey\)"):
        bear(Rejected("c", "grey", "train"))
    with pytest.raises(UserError, match=r"at most 1 clips may be left out, and 3 would be, 2 of .* \(b: no face\)"):
        Tolerance(clips=50, allowed=None).all([Rejected("a", "grey", ""), *(Rejected(i, "no face", "") for i in "bc")])
    allowing = Tolerance(clips=10, allowed=1)
    assert allowing(Rejected("a", "no face", "test")).split == "test"
    with pytest.raises(UserError, match="allow_rejected"):
        allowing(Rejected("b", "no face", "train"))


@needs_mouths
@needs_data
def test_real_clips_give_upright_mouths_in_step_with_their_sound(tmp_path: Path) -> None:
    rows = (DATA / "clips.csv").read_text().splitlines()
    names = ("bbaf2n", "lgif2p", "swwp2s", "lrarzn", "lrae3s", "bgwb7a")
    chosen = [row.replace("raw/", f"{DATA.resolve()}/raw/") for row in rows[1:] if row.split(",")[2] in names]
    chosen[-1] = chosen[-1].replace(chosen[-1].split(",")[4], "0" * 64)
    (tmp_path / "clips.csv").write_text("\n".join([rows[0], *chosen]))
    found = list(grid.clips(str(tmp_path), {"test": "1", "valid": "1", "allow_rejected": "3"}, 2))
    clips = [item for item in found if isinstance(item, Clip)]
    rejected = {item.id: item.reason for item in found if isinstance(item, Rejected)}
    assert len(clips) == 3
    assert {clip.split for clip in clips} == {"train", "valid", "test"}
    assert rejected["s1-lrae3s"] == "74 frames; 75 wanted"
    assert rejected["s1-lrarzn"] == "12 of 75 frames are grey (damaged video)"
    assert "sha256 differs from the one in clips.csv" in rejected.values()
    for clip in clips:
        assert clip.video.shape == (75, 96, 96)
        assert clip.audio.shape == (75 * 640,)
        upper, lips = clip.video[:, 20:32, 30:66], clip.video[:, 40:60, 30:66]
        moves_upper, moves_lips = (np.abs(np.diff(part.astype(int), axis=0)).mean() for part in (upper, lips))
        assert moves_lips > 1.5 * moves_upper


def test_the_mouth_worker_imports_only_what_its_environment_has() -> None:
    waiting, seen, foreign = ["corpora.mouth.worker"], set[str](), set[str]()
    while waiting:
        seen.add(name := waiting.pop())
        for node in ast.walk(ast.parse(Path(*name.split(".")).with_suffix(".py").read_text())):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            waiting += [module for module in modules if module.startswith("corpora.") and module not in seen]
            foreign |= {module.partition(".")[0] for module in modules} - sys.stdlib_module_names
    assert {"corpora.mouth.geometry", "corpora.media.tracks"} < seen
    assert foreign == {"corpora", "av", "cv2", "mediapipe", "numpy"}
