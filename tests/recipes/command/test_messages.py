"""Every key of a recipe file with a value of another type is refused with the rule, the value and an example to write."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from recipes.command.composites import Composite, NamedSets
from recipes.command.messages import ANY, EXAMPLES, KINDS, example_of, said
from recipes.command.spec import Config, Hypotheses, Kind, Part, Setting, Spec, Timeouts
from recipes.command.values import Value

GROUPS: dict[tuple[str, ...], type[BaseModel]] = {
    (): Spec,
    ("hypotheses",): Hypotheses,
    ("config",): Config,
    ("timeouts",): Timeouts,
    ("parts", "pooling"): Part,
    ("parts", "pooling", "kinds", "mean"): Kind,
    ("parts", "pooling", "kinds", "mean", "values", "power"): Value,
    ("settings", "training.steps"): Setting,
    ("composites", "all"): Composite,
    ("composites", "all", "kinds", "none"): NamedSets,
}


def keys() -> Iterator[tuple[tuple[str, ...], str, type[BaseModel]]]:
    for place, model in GROUPS.items():
        for name, field in model.model_fields.items():
            if field.annotation is not Any:  # a default has the type that the file says
                yield place, name, model


def refused(model: type[BaseModel], place: tuple[str, ...], given: dict[str, Any]) -> str:
    """Return the sentence on the first wrong value below a place of the file."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate(given)
    first = min(caught.value.errors(), key=lambda error: tuple(map(str, error["loc"])) != tuple(given))
    whole = {**first, "loc": (*place, *first["loc"]), "ctx": first.get("ctx", {})}
    return said(ValidationError.from_exception_data("Spec", [whole]))  # type: ignore[list-item]


@pytest.mark.parametrize(("place", "key", "model"), list(keys()))
def test_a_value_of_another_type_comes_with_an_example(
    place: tuple[str, ...], key: str, model: type[BaseModel]
) -> None:
    text = refused(model, place, {key: object()})
    assert text.startswith(".".join((*place, key)))
    assert re.search(rf"this is .*, got <object.*; write e\.g\. `{re.escape(key)}: ", text), text


def test_every_example_is_yaml_of_the_type_of_its_key() -> None:
    for place, key, model in keys():
        example = yaml.safe_load(example_of((*place, key)) or "")
        TypeAdapter(model.model_fields[key].annotation).validate_python(example, strict=True)


@pytest.mark.parametrize("place", [key for key in EXAMPLES if ANY in key], ids=".".join)
def test_examples_of_named_values_are_found(place: tuple[str, ...]) -> None:
    named = tuple("own-name" if step == ANY else step for step in place)
    assert example_of(named) == EXAMPLES[place]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "recipe: this key is required; write e.g. `recipe: my-model`"),
        ({"recipe": "My"},
         "recipe: a name has lower-case letters, digits and hyphens, 63 at most, got 'My'; write e.g. `recipe: my-model`"),
        ({"recipe": "a", "train": ["a"], "transcribe": ["a"], "sources": [1]}, "sources.0: this is text, got 1; put it in quotes"),
        ({"recipe": "a", "train": ["a"], "transcribe": ["a"], "sources": [], "timeouts": {"train": 0}},
         "timeouts.train: this is a number greater than 0, got 0; write e.g. `train: 2`"),
        ({"recipe": "a", "train": ["a"], "transcribe": ["a"], "sources": [], "parts": {"p": {"default": "a", "kinds": {}}}},
         f"parts.p.kinds: this has at least one entry; write e.g. `kinds: {KINDS}`"),
        ({"recipe": "a", "train": ["a"], "transcribe": ["a"], "sources": [],
          "settings": {"a.b": {"type": "int", "default": 1, "arguments": ["{value}"], "used_by": ["trian"]}}},
         "settings.a.b.used_by.0: this is 'train' or 'transcribe', got 'trian'; correct it"),
    ],
)  # fmt: skip
def test_the_sentence_says_rule_value_and_remedy(given: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Spec.model_validate(given)
    assert said(caught.value) == text
