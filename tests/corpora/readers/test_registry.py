"""The registry is the one list of corpora: errors, help texts, the Makefile and the docs follow it."""

import os
import shutil
import subprocess
import sys
from inspect import signature
from pathlib import Path

import pytest

from common.errors import UserError
from corpora.address import Address, check
from corpora.mouth.needed import is_needed
from corpora.prepare import place_of
from corpora.readers import registry
from corpora.readers.reader import Reader, ReaderModule
from corpora.readers.registry import READERS, S3_EXAMPLE
from corpora.store import Corpus

ROOT = Path(__file__).parents[3]
PACKAGES = (
    "ablation",
    "cli",
    "common",
    "components",
    "corpora",
    "model",
    "pipelines",
    "recipes",
    "tracking",
    "training",
)
EXAMPLES = [*(reader.example for reader in READERS.values()), S3_EXAMPLE]

# The two places that a new corpus touches: a module, and an entry in the registry.
MODULE = """
from collections.abc import Iterator, Mapping

import numpy as np

from corpora.schema import SPLITS, Clip, Rejected


def count(place: str, _query: Mapping[str, str]) -> int:
    return int(place)


def stamp(_place: str) -> str:
    return ""


def clips(place: str, query: Mapping[str, str], workers: int) -> Iterator[Clip | Rejected]:
    for number in range(count(place, query)):
        video, audio = np.full((2, 96, 96), number, np.uint8), np.zeros(1280, np.int16)
        yield Clip(f"toy-{number}", "nobody", SPLITS[number % 3], "bin blue", video, audio)
"""
ENTRY = 'Reader(example="toy://N", description="N black clips", module="corpora.readers.toy", needs_mouth=True),'
BEFORE = "    for reader in (\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the sources to which a corpus was added."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package)  # with the compiled modules, which saves seconds
    readers = tmp_path / "corpora" / "readers"
    (readers / "toy.py").write_text(MODULE)
    text = (readers / "registry.py").read_text()
    assert BEFORE in text
    (readers / "registry.py").write_text(text.replace(BEFORE, f"{BEFORE}        {ENTRY}\n"))
    return tmp_path


def python(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Python on the sources in a folder."""
    environment = os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "200"}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)


COMMANDS = """
import sys
from cli.entry import main
for arguments in (["prepare", "toy://4", "--root", "cache"], ["prepare", "--help"], ["prepare", "nonsense"]):
    sys.argv = ["ablate", "corpus", *arguments]
    try:
        main()
    except SystemExit as end:
        print("exit code", end.code)
"""


def test_a_new_corpus_is_a_module_and_a_registry_entry(checkout: Path) -> None:
    result = python(checkout, "-c", COMMANDS)
    prepared, helped, *_ = result.stdout.split("exit code")
    corpus = Corpus.open(checkout / prepared.strip())
    assert [utterance.id for utterance in corpus.all_utterances] == ["toy-0", "toy-1", "toy-2", "toy-3"]
    assert "toy://N" in helped
    assert "toy://N" in result.stderr
    assert python(checkout, "-m", "corpora.mouth.needed", "none.yaml", "--corpus", "toy://4").returncode == 0


def test_a_reader_has_its_three_functions() -> None:
    for reader in READERS.values():
        for name in ("clips", "count", "stamp"):
            expected = list(signature(getattr(ReaderModule, name)).parameters)[1:]
            assert len(signature(getattr(reader._functions, name)).parameters) == len(expected), (reader.scheme, name)


@pytest.mark.parametrize("example", EXAMPLES)
def test_errors_and_docs_name_every_corpus(example: str) -> None:
    with pytest.raises(UserError) as no_uri:
        Address.parse("nonsense")
    with pytest.raises(UserError) as no_scheme:
        check("nonsense://x", here=False)
    scheme = example.partition("://")[0]
    assert example in str(no_uri.value)
    assert scheme in str(no_scheme.value).split("Known:")[1]
    assert f"{scheme}://" in (ROOT / "README.md").read_text()


def test_the_table_in_the_docs_is_the_registry() -> None:
    stale = "docs/corpora-in-s3.md is stale: run `make docs`"
    assert registry.table() in (ROOT / "docs" / "corpora-in-s3.md").read_text(), stale


@pytest.mark.parametrize("module", ["corpora.readers.registry", "corpora.mouth.needed"])
def test_the_list_of_corpora_needs_the_standard_library_alone(module: str) -> None:
    """So help texts and the Makefile take no time. `-S` hides all installed packages."""
    result = python(ROOT, "-S", "-m", module, "plans/grid.yaml")
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("text", "arguments", "needed"),
    [
        ("corpus: grid://data/grid\n", "", True),
        ('{"study": "a", "corpus": "lrs3://DIR"}', "", True),
        ("corpus: 'lrs2://DIR'\n", "--seeds 1", True),
        ("corpus: synthetic://talking-mouth\n", "", False),
        ("corpus: s3://bucket/grid\n", "", False),
        ("corpus: synthetic://talking-mouth # corpus: grid://DIR\n", "", False),
        ("# corpus: grid://DIR\ncorpus: synthetic://talking-mouth\n", "", False),
        ("corpus: synthetic://talking-mouth\n", "--corpus grid://DIR", True),
        ("corpus: synthetic://talking-mouth\n", "--set corpus=lrs2://DIR", True),
        ("corpus: grid://data/grid\n", "--corpus=s3://bucket/grid", False),
        ("study: about-a-corpus\n", "", False),
    ],
)
def test_real_video_needs_mouths(tmp_path: Path, text: str, arguments: str, needed: bool) -> None:
    (tmp_path / "plan").write_text(text)
    assert is_needed(str(tmp_path / "plan"), arguments.split()) == needed
    assert is_needed("https://host/plan.yaml", arguments.split()) == (needed and "://DIR" in arguments)


@pytest.mark.parametrize(("plan", "made"), [("plans/grid.yaml", True), ("plans/smile.yaml", False)])
def test_make_study_makes_mouths_where_needed(tmp_path: Path, plan: str, made: bool) -> None:
    for name in ("Makefile", "corpora", "plans", "requirements.txt", "requirements-dev.txt", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "requirements-mouth.txt").touch()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / ".venv" / ".ready").touch()
    shown = subprocess.run(["make", "-n", "study", f"PLAN={plan}"], cwd=tmp_path, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert ("requirements-mouth.txt" in shown.stdout) == made
    assert f"ablate run {plan}" in shown.stdout


def test_a_description_does_not_rename_prepared_corpora(monkeypatch: pytest.MonkeyPatch) -> None:
    uri, reader = "synthetic://talking-mouth", READERS["synthetic"]
    before = place_of(uri, Path())
    monkeypatch.setitem(READERS, "synthetic", Reader(reader.example, "Other words", reader.module))
    assert place_of(uri, Path()) == before
