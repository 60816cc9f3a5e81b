"""From the settings of an arm to the command that trains or transcribes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recipes.command.catalogue import value_at
from recipes.command.placeholders import filled, written
from recipes.command.spec import Change, Setting, Spec, Stage


@dataclass(frozen=True)
class Effects:
    """The changes of an arm to a command: arguments for `{overrides}`, keys of the config, environment variables."""

    arguments: list[str] = field(default_factory=list)
    set: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the changes as JSON types."""
        return {"arguments": self.arguments, "set": self.set, "environment": self.environment}


def effects(spec: Spec, settings: Mapping[str, Any], stage: Stage) -> Effects:
    """Return what the settings change in a command, in the order of the recipe file. Every default is given, too."""
    found = Effects()
    for name, part in spec.parts.items():
        values = dict(settings["parts"][name])
        _add(found, part.kinds[values.pop("kind")], values, stage)
    for name, setting in spec.settings.items():
        _add(found, setting, {"value": value_at(settings, name)}, stage)
    return found


def _add(found: Effects, change: Change, values: Mapping[str, Any], stage: Stage) -> None:
    if stage not in change.used_by:
        return
    found.arguments.extend(written(filled(word, values)) for word in _arguments(change, values))
    found.set.update(filled(change.set, values))
    found.environment.update({name: written(filled(text, values)) for name, text in change.environment.items()})


def _arguments(change: Change, values: Mapping[str, Any]) -> list[str]:
    if isinstance(change, Setting) and change.is_switch and not values["value"]:
        return change.otherwise or []
    return change.arguments or []
