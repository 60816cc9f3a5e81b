"""Promotion of real trials: untrained and trained models, and which of them the test makes champion."""

import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from ready_store import copy_database

from cli.exit_codes import BAD_INPUT, GATE_FAILED
from cli.gate import fail, judged
from components.compare_arms import compare_study
from components.find_finished import find
from components.register_checkpoint import register_best
from components.shared.champion import stored
from components.shared.evaluate_one import evaluate
from components.shared.train_one import train
from components.shared.trial import Resolved, Trial
from components.workers.isolation import Start
from corpora.schema import SAMPLE_RATE_HZ
from corpora.store import Corpus
from tracking.registry import champion

UNTAUGHT, TAUGHT = 4, 60  # steps


@dataclass
class Studied:
    """A study that has ended: its folder, the decision on the champion, and the trials that were trained for it."""

    folder: Path
    said: str
    trained: list[tuple[str, int]]


Studies = Callable[..., Studied]


@pytest.fixture(scope="module")
def study(
    plan: dict[str, Any],
    small_corpus: Path,
    here: Start,
    opened: Callable[..., Resolved],
    tmp_path_factory: pytest.TempPathFactory,
) -> Studies:
    """Carries out studies one after the other in one store. Its baseline has learnt nothing yet."""
    root = tmp_path_factory.mktemp("contest")
    root_uri = f"sqlite:///{root / 'mlflow.db'}"
    copy_database(root / "mlflow.db")

    def call(
        name: str,
        arms: dict[str, Any],
        seeds: tuple[int, ...] = (1, 2, 3),
        corpus: Path = small_corpus,
        noise: dict[str, str] | None = None,
        **baseline: Any,
    ) -> Studied:
        quick = {"training.learning_rate": 1e-2, "training.batch_size": 8, "masking": {"kind": "none"}}
        small = plan["baseline"] | quick | {"training.steps": UNTAUGHT}
        ablations = [{"part": part, "replacements": {arm: value}} for arm, (part, value) in arms.items()]
        mine = plan | {"study": name, "seeds": list(seeds), "noise": noise or {}}
        mine |= {"baseline": small | baseline, "ablations": ablations}
        place = root / str(len(list(root.iterdir())))
        given, content = opened(mine, root_uri, corpus, "abc"), Corpus.open(corpus).fingerprint
        todo, trained = find(mine, given.trials, content, tracking_uri=root_uri), []
        for item in todo.trials:
            trial, folder = Trial.from_json(item), place / Trial.from_json(item).folder
            arguments: dict[str, Any] = {"tracking_uri": root_uri, "threads": 1, "start": here}
            if train(item, mine, corpus, place / "trained", **arguments).status == "trained":
                trained.append((trial.arm, trial.seed))
            evaluate(mine, corpus, place / "trained", folder, **arguments)
        compare_study(given, place / "study", tracking_uri=root_uri, code_rev="abc")
        return Studied(place / "study", register_best(mine, place / "study", tracking_uri=root_uri), trained)

    call.uri = root_uri  # type: ignore[attr-defined]
    return call


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A recording of two seconds of noise, used as babble."""
    samples = np.random.default_rng(1).normal(0, 3000, 2 * SAMPLE_RATE_HZ).astype("<i2")
    with wave.open(str(tmp_path / "street.wav"), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE_HZ, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    return tmp_path / "street.wav"


LONGER = {"longer": ("training.steps", TAUGHT)}


def test_a_champion_moves_for_a_reason_and_for_no_other(study: Any, other_corpus: Path, recording: Path) -> None:
    one_seed = study("contest", LONGER, seeds=(1,))
    assert one_seed.said == "champion is baseline: one seed gives no verdict"
    assert one_seed.trained == [("baseline", 1), ("longer", 1)]

    promoting = study("contest", LONGER)
    assert promoting.said == "champion is longer: significantly better than baseline"
    assert promoting.trained == [(arm, seed) for seed in (2, 3) for arm in ("baseline", "longer")]
    now = champion(study.uri, "contest")
    assert now is not None
    assert "Dunnett's test over seeds" in now.tags["evidence"]
    assert "3 seeds, 8 utterances" in now.tags["evidence"]
    # A study of one seed registered seed 1. The champion is linked to the study that promoted it.
    assert set(stored(study.uri, "contest", now).counts["seed"]) == {1, 2, 3}

    tied = study("contest", LONGER)
    assert (tied.said, tied.trained) == ("champion stays longer: no arm is significantly better", [])

    rejecting = study("contest", {}, **{"training.steps": TAUGHT - 10})
    assert rejecting.said == "champion stays longer: no arm is significantly better"
    assert len(rejecting.trained) == 3

    elsewhere = study("contest", {}, seeds=(1, 2), corpus=other_corpus)
    assert elsewhere.said.startswith("champion stays longer: the champion was scored on another corpus, ")

    louder = study("contest", {}, seeds=(1, 2), noise={"babble": str(recording)})
    assert "in other noise of the name babble, mixed from the corpus, and this study in " in louder.said
    assert champion(study.uri, "contest") == now

    worse = judged(tied.folder, study.uri, margin_points=2)
    assert "significantly worse" in worse.failures[0]
    assert judged(rejecting.folder, study.uri, margin_points=60).passed
    refused = judged(elsewhere.folder, study.uri, margin_points=2)
    assert "another corpus" in str(refused.refused)
    assert "in other noise of the name babble" in str(judged(louder.folder, study.uri, margin_points=2).refused)
    for found, code in ((worse, GATE_FAILED), (refused, BAD_INPUT)):
        with pytest.raises(typer.Exit) as end:
            fail(found)
        assert end.value.exit_code == code


def test_a_better_baseline_replaces_its_former_version(study: Any) -> None:
    assert study("relay", {}).said == "champion is baseline: no arm is significantly better"
    better = study("relay", {}, **{"training.steps": TAUGHT})
    assert better.said == "champion is baseline: significantly better than the champion, baseline"
    back = study("relay", {})
    assert (back.said, back.trained) == ("champion stays baseline: no arm is significantly better", [])
