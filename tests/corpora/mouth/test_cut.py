"""The processes that cut mouths: a clip that ends one costs that clip only; and real clips, with the frames of what is wrong."""

from pathlib import Path

import av
import numpy as np
import pytest

from common.errors import UserError
from corpora.media.frames import Frames
from corpora.mouth.cut import cut_mouths, interpreter
from corpora.prepare import prepare
from corpora.store import Corpus

CASES, GRID = Path("../shared/cases/media"), Path("../shared/data/grid/raw")
WORKER = """#!/bin/sh
echo '{"ready": true}'
while read -r line; do
  case "$line" in *bad*) echo boom >&2; kill -SEGV $$ ;; esac
  echo '{"reason": "asked", "start_s": 0}'
done
"""


def needs_mouths() -> None:
    if not CASES.is_dir():
        pytest.skip("the clips of ../shared/cases are not here")
    try:
        interpreter()
    except UserError:
        pytest.skip("no .venv-mouth; run `make mouth`")


def program(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_a_clip_that_ends_the_finder_costs_that_clip_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABLATE_MOUTH_PYTHON", program(tmp_path / "python", WORKER))
    files = [tmp_path / name for name in ("a.mkv", "bad.mkv", "b.mkv", "bad2.mkv", "c.mkv")]
    reasons = [str(mouths.reason) for mouths in cut_mouths(files, 2)]
    assert [reason == "asked" for reason in reasons] == [True, False, True, False, True]
    assert "stopped at it" in reasons[1]
    assert "boom" in reasons[1]


def test_a_finder_that_does_not_start_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABLATE_MOUTH_PYTHON", program(tmp_path / "python", "#!/bin/sh\necho no module >&2; exit 1\n"))
    with pytest.raises(UserError, match="stopped with the message: no module; delete"):
        list(cut_mouths([tmp_path / "a.mkv"], 1))


def test_real_clips_are_upright_or_named_with_frames() -> None:
    needs_mouths()
    names = ("jump.mp4", "c3-180.mp4", "no-sound.mp4", "layout-change.ts")
    found = {mouths.file.name: mouths for mouths in cut_mouths([CASES / name for name in names], 2)}
    assert found["jump.mp4"].reason == "no mouth in frames 32-43: the face jumps at frame 38"
    assert found["no-sound.mp4"].reason == "it has no sound track"
    assert str(found["layout-change.ts"].reason).startswith("the time stamps of its pictures run back")
    upright = found["c3-180.mp4"].crops
    assert upright is not None
    assert upright.shape == (75, 96, 96)


@pytest.mark.slow
def test_a_corpus_keeps_its_good_clips_and_names_the_others(tmp_path: Path) -> None:
    needs_mouths()
    good = {"a-late.mp4", "a-gap.mkv", "vlate.mp4", "vfr-drop5.mp4", "rot180.mp4"}
    cases = {path.name: path for path in CASES.iterdir() if path.suffix != ".py"}
    for place, name in (("test/one", "alate.mkv"), ("trainval/video008", "c3-180.mp4")):
        cases[f"{place}/{name}"] = cases.pop(
            name
        )  # the splits valid and test need a clip, and a copy would be left out
    for name, path in cases.items():
        clip = tmp_path / "lrs3" / (name if "/" in name else f"trainval/video001/{name}")
        clip = clip.with_name(clip.name.replace(".", "-") + ".mp4")  # what a file is does not depend on its suffix
        clip.parent.mkdir(parents=True, exist_ok=True)
        clip.write_bytes(path.read_bytes())
        clip.with_suffix(".txt").write_text("Text:  BIN BLUE\n")
    corpus = Corpus.open(prepare(f"lrs3://{tmp_path / 'lrs3'}?allow_rejected=9", tmp_path / "cache", workers=2))
    rejected = {row.id.removeprefix("video001-"): row.reason for row in corpus.rejected}
    assert set(rejected) == {
        "jump-mp4",
        "no-sound-mp4",
        "sound-6s-picture-3s-mp4",
        "layout-change-ts",
        "grid-like-mpg",
    }
    kept = {utterance.id.removeprefix("video001-"): utterance.frames for utterance in corpus.all_utterances}
    assert {name.replace(".", "-") for name in good} < set(kept)
    assert (kept["vlate-mp4"], kept["vfr-drop5-mp4"]) == (83, 75)


def beside(path: Path, left: list[np.ndarray], right: list[np.ndarray], sound: Path) -> Path:
    """Write two series of pictures next to each other, with the sound of a clip."""
    with av.open(str(path), "w") as made, av.open(str(sound)) as given:
        video = made.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt, video.options = 720, 288, "yuv420p", {"preset": "ultrafast"}
        audio = made.add_stream_from_template(given.streams.audio[0])
        for pair in zip(left, right, strict=True):
            made.mux(video.encode(av.VideoFrame.from_ndarray(np.hstack(pair), format="rgb24")))
        made.mux(video.encode())
        for packet in given.demux(given.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = audio
                made.mux(packet)
    return path


@pytest.mark.slow
def test_of_two_real_faces_the_one_that_speaks_is_cut(tmp_path: Path) -> None:
    needs_mouths()
    places = [GRID / name for name in ("s1/bbaf2n.mpg", "s2/pwij3p.mpg", "s2/swwp2s.mpg")]
    first, second, third = [[pixels for _, pixels in Frames.of(p, any_rate=False, longest_s=60)] for p in places]
    photograph = [first[0]] * 75
    clips = [
        beside(tmp_path / "left.mkv", second, photograph, places[1]),
        beside(tmp_path / "right.mkv", photograph, second, places[1]),
        beside(tmp_path / "both.mkv", second, third, places[1]),
        beside(tmp_path / "cut.mkv", first[:38] + second[38:], photograph, places[0]),
        places[1],
    ]
    left, right, both, cut, alone = cut_mouths(clips, 2)
    assert alone.crops is not None
    for found in (left, right):
        assert found.crops is not None, found.reason
        assert np.abs(found.crops.astype(int) - alone.crops).mean() < 6
    assert str(both.reason).startswith("2 faces, and it is not clear which one speaks, in frames 0-74")
    assert "cut at frame 38" in str(cut.reason)
