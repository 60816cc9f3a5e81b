"""MAPSSWE against NIST's own `sc_stats`, from Debian's package sctk, and its cuts by hand."""

import math
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ablation.stats.alignment import align_words as align
from ablation.stats.mapsswe import matched_pairs, slots

WORDS = ["bin", "blue", "at", "f", "two", "now", "set", "red", "by", "z"]
Texts = list[list[str]]


def system(title: str, references: Texts, alignments: list[str]) -> str:
    """Alignments in the form in which sclite hands them to sc_stats; every word heard wrongly is an x."""
    lines = [
        f'<SYSTEM title="{title}" ref_fname="r" hyp_fname="{title}" creation_date="x" format="2.4"',
        '<SPEAKER id="s">',
    ]
    lines[0] += ' frag_corr="FALSE" opt_del="FALSE" weight_ali="FALSE" weight_filename="">'
    for number, (reference, letters) in enumerate(zip(references, alignments, strict=True)):
        words = iter(reference)
        forms = {"C": 'C,"{0}","{0}"', "S": 'S,"{0}","x"', "D": 'D,"{0}",', "I": 'I,,"x"'}
        path = ":".join(forms[letter].format(next(words) if letter != "I" else "") for letter in letters)
        lines += [f'<PATH id="(s_{number})" word_cnt="{len(letters)}" sequence="{number}">', path, "</PATH>"]
    return "\n".join([*lines, "</SPEAKER>", "</SYSTEM>", ""])


def nist(tmp_path: Path, references: Texts, first: list[str], second: list[str]) -> tuple[int, float]:
    """Segments and z as sc_stats prints them."""
    piped = system("first", references, first) + system("second", references, second)
    command = ["sctk", "sc_stats", "-p", "-t", "mapsswe", "-v", "-n", "out"]
    done = subprocess.run(command, input=piped, cwd=tmp_path, text=True, capture_output=True, check=True)
    written = done.stdout + "".join(path.read_text() for path in tmp_path.glob("out*"))
    found = re.search(r"# segs: (\d+)\).*Z Stat: *(-?[\d.]+)\)", written)
    assert found, written
    return int(found[1]), float(found[2])


def heard(references: Texts, rng: np.random.Generator, rates: tuple[float, float, float]) -> list[str]:
    """Words substituted, deleted and inserted at random."""
    texts = []
    for reference in references:
        words = []
        for word in reference:
            draw = rng.random()
            words += [] if draw < rates[1] else ["x"] if draw < rates[0] + rates[1] else [word]
            words += ["y"] * (rng.random() < rates[2])
        texts.append(" ".join(words))
    return align([" ".join(reference) for reference in references], texts)


def case(name: str) -> tuple[Texts, list[str], list[str]]:
    rng = np.random.default_rng(len(name))
    short = [rng.choice(WORDS, 6).tolist() for _ in range(80)]
    long = [rng.choice(WORDS, 30).tolist() for _ in range(25)]
    some, more, one_sort = (0.08, 0.03, 0.03), (0.15, 0.05, 0.05), (0.0, 0.3, 0.0)
    if name == "ties":  # each system is worse in as many segments as the other
        return short[:4], ["SCCCCC", "CCCCCC", "CCCSSC", "CCCCCC"], ["CCCCCC", "SCCCCC", "CCCCCC", "CSSCCC"]
    if name == "no differences":
        same = heard(short, rng, some)
        return short, same, same
    return {
        "short utterances": (short, heard(short, rng, more), heard(short, rng, some)),
        "segments within long utterances": (long, heard(long, rng, some), heard(long, rng, some)),
        "one system never wrong": (short, heard(short, rng, some), ["C" * 6] * 80),
        "deletions against insertions": (short, heard(short, rng, one_sort), heard(short, rng, (0.0, 0.0, 0.3))),
    }[name]


CASES = ["ties", "no differences", "short utterances", "segments within long utterances", "one system never wrong"]


@pytest.mark.skipif(shutil.which("sctk") is None, reason="needs NIST's scoring tools: apt-get install sctk")
@pytest.mark.parametrize("name", [*CASES, "deletions against insertions"])
def test_it_is_what_nists_own_program_says(name: str, tmp_path: Path) -> None:
    references, first, second = case(name)
    ours = matched_pairs(slots(first), slots(second))
    segments, z = nist(tmp_path, references, first, second)
    assert ours.segments == segments
    assert ours.z == pytest.approx(z, abs=0.01)
    assert ours.p == pytest.approx(math.erfc(abs(ours.z) / math.sqrt(2)))


@pytest.mark.parametrize(
    ("first", "second", "segments"),
    [
        (["SCSCC"], ["CCCCC"], 1),  # one word right between two errors does not cut
        (["SCCSC"], ["CCCCC"], 2),
        (["SCCCC"], ["CCCSC"], 2),  # both have to be right twice
        (["SCICCC"], ["CCCCC"], 1),  # an insertion breaks a run
        (["SCCI"], ["CCC"], 2),
        (["S", "S"], ["C", "C"], 2),  # no segment crosses utterances
        (["", "II"], ["I", ""], 2),  # nothing was said
        (["CC"], ["CC"], 0),
    ],
)
def test_where_segments_end(first: list[str], second: list[str], segments: int) -> None:
    assert matched_pairs(slots(first), slots(second)).segments == segments
    assert matched_pairs(slots(second), slots(first)).segments == segments


def test_chance_cannot_be_gauged_where_all_segments_differ_alike() -> None:
    assert math.isnan(matched_pairs(slots(["SCC", "CCS"]), slots(["CCC", "CCC"])).p)
    assert matched_pairs(slots(["CCC"]), slots(["CCC"])).p == 1.0


def test_other_references_are_refused() -> None:
    with pytest.raises(ValueError, match="same utterances in the same order"):
        matched_pairs(slots(["CC"]), slots(["C", "C"]))
