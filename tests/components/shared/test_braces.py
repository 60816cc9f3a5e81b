"""Texts with braces: they arrive as they were, and nothing is left on the way that a server replaces."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.yaml_text import load_yaml
from components.shared.braces import MARK, protect, restore
from components.shared.trial import plan_of
from pipelines.package.texts import fault

CASE = Path("../shared/cases/layout/braces.yaml")


@given(st.text(alphabet=["{", "}", MARK, "$", "a"]))
def test_any_text_is_restored_and_has_no_two_braces_on_the_way(text: str) -> None:
    sent = protect(text)
    assert "{{" not in sent
    assert restore(sent) == text


@pytest.mark.parametrize("text", ["{{workflow.name}}", "{{$.inputs.parameters['a']}}", "{{=1+1}}", "{{{{", "{{"])
def test_a_server_keeps_what_is_sent_of_a_plan(text: str) -> None:
    plan = {"study": "s", "question": text, "ablations": [{"part": "masking", "action": "remove", "why": text}]}
    sent = protect(plan)
    assert fault(sent["question"]) is None
    found = plan_of(sent)
    assert (found.question, found.ablations[0].why) == (text, text)


@pytest.mark.skipif(not CASE.is_file(), reason="the cases of ../shared are not here")
def test_the_question_of_the_case_arrives_as_it_is() -> None:
    plan = load_yaml(CASE.read_text())
    assert plan_of(protect(plan)) == plan_of(plan)
    assert plan_of(plan).question == plan["question"].strip()
