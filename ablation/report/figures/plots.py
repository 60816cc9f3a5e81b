"""The report's figures of results: differences with their intervals, and WER against SNR."""

import math
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from ablation.report.amounts import Amounts
from ablation.report.blocks import Picture, Pictures
from ablation.report.content import Content
from ablation.report.figures.axis import Axis, Scale, number
from ablation.report.figures.spec import (
    SERIES_COLOURS,
    Band,
    Forest,
    Line,
    Mark,
    Plot,
    Point,
    Row,
    Series,
)
from ablation.report.headings import heading
from ablation.report.wording import interval
from ablation.stats.verdict import Verdict
from common.conditions import CLEAN, Condition
from common.conditions import label as condition_label

FOREST_ROWS = 30  # more do not fit on a printed page
MOST_PRINTED = 12  # forests; of more arms, nobody reads the figures on paper
FAR = 12  # times the median: a group beyond it would squeeze the others on a linear axis
ROOM_ABOVE_ZERO = 0.25  # of the axis below zero: what values above zero mean is written there
DIFFERENCES = "Difference of each arm to the baseline, in {}"
INTERVALS = (
    ", with 95 % confidence intervals, simultaneous over arms. Filled: significant after correction; hollow: not"
)
HOLM = " (the correction for several conditions is in p alone, so a hollow mark's interval may exclude zero)"
Rows = list[dict[str, Any]]
Places = Sequence[tuple[float, str]]
Group = tuple[str, Sequence[Row]]  # an arm or a contrast, and its values in each condition


def panels(arms: Sequence[str], baseline: str) -> list[dict[str, int]]:
    """Arms with their series numbers in groups small enough to be told apart in one figure; the baseline has 0."""
    others, room = [arm for arm in arms if arm != baseline], SERIES_COLOURS - 1
    first = {baseline: 0} if baseline in arms else {}
    starts = range(0, len(others), room) or range(len(first))
    return [first | {arm: n for n, arm in enumerate(others[start : start + room], 1)} for start in starts]


def pictures(content: Content) -> list[Pictures]:
    """All figures of differences, then WER against SNR."""
    scored = [arm.arm for arm in content.study.arms if any(content.row(arm.arm, c) for c in content.study.conditions)]
    drawn = forests(content)
    captions = [""] * (len(drawn) - 1) + [_caption(content)]
    many = len(drawn) > MOST_PRINTED
    found = [Pictures([*map(Picture, drawn, captions)], screen_only=many)] if drawn else []
    known = content.comparison["wer_low"].notna().any() if len(content.comparison) else False
    bands = ", with 95 % intervals as bands" if known else ""
    for series in panels(scored, content.study.baseline):
        found += [
            Pictures(
                [Picture(plot, f"{_name(content)} against the SNR of {kind}{bands}.")],
                list(series.items()),
                screen_only=many,
            )
            for kind, plot in wer_against_snr(content, series)
        ]
    return found


def _caption(content: Content) -> str:
    said = DIFFERENCES.format(points_of(content))
    if content.comparison["diff_low"].isna().all():
        return f"{said}; without intervals, as nothing was tested."
    return said + INTERVALS + (HOLM if len(content.study.conditions) > 1 else "") + "."


def wer_against_snr(content: Content, series: dict[str, int]) -> list[tuple[str, Plot]]:
    """Return for each kind of noise its name and a plot of the metric over SNR (dB), with clean at the right."""
    kinds: dict[str, list[tuple[float, str]]] = {}
    for condition in map(Condition.parse, content.study.conditions):
        if condition.kind is not None and condition.snr_db is not None:
            kinds.setdefault(condition.kind, []).append((condition.snr_db, condition.name))
    return [(kind, _wer_plot(content, series, kind, sorted(snrs))) for kind, snrs in kinds.items()]


def _wer_plot(content: Content, series: dict[str, int], kind: str, snrs: Places) -> Plot:
    span = (snrs[-1][0] - snrs[0][0]) or 5.0
    places = [*snrs, (snrs[-1][0] + max(span / 4, 1), CLEAN)]
    metric, low, high = content.metric, *_reach(content)
    ticks = [(snr, "clean" if condition == CLEAN else number(snr)) for snr, condition in places]
    return Plot(
        f"{_name(content)} of each arm against the SNR of {kind}; the table above has the numbers",
        Axis(f"SNR of {kind} (dB)", snrs[0][0] - span / 20, places[-1][0] + span / 20, ticks=ticks),
        Axis(f"{metric.short} ({metric.unit})" if metric.unit else metric.short, low, high),
        [_wer_series(content, arm, place, places) for arm, place in series.items()],
    )


