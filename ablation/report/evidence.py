"""The report's tables of numbers: rates by arm and condition, then what else is known about the differences."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from ablation.decisions.verdict import MIXED
from ablation.report.blocks import Block, Cell, Row, Table, Text
from ablation.report.content import Content
from ablation.report.wording import bare, interval, p_value, percent, points
from ablation.stats.significance import ALPHA, EARNS, EQUIVALENT, HARMFUL, NO_DIFFERENCE, NOT_JUDGED
from ablation.stats.these_checkpoints import LABEL
from common.conditions import label as condition_label

TONES: Mapping[str, str] = {
    EARNS: "earns",
    HARMFUL: "harmful",
    MIXED: "harmful",
    EQUIVALENT: "none",
    NO_DIFFERENCE: "none",
    NOT_JUDGED: "open",
}
DIRECTIONS: Mapping[str, str] = {EARNS: "worse", HARMFUL: "better"}
Record = Mapping[str, Any]


def rates(content: Content) -> list[Block]:
    """Arms against conditions: WER, and CER where the plan asks for it."""
    seeds = len(content.study.seeds)
    note = (
        f"WER in percent, mean of n = {seeds} seed{'s' if seeds != 1 else ''} where all finished, with its 95 % interval for "
        "another draw of seeds; difference to the baseline in points with its interval; p of Dunnett's test over seeds, paired "
        "by seed, with Holm's correction for conditions. “Worse” or “better” stands where p ≤ 0.05."
    )
    if seeds < 2:
        note = "WER in percent and difference to the baseline in points, of one seed: no intervals and no tests."
    words = _by_arm(
        content, "Word error rate by arm and condition", content.comparison, _rate, baseline=True, note=note
    )
    if content.characters.empty:
        return [words]
    title = "Character error rate by arm and condition"
    characters = _by_arm(content, title, content.characters, _rate, baseline=True, note="The same of characters (CER).")
    return [words, characters]


def _rate(row: Record) -> Cell:
    """The rate, and under it interval, difference and p, as far as there are such."""
    notes = [interval(row["wer_low"], row["wer_high"], bare)]
    if not pd.isna(row["difference"]):
        notes.append(_difference(row))
    notes.append(", ".join(filter(None, [p_value(row["p_adjusted"]), DIRECTIONS.get(row["verdict"], "")])))
    return Cell(percent(row["wer"]), [note for note in notes if note], TONES.get(row["verdict"], ""))


def _difference(row: Record) -> str:
    return f"{points(row['difference'])} {interval(row['diff_low'], row['diff_high'], points)}".strip()


def secondary(content: Content) -> list[Block]:
    """Sizes of the differences, the two-level bootstrap, and what holds for the trained checkpoints alone."""
    tested = content.comparison[content.comparison["effect"].notna() | content.comparison["detectable"].notna()]
    again = content.resampled[content.resampled["diff_low"].notna()]
    blocks: list[Block] = []
    if len(tested):
        note = (
            "Difference relative to the baseline's WER; d, the difference in standard deviations of a trial around arm and "
            "seed; the difference in points that this design finds with a chance of 80 %"
        )
        margin = content.study.margin_points
        note += (
            "." if margin is None else f"; p of the difference being {margin:g} points or more, small if it is less."
        )
        blocks.append(_by_arm(content, "Sizes of the differences to the baseline", tested, _size, note=note))
    if len(again):
        note = (
            f"WER, and the difference in points, with 95 % intervals for {again['resampled'].iloc[0]} drawn anew "
            f"({again['units'].iloc[0]} of the latter). They are not widened for the number of arms."
        )
        title = "Intervals of a two-level bootstrap"
        blocks.append(_by_arm(content, title, content.resampled, _resampled, baseline=True, note=note))
    return [*blocks, *_checkpoints(content)]


def _size(row: Record) -> Cell:
    reach = interval(row["effect_low"], row["effect_high"], lambda value: f"{value:.1f}".replace("-", "−"))
    effect = "" if pd.isna(row["effect"]) else f"d = {row['effect']:.1f} {reach}".replace("-", "−")
    seen = "" if pd.isna(row["detectable"]) else f"would see {100 * row['detectable']:.1f}"
    same = p_value(row["p_equivalent"])
    notes = [effect, seen, f"within margin: {same}" if same else ""]
    relative = "–" if pd.isna(row["relative"]) else f"{100 * row['relative']:+.0f} %".replace("-", "−")
    return Cell(relative, [note for note in notes if note])


def _resampled(row: Record) -> Cell:
    notes = [interval(row["wer_low"], row["wer_high"], bare)]
    if not pd.isna(row["difference"]):
        notes.append(_difference(row))
    return Cell(percent(row["wer"]), [note for note in notes if note])


def _checkpoints(content: Content) -> list[Block]:
    """Seed by seed; the heading says that it is no evidence on the part."""
    table = content.checkpoints
    if table.empty:
        return []
    said = (
        f"Secondary, {LABEL}: each arm's checkpoint against the baseline's of the same seed. This tells two trained "
        "models apart and says nothing about another seed, so no verdict rests on it."
    )
    note = (
        f"In how many seeds MAPSSWE gives p < {ALPHA:g}, uncorrected; per seed the difference in points with its 95 % interval "
        f"for {table['resampled'].iloc[0]} drawn anew, and p."
    )
    keys = ["arm", "condition"]
    grouped = [
        {"arm": arm, "condition": condition, "trials": rows.to_dict("records")}
        for (arm, condition), rows in table.groupby(keys, sort=False)
    ]
    title = f"Seed by seed, {LABEL}"
    return [Text([said]), _by_arm(content, title, pd.DataFrame(grouped), _by_seed, note=note)]


def _by_seed(row: Record) -> Cell:
    trials: Sequence[Record] = row["trials"]
    notes = [
        f"seed {trial['seed']}: " + ", ".join(filter(None, [_difference(trial), p_value(trial["p"])]))
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
    """Arms against conditions; a dash where `table` has no row."""
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
