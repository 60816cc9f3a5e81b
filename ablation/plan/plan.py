"""The plan of a study: what to ablate, on which corpus, with which seeds and noises. Read from YAML, JSON or Markdown.

This module checks everything that needs no model; `arms.expand` checks parts, kinds and settings.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ablation.plan import fields
from ablation.plan.ablations import Ablation, ablations
from ablation.plan.catalogue import Catalogue
from ablation.plan.formats import is_markdown, without_wrapping
from ablation.plan.markdown import front_matter, read_markdown
from ablation.plan.readings import Reading, readings
from ablation.plan.shorthands import Swap, swaps
from ablation.stats.metrics import METRICS
from common.conditions import conditions
from common.errors import UserError
from common.external import is_external
from common.hints import did_you_mean
from common.normalise import BASIC, NORMALISERS
from common.text_file import read_text_file
from common.yaml_text import load_yaml

SHORTHANDS = ("leave_one_out", "ladder", "factorial")
BASELINE = "baseline"
RECIPE, PRESET = "smile", "tiny"  # of a plan that names none


@dataclass(frozen=True)
class Plan:
    """The plan of a study. `conditions`: noise kind -> SNRs in dB; clean is always scored in addition.

    `baseline` holds overrides of the preset that all arms share. Arms come from `ablations` and from the shorthands
    `leave_one_out`, `ladder` and `factorial` (see `shorthands.py`). A factorial is tested for interactions of up to
    `interaction_order` parts. `recipe` names the model with its training, and an empty `preset` stands for the recipe's first.
    `noise` names a folder of recordings for a noise kind. If more
    than `max_failed_trials` trials fail, the run fails after its report is written. Verdicts come from the first of `metrics`.
    `margin_points` is the difference, in points of that metric, below which an arm counts as equivalent to the baseline. It is
    stated before the study; None tests no equivalence. `init_from` is the checkpoint of the initial weights, a path or an address.
    `normalise` is the normalisation of texts before they are compared: `basic`, or `none`.
    `looks` are numbers of seeds after which decided arms stop (see `looks.py`); () judges once, with all seeds. `stopped` maps the
    arms that earlier looks have stopped to their numbers of seeds. `reasoning` is free text that the report repeats. `readings`
    says as what each phrase of a Markdown plan was read.
    """

    study: str
    question: str = ""
    corpus: str = "synthetic://talking-mouth?train=2000&test=300"
    recipe: str = RECIPE
    preset: str = ""
    seeds: tuple[int, ...] = (1, 2, 3)
    conditions: dict[str, tuple[float, ...]] = field(default_factory=lambda: {"babble": (10.0, 5.0, 0.0, -5.0)})
    metrics: tuple[str, ...] = ("wer",)
    baseline: dict[str, Any] = field(default_factory=dict)
    ablations: tuple[Ablation, ...] = ()
    leave_one_out: tuple[Swap, ...] = ()
    ladder: tuple[Swap, ...] = ()
    factorial: tuple[Swap, ...] = ()
    interaction_order: int = 2
    noise: dict[str, str] = field(default_factory=dict)
    max_failed_trials: int = 0
    margin_points: float | None = None
    init_from: str | None = None
    normalise: str = BASIC
    looks: tuple[int, ...] = ()
    stopped: dict[str, int] = field(default_factory=dict)
    reasoning: str | None = None
    readings: tuple[Reading, ...] = ()

    def __post_init__(self) -> None:
        if not self.preset and self.recipe == RECIPE:
            object.__setattr__(self, "preset", PRESET)

    def as_mapping(self) -> dict[str, Any]:
        """Return the plan as plain JSON types; `plan_from_mapping` reads it back to an equal plan.

        Arms and noises are in lists, as Kubeflow does not keep the order of mappings.
        """
        plain = asdict(self)
        plain["conditions"] = [{kind: list(snrs)} for kind, snrs in self.conditions.items()]
        for ablation in plain["ablations"]:
            ablation["replacements"] = [{name: spec} for name, spec in ablation["replacements"].items()]
        defaults = {"normalise": BASIC, "recipe": RECIPE, "preset": "", "interaction_order": 2}
        empty: dict[str, object] = {"readings": (), "looks": (), "stopped": {}}
        for key, default in (defaults | empty).items():
            if getattr(self, key) == default:
                del plain[key]  # as plans of earlier versions, which have no such key
        for key in SHORTHANDS:
            del plain[key]
            if parts := getattr(self, key):
                plain[key] = [swap.as_plain() for swap in parts]
        return {
            k: list(value) if isinstance(value, tuple) else value for k, value in plain.items() if value is not None
        }

    def condition_names(self) -> list[str]:
        """Return `clean`, then the noisy conditions, such as `babble_0db`, in the plan's order."""
        return [condition.name for condition in conditions(self.conditions)]