def _reach(content: Content) -> tuple[float, float]:
    """The ends of the axis of values: rates start at zero, other values near the lowest one."""
    table, metric = content.comparison, content.metric
    high = table[["wer", "wer_high"]].max(axis=None) if len(table) else math.nan
    if metric.is_rate:
        return 0, metric.scale * high if high > 0 else 10
    low = table[["wer", "wer_low"]].min(axis=None)
    margin = 0.05 * ((high - low) or abs(high) or 1)
    return low - margin, high + margin


def _name(content: Content) -> str:
    return heading(content.metric)


def points_of(content: Content) -> str:
    """E.g. `points of WER`, `dB of PSNR`, `accuracy`."""
    return f"{content.metric.points} of {content.metric.short}" if content.metric.points else content.metric.short


def _wer_series(content: Content, arm: str, place: int, places: Places) -> Series:
    """A line over the SNRs, a thin one from the last of them to clean, a mark and a band for each condition."""
    rows = [(snr, row) for snr, condition in places if (row := content.row(arm, condition))]
    noisy = [(snr, row) for snr, row in rows if row["condition"] != CLEAN]
    scale = content.metric.scale
    curve = [(snr, scale * row["wer"]) for snr, row in rows]
    lines = [Line(curve[: len(noisy)])]
    clean = rows[-1:] if len(noisy) < len(rows) else []
    if clean:
        lines.append(Line(curve[-2:], thin=True))
    marks = [Mark(snr, scale * row["wer"], _hint(row, content.amounts)) for snr, row in rows]
    bands = [band for run in (noisy, clean) if (band := _band(run, scale))]
    return Series(place, lines, marks, bands)


def _hint(row: dict[str, Any], write: Amounts) -> str:
    reach = interval(row["wer_low"], row["wer_high"], write.bare)
    return f"{row['arm']}, {condition_label(row['condition'])}: {write.value(row['wer'])} {reach}"


def _band(rows: list[tuple[float, dict[str, Any]]], scale: float) -> Band | None:
    """The intervals of a run of conditions; None where no interval is known."""
    known = [(snr, row) for snr, row in rows if not math.isnan(row["wer_low"])]
    lower, upper = ([(snr, scale * row[key]) for snr, row in known] for key in ("wer_low", "wer_high"))
    return Band(lower, upper) if known else None


def forests(content: Content) -> list[Forest]:
    """Differences to the baseline, arm by arm and condition by condition, in figures that fit on a page."""
    arms = [(arm.arm, _differences(content, arm.arm)) for arm in content.study.arms]
    groups = [(arm, [forest_row(arm, row, content.amounts) for row in rows]) for arm, rows in arms if rows]
    label = "Difference of each arm to the baseline in each condition, with intervals; the table above has the numbers"
    sides = ("worse", "arm is better") if content.metric.higher_is_better else ("better", "arm is worse")
    return pages(content, groups, label, f"difference in {points_of(content)}", sides)


def pages(content: Content, groups: Sequence[Group], label: str, axis: str, sides: tuple[str, str]) -> list[Forest]:
    """Return the groups in figures that fit on a page, all with the same axis, whose name is `axis`; [] without groups."""
    ends = [end for _, rows in groups for row in rows for end in (row.value, *(row.interval or ()))]
    if not ends:
        return []
    low = min(0.0, *ends)
    high = max(-ROOM_ABOVE_ZERO * low, *ends)
    scale: Scale = "asinh" if content.metric.is_rate and max(high, -low) > FAR * median(map(abs, ends)) else "linear"
    margin = 0.04 * ((high - low) or 1)
    name = axis + (" (compressed beyond 1)" if scale == "asinh" else "")
    return [Forest(label, Axis(name, low - margin, high + margin, scale), page, sides) for page in _pages(groups)]


def _differences(content: Content, arm: str) -> Rows:
    rows = [content.row(arm, condition) for condition in content.study.conditions if arm != content.study.baseline]
    return [row for row in rows if row and not math.isnan(row["difference"])]


def forest_row(of: str, row: dict[str, Any], write: Amounts) -> Row:
    """Return a row of the comparison `of` an arm or a contrast, in the unit of the metric (WER: points)."""
    name, text = condition_label(row["condition"]), write.difference(row["difference"])
    scale = write.metric.scale
    reach: Point = (scale * row["diff_low"], scale * row["diff_high"])
    return Row(
        name,
        scale * row["difference"],
        text,
        None if math.isnan(row["diff_low"]) else reach,
        row["verdict"] in (Verdict.WORSE, Verdict.BETTER),
        f"{of}, {name}: {write.with_unit(text)}",
    )


def _pages(groups: Sequence[Group]) -> Iterator[list[Group]]:
    page: list[Group] = []
    for name, rows in groups:
        if page and sum(len(its) + 1 for _, its in page) + len(rows) > FOREST_ROWS:
            yield page
            page = []
        page.append((name, rows))
    yield page
