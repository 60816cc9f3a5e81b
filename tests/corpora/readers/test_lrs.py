"""The LRS2 and LRS3 readers, on trees of their published shape: splits, words, limits, bad folders; real faces in MP4."""

import hashlib
from fractions import Fraction
from pathlib import Path

import av
import pytest

from common.errors import UserError
from corpora.address import check
from corpora.mouth.cut import interpreter
from corpora.prepare import prepare
from corpora.readers import lrs, lrs2, lrs3
from corpora.schema import Rejected
from corpora.store import Corpus

DATA = Path("../shared/data/grid/raw")
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the GRID clips of ../shared/data are not here")


def held_out(name: str) -> bool:
    return int.from_bytes(hashlib.sha256(name.encode()).digest(), "big") % 27 == 0


NAMES = [f"video{number:03d}" for number in range(400)]
HELD = [name for name in NAMES if held_out(name)]
KEPT = [name for name in NAMES if not held_out(name)]


def clip(folder: Path, name: str, text: str = "Text:  IT'S {NOW} 20 PAST  SIX\nConf:  4\n") -> Path:
    """Create a clip without a picture; return its path."""
    path = folder / f"{name}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    path.with_suffix(".txt").write_text(text)
    return path


def lrs2_tree(folder: Path) -> Path:
    for name in ("111/00001", "111/00002", "222/00001", "333/00007", "999/00001"):
        clip(folder / "main", name)
    (folder / "train.txt").write_text("111/00001\n111/00002\n")
    (folder / "val.txt").write_text("222/00001\n\n")
    (folder / "test.txt").write_text("333/00007 NF\n")
    return folder


def lrs3_tree(folder: Path) -> Path:
    for name in NAMES:
        clip(folder / "trainval", f"{name}/50001")
    clip(folder / "pretrain", "aaa/00001")
    for number in range(5):
        clip(folder / "test", f"bbb/{number:05d}")
    return folder


def ids(places: list[lrs.Source], split: str) -> list[str]:
    return [place.id for place in places if place.split == split]


@pytest.mark.parametrize("above", [False, True])
def test_the_splits_of_lrs2_are_its_lists(tmp_path: Path, above: bool) -> None:
    folder = lrs2_tree(tmp_path / "mvlrs_v1")
    if above:
        for path in folder.glob("*.txt"):
            path.rename(tmp_path / path.name)
    places = lrs.chosen(lrs2.sources, folder, {})
    assert {split: ids(places, split) for split in ("train", "valid", "test")} == {
        "train": ["111-00001", "111-00002"],
        "valid": ["222-00001"],
        "test": ["333-00007"],
    }
    assert {place.speaker for place in places} == {"111", "222", "333"}


def test_validation_of_lrs3_is_a_fixed_one_video_in_27(tmp_path: Path) -> None:
    places = lrs.chosen(lrs3.sources, lrs3_tree(tmp_path), {})
    assert ids(places, "valid") == [f"{name}-50001" for name in HELD]
    assert 5 < len(HELD) < 30
    assert ids(places, "train") == [f"{name}-50001" for name in KEPT]
    assert len(ids(places, "test")) == 5
    for name in KEPT[:200]:
        clip(tmp_path / "trainval", f"{name}/50001").unlink()
    assert ids(lrs.chosen(lrs3.sources, tmp_path, {}), "valid") == ids(places, "valid")


