"""A recipe file trains and transcribes with real commands, and says what a command did wrong."""

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import recipe_files

from common.errors import UserError
from corpora.prepare import prepare
from corpora.store import Corpus
from recipes.base import TrainingFailed, TrainingJob, Transcript, TranscriptionJob
from recipes.command.process import CommandFailed
from recipes.command.recipe import CommandRecipe, read_recipe

NOISES: Mapping[str, Sequence[float]] = {"white": [0.0]}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare("synthetic://talking-mouth?train=4&test=3&valid=2", tmp_path_factory.mktemp("corpora"))


def recipe_with(folder: Path, **changes: Any) -> CommandRecipe:
    return read_recipe(recipe_files.write(folder, recipe_files.content() | changes))


def code(text: str, *words: str) -> list[str]:
    """A command of Python code, with arguments that the code reads from sys.argv."""
    literal = re.sub(r"\{(\w+)\}", r"{{\1}}", text)
    return ["{python}", "-c", f"import json, os, sys, time\n{literal}", *words]


def train(recipe: CommandRecipe, corpus: Path, folder: Path, **given: Any) -> list[tuple[int, dict[str, float]]]:
    """Train in `folder / "out"`; return the points of the curves."""
    points: list[tuple[int, dict[str, float]]] = []
    settings = recipe.catalogue.resolve("default", {"pooling": "max"})
    job = TrainingJob(
        "max", settings, 3, corpus, folder / "out", folder / "states", lambda s, m: points.append((s, dict(m))), **given
    )
    recipe.train(job)
    return points


def transcribe(recipe: CommandRecipe, corpus: Path, folder: Path, **given: Any) -> list[Transcript]:
    (folder / "checkpoint").mkdir(exist_ok=True)
    (folder / "scratch").mkdir(exist_ok=True)
    settings = recipe.catalogue.resolve("default")
    return list(
        recipe.transcribe(
            TranscriptionJob(settings, folder / "checkpoint", corpus, NOISES, folder / "scratch", **given)
        )
    )


def test_train_gets_its_arguments_and_only_training_data(tmp_path: Path, corpus: Path) -> None:
    train(recipe_with(tmp_path), corpus, tmp_path)
    given = json.loads((tmp_path / "out" / "model.json").read_text())
    data = Path(given.pop("data"))
    assert given == {"seed": "3", "out": str(tmp_path / "out"), "pooling": "max", "steps": "5"}
    assert sorted(path.name for path in data.iterdir() if path.is_dir()) == ["train", "valid"]
    assert len((data / "train" / "manifest.jsonl").read_text().splitlines()) == 4


def test_transcripts_are_those_of_the_command(tmp_path: Path, corpus: Path) -> None:
    found = transcribe(recipe_with(tmp_path), corpus, tmp_path)
    texts = {utterance.id: utterance.text for utterance in Corpus.open(corpus).utterances("test")}
    assert [each.condition for each in found] == ["clean"] * 3 + ["white_0db"] * 3
    assert all(texts[each.utterance_id] == each.hypothesis for each in found)


ALL_AT_ONCE = """
data, to = sys.argv[1:3]
for name in CONDITIONS:
    with open(f"{to}/{name}.trn", "w") as file:
        for line in open(f"{data}/test/{name}/manifest.jsonl"):
            print(json.loads(line)["text"], f"({json.loads(line)['id']})", file=file)
"""


def test_one_command_can_transcribe_all_conditions(tmp_path: Path, corpus: Path) -> None:
    text = ALL_AT_ONCE.replace("CONDITIONS", "['clean', 'white_0db']")
    recipe = recipe_with(tmp_path, transcribe=code(text, "{corpus}", "{hypotheses}", "{checkpoint}"))
    assert len(transcribe(recipe, corpus, tmp_path)) == 6
    text = ALL_AT_ONCE.replace("CONDITIONS", "['clean']")
    recipe = recipe_with(tmp_path, transcribe=code(text, "{corpus}", "{hypotheses}", "{checkpoint}"))
    shutil.rmtree(tmp_path / "scratch")
    with pytest.raises(CommandFailed, match=r"1 of 2 are missing, e\.g\. white_0db, and it wrote 'clean\.trn'"):
        transcribe(recipe, corpus, tmp_path)


