"""The report's figures of training: losses and rates of each arm, and the learned values of the model's parts."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from ablation.records import CurveRecord
from ablation.report.blocks import Block, Picture, Pictures, Text
from ablation.report.content import Content
from ablation.report.figures.axis import Axis, Scale
from ablation.report.figures.earlier_curves import EARLIER_CURVES
from ablation.report.figures.plots import panels
from ablation.report.figures.spec import SERIES_COLOURS, SMALL, Line, Mark, Plot, Point, Series

POINTS_PER_LINE = 100
FAMILY_ARMS = 12  # arms whose layer weights are drawn


def learned(content: Content) -> list[Block]:
    """Learned values of the model: single ones of all arms together, families (a value per layer) arm by arm."""
    metrics = [name for name in _metrics(content) if _is_learned(content, name)]
    families = [family for name in metrics if (family := _family(name))]
    single = [name for name in metrics if not _family(name)]
    blocks: list[Block] = [*_by_metric(content, single, title="Learned values of each arm, over training steps.")]
    for family in dict.fromkeys(families):
        blocks += [*_at_the_end(content, family), *_layers(content, family)]
    return blocks


def training(content: Content) -> list[Block]:
    """Losses, WER on the validation split, and all other logged values; printed where one legend holds all arms."""
    metrics = [name for name in _metrics(content) if not _is_learned(content, name)]
    blocks = _by_metric(content, metrics, title="Losses, rates and masks of each arm, over training steps.")
    if not blocks:
        return []
    blocks = [replace(block, screen_only=len(blocks) > 1) for block in blocks]
    note = (
        "Thin: single seeds; thick: their mean, with a mark at its end. Axes fit the finished trials; the lines of failed "
        "ones may run into the edge."
    )
    return [*blocks, Text([note], small=True)]


def _declared(content: Content) -> Mapping[str, CurveRecord]:
    return {curve.name: curve for curve in content.study.curves or EARLIER_CURVES}


def _name(content: Content, metric: str) -> str:
    """Return the label of a metric or of a family; the metric itself if the recipe does not declare it."""
    found = _declared(content).get(metric)
    return found.label if found else metric


def _is_learned(content: Content, metric: str) -> bool:
    declared = _declared(content)
    found = declared.get(metric) or declared.get(_family(metric) or "")
    return found.learned if found else False


def _metrics(content: Content) -> list[str]:
    """Return what was logged: declared curves in their order, then the others by name."""
    names, first = list(dict.fromkeys(content.curves["metric"])), list(_declared(content))
    return [*(name for name in first if name in names), *sorted(set(names) - set(first))]


def _family(metric: str) -> str | None:
    """`gates/weight_2` belongs to `gates/weight`."""
    found = re.fullmatch(r"(.+)_\d+", metric)
    return found[1] if found else None


def _by_metric(content: Content, metrics: Sequence[str], *, title: str) -> list[Pictures]:
    """A figure per metric, for as many arms at once as can be told apart."""
    tables = {name: _finite(content, content.curves["metric"] == name) for name in metrics}
    logged = {arm for table in tables.values() for arm in table["arm"]}
    arms = [arm.arm for arm in content.study.arms if arm.arm in logged]
    blocks = []
    for series in panels(arms, content.study.baseline):
        drawn = [
            Picture(_plot(content, table, [(number, table[table["arm"] == arm]) for arm, number in series.items()],
                             _name(content, name), f"{_name(content, name)} of each arm over training steps"))
            for name, table in tables.items() if table["arm"].isin(series).any()
        ]  # fmt: skip
        if drawn:
            blocks.append(Pictures(drawn, list(series.items()), small=True, title=title))
    return blocks


def _members(content: Content, family: str) -> tuple[pd.DataFrame, list[str], list[str]]:
    """The rows of a family, its metrics by number, and the arms that logged it."""
    table = _finite(content, content.curves["metric"].str.fullmatch(re.escape(family) + r"_\d+"))
    members = sorted(dict.fromkeys(table["metric"]), key=_number)
    return table, members, [arm.arm for arm in content.study.arms if (table["arm"] == arm.arm).any()]


def _number(metric: str) -> int:
    return int(metric.rpartition("_")[2])


def _at_the_end(content: Content, family: str) -> list[Block]:
    """The last value of every member of the family: figures with a line per arm."""
    table, members, arms = _members(content, family)
    last = table.sort_values("step", kind="stable").groupby(["arm", "seed", "metric"], sort=False)["value"].last()
    ends = last.reset_index().assign(step=lambda rows: rows["metric"].map(_number) + 1)
    if len(members) < 2:
        return []
    name = f"{_name(content, family)} at the end of training"
    return [
        Pictures([Picture(_plot(content, ends, [(number, ends[ends["arm"] == arm]) for arm, number in series.items()],
                                   _name(content, family), f"{name}, of each layer and arm", "layer"))],
                 list(series.items()), small=True, title=f"{name[0].upper()}{name[1:]}.")
        for series in panels(arms, content.study.baseline)
    ]  # fmt: skip


def _layers(content: Content, family: str) -> list[Block]:
    """A figure per arm with a line per member of the family, and a remark on arms and members that are left out."""
    table, everyone, arms = _members(content, family)
    members, name = _spread(everyone), _name(content, family)
    drawn = []
    for arm in arms[:FAMILY_ARMS]:
        mine = table[table["arm"] == arm]
        lines = [(place, mine[mine["metric"] == metric]) for place, metric in enumerate(members)]
        drawn.append(Picture(_plot(content, table, lines, name, f"{name} of {arm} over training steps"), arm))
    if not drawn:
        return []
    legend = [(f"layer {_number(metric) + 1}", place) for place, metric in enumerate(members)]
    blocks: list[Block] = [
        Pictures(drawn, legend, small=True, title=f"{name[0].upper()}{name[1:]}, over training steps.")
    ]
    left_out = [f"{len(members)} of {len(everyone)} layers"] if len(members) < len(everyone) else []
    left_out += [f"the first {FAMILY_ARMS} of {len(arms)} arms"] if len(arms) > FAMILY_ARMS else []
    if left_out:
        said = f"Over steps, {' and '.join(left_out)} are drawn; at the end of training, all. curves.parquet has everything."
        blocks.append(Text([said], small=True))
    return blocks


def _spread(members: list[str]) -> list[str]:
    """As many members as can be told apart, the first and the last included."""
    room = SERIES_COLOURS
    if len(members) <= room:
        return members
    return [members[round(place * (len(members) - 1) / (room - 1))] for place in range(room)]


def _finite(content: Content, chosen: pd.Series) -> pd.DataFrame:
    """The chosen rows without values that are not finite, e.g. a diverged trial's last ones; rates in percent."""
    table = content.curves[chosen]
    table = table[table["value"].abs() < math.inf]
    factor = table["metric"].str.startswith("wer/").map({True: 100.0, False: 1.0}).astype(float)
    return table.assign(value=table["value"] * factor)