def test_words_are_lower_case_and_keep_their_apostrophes(tmp_path: Path) -> None:
    assert lrs.Source("train", clip(tmp_path, "a/00001")).text() == "it's now 20 past six"
    assert lrs.Source("train", clip(tmp_path, "a/00002", "Conf: 3\nText:{S}O\n")).text() == "so"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"\xef\xbb\xbfText:  HELLO THERE\nConf:  4\n", "hello there"),
        ("Text:  HELLO THERE\n".encode("utf-16"), "hello there"),
        (b"Text:  HELLO THERE\rConf:  4\r", "hello there"),
        (b" text : HELLO THERE\r\nConf:  4\r\n", "hello there"),
        ("Text:  HELLO\u2028THERE\x85NOW\x0cSO\x0bON\nConf: 4\n".encode(), "hello there now so on"),
        ("Text:  CAFE\u0301 IT\u2019S HEL\u200bLO\u00a0CO\u00adOP\n".encode(), "café it's hello coop"),
        (b"Text:  {NS} HELLO {lg}THERE {Breath} [MUSIC] (APPLAUSE) <UNK>\n", "hello there"),
        (b"Text:  HELLO {THERE} {S}O (NOW)\n", "hello there so (now)"),
        (b"Conf: 3\nText:  HELLO\n\nWORD START END ASDSCORE\nHELLO 0.1 0.5 5.0\n", "hello"),
        (b"Text: {NS}\n", ""),
    ],
)
def test_words_are_read_without_markers_and_separators(tmp_path: Path, raw: bytes, words: str) -> None:
    path = clip(tmp_path, "a/00001")
    path.with_suffix(".txt").write_bytes(raw)
    assert lrs.Source("train", path).text() == words


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("Conf: 4\nText:  CAFÉ\n".encode("latin-1"), r"in line 2 of .*00001\.txt, byte 0xc9 is not UTF-8: save it"),
        (b"Text:  ONE\nText:  TWO\n", "00001.txt has 2 such lines: leave one"),
        (b"", "00001.txt has no such line: add it"),
    ],
)
def test_words_that_cannot_be_read_are_refused_with_the_file(tmp_path: Path, raw: bytes, words: str) -> None:
    path = clip(tmp_path, "a/00001")
    path.with_suffix(".txt").write_bytes(raw)
    with pytest.raises(UserError, match=words):
        lrs.Source("train", path).text()


def test_suffixes_in_capitals_are_read_and_hidden_files_are_not(tmp_path: Path) -> None:
    folder = lrs3_tree(tmp_path)
    for suffix in (".mp4", ".txt"):
        (folder / "test" / f"bbb/00000{suffix}").rename(folder / "test" / f"bbb/00000{suffix.upper()}")
    clip(folder / "test", "bbb/._00001")
    places = lrs.chosen(lrs3.sources, folder, {})
    assert ids(places, "test") == [f"bbb-{number:05d}" for number in range(5)]
    assert {place.text() for place in places if place.split == "test"} == {"it's now 20 past six"}
    lists = lrs2_tree(tmp_path / "lrs2")
    (lists / "main/333/00007.mp4").rename(lists / "main/333/00007.MP4")
    (lists / "test.txt").write_bytes("333/00007 NF\r\n".encode("utf-16"))
    assert [place.file.name for place in lrs.chosen(lrs2.sources, lists, {}) if place.split == "test"] == ["00007.MP4"]


def test_a_larger_limit_adds_clips_to_those_of_a_smaller_one(tmp_path: Path) -> None:
    lrs3_tree(tmp_path)
    few, more = (lrs.chosen(lrs3.sources, tmp_path, {"train": train, "test": "2"}) for train in ("10", "20"))
    assert (len(ids(few, "train")), len(ids(more, "train"))) == (10, 20)
    assert set(ids(few, "train")) < set(ids(more, "train"))
    assert ids(few, "train") != ids(lrs.chosen(lrs3.sources, tmp_path, {}), "train")[:10]
    assert ids(few, "test") == ids(more, "test")
    assert lrs.count(lrs3.sources, tmp_path, {"train": "10", "test": "2"}) == 12 + len(HELD)


def test_the_stamp_changes_with_words_and_splits(tmp_path: Path) -> None:
    folder = lrs2_tree(tmp_path)
    stamps = [lrs.stamp(lrs2.sources, folder)] * 2
    assert lrs.stamp(lrs2.sources, folder) == stamps[0]
    clip(folder / "main", "111/00001", "Text:  OTHER WORDS\n")
    stamps.append(lrs.stamp(lrs2.sources, folder))
    (folder / "val.txt").write_text("222/00001\n999/00001\n")
    stamps.append(lrs.stamp(lrs2.sources, folder))
    assert len(set(stamps)) == 3


