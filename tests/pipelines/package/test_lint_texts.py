"""Rules of the lint for texts: what a server replaces, refuses, cannot store, or reads as a number."""

from pathlib import Path

import pytest
import yaml
from kfp import dsl
from lint_cases import Check, assert_one, make_text, use_text
from server_texts import KEPT, NUMBERS, REFUSED

from pipelines.package.lint import lint
from pipelines.package.texts import fault


@pytest.mark.parametrize("text", REFUSED)
def test_a_text_that_a_server_changes_is_found_everywhere(check: Check, text: str) -> None:
    def constant() -> None:
        use_text(text=f"a {text} b")

    def environment() -> None:
        use_text(text="a").set_env_variable("A", text)

    for faulty, place in ((constant, "text.runtimeValue.constant"), (environment, "env.0.value")):
        [found] = [each for each in check(faulty) if each.startswith("a text of a package stays")]
        assert place in found


@pytest.mark.parametrize("text", REFUSED)
def test_a_default_that_a_server_changes_is_found(check: Check, tmp_path: Path, text: str) -> None:
    def sound(given: str = "a") -> None:
        use_text(text=given)

    assert check(sound) == []
    spec = yaml.safe_load((tmp_path / "pipeline.yaml").read_text())
    spec["root"]["inputDefinitions"]["parameters"]["given"]["defaultValue"] = text
    assert_one(lint(spec), "root.inputDefinitions.parameters.given.defaultValue does not")


@pytest.mark.parametrize("text", KEPT)
def test_a_text_that_a_server_keeps_is_accepted(check: Check, text: str) -> None:
    def sound() -> None:
        use_text(text=text).set_env_variable("A", text)

    assert fault(text) is None
    assert check(sound) == []


def test_placeholders_of_kfp_are_accepted(check: Check) -> None:
    def sound(given: str = "a") -> None:
        use_text(text=f"{given} b")
        use_text(text=f"{make_text().output} of {dsl.PIPELINE_JOB_ID_PLACEHOLDER}")
        use_text(text=dsl.PIPELINE_JOB_NAME_PLACEHOLDER)

    assert check(sound) == []


@pytest.mark.parametrize("text", NUMBERS)
def test_a_number_without_quotes_is_found(check: Check, text: str) -> None:
    """kfp's compiler writes these texts without quotes."""
    assert_one(check(lambda: use_text(text="a").set_env_variable("A", text) and None), f"reads {text} as a number")


@pytest.mark.parametrize("text", ["1_000a", "017", "yes", "1:30", "12a45", "1.2.3", "2026-01-01"])
def test_a_text_that_stays_a_text_is_accepted(check: Check, text: str) -> None:
    assert check(lambda: use_text(text="a").set_env_variable("A", text) and None) == []
