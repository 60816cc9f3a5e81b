"""The report's pictures: WER against SNR, differences with their intervals, and what training logged."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from ablation.report import svg
from ablation.report.content import Content
from ablation.report.wording import interval, percent, points
from ablation.scoring import CLEAN
from ablation.significance import EARNS, HARMFUL
from ablation.verdicts import readable

POINTS_PER_LINE = 200
FIRST_METRICS = ("loss", "wer/valid", "fusion/scale", "loss/ctc", "loss/masked", "learning_rate")


def series_of(content: Content) -> dict[str, int]:
    """Each arm's number, by which it has its colour and marker in all pictures; the baseline is 0."""
    others = [arm.arm for arm in content.study.arms if arm.arm != content.study.baseline]
    return {arm: place for place, arm in enumerate([content.study.baseline, *others])}


def wer_against_snr(content: Content) -> list[tuple[str, str]]:
    """For each kind of noise its name and a picture of WER (%) over SNR (dB), with clean at the right."""
    kinds: dict[str, list[tuple[float, str]]] = {}
    for condition in content.study.conditions:
        kind, _, snr = condition.rpartition("_")
        if condition != CLEAN and snr.endswith("db"):
            kinds.setdefault(kind, []).append((float(snr[:-2]), condition))
    return [(kind, _wer_picture(content, kind, sorted(snrs))) for kind, snrs in kinds.items()]


def _wer_picture(content: Content, kind: str, snrs: list[tuple[float, str]]) -> str:
    span = (snrs[-1][0] - snrs[0][0]) or 5.0
    places = [*snrs, (snrs[-1][0] + max(span / 4, 1), CLEAN)]
    highs = content.comparison[["wer", "wer_high"]].max(axis=None) if len(content.comparison) else math.nan
    x = svg.Axis(snrs[0][0] - span / 20, places[-1][0] + span / 20, 46, 508)
    y = svg.Axis(0, 100 * highs if highs > 0 else 10, 262, 30)
    ticks = [(snr, "clean" if condition == CLEAN else svg.number(snr)) for snr, condition in places]
    parts = svg.frame(x, y, f"SNR of {kind} (dB)", "WER (%)", ticks)
    numbers = series_of(content)
    for arm, series in reversed(numbers.items()):
        shift = 3.0 * (series - (len(numbers) - 1) / 2)
        parts.append(svg.group(series, _wer_line(content, arm, series, places, x, y, shift)))
    return svg.picture(520, 304, f"Word error rate of each arm against the SNR of {kind}", parts)


def _wer_line(
    content: Content, arm: str, series: int, places: list[tuple[float, str]], x: svg.Axis, y: svg.Axis, shift: float
) -> list[str]:
    """A line over the SNRs, a thin one on to clean, and a whisker and a marker for each."""
    rows = [(x(snr) + shift, row) for snr, condition in places if (row := content.row(arm, condition))]
    spots = [(at, y(100 * row["wer"])) for at, row in rows]
    noisy = [spot for spot, (_, row) in zip(spots, rows, strict=True) if row["condition"] != CLEAN]
    parts = [svg.line(noisy)]
    if len(noisy) < len(spots):
        parts.append(svg.line(spots[-2:], "line thin"))
    for (at, height), (_, row) in zip(spots, rows, strict=True):
        if not math.isnan(row["wer_low"]):
            parts.append(svg.segment(at, y(100 * row["wer_low"]), at, y(100 * row["wer_high"])))
        reach = interval(row["wer_low"], row["wer_high"], percent)
        parts.append(
            svg.marker(at, height, series, f"{arm}, {readable(row['condition'])}: {percent(row['wer'])} {reach}")
        )
    return parts


def forest(content: Content) -> str:
    """Differences to the baseline in points, arm by arm and condition by condition; filled where significant."""
    rows = [row for arm in series_of(content) for row in _differences(content, arm)]
    ends = [
        100 * row[key] for row in rows for key in ("difference", "diff_low", "diff_high") if not math.isnan(row[key])
    ]
    if not ends:
        return ""
    low, high = min(0.0, *ends), max(0.0, *ends)
    scale: svg.Scale = "asinh" if max(high, -low) > 15 else "linear"
    margin = 0.04 * ((high - low) or 1)
    x = svg.Axis(low - margin, high + margin, 130, 462, scale)
    parts, top = list[str](), 34.0
    for arm, series in series_of(content).items():
        differences = _differences(content, arm)
        if differences:
            parts += [svg.text(6, top + 5, arm, "name", "start"), *_forest_rows(differences, series, x, top + 20)]
            top += 24 + 20 * len(differences)
    grid = [svg.segment(x(value), 26, x(value), top, "axis" if value == 0 else "grid") for value in x.ticks()]
    labels = [svg.text(x(value), top + 16, svg.number(value)) for value in x.ticks()]
    sides = [
        svg.text(x(0) + 6, 16, "arm is worse →", "tick", "start"),
        svg.text(x(0) - 6, 16, "← better", "tick", "end"),
    ]
    name = "difference in points of WER" + (" (compressed beyond 1)" if scale == "asinh" else "")
    caption = [svg.text(290, top + 34, name, "name")]
    label = "Difference of each arm to the baseline in each condition, with intervals"
    return svg.picture(520, int(top + 44), label, [*grid, *labels, *sides, *parts, *caption])


