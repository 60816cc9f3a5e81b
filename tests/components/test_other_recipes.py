"""The steps with another recipe than the built-in one: the contract holds, and a recipe that breaks it fails its trials only."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ablation.results import read_study
from common.errors import UserError
from components.compare_arms import compare_study
from components.find_finished import find
from components.register_checkpoint import register_best
from components.resolve_plan import resolve_plan
from components.shared.evaluate_one import evaluate
from components.shared.measurements import measured
from components.shared.train_one import train
from components.shared.trial import COUNTS_FILE, Resolved, Status, Todo, Trial, plan_of, read_history
from components.workers.isolation import Start
from corpora.store import Corpus
from recipes import plans, registry
from tracking.addresses import find_version
from tracking.checkpoints import fetch_checkpoint
from tracking.store import client

OBJECT = "toy_recipe:RECIPE"


@pytest.fixture(autouse=True)
def _trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(registry.TRUSTED, OBJECT)


def plan_with(**baseline: Any) -> dict[str, Any]:
    return {
        "study": "toys",
        "recipe": OBJECT,
        "preset": "default",
        "corpus": "small://words",
        "seeds": [1],
        "conditions": {"babble": [0]},
        "max_failed_trials": 5,
        "baseline": baseline,
        "ablations": [{"part": "words", "replacements": {"one-word": 1}}],
    }


@pytest.fixture
def trained(small_corpus: Path, store: str, here: Start, tmp_path: Path, finding: Callable[..., list[str]]) -> Any:
    """Runs the baseline's trial of a plan and returns its statuses and folders."""

    def call(plan: dict[str, Any], **more: Any) -> tuple[Status, Status, Path, Path]:
        one, two = tmp_path / "trained", tmp_path / "scored"
        item = finding(plan, store)[0]
        first = train(item, plan, small_corpus, one, tracking_uri=store, threads=2, start=here, **more)
        last = evaluate(plan, small_corpus, one, two, tracking_uri=store, threads=2, start=here)
        return first, last, one, two

    return call


def test_a_trial_is_trained_and_scored_by_the_service(trained: Any, store: str, tmp_path: Path) -> None:
    first, last, one, two = trained(plan_with())
    assert (first.status, first.steps, first.parameters, last.status) == ("trained", 3, 100, "finished")
    assert read_history(one) == [(step, {"loss": 1 / (step + 1), "gate": 0.5, "rate ___": 3.0}) for step in range(3)]
    counts = pd.read_parquet(two / COUNTS_FILE)
    assert set(counts["condition"]) == {"clean", "babble_0db"}
    assert (counts["hypothesis"] == [" ".join(text.split()[:2]) for text in counts["reference"]]).all()
    assert counts["speaker"].notna().all()
    model = client(store).get_logged_model(str(last.model_id))
    assert model.model_type == "toy"
    fetch_checkpoint(store, str(last.model_id), tmp_path / "back")
    assert json.loads((tmp_path / "back" / "lang" / "words.json").read_text()) == {"words": 2}
    given = json.loads((tmp_path / "back" / "given.json").read_text())
    assert given == {"arm": "baseline", "seed": 1, "noise": {}, "gpus": 0, "threads": 2}


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("train", "ZeroDivisionError: a bug of the recipe"),
        ("final", "the toy cannot learn this"),
        ("no checkpoint", "has no file"),
        ("result", "returns a TrainingResult, got str"),
        ("transcribe", "OSError: the decoder is gone"),
        ("missing", r"every utterance has one transcript .*, and 1 of \d+, e\.g\. .* under 'babble_0db', have none"),
        ("twice", "and 2, e\\.g\\. .* under 'clean', have several"),
        ("unknown", "1 are not, e\\.g\\. 'nobody'"),
        ("condition", r"\(clean, babble_0db\), and \d+ of \d+ have 'rain'"),
        ("type", r"a hypothesis is text, and \d+ are not"),
    ],
)
def test_a_recipe_that_breaks_the_contract_fails_its_trial_with_a_sentence(
    trained: Any, store: str, fault: str, why: str
) -> None:
    _, last, _, _ = trained(plan_with(fault=fault))
    assert last.status == "failed"
    assert re.search(why, str(last.reason)), last.reason
    assert "\n" not in str(last.reason)
    assert client(store).get_run(last.run_id).info.status == "FAILED"


