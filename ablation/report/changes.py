"""What changed between two studies: the arms that both have, each against itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ablation.errors import UserError
from ablation.multiplicity import holm
from ablation.report.blocks import Cell, Document, Row, Section, Table, Text
from ablation.report.content import flat, provenance
from ablation.report.data import dump
from ablation.report.method import SCORING
from ablation.report.wording import bare, interval, p_value, percent, points
from ablation.results import Study, read_counts, read_study
from ablation.significance import ALPHA, compare
from ablation.verdicts import readable

BEFORE, AFTER = "before", "after"


@dataclass(frozen=True)
class Changes:
    """Two studies and, per arm and condition that both have, `significance.compare`'s row of the later against the earlier.

    `p_adjusted` is by Holm over all arms and conditions here; `before` is the earlier WER; `change` is `better`, `worse`,
    `no difference shown` or `not judged`.
    """

    earlier: Study
    later: Study
    table: pd.DataFrame


def changes(earlier_dir: Path, later_dir: Path) -> Changes:
    """Compare two studies' folders. Raises UserError where that would compare unlike things."""
    earlier, later = read_study(earlier_dir), read_study(later_dir)
    arms = _comparable(earlier, later)
    counts = [read_counts(earlier_dir), read_counts(later_dir)]
    tables = [table for arm in arms if (table := _compared(arm, counts)) is not None]
    if not tables:
        raise UserError(f"studies are compared by their finished trials, but no arm of {arms} has any in both")
    table = pd.concat(tables, ignore_index=True)
    table["p_adjusted"] = holm(table["p"].tolist())
    table["change"] = list(map(_change, table["p_adjusted"], table["difference"]))
    return Changes(earlier, later, table)


def _comparable(earlier: Study, later: Study) -> list[str]:
    """The arms that both studies have with the same change to the baseline."""
    corpora = [str(study.corpus.get("fingerprint")) for study in (earlier, later)]
    if corpora[0] != corpora[1]:
        raise UserError(
            f"WERs of different corpora cannot be compared: {earlier.study!r} has corpus {corpora[0][:12]}, "
            f"{later.study!r} {corpora[1][:12]}; run one of them again with the other's corpus"
        )
    if set(earlier.conditions) != set(later.conditions):
        raise UserError(
            f"WERs are compared condition by condition, but {earlier.study!r} has {', '.join(earlier.conditions)} and "
            f"{later.study!r} {', '.join(later.conditions)}; run one of them again with the other's conditions"
        )
    known = {arm.arm: arm.overrides for arm in earlier.arms}
    arms = [arm.arm for arm in later.arms if known.get(arm.arm) == arm.overrides]
    if not arms:
        raise UserError(f"{earlier.study!r} and {later.study!r} have no arm in common, so there is nothing to compare")
    return arms


def _compared(arm: str, counts: Sequence[pd.DataFrame]) -> pd.DataFrame | None:
    """Pairs by seed where both have two seeds or more in common; the seeds' trials are independent otherwise."""
    sides = [table[table["arm"] == arm].assign(arm=name) for table, name in zip(counts, (BEFORE, AFTER), strict=True)]
    if sides[0].empty or sides[1].empty:
        return None
    paired = len(set(sides[0]["seed"]) & set(sides[1]["seed"])) > 1
    try:
        table = compare(pd.concat(sides, ignore_index=True), BEFORE, paired=paired)
    except ValueError as error:
        raise UserError(f"arm {arm!r}: {error}") from error
    before = table[table["arm"] == BEFORE].set_index("condition")["wer"]
    rows = table[table["arm"] == AFTER].drop(columns=["verdict", "p_equivalent"])
    return rows.assign(arm=arm, before=rows["condition"].map(before), paired=paired)


def _change(p: float, difference: float) -> str:
    if pd.isna(p):
        return "not judged"
    if p > ALPHA:
        return "no difference shown"
    return "worse" if difference > 0 else "better"


def document(found: Changes) -> Document:
    """The comparison for people."""
    said = [f"{n} {word}" for word, n in found.table["change"].value_counts(sort=False).items()]
    left_out = sorted(
        {arm.arm for study in (found.earlier, found.later) for arm in study.arms} - set(found.table["arm"])
    )
    summary = [f"Of {len(found.table)} pairs of arm and condition: {', '.join(said)}."]
    if left_out:
        summary.append(f"Not compared, as only one study has them or has scored them: {', '.join(left_out)}.")
    names = [found.earlier.study, found.later.study]
    facts = [("Earlier", f"{names[0]}, {found.earlier.created}"), ("Later", f"{names[1]}, {found.later.created}")]
    sections = [
        Section("Changes", [Text(summary), _rates(found)]),
        Section("What differs between the studies", [_unlike(found)]),
        Section("How to read this", [Text([*METHOD, *SCORING])]),
    ]
    return Document(
        "Two ablation studies", f"{names[0]} and {names[1]}", "What changed between two studies?", facts, sections
    )


METHOD: Sequence[str] = (
    "A difference is later minus earlier in percentage points of WER: a negative one means that the arm has become better. "
    "Each arm is compared with itself over seeds, within seeds where two or more are in both studies, else as independent "
    "ones; p is corrected over all arms and conditions by Holm's method, intervals are 95 % each. With one seed in either "
    "study there is no test.",
)


def _rates(found: Changes) -> Table:
    conditions = found.later.conditions
    rows: list[Row] = []
    for arm, its in found.table.groupby("arm", sort=False):
        cells = {row["condition"]: _cell(row) for row in its.to_dict("records")}
        rows.append([str(arm), *(cells.get(condition, Cell("–")) for condition in conditions)])
    note = (
        "WER after and before, then the difference in points with its interval, then p. Words say what is significant."
    )
    return Table("Changes by arm and condition", ["arm", *map(readable, conditions)], rows, note=note)


def _cell(row: dict) -> Cell:
    reach = interval(row["diff_low"], row["diff_high"], points)
    said = [p_value(row["p_adjusted"]), row["change"] if row["change"] in ("better", "worse") else ""]
    notes = [
        f"was {bare(row['before'])}",
        f"{points(row['difference'])} {reach}".strip(),
        ", ".join(filter(None, said)),
    ]
    tone = {"worse": "harmful", "better": "earns"}.get(row["change"], "")
    return Cell(percent(row["wer"]), [note for note in notes if note], tone)


def _unlike(found: Changes) -> Table:
    sides = []
    for study in (found.earlier, found.later):
        settings = flat({"preset": study.preset, "settings": study.settings})
        sides.append(dict([*provenance(study), *settings]))
    labels = [label for label in dict.fromkeys([*sides[0], *sides[1]]) if not label.startswith("mlflow")]
    rows: list[Row] = [
        [label, sides[0].get(label, "–"), sides[1].get(label, "–")]
        for label in labels
        if sides[0].get(label) != sides[1].get(label)
    ]
    return Table("Differences", ["what", "earlier", "later"], rows, prose=frozenset({1, 2}))


def to_csv(found: Changes) -> str:
    """One row per arm and condition; rates are fractions."""
    return found.table.to_csv(index=False, lineterminator="\n")


def to_json(found: Changes) -> str:
    """The same with the names of the studies."""
    names = {"earlier": found.earlier.study, "later": found.later.study, "method": [*METHOD, *SCORING]}
    return dump({**names, "changes": found.table.to_dict("records")})
