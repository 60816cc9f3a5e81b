"""The arms of an import: their names come from the files, what they change from a YAML file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ablation.plan.naming import NamedChange
from ablation.records import ArmRecord
from common.errors import UserError
from common.hints import did_you_mean
from common.text_file import read_text_file
from common.yaml_text import load_yaml

KEYS = ("part", "action", "why")
ACTIONS = ("remove", "replace", "add")


def arm_records(names: Sequence[str], baseline: str, path: Path | None) -> list[ArmRecord]:
    """Return the baseline, then the arms in the file's order, then all others by name. Raises UserError."""
    if baseline not in names:
        raise UserError(
            f"no files are of the baseline {baseline!r}; name one of the {len(names)} arms with --baseline"
            f"{did_you_mean(baseline, names)}"
        )
    described = _read(path, names) if path is not None else {}
    ordered = dict.fromkeys([baseline, *described, *names])
    return [_record(name, described.get(name, {}), is_baseline=name == baseline) for name in ordered]


def _record(name: str, said: Mapping[str, str], *, is_baseline: bool) -> ArmRecord:
    part, action, why = (said.get(key) for key in KEYS)
    if is_baseline:
        return ArmRecord(arm=name, why=why or "")
    changes = [] if part is None else [_change(name, part, action)]
    return ArmRecord(arm=name, part=part, action=action, why=why or "", changes=changes)


def _change(arm: str, part: str, action: str | None) -> NamedChange:
    if action == "remove":
        return NamedChange(part, lacks=part)
    return NamedChange(part, adds=part) if action == "add" else NamedChange(part, new=arm, old=part)


def _read(path: Path, names: Sequence[str]) -> dict[str, dict[str, str]]:
    text = read_text_file(path, "list of arms", "give a YAML file of arms with part, action and why")
    try:
        data = load_yaml(text)
    except UserError as error:
        raise UserError(f"--arms: {path}: {error}") from error
    if not isinstance(data, dict) or not data:
        raise UserError(
            f"--arms: {path} maps names of arms to part, action and why, e.g. `no-lm: {{part: the language model}}`"
        )
    return {str(arm): _checked(str(arm), said, names, path) for arm, said in data.items()}


def _checked(arm: str, said: Any, names: Sequence[str], path: Path) -> dict[str, str]:
    if arm not in names:
        raise UserError(f"--arms: {path} has the arm {arm!r}, of which there is no file{did_you_mean(arm, names)}")
    if not isinstance(said, dict):
        raise UserError(f"--arms: {path}: arm {arm!r} has part, action and why, got {said!r}; correct it")
    for key, value in said.items():
        if key not in KEYS:
            raise UserError(f"--arms: {path}: arm {arm!r} has an unknown key {key!r}{did_you_mean(str(key), KEYS)}")
        if not isinstance(value, str) or not value.strip():
            raise UserError(f"--arms: {path}: {key} of arm {arm!r} is a text, got {value!r}; correct it")
    action = said.get("action", "replace").lower()
    if action not in ACTIONS:
        raise UserError(f"--arms: {path}: unknown action {action!r} of arm {arm!r}{did_you_mean(action, ACTIONS)}")
    return {**said, **({"action": action} if "part" in said or "action" in said else {})}
