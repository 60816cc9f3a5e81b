"""From a plan to arms (the baseline with one stated change each) and trials (arm x seed)."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ablation.plan.ablations import Ablation
from ablation.plan.catalogue import Catalogue, Part
from ablation.plan.composite import expanded, parts_of, without_equal
from ablation.plan.looks import may_stop
from ablation.plan.naming import NamedChange, named_changes
from ablation.plan.plan import BASELINE, SHORTHANDS, Plan
from ablation.plan.shorthands import Change, factorial, ladder, leave_one_out
from common.errors import UserError
from common.hints import did_you_mean, nearest

MOST_ARMS = 1000


@dataclass(frozen=True)
class Arm:
    """A model to train. `overrides` is its difference to the baseline, `settings` are its full settings.

    An override of a composite part is replaced by those of the parts that it changes; `part` still names it. `changes` names the
    overrides for the report.
    """

    arm: str
    part: str | None = None
    action: str | None = None
    why: str = ""
    overrides: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    changes: tuple[NamedChange, ...] = ()

    @property
    def steps(self) -> int | None:
        """Return the number of training steps, `training.steps`; None for a recipe without this setting."""
        training = self.settings.get("training")
        found = training.get("steps") if isinstance(training, Mapping) else None
        return found if isinstance(found, int) else None


@dataclass(frozen=True)
class Trial:
    """One training run: an arm with a seed."""

    arm: str
    seed: int


def expand(plan: Plan, catalogue: Catalogue) -> list[Arm]:
    """Return all arms, the baseline first, each checked against the catalogue before anything runs.

    Raises UserError for an unknown part, kind or value, for two arms of one name or with the same settings, and for
    an arm that equals the baseline.
    """
    baseline = _settings("baseline", plan, catalogue, {})
    arms = [Arm(BASELINE, settings=baseline)]
    changes = list(itertools.islice(_changes(plan, catalogue), MOST_ARMS + 1))
    if len(changes) > MOST_ARMS:  # a factorial of eight parts may have millions
        raise UserError(f"a plan has at most {MOST_ARMS} arms, and this one has more; split it into several studies")
    for change in changes:
        settings = _settings(f"arm {change.arm!r}", plan, catalogue, change.overrides)
        names = named_changes(change.overrides, settings, baseline, catalogue)
        overrides = without_equal(expanded(change.overrides, catalogue), change.overrides, settings, baseline)
        arm = Arm(change.arm, change.part, change.action, change.why, overrides, settings, names)
        _check_new(arm, arms)
        arms.append(arm)
    _check_stopped(plan, may_stop(plan, [arm.arm for arm in arms]))
    return arms


def _changes(plan: Plan, catalogue: Catalogue) -> Iterator[Change]:
    """The plan's ablations, then those of its shorthands; an arm that two shorthands ask for is taken once."""
    for ablation in plan.ablations:
        _check_part(ablation, plan, catalogue)
        for name, spec in _replacements(ablation, catalogue):
            yield Change(name, ablation.part, ablation.action, ablation.why, {ablation.part: spec})
    asked: list[Change] = []
    for shorthand in (
        leave_one_out(plan.leave_one_out, catalogue),
        ladder(plan.ladder, catalogue),
        factorial(plan.factorial, catalogue),
    ):
        for change in shorthand:
            if not any((change.arm, change.overrides) == (other.arm, other.overrides) for other in asked):
                asked.append(change)
                yield change


def trials(plan: Plan, arms: list[Arm]) -> list[Trial]:
    """Return every arm with every seed, seed by seed, so that all arms of the first seed finish early.

    An arm that a look has stopped has only its first seeds.
    """
    return [
        Trial(arm.arm, seed)
        for number, seed in enumerate(plan.seeds, 1)
        for arm in arms
        if number <= plan.stopped.get(arm.arm, number)
    ]


def warnings(plan: Plan) -> list[str]:
    """Return warnings about plans that are valid but rarely intended."""
    found = []
    if len(plan.seeds) == 1:
        found.append("one seed gives no verdict: differences between arms cannot be told from chance; use 3 or more")
    if not any((plan.ablations, *(getattr(plan, key) for key in SHORTHANDS))):
        found.append("no ablations: only the baseline will be trained, and there is nothing to compare it with")
    return found


