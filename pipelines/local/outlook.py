"""The power and the cost of a plan, from earlier studies in MLflow, before anything is trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablation.plan.arms import Arm
from ablation.plan.plan import Plan
from tracking.timeouts import use_short_timeouts

if TYPE_CHECKING:
    from ablation.stats.power import Design, Spread, Step

LADDER = (2, 3, 5, 10)
RETRIES, TIMEOUT_S = 1, 5  # `ablate plan` answers in seconds and does not wait for a server that does not answer
SQLITE = "sqlite:///"
NOTHING = "no study of this corpus, preset and steps in MLflow yet"


@dataclass(frozen=True)
class Outlook:
    """The power of a plan with its own number of seeds and with some others, one of `steps` each.

    `spreads` is the standard deviation between seeds per condition, and `source` says where it comes from. `trial_seconds` is the
    mean of earlier trials; None if there are none. `margin_seeds` is the number of seeds that shows, in every condition, that an
    arm without a difference is within the plan's margin; None without a margin, or if 100 seeds do not suffice.
    """

    design: "Design"
    spreads: Mapping[str, "Spread"]
    source: str
    steps: Sequence["Step"]
    trial_seconds: float | None
    margin_points: float | None
    margin_seeds: int | None

    def as_json(self) -> dict[str, Any]:
        """Return it for programs, with differences and spreads in points of WER."""
        from ablation.stats.significance import ALPHA, POWER

        return {
            "alpha": ALPHA,
            "power": POWER,
            "spread_points": {name: round(100 * spread.wer, 4) for name, spread in self.spreads.items()},
            "spread_source": self.source,
            "trial_seconds": self.trial_seconds,
            "margin_points": self.margin_points,
            "margin_seeds": self.margin_seeds,
            "ladder": [
                {
                    "seeds": step.seeds,
                    "trials": step.trials,
                    "detectable_points": {name: _points(value) for name, value in step.detectable.items()},
                    "device_hours": step.device_hours,
                }
                for step in self.steps
            ],
        }

    def lines(self) -> list[str]:
        """Return it for people, one sentence per line."""
        spreads = sorted({round(100 * spread.wer, 2) for spread in self.spreads.values()})
        shown = f"{spreads[0]:g}" if len(spreads) == 1 else f"{spreads[0]:g} to {spreads[-1]:g}"
        return [
            f"can detect, with 80 % chance (between seeds {shown} points, {self.source}):",
            *(f"  {self._rung(step)}" for step in self.steps),
            *self._margin(),
        ]

    def _rung(self, step: "Step") -> str:
        seen = [value for value in step.detectable.values() if value is not None]
        reach = f"{100 * min(seen):.1f}" if seen else ""
        if seen and f"{100 * max(seen):.1f}" != reach:
            reach += f" to {100 * max(seen):.1f}"
        what = f"differences of {reach} points" if seen else "nothing: one seed gives estimates and no verdict"
        cost = "cost unknown" if step.device_hours is None else f"{step.device_hours:.1f} device-hours"
        mine = " (this plan)" if step.seeds == self.design.seeds else ""
        seeds = f"{step.seeds} seed{'s' if step.seeds > 1 else ''}"
        return f"{seeds}{mine}: {what}; {step.trials} trials, {cost}"

    def _margin(self) -> list[str]:
        if self.margin_points is None:
            return []
        takes = f"takes {self.margin_seeds} seeds" if self.margin_seeds else "takes more than 100 seeds"
        return [f"to show that an arm without a difference is within {self.margin_points:g} points {takes}"]


def outlook(plan: Plan, arms: Sequence[Arm], tracking_uri: str) -> Outlook | None:
    """Return the power and cost of a plan; None for a plan without ablations."""
    from ablation.stats.power import ASSUMED_SPREAD_POINTS, Design, Spread, ladder, seeds_needed

    if len(arms) < 2:
        return None
    names = plan.condition_names()
    design = Design(len(arms) - 1, len(plan.seeds), len(names))
    known, seconds, source = _earlier(plan, arms[0], tracking_uri)
    spreads = {name: known.get(name, Spread(ASSUMED_SPREAD_POINTS / 100)) for name in names}
    if guessed := [name for name in names if name not in known]:
        where = "" if len(guessed) == len(names) else f" for {', '.join(guessed)}"
        source = f"assumed{where}: {source}"
    steps = ladder(design, spreads, seconds, sorted({design.seeds, *LADDER}))
    margin_seeds = None
    if plan.margin_points is not None:
        widest = max(spread.wer for spread in spreads.values())
        margin_seeds = seeds_needed(design, widest, margin=plan.margin_points / 100)
    return Outlook(design, spreads, source, steps, seconds, plan.margin_points, margin_seeds)


def _earlier(plan: Plan, baseline: Arm, uri: str) -> tuple[dict[str, "Spread"], float | None, str]:
    """Return spreads and the mean seconds of a trial in earlier studies of the same kind, and their source in words."""
    import pandas as pd

    from ablation.stats.power import measured_spreads

    if uri.startswith(SQLITE) and not Path(uri.removeprefix(SQLITE)).is_file():
        return {}, None, NOTHING
    use_short_timeouts(RETRIES, TIMEOUT_S)
    from tracking.probe import check_answers

    steps = {"training.steps": str(baseline.settings["training"]["steps"])}
    try:
        check_answers(uri)
        from tracking.earlier import earlier_trials

        trials = earlier_trials(uri, corpus=plan.corpus, preset=plan.preset, settings=steps, metric=plan.metrics[0])
    except Exception as error:  # the plan is valid, whatever is wrong with the store
        return {}, None, f"MLflow could not be asked: {type(error).__name__}"
    rows = [(trial.study, trial.arm, trial.seed, name, wer) for trial in trials for name, wer in trial.rates.items()]
    table = pd.DataFrame(rows, columns=["study", "arm", "seed", "condition", "wer"])
    studies = [study for _, study in table.groupby("study", sort=False)]
    spreads = measured_spreads(studies, baseline.arm)
    times = [trial.seconds for trial in trials if trial.seconds is not None]
    source = f"as in {len(studies)} earlier stud{'y' if len(studies) == 1 else 'ies'}" if spreads else NOTHING
    return spreads, sum(times) / len(times) if times else None, source


def _points(fraction: float | None) -> float | None:
    return None if fraction is None else round(100 * fraction, 3)