def _plot(
    content: Content,
    table: pd.DataFrame,
    rows: Sequence[tuple[int, pd.DataFrame]],
    name: str,
    label: str,
    across: str = "step",
) -> Plot:
    """A plot of `rows`, which are those of each series; `table` gives the axes, which fit the trials that finished."""
    low, high = float(table["step"].min()), float(table["step"].max())
    ticks = None if across == "step" else _whole(int(low), int(high))
    x, y = Axis(across, low, max(high, low + 1), ticks=ticks), _height(content, table, name)
    return Plot(label, x, y, [_series(its, number, y) for number, its in rows if len(its)], SMALL)


def _whole(first: int, last: int) -> list[tuple[float, str]]:
    """Ticks of things that are counted, a dozen at most."""
    return [(place, str(place)) for place in range(first, last + 1, math.ceil((last - first + 1) / 12))]


def _height(content: Content, table: pd.DataFrame, name: str) -> Axis:
    failed = {(trial.arm, trial.seed) for trial in content.study.failed()}
    sound = [pair not in failed for pair in zip(table["arm"], table["seed"], strict=True)]
    values = table.loc[sound, "value"] if any(sound) else table["value"]
    low, high = float(values.min()), float(values.max())
    scale: Scale = "log" if low > 0 and high > 50 * float(values.median()) else "linear"
    if scale == "linear":
        low, high = (min(low, 0.0) if low < 0.3 * high else low), high
    room = 0.05 * ((high - low) or abs(high) or 1)
    return Axis(name, low if scale == "log" or low == 0 else low - room, high + room, scale)


def _series(table: pd.DataFrame, number: int, y: Axis) -> Series:
    """A line per seed and, with several seeds, their mean as far as all of them have values; a mark ends it."""
    seeds = [_thinned(*_by_step(rows), y) for _, rows in table.groupby("seed")]
    if len(seeds) < 2:
        return Series(number, [Line(seeds[0])], [Mark(*seeds[0][-1])])
    everywhere = table.groupby("step")["value"].agg(["mean", "count"])
    means = everywhere.loc[everywhere["count"] == len(seeds), "mean"]
    mean = _thinned(means.index.to_numpy(), means.to_numpy(), y)
    thin = [Line(line, thin=True) for line in seeds]
    return Series(number, [*thin, Line(mean)], [Mark(*mean[-1])]) if mean else Series(number, thin)


def _by_step(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The steps of a trial in their order, and its value at each of them: the mean of several at one step."""
    steps, values = rows["step"].to_numpy(), rows["value"].to_numpy()
    if (steps[1:] > steps[:-1]).all():
        return steps, values
    means = rows.groupby("step")["value"].mean()
    return means.index.to_numpy(), means.to_numpy()


def _thinned(steps: np.ndarray, values: np.ndarray, y: Axis) -> list[Point]:
    """At most about `POINTS_PER_LINE` points and the last one. Values beyond the axis stay at its end."""
    if not len(values):
        return []
    stride, last = math.ceil(len(values) / POINTS_PER_LINE), len(values) - 1
    chosen = [*range(0, last, stride), last]
    return list(zip(steps[chosen].astype(float).tolist(), values[chosen].clip(y.low, y.high).tolist(), strict=True))
