"""Rules of a recipe file that concern several of its values: placeholders, keys of the config, names, files that exist."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import UserError
from recipes.command import config_file, placeholders
from recipes.command.catalogue import CommandCatalogue
from recipes.command.placeholders import OVERRIDES
from recipes.command.spec import NAME, STAGES, Change, Kind, Spec, Stage

SUFFIXES = (".py", ".sh", ".pl", ".yaml", ".yml", ".json")  # files in commands that decide a result


@dataclass(frozen=True)
class Problem(Exception):
    """A broken rule: where, as a path of keys, and the sentence."""

    place: tuple[str | int, ...]
    sentence: str


def check(spec: Spec, folder: Path) -> None:
    """Check a recipe whose file is in `folder`. Raises Problem for the first broken rule."""
    for rule in (_names, _placeholders, _needed, _overrides, _clashes, _same_kinds, _same_arms):
        rule(spec)
    _config(spec, folder)
    _sources(spec, folder)


def changes(spec: Spec) -> Iterator[tuple[str, tuple[str, ...], Change]]:
    """Yield every change of the recipe with the name of its part or setting, and with its path in the file."""
    for name, part in spec.parts.items():
        for kind_name, kind in part.kinds.items():
            yield name, ("parts", name, "kinds", kind_name), kind
    for name, setting in spec.settings.items():
        yield name, ("settings", name), setting


def _names(spec: Spec) -> None:
    for group, names in (("parts", spec.parts), ("settings", spec.settings), ("presets", spec.presets)):
        for name in names:
            if not NAME.fullmatch(name):
                raise Problem((group, name), "a name has letters, digits, hyphens, underscores and dots; rename it")
            if group == "settings" and ("." not in name or name.startswith("parts.")):
                raise Problem((group, name), f"a setting's name has a group, such as training.{name}; rename it")
            if group == "settings" and name in spec.parts:
                raise Problem((group, name), "a part has this name already; rename one of them")
    for name in spec.composites:
        if not NAME.fullmatch(name) or name in spec.parts or name in spec.settings:
            raise Problem(
                ("composites", name), "a composite part has a name of its own, like that of a part; rename it"
            )
    for name in spec.settings:
        if inner := [other for other in spec.settings if other.startswith(f"{name}.")]:
            raise Problem(("settings", name), f"the name is the group of {inner[0]!r}; rename one of them")


def _placeholders(spec: Spec) -> None:
    known = {"train": placeholders.TRAIN, "transcribe": placeholders.TRANSCRIBE}
    for stage in STAGES:
        for number, word in enumerate(getattr(spec, stage)):
            _check_text((stage, number), word, known[stage])
            if f"{{{OVERRIDES}}}" in word and word != f"{{{OVERRIDES}}}":
                raise Problem(
                    (stage, number), "{overrides} becomes several words, so it stands alone; take it out of the text"
                )
    _check_text(("environment",), spec.environment, placeholders.IN_TEXTS)
    if spec.config:
        _check_text(("config", "set"), spec.config.set, placeholders.IN_TEXTS)
    if spec.curves is not None:
        _check_text(("curves",), spec.curves, ("out", "state"))


def _check_text(place: tuple[str | int, ...], value: Any, known: Collection[str]) -> None:
    try:
        placeholders.check(value, known)
    except ValueError as error:
        raise Problem(place, str(error)) from error


def _needed(spec: Spec) -> None:
    """Check that what decides a trial reaches the command: two seeds that train the same model would look like certainty."""
    shared = [spec.environment, spec.config.set if spec.config else {}]
    for stage, name, reason in (
        ("train", "seed", "otherwise all seeds train the same model"),
        ("train", "out", "the command writes the checkpoint to this folder"),
        ("transcribe", "checkpoint", "the folder that `train` filled as {out}"),
        ("transcribe", "hypotheses", "the command writes its hypotheses there"),
    ):
        if name not in placeholders.names_in([getattr(spec, stage), *shared]):
            raise Problem((stage,), f'the command needs "{{{name}}}": {reason}; add it, e.g. --{name}, "{{{name}}}"')


def _overrides(spec: Spec) -> None:
    for _, place, change in changes(spec):
        if not change.arguments and not getattr(change, "otherwise", None):
            continue
        if not any(f"{{{OVERRIDES}}}" in getattr(spec, stage) for stage in change.used_by):
            raise Problem(
                place,
                f'`arguments` go to the place of "{{overrides}}", which {" and ".join(change.used_by)} lack; add it there',
            )


def _config(spec: Spec, folder: Path) -> None:
    """Check that there is a config for every key that is set, that it is handed on, and that it has the key."""
    setting = [(place, change.set) for _, place, change in changes(spec) if change.set]
    if spec.config is None:
        if setting:
            raise Problem(
                (*setting[0][0], "set"), "`set` changes keys of a config, and there is none; add `config: {base: FILE}`"
            )
        if any("config" in placeholders.names_in(getattr(spec, stage)) for stage in STAGES):
            raise Problem(
                ("train",), "{config} is the changed copy of a config, and there is none; add `config: {base: FILE}`"
            )
        return
    if "config" not in placeholders.names_in(spec.train):
        raise Problem(("config",), 'the changed copy reaches no command; add "{config}" to `train`')
    try:
        base = config_file.read(folder / spec.config.base)
    except UserError as error:
        raise Problem(("config", "base"), str(error)) from error
    for place, keys in [(("config",), spec.config.set), *setting]:
        for key in keys:
            try:
                base.check(key)
            except UserError as error:
                raise Problem((*place, "set", key), str(error)) from error


def _clashes(spec: Spec) -> None:
    """Check that no two parts or settings change the same key or variable: the later one would win silently."""
    owners: dict[tuple[str, str], str] = {}
    shared = spec.config.set if spec.config else {}
    for owner, place, change in changes(spec):
        for what, given, common in (("set", change.set, shared), ("environment", change.environment, spec.environment)):
            for key in given:
                other = f"the recipe's own `{what}`" if key in common else owners.setdefault((what, key), owner)
                if other != owner:
                    raise Problem((*place, what), f"{key} is changed by {other}, too; leave it to one of them")


def _same_kinds(spec: Spec) -> None:
    for name, part in spec.parts.items():
        seen: list[tuple[str, Mapping[str, Any]]] = []
        for kind_name, kind in part.kinds.items():
            effect = _effect(kind)
            for other, known in seen:
                if effect == known:
                    raise Problem(
                        ("parts", name, "kinds", kind_name), f"this kind changes the same as {other!r}; remove one"
                    )
            seen.append((kind_name, effect))


def _same_arms(spec: Spec) -> None:
    """Check that the kinds of a part have arms of different names: one of them would replace the other."""
    for name, part in CommandCatalogue(spec).parts.items():
        group, owners = "composites" if name in spec.composites else "parts", dict[str, str]()
        for kind_name, kind in part.kinds.items():
            if (other := owners.setdefault(kind.arm, kind_name)) != kind_name:
                raise Problem(
                    (group, name, "kinds", kind_name),
                    f"the arm of this kind has the name {kind.arm!r}, as that of {other!r}; give one of them another `arm`",
                )


def _effect(kind: Kind) -> dict[str, Any]:
    return {"arguments": kind.arguments or [], "set": kind.set, "environment": kind.environment, "values": kind.values}


def _sources(spec: Spec, folder: Path) -> None:
    """Check that sources exist, and that scripts which the commands name are among them: a change would go unnoticed."""
    listed: dict[Stage, list[Path]] = {"train": [], "transcribe": []}
    for key, stages in (("sources", STAGES), ("transcribe_sources", STAGES[1:])):
        for number, name in enumerate(getattr(spec, key)):
            if not (folder / name).exists():
                raise Problem((key, number), f"there is no file or folder {name!r} in {folder}; correct the path")
            for stage in stages:
                listed[stage].append((folder / name).resolve())
    for stage in STAGES:
        for number, word in enumerate(getattr(spec, stage)):
            path = folder / word
            if path.suffix not in SUFFIXES or "{" in word or not path.is_file():
                continue
            if not any(path.resolve().is_relative_to(source) for source in listed[stage]):
                raise Problem(
                    (stage, number), f"`sources` lists what decides a result, and {word!r} is not there; add it"
                )
