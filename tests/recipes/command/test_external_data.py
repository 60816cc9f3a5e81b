"""A recipe file with data of its own: what it may use, and the references that it has to bring."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import recipe_files
from typer.testing import CliRunner

from ablation.plan.plan import plan_from_mapping
from cli.main import app
from common.errors import UserError
from common.external import external
from pipelines.server.submit import arguments_for
from recipes import plans
from recipes.base import TrainingJob, Transcript, TranscriptionJob
from recipes.command.process import CommandFailed
from recipes.command.recipe import CommandRecipe, read_recipe
from recipes.plans import check_corpus
from recipes.registry import find

ROOT = Path(__file__).parents[3]
URI = "external://digits?version=3"
TRAIN = ["-c", "import json, sys; json.dump(sys.argv[1:], open(sys.argv[1] + '/given.json', 'w'))", "{out}", "{seed}"]
DECODE = """
import json, sys
to, condition, rows = sys.argv[1], sys.argv[2], json.loads(sys.argv[4])
rows = rows.get(condition, rows["clean"])
open(to, "w").write("".join(row + "\\n" if isinstance(row, str) else json.dumps(row) + "\\n" for row in rows))
"""
ROWS = [{"id": "a-1", "ref": "one two", "hyp": "one"}, {"id": "b-2", "ref": "three", "hyp": ""}]


def recipe_with(folder: Path, rows: Mapping[str, Any] | Sequence[Any] = ROWS, **changes: Any) -> CommandRecipe:
    """A recipe whose hypotheses are the given rows, of all conditions or by condition."""
    given = json.dumps(rows if isinstance(rows, Mapping) else {"clean": rows}).replace("{", "{ ")
    data = recipe_files.content() | {
        "train": ["{python}", *TRAIN, "{corpus_name}", "{corpus_version}"],
        "transcribe": ["{python}", "-c", DECODE, "{hypotheses}", "{condition}", "{checkpoint}", given],
        "hypotheses": {"format": "jsonl"},
        "noises": ["hiss"],
        "parts": {},
        "settings": {},
        "sources": [],
    }
    return read_recipe(recipe_files.write(folder, data | changes))


def transcribe(recipe: CommandRecipe, folder: Path) -> list[Transcript]:
    for name in ("checkpoint", "scratch"):
        (folder / name).mkdir(exist_ok=True)
    job = TranscriptionJob(
        recipe.catalogue.resolve("default"),
        folder / "checkpoint",
        folder,
        {"hiss": [0.0]},
        folder / "scratch",
        external=external(URI),
    )
    return list(recipe.transcribe(job))


def plan_with(**changes: Any) -> Any:
    return plan_from_mapping({"study": "x", "corpus": URI, "conditions": {"hiss": [0]}, **changes})


def test_training_gets_name_and_version_and_no_folder(tmp_path: Path) -> None:
    recipe = recipe_with(tmp_path)
    check_corpus(plan_with(), recipe)
    out = tmp_path / "out"
    job = TrainingJob(
        "x", recipe.catalogue.resolve("default"), 7, tmp_path, out, tmp_path / "states", print, external=external(URI)
    )
    recipe.train(job)
    assert json.loads((out / "given.json").read_text())[1:] == ["7", "digits", "3"]


def test_hypotheses_bring_references_and_speakers(tmp_path: Path) -> None:
    recipe = recipe_with(tmp_path, hypotheses={"format": "jsonl", "speaker": "^(.)-"})
    assert transcribe(recipe, tmp_path) == [
        Transcript("a-1", condition, "one", "one two", "a")
        if row == 0
        else Transcript("b-2", condition, "", "three", "b")
        for condition in ("clean", "hiss_0db")
        for row in (0, 1)
    ]


def test_references_of_a_file_belong_to_a_condition_and_a_version(tmp_path: Path) -> None:
    references = {"format": "trn", "references": "{corpus_name}/{corpus_version}-{condition}.trn", "id": "([0-9])$"}
    recipe = recipe_with(tmp_path, ["one (x-1)", "(x-2)"], hypotheses=references)
    (tmp_path / "digits").mkdir()
    for condition in ("clean", "hiss_0db"):
        (tmp_path / "digits" / f"3-{condition}.trn").write_text("one two (1)\nthree (2)\n")
    check_corpus(plan_with(), recipe)
    found = transcribe(recipe, tmp_path)
    assert [(each.utterance_id, each.reference, each.hypothesis) for each in found[:2]] == [
        ("1", "one two", "one"),
        ("2", "three", ""),
    ]
    (tmp_path / "digits" / "3-clean.trn").write_text("one two (1)\nthree (2)\nfour (3)\n")
    with pytest.raises(CommandFailed, match="the hypotheses of clean lack 1 of 3 utterances: '3'"):
        transcribe(recipe, tmp_path)
    (tmp_path / "digits" / "3-clean.trn").unlink()
    with pytest.raises(CommandFailed, match=r"there is no file of references .*3-clean\.trn; correct `hypotheses: "):
        transcribe(recipe, tmp_path)


@pytest.mark.parametrize(
    ("recipe", "plan", "said"),
    [
        ({"environment": {"DATA": "{corpus}"}}, {}, '"{corpus}" of recipe \'demo\' is a folder of prepared data, and of external'),
        ({"hypotheses": {"format": "trn"}}, {}, "bring their references, and in recipe 'demo' 'trn' has none; add"),
        ({"hypotheses": {}}, {}, "in recipe 'demo' no `format` is given; add `hypotheses: {references: FILE}`"),
        ({"noises": ["hiss", "hum"]}, {"conditions": {"hims": [0]}}, "lacks 'hims': did you mean 'hiss'"),
        ({"noises": []}, {}, "lacks 'hiss'; it lists none: add it there"),
        ({}, {"conditions": {"babble": [0]}}, "`noises` of recipe 'demo' lacks 'babble'"),
        ({}, {"noise": {"hiss": "/recordings"}}, "`noise` gives recordings for the service to mix, .* remove `noise`"),
        ({}, {"corpus": "external://digits"}, "has a version"),
        (
            {},
            {"corpus": "grid://x", "conditions": {"white": [0]}},
            "names an external corpus, and the corpus of this plan is prepared",
        ),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_before_anything_runs(
    tmp_path: Path, recipe: dict[str, Any], plan: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError, match=said) as caught:
        check_corpus(plan_with(**plan), recipe_with(tmp_path, **recipe))
    assert "\n" not in str(caught.value)


def test_clean_alone_needs_no_noises(tmp_path: Path) -> None:
    check_corpus(plan_with(conditions={}), recipe_with(tmp_path, noises=[]))


@pytest.mark.parametrize("name", ["smile", "examples.conformer_ctc.recipe:RECIPE"])
def test_recipes_that_read_a_folder_refuse_external_corpora(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABLATE_TRUSTED_RECIPES", name)
    with pytest.raises(UserError, match=r"trains on a prepared corpus, and of external://digits.*; give a corpus"):
        check_corpus(plan_with(), find(name))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"id": "a-1", "hyp": "one"}], "1 of 1 utterances of clean have no reference under a known name, e.g. 'a-1'; name it"),
        ([], "the file of clean is empty: 0 utterances"),
        ([*ROWS, ROWS[0]], "1 of 2 utterances of clean occur more than once: 'a-1'"),
        ([{"id": "a-1", "ref": "one"}], "1 of 1 utterances of clean have no hypothesis under a known name"),
    ],
)  # fmt: skip
def test_hypotheses_without_what_scoring_needs_are_refused(tmp_path: Path, rows: list[Any], said: str) -> None:
    with pytest.raises(CommandFailed, match=re.escape(said)):
        transcribe(recipe_with(tmp_path, rows), tmp_path)


def test_fingerprints_of_recipes_without_references_stay(tmp_path: Path) -> None:
    plain = recipe_with(tmp_path).transcription_identity(recipe_with(tmp_path).catalogue.resolve("default"))
    assert plain["hypotheses"] == {"format": "jsonl", "keys": "", "id": None}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plan", "plans/smoke.yaml", "--corpus", URI], "recipe 'smile' trains on a prepared corpus"),
        (["run", "plans/smoke.yaml", "--corpus", URI], "recipe 'smile' trains on a prepared corpus"),
        (["submit", "plans/smoke.yaml", "--corpus", URI, "--host", "http://127.0.0.1:9"], "recipe 'smile' trains on"),
        (
            ["plan", "examples/own_data/plan.yaml", "--corpus", "external://digits"],
            "external://digits' has none; write",
        ),
        (["run", "examples/own_data/plan.yaml", "--corpus", f"{URI}&x=1"], "has one option, `version`"),
        (["corpus", "prepare", URI], "so there is nothing to prepare; give it as the corpus of a plan"),
        (["corpus", "prepare", "external://digits"], "has none; write"),
        (["corpus", "verify", URI], f"a prepared corpus is a folder, and {URI} is an address; nothing of an external"),
        (["corpus", "push", URI, "s3://speech/x"], "is an address; nothing of an external corpus is on this machine"),
        (["corpus", "export", "grid://data", "--to", "x"], "grid://data is an address; give the folder that"),
        (["corpus", "clean", URI], f"no prepared corpus '{URI}'"),
    ],
)
def test_commands_refuse_what_they_cannot_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str], said: str
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/none.db")
    caught = CliRunner().invoke(app, words).exception
    assert isinstance(caught, UserError)
    assert said in str(caught)
    assert "\n" not in str(caught)


def test_a_cluster_gets_the_address_and_no_folder() -> None:
    plan = plans.read_plan(ROOT / "examples" / "own_data" / "plan.yaml")
    sent = arguments_for(plan, "http://mlflow.example", "abc")["plan"]
    assert (sent["corpus"], sent["recipe"]) == (URI, "digits")


def test_a_plan_says_that_the_data_are_not_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/none.db")
    shown = CliRunner().invoke(app, ["plan", str(ROOT / "examples" / "own_data" / "plan.yaml")], catch_exceptions=False)
    assert f"corpus: {URI} (data that only the recipe knows: it brings the references" in shown.output
