"""The report's tables of numbers: error rates by arm and condition, then secondary evidence on the differences."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd

from ablation.decisions.verdict import Overall
from ablation.report.amounts import Amounts
from ablation.report.blocks import Block, Cell, Row, Table, Text
from ablation.report.content import Content
from ablation.report.headings import heading
from ablation.report.wording import interval, p_value
from ablation.stats.levels import ALPHA
from ablation.stats.metrics import Metric
from ablation.stats.these_checkpoints import LABEL
from ablation.stats.verdict import Verdict
from common.conditions import label as condition_label
from common.signs import without_sign_of_zero

TONES: Mapping[str, str] = {
    Overall.WORSE: "worse",
    Overall.BETTER: "better",
    Overall.MIXED: "mixed",
    Overall.EQUIVALENT: "none",
    Overall.INCONCLUSIVE: "none",
    Overall.NOT_TESTED: "open",
}
SIGNIFICANT = (Verdict.WORSE, Verdict.BETTER)
AND_HOLM = ", with Holm's correction over conditions, which the intervals do not have: one may exclude zero with p above the level"
Record = Mapping[str, Any]


def rates(content: Content) -> list[Block]:
    """Return a table of arms against conditions for each metric of the plan."""
    known = content.study.known_metrics()
    tables = [(known[name], table) for name, table in content.comparisons.items() if len(table)]
    return [
        _by_arm(
            content,
            f"{heading(metric)} by arm and condition",
            table,
            partial(_rate, Amounts(metric).aligned(table)),
            baseline=True,
            note=_rates_note(content, metric),
        )
        for metric, table in tables or [(content.metric, content.comparison)]
    ]


def _rates_note(content: Content, metric: Metric) -> str:
    seeds, write = len(content.study.seeds), Amounts(metric)
    name = metric.short if metric.is_rate else heading(metric)
    unit = " in percent" if metric.is_rate else f"{f' in {metric.unit}' if metric.unit else ''}{write.direction}"
    if seeds < 2:
        return (
            f"{name}{unit}, and the difference to the baseline{write.in_unit}, for one seed: no intervals and no tests."
        )
    if metric != content.metric:
        return f"The same numbers for {metric.short}."
    points = " in percentage points" if metric.is_rate else write.in_unit
    return (
        f"{name}{unit}, mean of n = {seeds} seeds if all trials finished{_fewer(content)}, with its 95 % confidence "
        f"interval over seeds; "
        f"difference to the baseline{points} with its 95 % confidence interval, simultaneous over arms{_looks(content)}; p of "
        f"Dunnett's test over seeds, paired by seed{AND_HOLM if len(content.study.conditions) > 1 else ''}. “Worse” and “better” "
        f"mark p ≤ {ALPHA:g}."
    )


def _looks(content: Content) -> str:
    return " and looks" if content.study.looks else ""


def _fewer(content: Content) -> str:
    return " and no look stopped the arm before" if content.study.looks else ""


def _rate(write: Amounts, row: Record) -> Cell:
    """The rate, and under it the interval, the difference and p, if there are any."""
    notes = [interval(row["wer_low"], row["wer_high"], write.bare)]
    if not pd.isna(row["difference"]):
        notes.append(_difference(write, row))
    significant = row["verdict"] in SIGNIFICANT
    notes.append(", ".join(filter(None, [p_value(row["p_adjusted"]), str(row["verdict"]) if significant else ""])))
    tone = TONES[Overall(row["verdict"])] if row["verdict"] else ""
    return Cell(write.value(row["wer"]), [note for note in notes if note], tone)


def _difference(write: Amounts, row: Record) -> str:
    limits = interval(row["diff_low"], row["diff_high"], write.difference)
    return f"{write.difference(row['difference'])} {limits}".strip()


def secondary(content: Content) -> list[Block]:
    """Return effect sizes, the two-level bootstrap, and the tests of the trained checkpoints."""
    tested = content.comparison[content.comparison["effect"].notna() | content.comparison["detectable"].notna()]
    again = content.resampled[content.resampled["diff_low"].notna()]
    write, blocks = content.amounts, list[Block]()
    if len(tested):
        note = (
            f"Difference relative to the baseline's {content.metric.short}; d, the difference in standard deviations of a trial "
            f"around arm and seed, with its 95 % confidence interval; the smallest difference{write.in_unit} that this design "
            "detects with a power of 80 %"
        )
        margin = content.study.margin_points
        note += (
            "." if margin is None else f"; p of the equivalence test with a margin of {write.with_unit(f'{margin:g}')}."
        )
        blocks.append(_by_arm(content, "Effect sizes", tested, partial(_size, write), note=note))
    if len(again):
        note = (
            f"{content.metric.short}, and the difference{write.in_unit}, with 95 % confidence intervals over "
            f"{again['resampled'].iloc[0]} ({again['units'].iloc[0]} of the latter). They are not simultaneous over arms"
            f"{' and do not allow for looks' if content.study.looks else ''}."
        )
        title = "Confidence intervals of a two-level bootstrap"
        blocks.append(
            _by_arm(
                content,
                title,
                content.resampled,
                partial(_resampled, write.aligned(content.resampled)),
                baseline=True,
                note=note,
            )
        )
        blocks += _disagreements(content, again)
    return [*blocks, *_checkpoints(content)]


def _disagreements(content: Content, resampled: pd.DataFrame) -> list[Block]:
    """Return a sentence about places where an interval of the bootstrap and the verdict seem to contradict each other."""
    found = []
    for row in resampled.to_dict("records"):
        tested = content.row(row["arm"], row["condition"])
        excludes = row["diff_low"] > 0 or row["diff_high"] < 0
        if tested and tested["verdict"] != Verdict.NOT_TESTED and excludes != (tested["verdict"] in SIGNIFICANT):
            found.append(f"{row['arm']} at {condition_label(row['condition'])}")
    if not found:
        return []
    rest = len(found) - 3
    more = f" and in {rest} more place{'s' if rest > 1 else ''}" if rest > 0 else ""
    said = (
        f"For {', '.join(found[:3])}{more}, this interval and the verdict disagree: one excludes a difference of zero, and the "
        "other does not. The verdict counts: it is corrected for all arms and conditions, and its variance is pooled over all "
        "arms. An interval here is corrected for nothing, has the variance of two arms alone, with few degrees of freedom, and "
        "covers other test units as well."
    )
    return [Text([said], small=True)]


def _size(write: Amounts, row: Record) -> Cell:
    reach = interval(row["effect_low"], row["effect_high"], _tenths)
    effect = "" if pd.isna(row["effect"]) else f"d = {_tenths(row['effect'])} {reach}".rstrip()
    seen = "" if pd.isna(row["detectable"]) else f"detects {write.size(row['detectable'])}"
    same = p_value(row["p_equivalent"])
    notes = [effect, seen, f"equivalence: {same}" if same else ""]
    relative = without_sign_of_zero(f"{100 * row['relative']:+.0f} %".replace("-", "−"))
    return Cell("–" if pd.isna(row["relative"]) else relative, [note for note in notes if note])


def _tenths(value: float) -> str:
    return without_sign_of_zero(f"{value:.1f}".replace("-", "−"))


def _resampled(write: Amounts, row: Record) -> Cell:
    notes = [interval(row["wer_low"], row["wer_high"], write.bare)]
    if not pd.isna(row["difference"]):
        notes.append(_difference(write, row))
    return Cell(write.value(row["wer"]), [note for note in notes if note])


def _checkpoints(content: Content) -> list[Block]:
    """Tests seed by seed; the text says that they are not evidence on the part."""
    table = content.checkpoints
    if table.empty:
        return []
    said = (
        f"Secondary evidence, {LABEL}: each arm's checkpoint against the baseline's checkpoint of the same seed. This compares "
        "two trained models and says nothing about other seeds, so no verdict is based on it."
    )
    tested = content.metric.is_rate
    note = (
        (f"Number of seeds for which MAPSSWE gives p < {ALPHA:g}, uncorrected. " if tested else "")
        + f"Below, for each seed: its number, the difference{content.amounts.in_unit}, its 95 % confidence interval over "
        + f"{table['resampled'].iloc[0]}"
        + (", and p." if tested else ".")
    )
    trials: dict[tuple[str, str], list[Record]] = {}
    for row in table.to_dict("records"):
        trials.setdefault((row["arm"], row["condition"]), []).append({str(name): row[name] for name in row})
    grouped = [{"arm": arm, "condition": name, "trials": rows} for (arm, name), rows in trials.items()]
    title = f"Seed by seed, {LABEL}"
    return [
        Text([said]),
        _by_arm(content, title, pd.DataFrame(grouped), partial(_by_seed, content.amounts.aligned(table)), note=note),
    ]


def _by_seed(write: Amounts, row: Record) -> Cell:
    trials: Sequence[Record] = row["trials"]
    notes = [
        f"{trial['seed']}: " + ", ".join(filter(None, [_difference(write, trial), p_value(trial["p"])]))
        for trial in trials
    ]
    tested = [trial["p"] for trial in trials if not pd.isna(trial["p"])]
    return Cell(f"{sum(p < ALPHA for p in tested)} of {len(tested)}" if tested else "no test", notes)


def _by_arm(
    content: Content,
    title: str,
    table: pd.DataFrame,
    shown: Callable[[Record], Cell],
    *,
    baseline: bool = False,
    note: str = "",
) -> Table:
    """Arms against conditions; a dash if `table` has no row."""
    found = {(row["arm"], row["condition"]): row for row in table.to_dict("records")}
    conditions = content.study.conditions
    rows: list[Row] = [
        [
            Cell(arm.arm, [_seeds(content, arm.arm)]),
            *(shown(found[arm.arm, name]) if (arm.arm, name) in found else Cell("–") for name in conditions),
        ]
        for arm in content.study.arms
        if baseline or arm.arm != content.study.baseline
    ]
    return Table(title, ["arm", *map(condition_label, conditions)], rows, note=note)


def _seeds(content: Content, arm: str) -> str:
    trials = content.study.of(arm)
    finished = sum(trial.status == "finished" for trial in trials)
    return f"{finished} of {len(trials)} seed{'s' if len(trials) != 1 else ''}"
