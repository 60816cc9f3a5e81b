"""The pre-training part of LRS2 and LRS3: long clips cut between words, none of a person who is tested."""

import itertools
from pathlib import Path

import av
import numpy as np
import pytest

from common.errors import UserError
from corpora.mouth.cut import interpreter
from corpora.prepare import prepare
from corpora.readers import lrs, lrs2, lrs3, lrs_pretrain
from corpora.readers.lrs_pretrain import LONGEST_S, MARGIN_S, Part
from corpora.schema import Clip, Rejected, problem
from corpora.store import Corpus

DATA = Path("../shared/data/grid/raw")
Times = list[tuple[str, float, float]]


def spoken(count: int, pauses: dict[int, float], length_s: float = 0.3) -> Times:
    """`count` words without a pause between them, but for `pauses`: number of the word after it -> seconds."""
    words, at = list[tuple[str, float, float]](), 0.2
    for number in range(count):
        at += pauses.get(number, 0.0)
        words.append((f"W{number}", at, at + length_s))
        at += length_s
    return words


def table(words: Times, text: str | None = None) -> str:
    rows = "".join(f"{word} {start:.2f} {end:.2f} 5.1\n" for word, start, end in words)
    said = " ".join(word for word, _, _ in words) if text is None else text
    return f"Text:  {said}\nConf:  3\nRef:   0Fi83BHQsMA\n\nWORD START END ASDSCORE\n{rows}"


def clip(folder: Path, name: str, text: str) -> Path:
    """Create a clip without a picture; return its path."""
    path = folder / f"{name}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    path.with_suffix(".txt").write_text(text)
    return path


def tree(folder: Path, **pretrain: str) -> Path:
    """An LRS2 with the IDs a (train), b (valid) and c (test), and clips of `pretrain` by ID."""
    for name in ("a/1", "b/1", "c/1"):
        clip(folder / "main", name, "Text: HELLO\n")
    for name, text in {"train": "a/1", "val": "b/1", "test": "c/1"}.items():
        (folder / f"{name}.txt").write_text(text)
    for id_, text in pretrain.items():
        clip(folder / "pretrain", f"{id_}/00001", text)
    return folder


def parts(folder: Path, limit: str = "all") -> list[Part | Rejected]:
    return lrs.pretrained(lrs2.sources, folder, {"pretrain": limit})


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (spoken(5, {2: 3.0}), ["w0 w1 w2 w3 w4"]),
        (spoken(60, {20: 0.3, 40: 0.9}), [(0, 40), (40, 60)]),
        (spoken(80, {20: 0.5, 35: 0.9, 70: 0.3}), [(0, 35), (35, 80)]),
        (spoken(96, {}), [(0, 48), (48, 96)]),
        (spoken(4, {2: 40.0}), ["w0 w1", "w2 w3"]),
    ],
)
def test_a_clip_is_divided_at_its_longest_pauses(tmp_path: Path, words: Times, texts: list[object]) -> None:
    found = parts(tree(tmp_path, x=table(words)))
    wanted = [
        text if isinstance(text, str) else " ".join(f"w{n}" for n in range(*text))  # type: ignore[misc]
        for text in texts
    ]
    assert [part.text for part in found if isinstance(part, Part)] == wanted
    assert [part.id for part in found] == [f"x-pretrain-00001-{n:02d}" for n in range(len(wanted))]
    for part in found:
        assert isinstance(part, Part)
        own = [word for word in words if word[0].lower() in part.text.split()]
        assert part.first <= 25 * own[0][1] + 0.5
        assert part.last >= 25 * own[-1][2] - 0.5
        assert own[0][1] - part.first / 25 <= MARGIN_S + 0.03
        assert part.last / 25 - own[-1][2] <= MARGIN_S + 0.03
        assert (part.last - part.first) / 25 <= LONGEST_S + 0.04
    for before, after in itertools.pairwise(found):
        assert isinstance(before, Part)
        assert isinstance(after, Part)
        assert before.last <= after.first


def test_no_clip_of_an_id_in_valid_or_test_is_used(tmp_path: Path) -> None:
    one = table(spoken(3, {}))
    folder = tree(tmp_path, a=one, b=one, c=one, d=one)
    assert [part.id for part in parts(folder)] == ["a-pretrain-00001-00", "d-pretrain-00001-00"]
    assert len(parts(folder, "1")) == 1
    assert lrs.pretrained(lrs2.sources, folder, {}) == []
    assert lrs.count(lrs2.sources, folder, {"pretrain": "all"}) == 5
    assert lrs.count(lrs2.sources, folder, {}) == 3


