"""The report's pictures of results: differences with their intervals, and WER against SNR."""

import math
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from ablation.report.blocks import Picture, Pictures
from ablation.report.content import Content
from ablation.report.figures import svg
from ablation.report.wording import bare, interval, percent, points
from ablation.stats.verdict import Verdict
from common.conditions import CLEAN, Condition
from common.conditions import label as condition_label

FOREST_ROWS = 30  # more do not fit on a printed page
FAR = 12  # times the median: beyond it one arm would leave the others no room on a linear axis


def panels(arms: Sequence[str], baseline: str) -> list[dict[str, int]]:
    """Arms with their series numbers, the baseline's being 0, in groups that can be told apart in one picture."""
    others, room = [arm for arm in arms if arm != baseline], svg.SERIES_COLOURS - 1
    first = {baseline: 0} if baseline in arms else {}
    starts = range(0, len(others), room) or range(len(first))
    return [first | {arm: n for n, arm in enumerate(others[start : start + room], 1)} for start in starts]


def pictures(content: Content) -> list[Pictures]:
    """All pictures of differences, then WER against SNR."""
    scored = [arm.arm for arm in content.study.arms if any(content.row(arm.arm, c) for c in content.study.conditions)]
    drawn = [Picture(picture, "") for picture in forests(content)]
    found = []
    if drawn:
        caption = (
            "Difference of each arm to the baseline, in points of WER, with intervals. Filled: significant after correction; "
            "hollow: not."
        )
        drawn[-1] = Picture(drawn[-1].svg, caption)
        found.append(Pictures(drawn))
    known = content.comparison["wer_low"].notna().any() if len(content.comparison) else False
    bands = ", with 95 % intervals as bands" if known else ""
    for series in panels(scored, content.study.baseline):
        found += [
            Pictures([Picture(picture, f"Word error rate against the SNR of {kind}{bands}.")],
                     list(series.items()))
            for kind, picture in wer_against_snr(content, series)
        ]  # fmt: skip
    return found


def wer_against_snr(content: Content, series: dict[str, int]) -> list[tuple[str, str]]:
    """For each kind of noise its name and a picture of WER (%) over SNR (dB), with clean at the right."""
    kinds: dict[str, list[tuple[float, str]]] = {}
    for condition in map(Condition.parse, content.study.conditions):
        if condition.kind is not None and condition.snr_db is not None:
            kinds.setdefault(condition.kind, []).append((condition.snr_db, condition.name))
    return [(kind, _wer_picture(content, series, kind, sorted(snrs))) for kind, snrs in kinds.items()]


def _wer_picture(content: Content, series: dict[str, int], kind: str, snrs: list[tuple[float, str]]) -> str:
    span = (snrs[-1][0] - snrs[0][0]) or 5.0
    places = [*snrs, (snrs[-1][0] + max(span / 4, 1), CLEAN)]
    highs = content.comparison[["wer", "wer_high"]].max(axis=None) if len(content.comparison) else math.nan
    x = svg.Axis(snrs[0][0] - span / 20, places[-1][0] + span / 20, 46, 508)
    y = svg.Axis(0, 100 * highs if highs > 0 else 10, 262, 30)
    ticks = [(snr, "clean" if condition == CLEAN else svg.number(snr)) for snr, condition in places]
    parts = svg.frame(x, y, f"SNR of {kind} (dB)", "WER (%)", ticks)
    lines = [_wer_line(content, arm, number, places, x, y) for arm, number in reversed(series.items())]
    drawn = [svg.group(number, bands) for number, bands, _ in lines if bands]
    drawn += [svg.group(number, line) for number, _, line in lines]
    label = f"Word error rate of each arm against the SNR of {kind}; the table above has the numbers"
    return svg.picture(520, 304, label, [*parts, *drawn])


def _wer_line(
    content: Content, arm: str, number: int, places: list[tuple[float, str]], x: svg.Axis, y: svg.Axis
) -> tuple[int, list[str], list[str]]:
    """Series number, bands, and a line over the SNRs, a thin one on to clean, with a marker for each."""
    rows = [(x(snr), row) for snr, condition in places if (row := content.row(arm, condition))]
    noisy = [(at, row) for at, row in rows if row["condition"] != CLEAN]
    parts = [svg.line([(at, y(100 * row["wer"])) for at, row in noisy])]
    if len(noisy) < len(rows):
        parts.append(svg.line([(at, y(100 * row["wer"])) for at, row in rows[-2:]], "line thin"))
    for at, row in rows:
        reach = interval(row["wer_low"], row["wer_high"], bare)
        hint = f"{arm}, {condition_label(row['condition'])}: {percent(row['wer'])} {reach}"
        parts.append(svg.marker(at, y(100 * row["wer"]), number, hint))
    bands = [_band(run, y) for run in (noisy, rows[-1:] if len(noisy) < len(rows) else [])]
    return number, [band for band in bands if band], parts