def read_plan(path: Path, catalogue: Catalogue) -> Plan:
    """Read a plan file: Markdown, YAML or JSON by its content. Raises UserError, with all problems of a Markdown plan."""
    text = read_text_file(path, "plan", "give the path of a plan in YAML, JSON or Markdown")
    try:
        return parse_plan(text, catalogue, name=path.name)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def parse_plan(text: str, catalogue: Catalogue, *, name: str = "study") -> Plan:
    """Read the text of a plan, of which a file is called `name`. Raises UserError.

    The content decides between Markdown and YAML, of which JSON is a part. The suffix of the name decides where the content
    does not, and a Markdown plan without the name of a study takes its stem.
    """
    text, language = without_wrapping(text)
    if is_markdown(text, language or Path(name).suffix, keys=Plan.__dataclass_fields__):
        return plan_from_mapping(read_markdown(text, catalogue, Path(name).stem, plan_from_mapping))
    return plan_from_mapping(load_yaml(text))


def recipe_of(text: str, *, name: str = "study") -> str:
    """Return the recipe that the text of a plan names, of which a file is called `name`. Other faults of the text are left."""
    text, language = without_wrapping(text)
    try:
        markdown = is_markdown(text, language or Path(name).suffix, keys=Plan.__dataclass_fields__)
        data = front_matter(text) if markdown else load_yaml(text)
    except UserError:
        return RECIPE
    return fields.filled_text("recipe", data["recipe"]) if isinstance(data, Mapping) and "recipe" in data else RECIPE


def plan_from_mapping(data: Any) -> Plan:
    """Check the plain data of a plan, field by field. Raises UserError for the first error."""
    if not isinstance(data, Mapping):
        raise UserError(f"a plan is a mapping of keys such as `study` and `ablations`, got {fields.shown(data)}")
    known = tuple(Plan.__dataclass_fields__)
    for key in data:
        if key not in known:
            raise UserError(f"unknown key {key!r} in the plan{did_you_mean(str(key), known)}")
    if "study" not in data:
        raise UserError("a plan needs a `study`, the name of its results; write e.g. `study: smile`")
    checked: dict[str, Any] = {key: CHECKS[key](key, value) for key, value in data.items()}
    if checked.get("looks"):
        checked.setdefault("seeds", tuple(range(1, checked["looks"][-1] + 1)))
    plan = Plan(**checked)
    _check_looks(plan)
    _check_noises(plan)
    return plan


def adapted(plan: Plan, *, corpus: str | None = None, seeds: str | None = None, settings: Iterable[str] = ()) -> Plan:
    """Return the plan with changes of the command line: a corpus, seeds as `1,2,3`, baseline overrides as `key=value`.

    Raises UserError as for a plan file.
    """
    data = plan.as_mapping()
    if corpus is not None:
        data["corpus"] = corpus
    if seeds is not None:
        data["seeds"] = fields.seeds_of_text(seeds)
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise UserError(f"a setting is written key=value, got {setting!r}; write e.g. training.steps=100")
        data["baseline"][key.strip()] = load_yaml(value)
    return plan_from_mapping(data)


def _check_looks(plan: Plan) -> None:
    """Check that the seeds are those of a look, and that only looks stop arms."""
    if plan.stopped and not plan.looks:
        raise UserError(
            "`stopped` names arms that a look has stopped, and the plan has no `looks`; remove it, or add `looks: [3, 5, 8]`"
        )
    if plan.looks and len(plan.seeds) not in plan.looks:
        numbers = ", ".join(map(str, plan.looks))
        raise UserError(
            f"with `looks: [{numbers}]`, a plan has as many seeds as one of the looks, got {len(plan.seeds)}; "
            "correct `seeds`, or leave it out, which means all seeds from 1"
        )
    for arm, number in plan.stopped.items():
        if number not in plan.looks:
            numbers = ", ".join(map(str, plan.looks))
            raise UserError(
                f"`stopped` says that {arm!r} has {number} seeds, and the looks are at {numbers}; correct the number"
            )


def _check_noises(plan: Plan) -> None:
    """Check that every kind of noise is built in or has a folder, and that every folder is used.

    The noise of an external corpus is made by its recipe, which checks the kinds.
    """
    if is_external(plan.corpus):
        return
    known = [*fields.BUILT_IN_NOISES, *plan.noise]
    for kind in plan.conditions:
        if kind not in known:
            hint = did_you_mean(kind, known)
            raise UserError(f"unknown noise {kind!r}{hint}; for your own recordings add `noise: {{{kind}: FOLDER}}`")
    for kind in plan.noise:
        if kind not in plan.conditions:
            raise UserError(
                f"`noise` gives a folder for {kind!r}, which no condition uses; add `conditions: {{{kind}: [0]}}`"
            )


CHECKS: Mapping[str, Callable[[str, Any], Any]] = {
    "study": fields.slug,
    "question": fields.text,
    "corpus": fields.filled_text,
    "init_from": fields.filled_text,
    "reasoning": fields.text,
    "readings": readings,
    "recipe": fields.filled_text,
    "preset": fields.filled_text,
    "seeds": fields.seeds,
    "conditions": fields.conditions,
    "metrics": lambda key, value: fields.choices(key, value, tuple(METRICS)),
    "baseline": fields.mapping,
    "ablations": ablations,
    **dict.fromkeys(SHORTHANDS, swaps),
    "interaction_order": fields.order,
    "noise": fields.folders,
    "max_failed_trials": fields.count,
    "margin_points": fields.margin,
    "looks": fields.looks,
    "stopped": fields.stopped,
    "normalise": lambda key, value: fields.one_of(key, value, tuple(NORMALISERS)),
}
