"""The report's pictures of training: losses and rates of each arm, and what the model learned about its own parts."""

import math
import re
from collections.abc import Mapping, Sequence

import pandas as pd

from ablation.report import svg
from ablation.report.blocks import Block, Picture, Pictures, Text
from ablation.report.content import Content
from ablation.report.plots import panels

POINTS_PER_LINE = 100
FAMILY_ARMS = 12  # arms whose layer weights are drawn
FIRST = ("loss", "wer/valid", "loss/ctc", "loss/attention", "loss/masked", "learning_rate")
NAMES: Mapping[str, str] = {
    "loss": "loss",
    "loss/ctc": "CTC loss",
    "loss/attention": "attention loss",
    "loss/masked": "masked-prediction loss",
    "wer/valid": "WER on the validation split (%)",
    "learning_rate": "learning rate",
    "fusion/scale": "learned scale S of the video",
    "fusion/omega": "learned weights of the layers",
    "mask/audio_fraction": "masked fraction of audio",
    "mask/video_fraction": "masked fraction of video",
}
LEARNED = "fusion/"


def learned(content: Content) -> list[Block]:
    """What the fusion learned: single values of all arms together, families of values (one per layer) arm by arm."""
    metrics = [name for name in _metrics(content) if name.startswith(LEARNED)]
    families = [family for name in metrics if (family := _family(name))]
    single = [name for name in metrics if not _family(name)]
    blocks = _by_metric(content, single)
    for family in dict.fromkeys(families):
        blocks += _layers(content, family)
    return blocks


def training(content: Content) -> list[Block]:
    """Losses, WER on the validation split, and whatever else was logged."""
    blocks = _by_metric(content, [name for name in _metrics(content) if not name.startswith(LEARNED)])
    if not blocks:
        return []
    note = (
        "Thin: single seeds; thick: their mean, with a mark at its end. Axes fit the finished trials; the lines of failed "
        "ones may run into the edge."
    )
    return [*blocks, Text([note], small=True)]


def _metrics(content: Content) -> list[str]:
    names = list(dict.fromkeys(content.curves["metric"]))
    return [*(name for name in FIRST if name in names), *sorted(set(names) - set(FIRST))]


def _family(metric: str) -> str | None:
    """`fusion/omega_2` belongs to `fusion/omega`."""
    found = re.fullmatch(r"(.+)_\d+", metric)
    return found[1] if found else None


def _by_metric(content: Content, metrics: Sequence[str]) -> list[Block]:
    """A picture per metric, for as many arms at once as can be told apart."""
    tables = {name: _finite(content, content.curves["metric"] == name) for name in metrics}
    logged = {arm for table in tables.values() for arm in table["arm"]}
    arms = [arm.arm for arm in content.study.arms if arm.arm in logged]
    blocks: list[Block] = []
    for series in panels(arms, content.study.baseline):
        drawn = [
            Picture(_picture(content, table, [(number, table[table["arm"] == arm]) for arm, number in series.items()],
                             NAMES.get(name, name), f"{NAMES.get(name, name)} of each arm over training steps"))
            for name, table in tables.items() if table["arm"].isin(series).any()
        ]  # fmt: skip
        if drawn:
            blocks.append(Pictures(drawn, list(series.items()), small=True))
    return blocks


