"""Tables, layouts and encodings of GRID folders as people have them: read, or refused with the line."""

import csv
import io
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from common.errors import UserError
from corpora.readers.grid_sources import sources

HEADER = "file,speaker,clip,transcript\n"
ROWS = "a.mpg,s1,a,Bin Blue\nb.mpg,s1,b,lay red\n"
TEXTS = {"s1-a": "bin blue", "s1-b": "lay red"}
BOM_CASE = Path("../shared/cases/layout/clips-bom.csv")


def texts(folder: Path) -> dict[str, str]:
    return {source.id: source.text for source in sources(folder)}


@pytest.fixture
def table(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def write(content: str | bytes) -> Path:
        (tmp_path / "clips.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path

    return write


@pytest.mark.parametrize(
    "content",
    [
        HEADER + ROWS,
        b"\xef\xbb\xbf" + (HEADER + ROWS).encode(),
        *((HEADER + ROWS).encode(name) for name in ("utf-16", "utf-32")),
        b"\xff\xfe" + (HEADER + ROWS).encode("utf-16-le"),
        b"\xfe\xff" + (HEADER + ROWS).encode("utf-16-be"),
        (HEADER + ROWS).replace("\n", "\r\n"),
        (HEADER + ROWS).replace("\n", "\r"),
        (HEADER + ROWS).replace(",", ";"),
        (HEADER + ROWS).replace(",", "\t"),
        HEADER.upper() + ROWS,
        HEADER.replace(",", " , ") + ROWS.replace(",", " , "),
        "\n\n" + HEADER + "\n  \n" + ROWS.replace("\n", "\n,,,\n"),
        HEADER + ROWS.rstrip("\n"),
        HEADER + ROWS.replace("Bin Blue", '"Bin\u00ad\nBlue "'),
        "sha256,transcript,clip,speaker,file,more\n,bin blue,a,s1,a.mpg,x\n" + "0" * 64 + ",lay red,b,s1,b.mpg,\n",
    ],
)
def test_clips_csv_is_read_as_spreadsheets_write_it(table: Callable[[str | bytes], Path], content: str | bytes) -> None:
    assert texts(table(content)) == TEXTS


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            (HEADER + ROWS + "c.mpg,s1,c,café\n").encode("latin-1"),
            r"in line 4 of .*clips.csv, byte 0xe9 is not UTF-8: save",
        ),
        ((HEADER + ROWS).encode("utf-16-le"), "in line 1 of .*, there is a NUL character: save it as UTF-8"),
        (b"\xff\xfea", "is not UTF-16"),
        (HEADER + ROWS + "c.mpg,s1\n", "line 4 of .* has 2 fields, and the first line has 4"),
        (HEADER + '"c\nd.mpg",s1,c,x\n\n' + "c.mpg,s1,c,a,b\n", r"line 2 of .* control character U\+000A in file"),
        (HEADER + '"a.mpg",s1,c,"x\ny"\n\nc.mpg,s1,c,a,b\n', "line 5 of .* has 5 fields"),
        (HEADER + "c.mpg,,c,bin\n", "line 2 of .* has an empty speaker: fill it in"),
        (HEADER + "c.mpg,s1,c,\n", r"s1-c has an empty transcript, .* \(line 2 of .*clips.csv\)"),
        (HEADER + "c.mpg,s1,c,...\n", "s1-c has an empty transcript, without letters and digits"),
        (HEADER + "c.mpg,s1,c,bin\x1b[31m\n", r"line 2 of .* control character U\+001B in transcript: remove it"),
        (
            HEADER + "c.mpg,s1,c," + "x" * 20_000 + "\n",
            "line 2 of .* has 20000 characters in transcript, more than 10000",
        ),
        (HEADER + ROWS + "c.mpg,s1,c," + "x" * 200_000 + "\n", "line 4 of .* a field has more than 10000 characters"),
        (HEADER + '"c.mpg,s1,c,bin\n', "line 2 of .* unexpected end of data: correct its quotes"),
        (HEADER.replace("clip", "file"), "lacks clip: add them"),
        ("file,file,speaker,clip,transcript\n", "has file 2 times: remove one"),
        (
            "file,speaker,clip,transcript,sha256\nc.mpg,s1,c,bin,zz\n",
            "line 2 of .* sha256 'zz', which is not 64 hex digits",
        ),
        ("", "is empty: add it"),
        (HEADER, "has neither a clips.csv with clips"),
    ],
)
def test_a_bad_table_is_refused_with_its_line(
    table: Callable[[str | bytes], Path], content: str | bytes, words: str
) -> None:
    with pytest.raises(UserError, match=words) as refused:
        texts(table(content))
    assert "\n" not in str(refused.value).strip()


