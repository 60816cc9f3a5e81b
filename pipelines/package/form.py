"""Closed lists of the form for a run: the page of the server shows them as menus, and the server refuses other values.

The SDK 2.17 has no syntax for the field `literals` of an input, so it is written after kfp's compiler.
"""

from typing import Any

from recipes.registry import find, known

# The empty text stands for the value of the plan. The form sends every input, and the server compares each value with the list,
# so a list without the default would refuse a form that nobody changed.


def menus() -> dict[str, list[str]]:
    """Return the closed lists: the presets of all installed recipes."""
    return {"preset": ["", *dict.fromkeys(preset for name in known() for preset in find(name).presets)]}


def add_menus(spec: dict[str, Any]) -> None:
    """Write the closed lists into the inputs of a compiled pipeline. Inputs that it does not have are left out."""
    inputs = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    for name, values in menus().items():
        if name in inputs:
            inputs[name]["literals"] = values