def _layers(content: Content, family: str) -> list[Block]:
    """A picture per arm with a line per member of the family."""
    table = _finite(content, content.curves["metric"].str.fullmatch(re.escape(family) + r"_\d+"))
    members = _spread(sorted(dict.fromkeys(table["metric"]), key=lambda name: int(name.rpartition("_")[2])))
    arms = [arm.arm for arm in content.study.arms if (table["arm"] == arm.arm).any()]
    name = NAMES.get(family, family)
    drawn = []
    for arm in arms[:FAMILY_ARMS]:
        mine = table[table["arm"] == arm]
        lines = [(place, mine[mine["metric"] == metric]) for place, metric in enumerate(members)]
        drawn.append(Picture(_picture(content, table, lines, name, f"{name} of {arm} over training steps"), arm))
    if not drawn:
        return []
    legend = [(f"layer {int(metric.rpartition('_')[2]) + 1}", place) for place, metric in enumerate(members)]
    blocks: list[Block] = [Pictures(drawn, legend, small=True)]
    if len(arms) > FAMILY_ARMS:
        blocks.append(
            Text([f"The first {FAMILY_ARMS} arms are drawn; curves.parquet has all {len(arms)}."], small=True)
        )
    return blocks


def _spread(members: list[str]) -> list[str]:
    """As many as can be told apart, the first and the last among them."""
    room = svg.SERIES_COLOURS
    if len(members) <= room:
        return members
    return [members[round(place * (len(members) - 1) / (room - 1))] for place in range(room)]


def _finite(content: Content, chosen: pd.Series) -> pd.DataFrame:
    """Values that are not finite (a diverged trial's last ones) end their line. Rates are in percent here."""
    table = content.curves[chosen]
    table = table[table["value"].abs() < math.inf]
    factor = table["metric"].str.startswith("wer/").map({True: 100.0, False: 1.0}).astype(float)
    return table.assign(value=table["value"] * factor)


def _picture(
    content: Content, table: pd.DataFrame, lines: Sequence[tuple[int, pd.DataFrame]], name: str, label: str
) -> str:
    """`table` gives the axes, which fit the trials that finished, `lines` the rows of each series."""
    x = svg.Axis(float(table["step"].min()), float(max(table["step"].max(), table["step"].min() + 1)), 56, 410)
    y = _height(content, table)
    drawn = [svg.group(number, _lines(rows, number, x, y)) for number, rows in reversed(lines) if len(rows)]
    return svg.picture(420, 234, label, [*svg.frame(x, y, "step", name), *drawn])


def _height(content: Content, table: pd.DataFrame) -> svg.Axis:
    failed = {(trial.arm, trial.seed) for trial in content.study.failed()}
    sound = [pair not in failed for pair in zip(table["arm"], table["seed"], strict=True)]
    values = table.loc[sound, "value"] if any(sound) else table["value"]
    low, high = float(values.min()), float(values.max())
    scale: svg.Scale = "log" if low > 0 and high > 50 * float(values.median()) else "linear"
    if scale == "linear":
        low, high = (min(low, 0.0) if low < 0.3 * high else low), high
    room = 0.05 * ((high - low) or abs(high) or 1)
    return svg.Axis(low if scale == "log" or low == 0 else low - room, high + room, 192, 30, scale)


def _lines(table: pd.DataFrame, number: int, x: svg.Axis, y: svg.Axis) -> list[str]:
    seeds = [_thinned(rows.groupby("step")["value"].mean(), x, y) for _, rows in table.groupby("seed")]
    if len(seeds) < 2:
        return [svg.line(seeds[0]), svg.marker(*seeds[0][-1], number)]
    everywhere = table.groupby("step")["value"].agg(["mean", "count"])
    mean = _thinned(everywhere.loc[everywhere["count"] == len(seeds), "mean"], x, y)
    thick = [svg.line(mean), svg.marker(*mean[-1], number)] if mean else []
    return [*(svg.line(line, "line thin") for line in seeds), *thick]


def _thinned(values: pd.Series, x: svg.Axis, y: svg.Axis) -> list[svg.Point]:
    """At most about `POINTS_PER_LINE` points, the last one among them; beyond the axis they stay at its end."""
    if values.empty:
        return []
    stride = math.ceil(len(values) / POINTS_PER_LINE) or 1
    chosen = pd.concat([values.iloc[:-1].iloc[::stride], values.iloc[-1:]])
    return [(x(float(step)), y(float(value))) for step, value in chosen.clip(y.low, y.high).items()]
