"""The normalisation of texts, against Unicode's own data and against version 1 where nothing may change."""

import unicodedata

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from ablation.stats.scoring import score
from common.errors import UserError
from common.normalise import (
    APOSTROPHES,
    BASIC,
    FIRST_VERSION,
    NONE,
    VERSION,
    graphemes,
    normalise,
    normaliser,
    written,
)

# What it is, reference, hypothesis, the right number of reference words, the right number of errors.
PAIRS = [
    ("a vowel sign of Hindi wrong", "प्राचीन संस्कृतियों और जनजातियों", "प्राचीन संस्कृतियों और जनजातियो", 4, 1),
    ("a Hindi word wrong", "हिंदी भाषा", "हमारी भाषा", 2, 1),
    ("Malayalam", "എന്റെ ഭാഷ", "എന്റെ ഭാഷ", 2, 0),
    ("Tamil", "தமிழ் மொழி", "தமிழ் மொழி", 2, 0),
    ("Burmese", "မြန်မာ ဘာသာ", "မြန်မာ ဘာသာ", 2, 0),
    ("Thai", "น้ำ ดื่ม", "น้ำ ดื่ม", 2, 0),
    ("Thai am in two characters", "น้ำ", "น\u0e49\u0e4d\u0e32", 1, 0),
    ("pointed Arabic", "كِتَابٌ جَدِيدٌ", "كِتَابٌ جَدِيدٌ", 2, 0),
    ("stretched Arabic", "كـــتاب", "كتاب", 1, 0),
    ("pointed Hebrew", "שָׁלוֹם עוֹלָם", "שָׁלוֹם עוֹלָם", 2, 0),
    ("Hebrew acronym", "צה״ל", 'צה"ל', 1, 0),
    ("Yoruba", "ẹ́ jọ̀ọ́", "ẹ́ jọ̀ọ́", 2, 0),
    ("decomposed Vietnamese", "tie\u0302\u0301ng vie\u0323\u0302t", "tiếng việt", 2, 0),
    ("decomposed Korean", "\u1112\u1161\u11ab\u1100\u1173\u11af", "한글", 1, 0),
    ("marks in another order", "q\u0323\u0307", "q\u0307\u0323", 1, 0),
    ("Turkish dotted capital", "İstanbul İYİ", "istanbul iyi", 2, 0),
    ("German sharp s", "STRASSE GROẞ", "straße groß", 2, 0),
    ("Greek sigmas", "ΟΔΟΣ", "οδος", 1, 0),
    ("soft hyphen", "co\u00adoperate now", "cooperate now", 2, 0),
    ("zero-width space", "black\u200bbird", "blackbird", 1, 0),
    ("zero-width non-joiner", "می\u200cخواهم بروم", "میخواهم بروم", 2, 0),
    ("direction marks", "\u202bbin\u200f blue\u202c", "bin blue", 2, 0),
    ("variation selector", "bin\ufe0f blue", "bin blue", 2, 0),
    ("byte-order mark inside", "bin\ufeff blue", "bin blue", 2, 0),
    ("full-width", "Ｉｔ＇ｓ ＢＩＮ", "it's bin", 2, 0),
    ("doubled apostrophe", "it''s", "it's", 1, 0),
    ("outer apostrophes", "'tis the dogs' ‘bin’", "tis the dogs bin", 4, 0),
    ("n with apostrophe", "\u0149", "'n", 1, 0),
    ("trade mark", "acme™ now", "acme now", 2, 0),
    ("superscript", "10 m² now", "10 m2 now", 3, 0),
    ("thousands", "1,000 or 1,00,000 people", "1000 or 100000 people", 4, 0),
    ("no thousands", "1,2 2019,0", "1 2 2019 0", 4, 0),
    ("acronym", "U.S.A. today, e.g. now", "usa today eg now", 4, 0),
    ("no acronym", "see a. b.com", "see a b com", 4, 0),
    ("Catalan middle dot", "col·lecció", "col\u2027lecció", 1, 0),
    ("keycap and emoji", "hi 1\ufe0f\u20e3 👩‍👩‍👧", "hi 1", 2, 0),
    ("mark without a letter", "bin \u0301 blue", "bin blue", 2, 0),
    ("hyphens", "well-known well\u2011known", "well known well known", 4, 0),
    ("punctuation alone", "...", "bin", 0, 1),
]


@pytest.mark.parametrize(
    ("reference", "hypothesis", "words", "errors"), [pair[1:] for pair in PAIRS], ids=[p[0] for p in PAIRS]
)
def test_words_and_errors_of_all_scripts(reference: str, hypothesis: str, words: int, errors: int) -> None:
    [found] = score([reference], [hypothesis])
    assert (found.reference, found.errors) == (words, errors)


