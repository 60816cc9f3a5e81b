"""The outlook of a plan in words and as JSON: what it can detect, and what it costs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from common.conditions import label

if TYPE_CHECKING:
    from ablation.stats.power import Design, Spread, Step
    from ablation.stats.sequential_cost import Expected


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
        from ablation.stats.levels import ALPHA, POWER

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
            *(_look_line(each, "rungs and effects" if self.contrasts else "arms") for each in self.looks),
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
        margin = f"{self.margin_points:g} point{'s' if self.margin_points != 1 else ''}"
        return [f"to show that an arm without a difference is within {margin} {takes}"]


def _look_line(each: "Expected", who: str = "arms") -> str:
    """E.g. `with looks, if all arms differ by 2 points: 16 trials on average, 40 at most; 1.3 device-hours, 3.3 at most`."""
    verb = "differ by" if who == "arms" else "are of"
    what = (
        f"if all {who} {verb} {each.points:g} point{'s' if each.points != 1 else ''}"
        if each.points
        else "without any effect"
    )
    cost = (
        ""
        if each.device_hours is None
        else f"; {each.device_hours:.1f} device-hours, {each.most_device_hours:.1f} at most"
    )
    return f"with looks, {what}: {each.trials:.0f} trials on average, {each.most} at most{cost}"


def _points(fraction: float | None) -> float | None:
    return None if fraction is None else round(100 * fraction, 3)