WRONG = {
    "nothing": ("", "wrote no hypotheses for clean"),
    "an empty file": ("open(to, 'w')", "the file of clean is empty: 0 utterances"),
    "half of them": ("write(rows[:2])", "the hypotheses of clean lack 1 of 3 utterances: 'test-0000"),
    "one more": ("write([*rows, {'id': 'other', 'text': 'a'}])", "have 1 utterances that are not in the test split: 'other'"),
    "one twice": ("write([*rows, rows[0]])", "1 of 3 utterances of clean occur more than once"),
    "other ids": ("write([{**row, 'id': 'x' + row['id']} for row in rows])", "give the part that they share with `hypotheses:"),
    "another format": ("open(to, 'w').write('a b c')", "cannot be read: .*line 1 does not"),
    "no text": ("open(to, 'wb').write(b'\\xff\\xfe\\xfa')", "cannot be read"),
    "a failure": ("sys.exit('out of memory')", "`transcribe` ended with exit code 1: out of memory"),
}  # fmt: skip
WRITE = """
data, condition, to, checkpoint = sys.argv[1:]
rows = [json.loads(line) for line in open(f"{data}/test/{condition}/manifest.jsonl")]
def write(rows):
    open(to, "w").write("".join(f"{row['text']} ({row['id']})\\n" for row in rows))
"""


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
def test_wrong_hypotheses_are_refused_with_numbers(tmp_path: Path, corpus: Path, text: str, said: str) -> None:
    words = ("{corpus}", "{condition}", "{hypotheses}", "{checkpoint}")
    recipe = recipe_with(tmp_path, transcribe=code(WRITE + text, *words))
    with pytest.raises(CommandFailed, match=said) as caught:
        transcribe(recipe, corpus, tmp_path)
    assert "\n" not in str(caught.value)


def test_ids_with_more_in_them_are_matched_by_a_pattern(tmp_path: Path, corpus: Path) -> None:
    text = WRITE + "write([{**row, 'id': 'spk1-' + row['id'] + '_x'} for row in rows])"
    recipe = recipe_with(
        tmp_path,
        transcribe=code(text, "{corpus}", "{condition}", "{hypotheses}", "{checkpoint}"),
        hypotheses={"format": "trn", "id": "-(test-[0-9]+)_"},
    )
    assert len(transcribe(recipe, corpus, tmp_path)) == 6


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pass", "it wrote no checkpoint: {out} has no files"),
        ("sys.exit(4)", "`train` ended with exit code 4"),
        ("os.kill(os.getpid(), 9)", "was killed (SIGKILL)"),
    ],
)
def test_a_failed_training_run_says_why(tmp_path: Path, corpus: Path, text: str, said: str) -> None:
    recipe = recipe_with(tmp_path, train=code(text, "{seed}", "{out}", "{overrides}"))
    with pytest.raises(TrainingFailed) as caught:
        train(recipe, corpus, tmp_path)
    assert said in str(caught.value)


RESUMES = """
out, state, seed = sys.argv[1:4]
begin = len(os.listdir(state))
for step in range(begin, 4):
    open(f"{state}/{step}", "w").close()
    print(json.dumps({"step": step, "loss": 1 / (step + 1)}), file=open(f"{state}/curves.jsonl.part", "a"))
    if step == 1:
        os.rename(f"{state}/curves.jsonl.part", f"{out}/curves.jsonl")
        os.kill(os.getpid(), 9)
open(f"{out}/model", "w").write(str(begin))
"""


def test_the_state_folder_outlives_a_killed_command(tmp_path: Path, corpus: Path) -> None:
    recipe = recipe_with(
        tmp_path, train=code(RESUMES, "{out}", "{state}", "{seed}", "{overrides}"), curves="curves.jsonl"
    )
    with pytest.raises(TrainingFailed, match="was killed"):
        train(recipe, corpus, tmp_path)
    train(recipe, corpus, tmp_path)
    assert (tmp_path / "out" / "model").read_text() == "2"


CURVES = """
out, seed = sys.argv[1:3]
with open(f"{out}/m.jsonl", "w") as file:
    for step in range(3):
        print(json.dumps({"step": step, "loss": step}), file=file)
    file.write("not a point")
open(f"{out}/model", "w").close()
"""