@pytest.mark.parametrize("sign", [*APOSTROPHES, "'"])
def test_every_apostrophe_inside_a_word_is_one(sign: str) -> None:
    assert normalise(f"It{sign}s don{sign}t{sign}") == "it's don't"


def test_every_mark_of_unicode_stays_with_its_letter() -> None:
    marks = [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) in ("Mn", "Mc")]
    split = [mark for mark in marks if len(normalise(f"कa{mark}b").split()) != 1]
    assert len(marks) > 2000
    assert split == []


@given(st.text())
def test_normalised_texts_stay_as_they_are(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)
    assert written(written(text)) == written(text)
    assert normalise(written(text)) == normalise(text)


@given(st.text())
def test_canonically_equal_texts_are_equal(text: str) -> None:
    assert len({normalise(unicodedata.normalize(form, text)) for form in ("NFC", "NFD")}) == 1


@given(st.text(alphabet="aZ1'`.,-_ \t\x1f"))
def test_ascii_texts_are_normalised_as_any_other(text: str) -> None:
    with_mark = normalise(f"{text} \u00df")  # the last word leads through the rules for all scripts
    assert with_mark.removesuffix("ss").strip() == normalise(text)


@given(st.text(alphabet='abcxyzABCXYZ 019!?-_;:"()\t\n'))
def test_plain_english_is_what_it_was_in_version_1(text: str) -> None:
    assert normalise(text) == normaliser(BASIC, FIRST_VERSION)(text)


def test_none_changes_white_space_alone() -> None:
    assert normaliser(NONE)(" It\u2019s\u2028BIN.  Blue ") == "It\u2019s BIN. Blue"
    assert [score(["Bin."], ["bin"], normaliser=normaliser(name))[0].errors for name in (NONE, BASIC)] == [1, 0]


@pytest.mark.parametrize(("name", "version"), [("strict", VERSION), (BASIC, VERSION + 1)])
def test_normalisation_of_a_later_version_is_refused(name: str, version: int) -> None:
    with pytest.raises(UserError, match="read it with the version of ablate that wrote it"):
        normaliser(name, version)


# Clusters of the examples in UAX 29, "Sample Grapheme Clusters", and of its rules for Hangul and emoji.
@pytest.mark.parametrize(
    ("text", "clusters"),
    [
        ("g\u0308o", ["g\u0308", "o"]),
        ("\uac01\u1100\u1161\u11a8", ["\uac01", "\u1100\u1161\u11a8"]),
        ("\u0e01\u0e33\u0e01", ["\u0e01\u0e33", "\u0e01"]),
        ("\u0ba8\u0bbf\u0bb7\u0bbf", ["\u0ba8\u0bbf", "\u0bb7\u0bbf"]),
        ("\u0937\u093f\u0915\u094d\u0937", ["\u0937\u093f", "\u0915\u094d\u0937"]),
        ("👩‍👧a", ["👩‍👧", "a"]),
        ("it's 2", list("it's 2")),
    ],
)
def test_graphemes_are_those_of_unicode(text: str, clusters: list[str]) -> None:
    assert graphemes(text) == clusters


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors", "length"),
    [
        ("की", "का", 1, 1),
        ("जनजातियों", "जनजातियो", 1, 5),
        ("น้ำ ดี", "น้ำ ดื", 1, 3),
        ("cafe\u0301 bin", "cafe bin", 1, 8),
        ("q\u0307x q\u0307", "q\u0307 q\u0323", 2, 4),
    ],
)
def test_cer_counts_grapheme_clusters(reference: str, hypothesis: str, errors: int, length: int) -> None:
    [found] = score([reference], [hypothesis], "cer")
    assert (found.errors, found.reference) == (errors, length)


@given(st.lists(st.text(alphabet="ab कीकाक्ष\u0301é"), min_size=2, max_size=2))
def test_cer_equals_a_plain_edit_distance_over_clusters(texts: list[str]) -> None:
    reference, hypothesis = (regex.findall(r"\X", normalise(text)) for text in texts)
    row = list(range(len(hypothesis) + 1))
    for i, said in enumerate(reference, 1):
        before, row = row, [i]
        for j, heard in enumerate(hypothesis, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (said != heard)))
    [found] = score(texts[:1], texts[1:], "cer")
    assert (found.errors, found.reference) == (row[-1], len(reference))


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("SO  IT'S 20 YEARS.", "so it's 20 years."),
        ("CAFE\u0301 OLÉ", "café olé"),
        ("HEL\u200bLO\u00a0THERE", "hello there"),
        ("IT\u2019S \u2018BIN\u2019", "it's \u2018bin\u2019"),
        ("İYİ GÜNLER", "iyi günler"),
        ("HELLO\u2028THERE\x85NOW\x0cPLEASE", "hello there now please"),
    ],
)
def test_corpora_store_lower_case_without_invisible_characters(text: str, stored: str) -> None:
    assert written(text) == stored
