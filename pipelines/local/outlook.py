"""The power and the cost of a plan, from earlier studies in MLflow, before anything is trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ablation.plan.arms import Arm
from ablation.plan.catalogue import Catalogue
from ablation.plan.contrasts import Effect
from ablation.plan.families import contrasts
from ablation.plan.plan import RECIPE, Plan
from pipelines.local.outlook_wording import Outlook
from tracking.timeouts import use_short_timeouts

if TYPE_CHECKING:
    from ablation.stats.power import Design, Spread
    from ablation.stats.sequential_cost import Expected

LADDER = (2, 3, 5, 10)
RETRIES, TIMEOUT_S = 1, 5  # `ablate plan` answers in seconds and does not wait for a server that does not answer
SQLITE = "sqlite:///"
KINDS = {
    Effect.RUNG: "rungs of the ladder, each against the one before",
    Effect.MAIN: "main effects of the factorial",
    Effect.INTERACTION: "interactions of the factorial",
}
NOTHING = "no study of this corpus, preset and steps in MLflow yet"


@dataclass(frozen=True)
class Known:
    """Findings of earlier studies: spreads per condition, their source in words, and conditions with about 100 % errors."""

    spreads: dict[str, "Spread"]
    source: str
    saturated: tuple[str, ...] = ()


def outlook(plan: Plan, arms: Sequence[Arm], tracking_uri: str, catalogue: Catalogue | None = None) -> Outlook | None:
    """Return the power and cost of a plan; None for a plan without ablations. `catalogue` is needed for its contrasts."""
    from ablation.stats.power import Design, ladder, seeds_needed

    if len(arms) < 2:
        return None
    names = plan.condition_names()
    design = Design(len(arms) - 1, len(plan.seeds), len(names))
    known, seconds = _earlier(plan, arms[0], tracking_uri)
    spreads, source, full = _completed(plan, arms[0], known)
    steps = ladder(design, spreads, seconds, sorted({design.seeds, *LADDER}))
    margin_seeds = None
    if plan.margin_points is not None and spreads:
        widest = max(spread.wer for spread in spreads.values())
        margin_seeds = seeds_needed(design, widest, margin=plan.margin_points / 100)
    seen = _contrasts(plan, arms, catalogue, spreads, [step.seeds for step in steps]) if catalogue else {}
    looks = _looks(plan, arms, catalogue, design, spreads, seconds)
    return Outlook(design, spreads, source, steps, seconds, plan.margin_points, margin_seeds, full, seen, looks)


def _contrasts(
    plan: Plan, arms: Sequence[Arm], catalogue: Catalogue, spreads: Mapping[str, "Spread"], seeds: Sequence[int]
) -> dict[str, dict[int, dict[str, float]]]:
    """Return kind of contrast -> seeds -> condition -> the size that this design detects, of the kind's least detectable one."""
    found: dict[str, dict[int, dict[str, float]]] = {}
    planned = contrasts(plan, arms, catalogue)
    if not planned or not spreads:
        return found
    from ablation.stats.contrast_power import detectable_contrasts

    for family in dict.fromkeys(each.family for each in planned):
        mine = [each for each in planned if each.family == family]
        weights = {each.name: [each.weights.get(arm.arm, 0.0) for arm in arms] for each in mine}
        for number in seeds:
            sizes = detectable_contrasts(weights, len(arms), number, len(plan.condition_names()))
            for kind in dict.fromkeys(each.kind for each in mine if sizes):
                largest = max((sizes or {})[each.name] for each in mine if each.kind == kind)
                found.setdefault(KINDS[kind], {})[number] = {name: largest * each.wer for name, each in spreads.items()}
    return found


