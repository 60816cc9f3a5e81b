"""A package means the same in YAML 1.1 and 1.2, whatever texts the settings have."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from ruamel.yaml import YAML
from server_texts import KEPT, NUMBERS, TEXTS

from common.errors import UserError
from pipelines.package.compile import compile_package
from pipelines.package.yaml12 import check_reads_as, is_number_for_go, numbers_for_go, package_text, read_documents

LETTERS = "0123456789eE+-._xobXOBabcdfTZ:~ "


def unquoted(text: str) -> set[str]:
    """Return the scalars of a YAML file that have no quotes."""
    tokens = yaml.scan(text, Loader=yaml.SafeLoader)
    return {token.value for token in tokens if isinstance(token, yaml.ScalarToken) and token.plain}


def random_texts(count: int) -> list[str]:
    chosen = random.Random(1)
    return ["".join(chosen.choices(LETTERS, k=chosen.randint(1, 8))) for _ in range(count)]


@pytest.mark.parametrize("text", [*NUMBERS, *TEXTS, *KEPT, "{{", "\U0001f600", "\n", "a " * 100])
def test_a_text_stays_a_text(text: str) -> None:
    meant = [{"value": text, text: 1, "list": [text]}, {"platforms": {"kubernetes": text}}]
    written = package_text(meant)
    assert list(yaml.safe_load_all(written)) == meant
    assert list(YAML(typ="safe", pure=True).load_all(written)) == meant


def test_random_texts_stay_texts_and_numbers_have_quotes() -> None:
    texts = random_texts(2000)
    written = package_text([{"values": texts}])
    assert list(numbers_for_go(written)) == []
    assert not any(map(is_number_for_go, unquoted(written)))


def test_words_have_no_quotes() -> None:
    words = ["components", "exec-train-trials", "system.Dataset", "/opt/ablate", "NUMBER_INTEGER"]
    assert unquoted(package_text([{"words": words}])) == {"words", *words}


def test_values_of_other_types_stay() -> None:
    meant = [{"a": 1.0, "b": True, "c": None, "d": 8, "e": [], "f": {}, "g": 1e-05, "h": 1e300, "i": -0.5}]
    assert list(yaml.safe_load_all(package_text(meant))) == meant


@pytest.mark.parametrize(
    ("text", "meant", "words"),
    [
        ("a: 1e5", {"a": "1e5"}, ["YAML 1.2", "document.0.a", "100000.0", "'1e5'"]),
        ("a: yes", {"a": "yes"}, ["YAML 1.1", "True instead of 'yes'"]),
        ("1e5: b", {"1e5": "b"}, ["YAML 1.2", "the keys of document.0"]),
        ("a: 0o17", {"a": "0o17"}, ["YAML 1.2", "15 instead of '0o17'"]),
        ("a: 1", {"a": 1.0}, ["1 instead of 1.0"]),
        ("a: [1]", {"a": [1, 2]}, ["with 1 entries instead of 2"]),
    ],
)
def test_a_difference_is_an_error(text: str, meant: Any, words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        check_reads_as(text, [meant])
    assert all(word in str(caught.value) for word in words)


def test_a_package_with_such_texts_everywhere_is_read_as_it_was_meant(tmp_path: Path) -> None:
    cluster = {
        "environment": {f"A{place}": text for place, text in enumerate([*NUMBERS, *TEXTS[:6]])},
        "pod_labels": {"1e5": "12345e6", "example.org/0o17": "1e5"},
        "node_selector": {"0o17": "1e5"},
        "tolerations": [{"key": "1e5", "value": "12345e6"}],
        "secrets": [{"name": "12345e6", "keys": {"1e5": "PASSWORD"}}],
        "image_pull_secrets": ["1e5"],
        "accelerator": {"type": "example.org/1e5"},
        "volumes": [{"claim": "1e5", "mount_path": "/1e5"}],
        "state_root": "/1e5",
    }
    (tmp_path / "cluster.yaml").write_text(json.dumps(cluster))  # JSON is YAML, with quotes
    path = compile_package(tmp_path / "pipeline.yaml", "1e5/12345e6:1e5", tmp_path / "cluster.yaml")
    text = path.read_text(encoding="utf-8")
    pipeline, platform = YAML(typ="safe", pure=True).load_all(text)
    assert list(numbers_for_go(text)) == []
    for executor in pipeline["deploymentSpec"]["executors"].values():
        given = {each["name"]: each.get("value", "") for each in executor["container"]["env"]}
        assert cluster["environment"].items() <= given.items()  # type: ignore[attr-defined]
        assert executor["container"]["image"] == "1e5/12345e6:1e5"
    for pod in platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values():
        assert pod["podMetadata"]["labels"] == cluster["pod_labels"]
        assert pod["secretAsEnv"][0]["keyToEnv"] == [{"secretKey": "1e5", "envVar": "PASSWORD"}]
        assert (pod["secretAsEnv"][0]["secretName"], pod["pvcMount"][0]["constant"]) == ("12345e6", "1e5")


@pytest.mark.parametrize("revision", ["123e456", "1234567e8901", "0e12345"])
def test_a_revision_of_digits_stays_a_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, revision: str) -> None:
    monkeypatch.setattr("pipelines.package.placed.code_rev", lambda: revision)
    text = compile_package(tmp_path / "pipeline.yaml", "steps:1").read_text(encoding="utf-8")
    [pipeline] = YAML(typ="safe", pure=True).load_all(text)
    assert pipeline["root"]["inputDefinitions"]["parameters"]["code_rev"]["defaultValue"] == revision


def test_the_comment_at_the_top_stays(tmp_path: Path) -> None:
    path = compile_package(tmp_path / "pipeline.yaml", "steps:1")
    comment, documents = read_documents(path)
    assert comment.startswith("# PIPELINE DEFINITION\n# Name: ablation-study\n")
    assert len(documents) == 1