def _differences(content: Content, arm: str) -> list[dict[str, Any]]:
    rows = [content.row(arm, condition) for condition in content.study.conditions if arm != content.study.baseline]
    return [row for row in rows if row and not math.isnan(row["difference"])]


def _forest_rows(rows: Sequence[dict[str, Any]], series: int, x: svg.Axis, top: float) -> list[str]:
    parts = []
    for place, row in enumerate(rows):
        at, height = x(100 * row["difference"]), top + 20 * place
        drawn = []
        if not math.isnan(row["diff_low"]):
            drawn.append(svg.segment(x(100 * row["diff_low"]), height, x(100 * row["diff_high"]), height))
        hint = f"{row['arm']}, {readable(row['condition'])}: {points(row['difference'])} points"
        drawn.append(svg.marker(at, height, series, hint, filled=row["verdict"] in (EARNS, HARMFUL)))
        parts += [
            svg.text(18, height + 4, readable(row["condition"]), "tick", "start"),
            svg.group(series, drawn),
            svg.text(514, height + 4, points(row["difference"]), "tick", "end"),
        ]
    return parts


def training_curves(content: Content) -> list[tuple[str, str]]:
    """Each logged metric's name and picture: a thin line per seed, a thick one for their mean."""
    names = list(dict.fromkeys(content.curves["metric"]))
    ordered = [*(name for name in FIRST_METRICS if name in names), *sorted(set(names) - set(FIRST_METRICS))]
    pictures = ((name, _curves(content, name)) for name in ordered)
    return [(name, picture) for name, picture in pictures if picture]


def _curves(content: Content, metric: str) -> str:
    """Values that are not finite (a diverged trial's last ones) end their line; axes fit the trials that finished."""
    table = content.curves[content.curves["metric"] == metric]
    table = table[table["value"].abs() < math.inf]
    if table.empty:
        return ""
    failed = {(trial.arm, trial.seed) for trial in content.study.failed()}
    sound = [pair not in failed for pair in zip(table["arm"], table["seed"], strict=True)]
    values = table.loc[sound, "value"] if any(sound) else table["value"]
    low, high = float(values.min()), float(values.max())
    scale: svg.Scale = "log" if low > 0 and high > 50 * float(values.median()) else "linear"
    if scale == "linear":
        low, high = (min(low, 0.0) if low < 0.3 * high else low), high
    room = 0.05 * ((high - low) or abs(high) or 1)
    y = svg.Axis(low if scale == "log" or low == 0 else low - room, high + room, 192, 30, scale)
    x = svg.Axis(float(table["step"].min()), float(max(table["step"].max(), table["step"].min() + 1)), 56, 410)
    parts = svg.frame(x, y, "step", metric)
    for arm, series in reversed(series_of(content).items()):
        parts.append(svg.group(series, _curve_lines(table[table["arm"] == arm], x, y)))
    return svg.picture(420, 234, f"{metric} of each arm over training steps", parts)


def _curve_lines(table: pd.DataFrame, x: svg.Axis, y: svg.Axis) -> list[str]:
    seeds = [_thinned(rows.groupby("step")["value"].mean(), x, y) for _, rows in table.groupby("seed")]
    if len(seeds) < 2:
        return [svg.line(line) for line in seeds]
    everywhere = table.groupby("step")["value"].agg(["mean", "count"])
    mean = everywhere.loc[everywhere["count"] == len(seeds), "mean"]
    return [*(svg.line(line, "line thin") for line in seeds), svg.line(_thinned(mean, x, y))]


def _thinned(values: pd.Series, x: svg.Axis, y: svg.Axis) -> list[svg.Point]:
    """At most about `POINTS_PER_LINE` points, the last one among them; beyond the axis they stay at its end."""
    stride = math.ceil(len(values) / POINTS_PER_LINE) or 1
    chosen = pd.concat([values.iloc[:-1].iloc[::stride], values.iloc[-1:]])
    return [(x(float(step)), y(float(value))) for step, value in chosen.clip(y.low, y.high).items()]