def test_braces_and_markers_without_words_are_left_out(tmp_path: Path) -> None:
    words: Times = [("IT'S", 0.1, 0.3), ("{}", 0.3, 0.9), ("{NOW}", 0.9, 1.2)]
    (part,) = parts(tree(tmp_path, x=table(words)))
    assert isinstance(part, Part)
    assert part.text == "it's now"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Text: A B\n", "00001.txt has no word times after WORD START END"),
        (table([("A", 0.1, 0.2)]).replace("Text:", "Words:"), "00001.txt has no line Text:"),
        (table([("A", 0.1, 0.2)], "A B"), "the words with times in 00001.txt are not those of its line Text:"),
        (table([("A", 0.1, 0.2), ("B", 0.1, 0.4)]), "the times of 'A' and 'B' in 00001.txt overlap"),
        (table([("A", 0.3, 0.2)]), "line 6 of 00001.txt has the times 0.30 to 0.20"),
        (
            table([("A", 0.1, 0.2)]).replace("0.20 5.1", "late"),
            "line 6 of 00001.txt is not WORD START END: 'A 0.10 late'",
        ),
        (table([("A", 0.1, float("nan"))]), "line 6 of 00001.txt has the times 0.10 to nan"),
        (table([("{}", 0.1, 0.2)]), "empty transcript"),
    ],
)
def test_words_that_cannot_be_used_reject_their_clip(tmp_path: Path, text: str, reason: str) -> None:
    assert parts(tree(tmp_path, x=text)) == [Rejected("x-pretrain-00001", reason, "train")]


def test_the_option_takes_a_number_or_all(tmp_path: Path) -> None:
    folder = tree(tmp_path, x=table(spoken(3, {})))
    for limit in ("0", "some", ""):
        with pytest.raises(UserError, match="pretrain= takes a whole number of at least 1"):
            parts(folder, limit)
    with pytest.raises(UserError, match="has none that can be used"):
        parts(tree(tmp_path / "other", c=table(spoken(3, {}))))


def test_the_stamp_changes_with_the_times(tmp_path: Path) -> None:
    folder = tree(tmp_path, x=table(spoken(3, {})))
    before = lrs.stamp(lrs2.sources, folder)
    clip(folder / "pretrain", "x/00001", table(spoken(3, {2: 0.4})))
    assert lrs.stamp(lrs2.sources, folder) != before


def whole(frames: int) -> Clip:
    video = np.zeros((frames, 96, 96), np.uint8) + np.arange(frames, dtype=np.uint8)[:, None, None]
    return Clip("x", "x", "train", "", video, np.repeat(np.arange(frames, dtype=np.int16), 640) + np.int16(1))


def test_sound_and_picture_are_cut_at_the_same_frames() -> None:
    made = lrs_pretrain.cut(Part("p", Path("x"), "a b", 10, 30), whole(100))
    assert isinstance(made, Clip)
    assert problem(made) is None
    assert made.video[:, 0, 0].tolist() == list(range(10, 30))
    assert made.audio[::640].tolist() == list(range(11, 31))
    last = lrs_pretrain.cut(Part("p", Path("x"), "a b", 90, 110), whole(100))
    assert isinstance(last, Clip)
    assert len(last.video) == 10


@pytest.mark.parametrize(
    ("first", "last", "of", "reason"),
    [
        (10, 30, "no face", "no face"),
        (100, 120, whole(100), "its words end at frame 108, and the clip has 100 frames"),
        (10, 130, whole(100), "its words end at frame 118, and the clip has 100 frames"),
        (0, 500, whole(600), "a single word lasts longer than 15 s"),
    ],
)
def test_a_part_that_cannot_be_cut_is_rejected(first: int, last: int, of: Clip | str, reason: str) -> None:
    assert lrs_pretrain.cut(Part("p", Path("x"), "a", first, last), of) == Rejected("p", reason, "train")


def into_mp4(source: Path, target: Path) -> None:
    with av.open(str(source)) as opened, av.open(str(target), "w") as written:
        streams = {stream.index: written.add_stream_from_template(stream) for stream in opened.streams}
        for packet in opened.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream_index]
                written.mux(packet)


@pytest.mark.skipif(not DATA.is_dir(), reason="the GRID clips of ../shared/data are not here")
def test_real_faces_are_cut_between_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        interpreter()
    except UserError:
        pytest.skip("no .venv-mouth; run `make mouth`")
    monkeypatch.setattr(lrs_pretrain, "LONGEST_S", 1.2)
    held = next(name for name in (f"v{n}" for n in range(400)) if lrs3._split(name) == "valid")
    words: Times = [
        ("BIN", 0.6, 0.8),
        ("BLUE", 0.8, 1.0),
        ("AT", 1.1, 1.2),
        ("F", 1.2, 1.4),
        ("TWO", 1.6, 1.9),
        ("NOW", 1.9, 2.1),
    ]
    for place, name, text in (
        ("trainval/TED", "s1/lgif2p", "Text: HELLO\n"),
        (f"trainval/{held}", "s2/swwp2s", "Text: GOOD MORNING\n"),
        ("test/OTHER", "s1/bbaszn", "Text: GOODBYE\n"),
        ("pretrain/TED", "s1/bbaf2n", table(words)),
    ):
        into_mp4(DATA / f"{name}.mpg", clip(tmp_path / "lrs3", f"{place}/00001", text))
    corpus = Corpus.open(prepare(f"lrs3://{tmp_path / 'lrs3'}?pretrain=all", tmp_path / "root", workers=1))
    found = {utterance.id: utterance for utterance in corpus.all_utterances if "pretrain" in utterance.id}
    assert {id_: utterance.text for id_, utterance in found.items()} == {
        "TED-pretrain-00001-00": "bin blue",
        "TED-pretrain-00001-01": "at f",
        "TED-pretrain-00001-02": "two now",
    }
    assert {utterance.split for utterance in found.values()} == {"train"}
    assert sum(utterance.frames for utterance in found.values()) == pytest.approx(25 * (2.6 - 0.1), abs=2)
