"""Records between the steps: trials, statuses, curves, and the plan with Kubeflow's doubles."""

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format, struct_pb2

from ablation.plan.plan import plan_from_mapping
from common.errors import UserError
from components.shared.trial import HISTORY_FILE, Status, Trial, arm_of, plan_of, read_history


def test_a_trial_survives_json_and_has_no_key_that_kfp_replaces() -> None:
    item = Trial("no-scale", 2, "run", "study", "7", 12.5)
    assert Trial.from_json(item.to_json()) == item
    assert "name" not in json.loads(item.to_json())


def test_a_status_is_read_as_written_and_leaves_no_other_file(tmp_path: Path) -> None:
    status = Status("b", 1, "run", status="finished", wer={"wer/clean": 0.25}, started=1.5)
    status.write(tmp_path / "new")
    assert Status.read(tmp_path / "new") == status
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["status.json"]


def test_failing_keeps_what_is_known_and_says_why() -> None:
    failed = Status("b", 1, "run", steps=4).fail("diverged")
    assert (failed.failed, failed.reason, failed.steps) == (True, "diverged", 4)
    assert not Status("b", 1, "run").failed


@pytest.mark.parametrize("rest", ["", '{"step": 20, "metr', '{"step": 20, "metrics": {"loss": 0.5}}'])
def test_a_history_that_was_cut_short_gives_its_whole_lines(tmp_path: Path, rest: str) -> None:
    lines = [json.dumps({"step": step, "metrics": {"loss": 1.0}}) + "\n" for step in (0, 10)]
    (tmp_path / HISTORY_FILE).write_text("".join(lines) + rest)
    assert read_history(tmp_path) == [(0, {"loss": 1.0}), (10, {"loss": 1.0})]


def test_no_history_is_an_empty_one(tmp_path: Path) -> None:
    assert read_history(tmp_path) == []


def test_whole_doubles_become_integers_again_and_others_stay(plan: dict[str, Any]) -> None:
    read = plan_of(plan)
    assert read.seeds == (1,)
    settings = arm_of(read, "too-fast").settings["training"]
    assert (settings["steps"], settings["learning_rate"]) == (6, 1e6)
    assert isinstance(settings["steps"], int)
    half = plan | {"baseline": {"training.steps": 6.5}}
    with pytest.raises(UserError, match=r"training\.steps: .*integer.*got 6\.5"):
        arm_of(plan_of(half), "baseline")


def test_arms_and_noises_keep_the_plans_order_through_kubeflow() -> None:
    names = [f"arm-{number}" for number in range(12, 0, -1)]
    values = {name: {"kind": "static", "value": number / 100} for number, name in enumerate(names)}
    data = {"study": "s", "conditions": {"white": [0], "babble": [5, -5]}, "noise": {}, "seeds": [1]}
    plan = plan_from_mapping({**data, "ablations": [{"part": "fusion.scale", "replacements": values}]})
    sent = json_format.ParseDict(plan.as_mapping(), struct_pb2.Struct())
    received = plan_of(json_format.MessageToDict(struct_pb2.Struct.FromString(sent.SerializeToString())))
    assert received == plan
    assert list(received.ablations[0].replacements) == names
    assert list(received.conditions) == ["white", "babble"]