@pytest.mark.skipif(not BOM_CASE.is_file(), reason="the cases of ../shared are not here")
def test_the_table_with_a_byte_order_mark_is_read(table: Callable[[str | bytes], Path]) -> None:
    found = texts(table(BOM_CASE.read_bytes()))
    rows = csv.DictReader(io.StringIO(BOM_CASE.read_text("utf-8-sig")))
    assert found == {f"{row['speaker']}-{row['clip']}": row["transcript"] for row in rows}


def test_stored_texts_are_in_unicodes_composed_form(table: Callable[[str | bytes], Path]) -> None:
    [text, _] = texts(table(HEADER + ROWS.replace("Bin Blue", "CAFE\u0301 I\u0307Yİ"))).values()
    assert text == unicodedata.normalize("NFC", "cafe\u0301 iyi")


def files(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("0 10 sil\n10 20 Set\n20 30 SP\n" if name.lower().endswith(".align") else name)
    return folder


@pytest.mark.parametrize(
    "aligned",
    [
        "align/s1/bbaf2n.align",
        "alignments/s1/bbaf2n.align",
        "alignment/bbaf2n.align",
        "Align/S1/BBAF2N.ALIGN",
        "s1/align/bbaf2n.align",
        "s1/alignments/bbaf2n.align",
        "s1/bbaf2n.align",
    ],
)
def test_words_come_from_alignments_in_every_place(tmp_path: Path, aligned: str) -> None:
    assert texts(files(tmp_path, "s1/bbaf2n.mpg", aligned)) == {"s1-bbaf2n": "set"}


@pytest.mark.parametrize(
    "clip", ["s1/bbaf2n.MPG", "S1/BBAF2N.Mpg", "s1/video/bbaf2n.mpg", "s1/video/mpg_6000/bbaf2n.mpg", "s1/bbaf2n.mp4"]
)
def test_clips_are_found_in_every_layout(tmp_path: Path, clip: str) -> None:
    files(tmp_path, clip, "s1/._bbaf2n.mpg", "s1/.DS_Store", "s1/Thumbs.db", "._s2/x.mpg", ".Trash/s3/bbaf2n.mpg")
    [found] = sources(tmp_path)
    assert (found.id, found.file, found.text) == ("s1-bbaf2n", tmp_path / clip, "bin blue at f two now")


def test_links_neither_loop_nor_hide_a_clip(tmp_path: Path) -> None:
    files(tmp_path, "s1/bbaf2n.mpg", "s2/lwbs9a.mpg", "elsewhere/srwo8p.mpg", "elsewhere/other/pwix3a.mpg")
    (tmp_path / "s1" / "video").symlink_to("..")
    (tmp_path / "s1" / "self").symlink_to("self")
    (tmp_path / "s1" / "bbaf3s.mpg").symlink_to("bbaf3s.mpg")
    (tmp_path / "s1" / "bbaf4p.mpg").symlink_to("bbaf2n.mpg")
    (tmp_path / "s3").symlink_to("elsewhere")
    assert list(texts(tmp_path)) == ["s1-bbaf2n", "s1-bbaf3s", "s1-bbaf4p", "s2-lwbs9a", "s3-pwix3a", "s3-srwo8p"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"0 1 sil\n1 2 b\xffin\n", "in line 2 of .*bbaf2n.align, byte 0xff is not UTF-8"),
        (b"0 1 sil\n\n1 2\n", "line 3 of .*bbaf2n.align is '1 2': correct it"),
        (b"0 1 sil\n", r"s1-bbaf2n has an empty transcript, .* \(.*bbaf2n.align\)"),
    ],
)
def test_a_bad_align_file_is_named_with_its_line(tmp_path: Path, content: bytes, words: str) -> None:
    (files(tmp_path, "s1/bbaf2n.mpg", "align/s1/bbaf2n.align") / "align/s1/bbaf2n.align").write_bytes(content)
    with pytest.raises(UserError, match=words):
        sources(tmp_path)
