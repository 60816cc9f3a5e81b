"""The power and the cost of a plan, from earlier studies in MLflow, before anything is trained."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablation.plan.arms import Arm
from ablation.plan.catalogue import Catalogue
from ablation.plan.contrasts import Effect
from ablation.plan.families import contrasts
from ablation.plan.plan import RECIPE, Plan
from common.conditions import label
from tracking.timeouts import use_short_timeouts

if TYPE_CHECKING:
    from ablation.stats.power import Design, Spread, Step
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


@dataclass(frozen=True)
class Outlook:
    """The power of a plan with its own number of seeds and with some others, one of `steps` each.

    `spreads` is the standard deviation between seeds per condition, and `source` says where it comes from. It lacks `saturated`,
    the conditions in which such a model recognises next to nothing, so that no difference can be seen. `trial_seconds` is the
    mean of earlier trials; None if there are none. `margin_seeds` is the number of seeds that shows, in every condition, that an
    arm without a difference is within the plan's margin; None without a margin, or if 100 seeds do not suffice. `contrasts` maps
    the kinds of contrasts of the plan to the largest detectable size per number of seeds and condition. `looks` has the expected
    trials of a plan with looks.
    """

    design: "Design"
    spreads: Mapping[str, "Spread"]
    source: str
    steps: Sequence["Step"]
    trial_seconds: float | None
    margin_points: float | None
    margin_seeds: int | None
    saturated: Sequence[str] = ()
    contrasts: Mapping[str, Mapping[int, Mapping[str, float]]] = field(default_factory=dict)
    looks: Sequence["Expected"] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it for programs, with differences and spreads in points of WER."""
        from ablation.stats.significance import ALPHA, POWER

        return {
            "alpha": ALPHA,
            "power": POWER,
            "spread_points": {name: round(100 * spread.wer, 4) for name, spread in self.spreads.items()},
            "spread_source": self.source,
            "spread_df": {name: spread.df for name, spread in self.spreads.items()},
            "saturated": list(self.saturated),
            "trial_seconds": self.trial_seconds,
            "margin_points": self.margin_points,
            "margin_seeds": self.margin_seeds,
            "contrasts": {
                kind: [
                    {"seeds": seeds, "detectable_points": {name: _points(value) for name, value in sizes.items()}}
                    for seeds, sizes in steps.items()
                ]
                for kind, steps in self.contrasts.items()
            },
            "ladder": [
                {
                    "seeds": step.seeds,
                    "trials": step.trials,
                    "detectable_points": {name: _points(value) for name, value in step.detectable.items()},
                    "device_hours": step.device_hours,
                }
                for step in self.steps
            ],
            "looks": [asdict(each) for each in self.looks],
        }

    def lines(self) -> list[str]:
        """Return it for people, one sentence per line."""
        if not self.spreads:
            return [self._nothing(), *(f"  {self._cost(step)}" for step in self.steps)]
        spreads = sorted({round(100 * spread.wer, 2) for spread in self.spreads.values()})
        shown = f"{spreads[0]:g}" if len(spreads) == 1 else f"{spreads[0]:g} to {spreads[-1]:g}"
        return [
            f"can detect, with 80 % chance (between seeds {shown} points, {self.source}{self._uncertain()}):",
            *(f"  {self._rung(step)}" for step in self.steps),
            *(f"  {self._of(kind, steps)}" for kind, steps in self.contrasts.items()),
            *([self._nothing()] if self.saturated else []),
            *self._margin(),
            *map(_look_line, self.looks),
        ]

    def _of(self, kind: str, steps: Mapping[int, Mapping[str, float]]) -> str:
        """E.g. `interactions, the least detectable one: 2 seeds: 4.1 to 5.0 points, 3 seeds (this plan): ...`."""
        said = []
        for seeds, sizes in steps.items():
            ends = [f"{100 * end:.1f}" for end in (min(sizes.values()), max(sizes.values()))]
            size = ends[0] if ends[0] == ends[1] else " to ".join(ends)
            said.append(f"{seeds} seeds{' (this plan)' if seeds == self.design.seeds else ''} {size} points")
        return f"{kind}: {'; '.join(said)}"

    def _uncertain(self) -> str:
        """Say how uncertain the least known of the measured spreads is; empty for assumed ones."""
        from ablation.stats.power import spread_factors

        known = [spread.df for spread in self.spreads.values() if spread.df]
        if not known:
            return ""
        low, high = spread_factors(min(known))
        return (
            f"; these spreads and sizes may be {low:.1f} to {high:.1f} times as large: 95 % interval of {min(known)} df"
        )

    def _nothing(self) -> str:
        where = f" at {', '.join(map(label, self.saturated))}" if self.spreads else ""
        return (
            f"cannot tell anything{where}: about all words are wrong after so few steps ({self.source}); train longer"
        )

    def _rung(self, step: "Step") -> str:
        seen = [value for value in step.detectable.values() if value is not None]
        reach = f"{100 * min(seen):.1f}" if seen else ""
        if seen and f"{100 * max(seen):.1f}" != reach:
            reach += f" to {100 * max(seen):.1f}"
        what = f"differences of {reach} points" if seen else "nothing: one seed gives estimates and no verdict"
        seeds, cost = self._cost(step).split(": ", 1)
        return f"{seeds}: {what}; {cost}"

    def _cost(self, step: "Step") -> str:
        cost = "cost unknown" if step.device_hours is None else f"{step.device_hours:.1f} device-hours"
        mine = " (this plan)" if step.seeds == self.design.seeds else ""
        return f"{step.seeds} seed{'s' if step.seeds > 1 else ''}{mine}: {step.trials} trials, {cost}"

    def _margin(self) -> list[str]:
        if self.margin_points is None or not self.spreads:
            return []
        takes = f"takes {self.margin_seeds} seeds" if self.margin_seeds else "takes more than 100 seeds"
        return [f"to show that an arm without a difference is within {self.margin_points:g} points {takes}"]


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
    looks = _looks(plan, design, spreads, seconds)
    return Outlook(design, spreads, source, steps, seconds, plan.margin_points, margin_seeds, full, seen, looks)