@pytest.mark.parametrize(
    ("change", "query", "words"),
    [
        (
            {"main/222/00001.txt": "WORDS"},
            "",
            "follow `Text:` in the .txt file next to it; .*222/00001.txt has no such line",
        ),
        ({"test.txt": None}, "", "test.txt is neither in"),
        ({"val.txt": ""}, "", "has no clips for the split valid"),
        ({"val.txt": "222\n"}, "", "a line of LRS2's lists is ID/00001; .*val.txt has '222'"),
        ({"val.txt": "../222\n"}, "", "a line of LRS2's lists is ID/00001"),
        ({"val.txt": "111/00001\n"}, "", "111-00001 occurs 2 times"),
        ({}, "?limit=3", "lrs2:// and lrs3:// take test, valid, train, pretrain, allow_rejected; got limit=3"),
        ({}, "?test=0", "test= takes a whole number of at least 1, got '0'"),
    ],
)
def test_a_bad_tree_is_refused_in_a_sentence_and_leaves_nothing(
    tmp_path: Path, change: dict[str, str | None], query: str, words: str
) -> None:
    folder = lrs2_tree(tmp_path / "lists" / "lrs2")
    for name, text in change.items():
        (folder / name).unlink() if text is None else (folder / name).write_text(text)
    with pytest.raises(UserError, match=words):
        prepare(f"lrs2://{folder}{query}", tmp_path / "root", workers=1)
    assert not list((tmp_path / "root").glob("*"))


def test_folders_that_are_not_there_are_named(tmp_path: Path) -> None:
    for uri, words in (
        (f"lrs2://{tmp_path}/none", "none does not exist"),
        (f"lrs3://{tmp_path}/none", "none does not exist"),
        (f"lrs2://{tmp_path}", "main does not exist; lrs2://DIR has main/ID"),
        (f"lrs3://{tmp_path}", "trainval does not exist; lrs3://DIR has trainval/ID"),
    ):
        with pytest.raises(UserError, match=words):
            check(uri, here=True)
    for part in ("trainval", "test"):
        (tmp_path / part).mkdir()
    with pytest.raises(UserError, match="has no clips for the split test"):
        check(f"lrs3://{tmp_path}", here=True)


def into_mp4(source: Path, target: Path, fps: int = 25) -> None:
    """Copy pictures and sound into another container, which may state another frame rate."""
    with av.open(str(source)) as opened, av.open(str(target), "w") as written:
        streams = {stream.index: written.add_stream_from_template(stream) for stream in opened.streams}
        for packet in opened.demux():
            if packet.dts is not None:
                if packet.stream.type == "video":
                    packet.time_base *= Fraction(25, fps)
                packet.stream = streams[packet.stream_index]
                written.mux(packet)


@needs_data
def test_real_faces_become_a_corpus_with_the_published_splits(tmp_path: Path) -> None:
    try:
        interpreter()
    except UserError:
        pytest.skip("no .venv-mouth; run `make mouth`")
    folder = tmp_path / "lrs3"
    for place, name in (
        (f"trainval/{KEPT[0]}", "s1/bbaf2n"),
        (f"trainval/{HELD[0]}", "s1/lgif2p"),
        ("test/TED", "s2/swwp2s"),
    ):
        into_mp4(DATA / f"{name}.mpg", clip(folder, f"{place}/50001"))
    clip(folder / "trainval", f"{KEPT[0]}/50002").write_bytes(b"no video")
    into_mp4(DATA / "s1/bbaf2n.mpg", clip(folder, f"trainval/{KEPT[0]}/50003"), fps=30)
    with pytest.raises(UserError, match=f"at most 0 clips may be left out, and {KEPT[0]}-50002"):
        prepare(f"lrs3://{folder}", tmp_path / "strict", workers=1)
    corpus = Corpus.open(prepare(f"lrs3://{folder}?allow_rejected=2", tmp_path / "root", workers=1))
    assert {(found.split, found.speaker) for found in corpus.all_utterances} == {
        ("train", KEPT[0]),
        ("valid", HELD[0]),
        ("test", "TED"),
    }
    for found in corpus.all_utterances:
        assert (found.frames, found.samples, found.text) == (75, 75 * 640, "it's now 20 past six")
    broken, fast = corpus.rejected
    assert (broken.id, broken.split) == (f"{KEPT[0]}-50002", "train")
    assert broken.reason.startswith("cannot be decoded")
    assert fast == Rejected(f"{KEPT[0]}-50003", "30 frames a second; 25 wanted", "train")
