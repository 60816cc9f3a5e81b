"""Checks before anything is created on a server: texts, numbers, sizes, names."""

import json
import re
from typing import Any

import pytest
from server_texts import KEPT, NUMBERS, REFUSED

from common.errors import UserError
from pipelines.server.sendable import MOST_BYTES, check_sendable

NAMES = {"run_name": "study 1a2b3c4", "experiment": "study", "version": "1a2b3c4-0123abcd"}
PLAN = {"study": "demo", "seeds": [1, 2], "ablations": [{"part": "masking", "action": "remove", "why": "curious"}]}


def refused(arguments: dict[str, Any], **names: str) -> str:
    with pytest.raises(UserError) as caught:
        check_sendable(arguments, **(NAMES | names))
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_a_usual_plan_can_be_sent() -> None:
    check_sendable({"plan": PLAN, "tracking_uri": "http://mlflow:5000", "code_rev": "1e5", "threads": 8}, **NAMES)


@pytest.mark.parametrize("text", [*KEPT, *NUMBERS])
def test_a_text_that_a_server_keeps_can_be_sent(text: str) -> None:
    check_sendable({"plan": PLAN | {"question": text}}, **NAMES)


@pytest.mark.parametrize("text", [*REFUSED, "\ud83d"])
def test_a_text_that_a_server_changes_is_refused_with_its_place(text: str) -> None:
    deep = {"part": "masking", "why": [f"because {text}"]}
    assert refused({"plan": PLAN | {"ablations": [PLAN["ablations"], deep]}}).startswith("plan.ablations.1.why.0: ")
    assert refused({"plan": PLAN, "force": text}).startswith("force: ")
    assert refused({"plan": PLAN | {text: 1}}).startswith("plan, a key: ")


def test_a_placeholder_and_its_remedy_are_in_the_sentence() -> None:
    said = refused({"plan": PLAN | {"question": "is {{workflow.name}} better?"}})
    assert "replaces or refuses '{{workflow.name}}'" in said
    assert "write `{ {`" in said


def test_a_character_of_four_bytes_is_named() -> None:
    assert "'\U0001f600' (U+1F600)" in refused({"plan": {"question": "fine \U0001f600"}})


@pytest.mark.parametrize("number", [2**53 + 1, -(2**60), float("inf"), float("nan")])
def test_a_number_that_a_server_changes_is_refused(number: float) -> None:
    """A server stores 64-bit floats: the next number would arrive."""
    assert refused({"plan": {"seeds": [1, number]}}).startswith("plan.seeds.1: ")
    check_sendable({"plan": {"seeds": [2**53, True, None, 0.5]}}, **NAMES)


@pytest.mark.parametrize("letter", ["a", "é", "한"])
def test_the_size_counts_bytes_of_what_is_sent(letter: str) -> None:
    room = MOST_BYTES - len(json.dumps({"plan": {"question": ""}}))
    most = room // len(letter.encode())
    check_sendable({"plan": {"question": letter * most}}, **NAMES)
    said = refused({"plan": {"question": letter * (most + 1)}})
    assert said.startswith("plan: the inputs of a run have at most 100,000 bytes, and these have 100,0")
    assert "plan_uri" in said


def test_the_largest_input_is_named() -> None:
    assert refused({"plan": PLAN, "corpus": "a" * MOST_BYTES}).startswith("corpus: ")


@pytest.mark.parametrize(("name", "most"), [("run_name", 255), ("experiment", 128), ("version", 127)])
def test_names_are_limited_by_bytes(name: str, most: int) -> None:
    check_sendable({}, **(NAMES | {name: "a" * most}))
    assert f"at most {most} bytes" in refused({}, **{name: "a" * (most + 1)})
    assert f"has {most + 1}; give a shorter one" in refused({}, **{name: "é" * (most // 2) + "a" * (1 + most % 2)})


@pytest.mark.parametrize("name", ["run_name", "experiment", "version"])
@pytest.mark.parametrize("text", ["\U0001f600", "{{workflow.name}}", "a\nb", "\x00"])
def test_names_have_texts_that_a_server_keeps(name: str, text: str) -> None:
    assert re.match(r"the [a-z ]+ name ", refused({}, **{name: text}))
