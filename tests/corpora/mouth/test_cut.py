"""The processes that cut mouths: a clip that ends one costs that clip only; and real clips, with the frames of what is wrong."""

from pathlib import Path

import pytest

from common.errors import UserError
from corpora.mouth.cut import cut_mouths, interpreter
from corpora.prepare import prepare
from corpora.store import Corpus

CASES = Path("../shared/cases/media")
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
        cases[f"{place}/{name}"] = cases[name]
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
