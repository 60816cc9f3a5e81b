"""The way from a plan's overrides to typed settings, and the earlier names of settings. Imports no torch."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from common.composite import CompositePart
from common.errors import UserError
from common.hints import did_you_mean, did_you_mean_setting
from common.validation import sentence
from model import checkpoint_file, masking_kinds
from model.composites import COMPOSITES
from model.parts import PARTS, Part
from model.presets import PRESETS
from model.settings import Settings

# Earlier name of a setting -> its name. Plans and checkpoints with the earlier names stay readable.
EARLIER_NAMES = {
    "decoder.beam": "decoder.beam_size",
    "decoder.length_exponent": "decoder.length_penalty",
    "decoder.pieces": "decoder.vocab_size",
    "training.accumulate": "training.gradient_accumulation_steps",
    "training.frames_per_batch": "training.max_frames_per_batch",
    "training.warmup": "training.warmup_ratio",
}


def resolve(preset: str, *layers: Mapping[str, Any]) -> Settings:
    """Apply layers of overrides (part -> spec, or dotted setting -> value) to a preset; a later layer wins.

    The spec of a part is a mapping with `kind`, or only the name of the kind. It replaces the spec of earlier layers, with one
    exception: if a spec of `masking` has no `audio` or `video`, the ones of the nearest earlier layer apply. Raises UserError for
    an unknown preset, part, kind or setting, and for a value of the wrong type or out of range.
    """
    if preset not in PRESETS:
        raise UserError(f"unknown preset {preset!r}{did_you_mean(preset, PRESETS)}")
    tree = PRESETS[preset].model_dump()
    spans = {stream: tree["parts"]["masking"][stream] for stream in ("audio", "video")}
    for overrides in layers:
        for key, value in _with_present_names(overrides).items():
            if key == "masking":
                spans |= {stream: spec for stream, spec in _spec(key, value).items() if stream in spans}
                value = _with_spans(_spec(key, value), spans)
            if key in PARTS:
                tree["parts"][key] = _spec(key, value)
            else:
                _set(tree, key, value)
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        raise UserError(sentence(error, _without_kinds)) from error
    return _with_hash(settings)


def load(settings: Mapping[str, Any]) -> Settings:
    """Return the typed form of settings as `CATALOGUE.resolve` or a checkpoint of any version gives them."""
    tree = {name: dict(value) if isinstance(value, Mapping) else value for name, value in settings.items()}
    for earlier, present in EARLIER_NAMES.items():
        group, _, name = earlier.partition(".")
        if name in tree.get(group, {}):
            tree[group][present.partition(".")[2]] = tree[group].pop(name)
    return Settings.model_validate(tree)


def _with_present_names(overrides: Mapping[str, Any]) -> dict[str, Any]:
    renamed: dict[str, Any] = {}
    for key, value in overrides.items():
        present = EARLIER_NAMES.get(key, key)
        if present in renamed or (present != key and present in overrides):
            raise UserError(f"{key} is the earlier name of {present}; give only {present}")
        renamed[present] = value
    return renamed


def _with_hash(settings: Settings) -> Settings:
    """Add the hash of the checkpoint, which identifies a trial by content. A given hash is checked when the file is read."""
    start = settings.init_from
    if start.checkpoint is None or start.sha256 is not None:
        return settings
    return settings.model_copy(
        update={"init_from": start.model_copy(update={"sha256": checkpoint_file.sha256(start.checkpoint)})}
    )


def _with_spans(spec: dict[str, Any], spans: Mapping[str, Any]) -> dict[str, Any]:
    has_spans = issubclass(PARTS["masking"].kinds[spec["kind"]], masking_kinds.Masking)
    return {**spans, **spec} if has_spans else spec


def _spec(part: str, value: Any) -> dict[str, Any]:
    spec = {"kind": value} if isinstance(value, str) else value
    if not isinstance(spec, Mapping) or "kind" not in spec:
        raise UserError(f"{part}: a part takes a mapping with `kind`, got {value!r}; write e.g. {{kind: none}}")
    of_part = PARTS[part].kinds
    if spec["kind"] not in of_part:
        raise UserError(f"unknown kind {spec['kind']!r} of part {part!r}{did_you_mean(str(spec['kind']), of_part)}")
    return dict(spec)


def _set(tree: dict[str, Any], key: str, value: Any) -> None:
    group, _, name = key.partition(".")
    settings = _names(tree)
    if key not in settings:
        raise UserError(f"unknown part or setting {key!r}{did_you_mean_setting(key, list(PARTS), settings)}")
    tree[group][name] = value


def _names(tree: Mapping[str, Any]) -> list[str]:
    return [f"{g}.{n}" for g, names in tree.items() if g != "parts" and isinstance(names, dict) for n in names]


def _without_kinds(steps: Sequence[str]) -> Sequence[str]:
    """Return the path to a setting as plans write it. Pydantic also names the kind of a part as a step of the path."""
    place = [step for step in steps if step != "parts"]
    if place and place[0] in PARTS and len(place) > 1 and place[1] in PARTS[place[0]].kinds:
        del place[1]
    return place


class _Catalogue:
    """The parts, and the check of every override: implements `ablation.plan.catalogue.Catalogue`."""

    parts: Mapping[str, Part | CompositePart] = {**COMPOSITES, **PARTS}
    settings: Sequence[str] = _names(PRESETS["tiny"].model_dump())

    def resolve(self, preset: str, *layers: Mapping[str, Any]) -> dict[str, Any]:
        """Return the full settings as plain JSON types. Raises UserError."""
        return resolve(preset, *layers).model_dump(mode="json")


CATALOGUE = _Catalogue()