def _looks(
    plan: Plan,
    arms: Sequence[Arm],
    catalogue: Catalogue | None,
    design: "Design",
    spreads: Mapping[str, "Spread"],
    seconds: float | None,
) -> Sequence["Expected"]:
    """Return the expected trials of a plan with looks, by the largest spread; () without looks or without a known spread."""
    if not plan.looks or not spreads:
        return ()
    import numpy as np

    from ablation.stats.sequential import design as design_of
    from ablation.stats.sequential_contrast_cost import expected_contrasts
    from ablation.stats.sequential_cost import expected

    sd, rng = max(spread.wer for spread in spreads.values()), np.random.default_rng(0)
    planned = design_of(plan.looks, design.arms, design.conditions, plan.margin_points)
    asked = contrasts(plan, arms, catalogue) if catalogue else []
    if asked:
        return expected_contrasts(planned, [arm.arm for arm in arms], asked, sd, seconds, rng)
    return expected(planned, sd, seconds, rng)


def _completed(plan: Plan, baseline: Arm, known: Known) -> tuple[dict[str, "Spread"], str, Sequence[str]]:
    """Return the spreads of the plan's conditions, their source in words, and the conditions in which nothing can be told.

    What earlier studies do not say comes from the shipped table; 0.3 points are assumed for presets that it lacks.
    """
    from ablation.stats.power import ASSUMED_SPREAD_POINTS, Spread
    from ablation.stats.shipped_spreads import shipped

    names = plan.condition_names()
    missing = [name for name in names if name not in known.spreads and name not in known.saturated]
    if not missing:
        return known.spreads, known.source, known.saturated
    ours = plan.recipe == RECIPE and plan.metrics[0] == "wer" and baseline.steps is not None
    table = shipped(plan.preset, plan.corpus, int(baseline.steps or 0), missing) if ours else None
    if table is None:
        found, full, said = dict.fromkeys(missing, Spread(ASSUMED_SPREAD_POINTS / 100)), known.saturated, "assumed"
    else:
        found, full, said = table.spreads, (*known.saturated, *table.saturated), table.source
    where = "" if len(missing) == len(names) else f" for {', '.join(missing)}"
    spreads = {name: {**known.spreads, **found}[name] for name in names if name not in full}
    return spreads, f"{said}{where}; {known.source}", full


def _earlier(plan: Plan, baseline: Arm, uri: str) -> tuple[Known, float | None]:
    """Return what earlier studies of the same kind say of the spreads, and the mean seconds of a trial in them."""
    if uri.startswith(SQLITE) and not Path(uri.removeprefix(SQLITE)).is_file():
        return Known({}, NOTHING), None
    use_short_timeouts(RETRIES, TIMEOUT_S)
    from tracking.probe import check_answers

    steps = {} if baseline.steps is None else {"training.steps": str(baseline.steps)}
    try:
        check_answers(uri)
        from tracking.earlier import earlier_trials

        trials = earlier_trials(uri, corpus=plan.corpus, preset=plan.preset, settings=steps, metric=plan.metrics[0])
    except Exception as error:  # the plan is valid, whatever is wrong with the store
        return Known({}, f"MLflow could not be asked: {type(error).__name__}"), None
    if not trials:
        return Known({}, NOTHING), None
    import pandas as pd

    from ablation.stats.power import measured_spreads
    from ablation.stats.saturation import SATURATED

    rows = [(trial.study, trial.arm, trial.seed, name, wer) for trial in trials for name, wer in trial.rates.items()]
    table = pd.DataFrame(rows, columns=["study", "arm", "seed", "condition", "wer"])
    means = table[table["arm"] == baseline.arm].groupby("condition")["wer"].mean()
    names = plan.condition_names()
    full = tuple(name for name in names if means.get(name, 0.0) >= SATURATED)
    studies = [study for _, study in table.groupby("study", sort=False)]
    pooled = measured_spreads(studies, baseline.arm)
    spreads = {name: pooled[name] for name in names if name in pooled and name not in full}
    times = [trial.seconds for trial in trials if trial.seconds is not None]
    source = f"as in {len(studies)} earlier stud{'y' if len(studies) == 1 else 'ies'}" if spreads or full else NOTHING
    return Known(spreads, source, full), sum(times) / len(times) if times else None