def test_an_identity_that_cannot_be_hashed_is_a_sentence(finding: Callable[..., list[str]], store: str) -> None:
    with pytest.raises(
        UserError, match="`identity` returns JSON types, and that of recipe 'toy' fails for arm 'baseline'"
    ):
        finding(plan_with(fault="identity"), store)


def test_name_identity_and_training_noise_are_part_of_the_fingerprint(
    searching: Callable[..., Todo], store: str, tmp_path: Path
) -> None:
    def prints(plan: dict[str, Any]) -> list[str]:
        return [Trial.from_json(item).fingerprint for item in searching(plan, store).trials]

    plain = plan_with()
    street = tmp_path / "street"
    street.mkdir()
    (street / "a.wav").write_bytes(b"x")
    noisy = {"conditions": {"babble": [0], "street": [0]}, "noise": {"street": str(street)}}
    other = {"conditions": {"babble": [0], "rain": [0]}, "noise": {"rain": str(street)}}
    assert prints(plain) == prints(plain | other)
    assert prints(plain) != prints(plain | noisy)


@pytest.mark.parametrize("name", ["os:system", OBJECT, "recipe.yaml", "/etc/passwd.yaml", "https://example.org/r.yaml"])
def test_a_plan_from_a_form_cannot_name_code(
    name: str, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(registry.TRUSTED, "")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.yaml").write_text("recipe: evil\ntrain: [touch, ran]\n")
    plan = plan_with() | {"recipe": name}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    for given, uri in ((plan, ""), ({}, str(tmp_path / "plan.json"))):
        with pytest.raises(SystemExit) as ended:
            _resolve(given, uri, store, tmp_path)
        assert ended.value.code != 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix in (".yaml", ".json")) == [
        "plan.json",
        "recipe.yaml",
    ]


def _resolve(plan: dict[str, Any], uri: str, store: str, folder: Path) -> str:
    class Place:
        path = str(folder / "output")

    function = resolve_plan.python_func
    return str(function(plan, uri, "", "", "", "", "", "", store, "", "abc", "run", Place, Place, Place.path))


def test_a_study_of_another_recipe_is_compared_and_registered(
    opened: Callable[..., Resolved],
    small_corpus: Path,
    store: str,
    here: Start,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plan = plan_with() | {"seeds": [1, 2]}
    given = opened(plan, store, small_corpus)
    for number, item in enumerate(
        find(plan, given.trials, Corpus.open(small_corpus).fingerprint, tracking_uri=store).trials
    ):
        one, two = tmp_path / f"trained-{number}", tmp_path / f"scored-{number}"
        train(item, plan, small_corpus, one, tracking_uri=store, threads=1, start=here)
        evaluate(plan, small_corpus, one, two, tracking_uri=store, threads=1, start=here)
    compare_study(given, tmp_path / "study", tracking_uri=store, code_rev="abc")
    study = read_study(tmp_path / "study")
    assert (study.recipe, study.preset) == ("toy", "default")
    assert [(curve.name, curve.learned) for curve in study.curves] == [("loss", False), ("gate", True)]
    assert study.hygiene is not None
    assert (study.hygiene.arms["one-word"].parameters, study.hygiene.warnings) == (101, ["a toy"])
    page = (tmp_path / "study" / "report.html").read_text(encoding="utf-8")
    assert "learned gate" in page
    capsys.readouterr()
    register_best(plan, tmp_path / "study", tracking_uri=store)
    assert "recipe toy has no transcriber" in capsys.readouterr().out
    version = client(store).get_model_version_by_alias("toys", "baseline")
    assert version.tags["recipe"] == OBJECT
    files = client(store).list_logged_model_artifacts(find_version(store, "models:/toys@baseline")[0])
    assert sorted(file.path for file in files) == ["given.json", "lang"]


def test_measurements_that_fail_are_a_warning_of_the_report() -> None:
    plan = plan_of(plan_with(fault="check"))
    found = measured(plans.of(plan), plans.arms_of(plan))
    assert (found.arms, found.warnings) == ({}, ["the arms could not be measured: KeyError: 'check'"])