def _check_stopped(plan: Plan, arms: list[str]) -> None:
    for name in plan.stopped:
        if name not in arms:
            kind = "no arm of the plan" if BASELINE in arms else "no arm besides the baseline"
            raise UserError(f"`stopped` names {name!r}, which is {kind}{did_you_mean(name, arms)}")


def _settings(who: str, plan: Plan, catalogue: Catalogue, change: dict[str, Any]) -> dict[str, Any]:
    for key, value in plan.baseline.items():
        _check_name(key, "baseline", catalogue, value)
    try:
        start = {"init_from.checkpoint": plan.init_from} if plan.init_from else {}
        return catalogue.resolve(plan.preset, start, expanded(plan.baseline, catalogue), expanded(change, catalogue))
    except UserError as error:
        raise UserError(f"{who}: {error}") from error


def _check_name(name: str, place: str, catalogue: Catalogue, value: Any = None) -> None:
    """Check a name without a dot, which can only be a part. The catalogue checks settings such as `training.steps`.

    `value` is what the plan sets it to: settings may have been nested as in other tools.
    """
    known_part = name in catalogue.parts and not _is_nested(value, catalogue.parts[name])
    if "." in name or known_part or name in catalogue.settings:
        return
    known = [*catalogue.parts, *catalogue.settings]
    group = [each for each in known if each.startswith(f"{name}.")]
    if group and isinstance(value, Mapping) and value:
        inner, set_to = next(iter(value.items()))
        full = nearest(f"{name}.{inner}", group, 1)[0]
        raise UserError(
            f"{place}: settings are written with their full names, not below {name!r}; write `{full}: {set_to}`"
        )
    near = [each for each in known if each.rpartition(".")[2] == name.lower()]
    if near and not any(each in catalogue.parts for each in near):
        raise UserError(f"{place}: unknown part or setting {name!r}: did you mean {' or '.join(map(repr, near))}?")
    if group:
        raise UserError(f"{place}: {name!r} is a group of settings; name one of them: {', '.join(group)}")
    raise UserError(f"{place}: unknown part {name!r}{did_you_mean(name, catalogue.parts)}")


def _is_nested(value: Any, part: Part) -> bool:
    """Return True for `fusion: {scale: none}`, where the composite part `fusion` takes a kind."""
    return bool(parts_of(part)) and isinstance(value, Mapping) and bool(value) and "kind" not in value


def _check_part(ablation: Ablation, plan: Plan, catalogue: Catalogue) -> None:
    _check_name(ablation.part, "ablations", catalogue)
    if ablation.action == "replace":
        return
    part = catalogue.parts.get(ablation.part)
    if part is None or "none" not in part.kinds:
        removable = ", ".join(name for name, part in catalogue.parts.items() if "none" in part.kinds)
        raise UserError(
            f"action {ablation.action!r} needs a part with the kind 'none', which {ablation.part!r} does not have; "
            f"use `action: replace`. Parts with it: {removable}"
        )
    if ablation.action == "add":
        baseline = _settings("baseline", plan, catalogue, {})
        if baseline != _settings("baseline", plan, catalogue, {ablation.part: {"kind": "none"}}):
            raise UserError(
                f"{ablation.part!r} is in the baseline, so it cannot be added; use `action: replace`, or set "
                f"`baseline: {{{ablation.part}: {{kind: none}}}}`"
            )


def _replacements(ablation: Ablation, catalogue: Catalogue) -> Iterator[tuple[str, Any]]:
    if ablation.action == "remove":
        yield catalogue.parts[ablation.part].kinds["none"].arm, {"kind": "none"}
    yield from ablation.replacements.items()


def _check_new(arm: Arm, arms: list[Arm]) -> None:
    for other in arms:
        if arm.arm == other.arm:
            raise UserError(f"two arms are named {arm.arm!r}, but names must be unique; rename one")
        if arm.settings == other.settings and other.arm == BASELINE:
            raise UserError(f"arm {arm.arm!r} equals the baseline: {arm.overrides} changes nothing; change a value")
        if arm.settings == other.settings:
            raise UserError(f"arms {other.arm!r} and {arm.arm!r} have the same settings; remove one or change a value")