def test_curves_reach_the_log(tmp_path: Path, corpus: Path) -> None:
    recipe = recipe_with(tmp_path, train=code(CURVES, "{out}", "{seed}", "{overrides}"), curves="m.jsonl")
    assert train(recipe, corpus, tmp_path) == [(0, {"loss": 0.0}), (1, {"loss": 1.0}), (2, {"loss": 2.0})]


CONFIG = """
import yaml
config, out, seed = sys.argv[1:4]
seen = {"gpus": os.environ.get("CUDA_VISIBLE_DEVICES"), "x": os.environ["X"]}
json.dump(yaml.safe_load(open(config)) | seen, open(f"{out}/m", "w"))
"""


def test_an_arm_can_be_a_key_of_a_config_and_a_variable(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6")
    (tmp_path / "c.yaml").write_text("model: {pooling: mean}\ndata: there\nseed: 0\n")
    kinds = {
        "mean": {"set": {"model.pooling": "mean"}},
        "max": {"set": {"model.pooling": "max"}, "environment": {"X": "y z"}},
    }
    recipe = recipe_with(
        tmp_path,
        train=code(CONFIG, "{config}", "{out}", "{seed}", "{overrides}"),
        config={"base": "c.yaml", "set": {"data": "{corpus}", "seed": "{seed}"}},
        parts={"pooling": {"default": "mean", "kinds": kinds}},
    )
    train(recipe, corpus, tmp_path, gpus=2)
    found = json.loads((tmp_path / "out" / "m").read_text())
    assert Path(found.pop("data"), "train/manifest.jsonl").is_file()
    assert found == {"model": {"pooling": "max"}, "seed": 3, "gpus": "4,5", "x": "y z"}


def test_too_few_visible_gpus_are_refused(tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4")
    with pytest.raises(UserError, match="takes 2 GPUs, and CUDA_VISIBLE_DEVICES has 1"):
        train(recipe_with(tmp_path), corpus, tmp_path, gpus=2)


def test_paths_are_those_of_the_recipes_folder(tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inner").mkdir()
    recipe_files.write(tmp_path / "inner")
    monkeypatch.chdir(tmp_path)
    recipe = read_recipe(Path("inner/recipe.yaml"))
    train(recipe, Path(os.path.relpath(corpus)), Path("work"))
    assert (tmp_path / "work" / "out" / "model.json").is_file()


def test_an_export_is_made_once_and_goes_with_its_corpus(tmp_path: Path, corpus: Path) -> None:
    one, two = (Path(shutil.copytree(corpus, tmp_path / "corpora" / name)) for name in ("one", "two"))
    recipe = recipe_with(tmp_path)
    train(recipe, one, tmp_path)
    [wav, *_] = sorted((tmp_path / "corpora" / ".exports").rglob("*.wav"))
    before = wav.stat().st_mtime_ns
    train(recipe, one, tmp_path)
    assert wav.stat().st_mtime_ns == before
    shutil.rmtree(one)
    train(recipe, two, tmp_path)
    assert not wav.exists()


def test_an_export_of_a_corpus_that_cannot_be_written_next_to_is_elsewhere(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "t"))
    (tmp_path / "t").mkdir()
    Path(shutil.copytree(corpus, tmp_path / "corpora" / "one"))
    (tmp_path / "corpora" / ".exports").write_text("a file: no folder can be made here, for any user")
    train(recipe_with(tmp_path), tmp_path / "corpora" / "one", tmp_path)
    assert list((tmp_path / "t").rglob("manifest.jsonl"))


@pytest.mark.parametrize(
    ("form", "file"),
    [
        ("jsonl", "train/manifest.jsonl"),
        ("wav", "train/utterances.tsv"),
        ("kaldi", "train/wav.scp"),
        ("prepared", "corpus.json"),
    ],
)
def test_the_corpus_comes_in_the_format_that_is_asked_for(tmp_path: Path, corpus: Path, form: str, file: str) -> None:
    train(recipe_with(tmp_path, corpus_format=form), corpus, tmp_path)
    data = Path(json.loads((tmp_path / "out" / "model.json").read_text())["data"])
    assert (data / file).is_file(), sorted(data.iterdir())


def test_video_is_exported_if_it_is_asked_for(tmp_path: Path, corpus: Path) -> None:
    train(recipe_with(tmp_path, corpus_video="npy"), corpus, tmp_path)
    data = Path(json.loads((tmp_path / "out" / "model.json").read_text())["data"])
    assert len(list((data / "train").rglob("*.npy"))) == 4