def _contrasts(
    plan: Plan, arms: Sequence[Arm], catalogue: Catalogue, spreads: Mapping[str, "Spread"], seeds: Sequence[int]
) -> dict[str, dict[int, dict[str, float]]]:
    """Return kind of contrast -> seeds -> condition -> the size that this design detects, of the kind's least detectable one."""
    from ablation.stats.contrasts import detectable_contrasts

    found: dict[str, dict[int, dict[str, float]]] = {}
    planned = contrasts(plan, arms, catalogue)
    for family in dict.fromkeys(each.family for each in planned):
        mine = [each for each in planned if each.family == family]
        weights = {each.name: [each.weights.get(arm.arm, 0.0) for arm in arms] for each in mine}
        for number in seeds:
            sizes = detectable_contrasts(weights, len(arms), number, len(plan.condition_names())) if spreads else None
            for kind in dict.fromkeys(each.kind for each in mine if sizes):
                largest = max((sizes or {})[each.name] for each in mine if each.kind == kind)
                found.setdefault(KINDS[kind], {})[number] = {name: largest * each.wer for name, each in spreads.items()}
    return found


def _looks(
    plan: Plan, design: "Design", spreads: Mapping[str, "Spread"], seconds: float | None
) -> Sequence["Expected"]:
    """Return the expected trials of a plan with looks, by the largest spread; () without looks or without a known spread."""
    if not plan.looks or not spreads:
        return ()
    import numpy as np

    from ablation.decisions.looks import design_of
    from ablation.stats.sequential_cost import expected

    planned = design_of(plan.looks, design.arms, design.conditions, plan.margin_points)
    return expected(planned, max(spread.wer for spread in spreads.values()), seconds, np.random.default_rng(0))


def _look_line(each: "Expected") -> str:
    """E.g. `with looks, if all arms differ by 2 points: 16 trials on average, 40 at most; 1.3 device-hours, 3.3 at most`."""
    what = (
        f"if all arms differ by {each.points:g} point{'s' if each.points != 1 else ''}"
        if each.points
        else "without any effect"
    )
    cost = (
        ""
        if each.device_hours is None
        else f"; {each.device_hours:.1f} device-hours, {each.most_device_hours:.1f} at most"
    )
    return f"with looks, {what}: {each.trials:.0f} trials on average, {each.most} at most{cost}"


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
    import pandas as pd

    from ablation.stats.power import measured_spreads
    from ablation.stats.saturation import SATURATED

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


def _points(fraction: float | None) -> float | None:
    return None if fraction is None else round(100 * fraction, 3)