def _band(rows: list[tuple[float, dict[str, Any]]], y: svg.Axis) -> str:
    """The intervals of a run of conditions; of a single one, a little wide."""
    known = [(at, row) for at, row in rows if not math.isnan(row["wer_low"])]
    if len(known) == 1:
        at, row = known[0]
        known = [(at - 6, row), (at + 6, row)]
    lower, upper = ([(at, y(100 * row[key])) for at, row in known] for key in ("wer_low", "wer_high"))
    return svg.band(lower, upper) if known else ""


def forests(content: Content) -> list[str]:
    """Differences to the baseline in points, arm by arm and condition by condition; filled where significant."""
    arms = [(arm.arm, _differences(content, arm.arm)) for arm in content.study.arms]
    arms = [(arm, rows) for arm, rows in arms if rows]
    ends = [
        100 * row[key]
        for _, rows in arms
        for row in rows
        for key in ("difference", "diff_low", "diff_high")
        if not math.isnan(row[key])
    ]
    if not ends:
        return []
    low, high = min(0.0, *ends), max(0.0, *ends)
    scale: svg.Scale = "asinh" if max(high, -low) > FAR * median(map(abs, ends)) else "linear"
    margin = 0.04 * ((high - low) or 1)
    x = svg.Axis(low - margin, high + margin, 130, 462, scale)
    return [_forest(group, x) for group in _pages(arms)]


def _pages(arms: list[tuple[str, list[dict[str, Any]]]]) -> Iterator[list[tuple[str, list[dict[str, Any]]]]]:
    page: list[tuple[str, list[dict[str, Any]]]] = []
    for arm, rows in arms:
        if page and sum(len(its) + 1 for _, its in page) + len(rows) > FOREST_ROWS:
            yield page
            page = []
        page.append((arm, rows))
    yield page


def _forest(arms: list[tuple[str, list[dict[str, Any]]]], x: svg.Axis) -> str:
    parts, top = list[str](), 34.0
    for arm, rows in arms:
        parts += [svg.text(6, top + 5, svg.short(arm, 70), "name", "start"), *_forest_rows(rows, x, top + 20)]
        top += 24 + 20 * len(rows)
    grid = [svg.segment(x(value), 26, x(value), top, "axis" if value == 0 else "grid") for value in x.ticks()]
    labels = [svg.text(x(value), top + 16, svg.number(value)) for value in x.ticks()]
    sides = [
        svg.text(x(0) + 6, 16, "arm is worse →", "tick", "start"),
        svg.text(x(0) - 6, 16, "← better", "tick", "end"),
    ]
    name = "difference in points of WER" + (" (compressed beyond 1)" if x.scale == "asinh" else "")
    caption = [svg.text(296, top + 34, name, "name")]
    label = "Difference of each arm to the baseline in each condition, with intervals; the table above has the numbers"
    return svg.picture(520, int(top + 44), label, [*grid, *labels, *sides, *parts, *caption])


def _differences(content: Content, arm: str) -> list[dict[str, Any]]:
    rows = [content.row(arm, condition) for condition in content.study.conditions if arm != content.study.baseline]
    return [row for row in rows if row and not math.isnan(row["difference"])]


def _forest_rows(rows: Sequence[dict[str, Any]], x: svg.Axis, top: float) -> list[str]:
    parts = []
    for place, row in enumerate(rows):
        at, height = x(100 * row["difference"]), top + 20 * place
        drawn = []
        if not math.isnan(row["diff_low"]):
            drawn.append(svg.segment(x(100 * row["diff_low"]), height, x(100 * row["diff_high"]), height))
        hint = f"{row['arm']}, {condition_label(row['condition'])}: {points(row['difference'])} points"
        significant = row["verdict"] in (Verdict.WORSE, Verdict.BETTER)
        drawn.append(svg.marker(at, height, 1 if significant else 0, hint, filled=significant))
        parts += [
            svg.text(18, height + 4, condition_label(row["condition"]), "tick", "start"),
            svg.group(1 if significant else 0, drawn),
            svg.text(514, height + 4, points(row["difference"]), "tick", "end"),
        ]
    return parts
