"""`ablate parts`: what a plan can name: parts, their kinds, the values of a kind, and the phrases of Markdown plans."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from ablation.plan.catalogue import Catalogue, Kind
from ablation.plan.prompt import limits, prompt
from recipes.registry import find, trusted


def parts(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A recipe: a name, a file, or package.module:OBJECT.")
    ] = "smile",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    as_prompt: Annotated[
        bool, typer.Option("--prompt", help="Print a short text for a language model that is to write a plan.")
    ] = False,
) -> None:
    """Print parts, kinds, values and phrases of a model.

    The first kind of a part is the model's own. Values are settings of a kind that are numbers, with their limits; docs/model.md
    lists all settings. The quoted phrases are those of Markdown plans, which match by their content words. With --prompt, parts,
    kinds, rules and an example of a plan are a text of fewer than 2000 words.

    Example: ablate parts
    """
    found = find(trusted(recipe, Path())).catalogue
    if as_prompt:
        print(prompt(recipe, found))
    elif as_json:
        print(json.dumps(_as_json(found), indent=1))
    else:
        print("\n".join(_lines(found)))


def _as_json(catalogue: Catalogue) -> dict[str, Any]:
    return {
        name: {
            "description": part.description,
            "phrases": list(part.phrases),
            "kinds": {
                kind: {
                    "description": each.description,
                    "arm": each.arm,
                    "phrases": list(each.phrases),
                    "values": {key: limits(number) for key, number in each.numbers.items()},
                }
                for kind, each in part.kinds.items()
            },
        }
        for name, part in catalogue.parts.items()
    }


def _lines(catalogue: Catalogue) -> Iterator[str]:
    for name, part in catalogue.parts.items():
        yield f"{name}: {part.description}"
        yield f"  {_quoted(part.phrases)}"
        for kind, each in part.kinds.items():
            yield f"  {kind}{_values(each)}: {each.description}"
            yield f"    {_quoted(each.phrases)}"
        yield ""


def _quoted(phrases: tuple[str, ...]) -> str:
    return ", ".join(f'"{phrase}"' for phrase in phrases)


def _values(kind: Kind) -> str:
    values = ", ".join(f"{key} {limits(number)}" for key, number in kind.numbers.items())
    return f" ({values})" if values else ""
