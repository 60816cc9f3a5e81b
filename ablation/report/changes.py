"""The report on the changes between two studies: the arms of both, each against itself."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ablation.decisions.verdict import Overall
from ablation.records import Study
from ablation.report.amounts import Amounts
from ablation.report.blocks import Cell, Document, Row, Section, Table, Text
from ablation.report.content import flat, provenance
from ablation.report.evidence import TONES
from ablation.report.formats.data import dump
from ablation.report.method import WORD_ERRORS, normalisation, scoring
from ablation.report.verdict_wording import OVERALL
from ablation.report.wording import interval, p_value
from ablation.results import read_counts, read_study
from ablation.stats.metrics import WER, Metric
from ablation.stats.two_studies import compare_studies
from ablation.stats.verdict import Verdict
from common.conditions import label as condition_label
from common.errors import UserError

SAME_TRIALS = "the same trials"


@dataclass(frozen=True)
class Changes:
    """Two studies and the table of `two_studies.compare_studies` for the arms of both."""

    earlier: Study
    later: Study
    table: pd.DataFrame

    @property
    def metric(self) -> Metric:
        """The metric that is compared: the measure of both studies, else WER."""
        return metric_of_changes(self.later)


def changes(earlier_dir: Path, later_dir: Path) -> Changes:
    """Compare the folders of two studies. Raises UserError if they are one folder, or their WERs are not comparable."""
    if earlier_dir.resolve() == later_dir.resolve():
        raise UserError(f"two studies are compared, but {later_dir} is both of them; name an earlier one")
    earlier, later = read_study(earlier_dir), read_study(later_dir)
    arms = _comparable(earlier, later)
    counts = [read_counts(earlier_dir), read_counts(later_dir)]
    if not all((table["arm"].isin(arms)).any() for table in counts):
        raise UserError(f"studies are compared by their finished trials, but no arm of {arms} has any in both")
    _check_same_texts(earlier, later, counts)
    table = compare_studies(counts[0], counts[1], arms, metric_of_changes(later))
    if table.empty:
        raise UserError(f"studies are compared by their finished trials, but no arm of {arms} has any in both")
    return Changes(earlier, later, table)


def metric_of_changes(study: Study) -> Metric:
    """Return the metric by which a study is compared with another one."""
    return WER if study.measure is None else study.metric()


def _comparable(earlier: Study, later: Study) -> list[str]:
    """The arms that are in both studies, with the same change to the baseline."""
    if earlier.measure != later.measure:
        names = [study.metric() for study in (earlier, later)]
        said = [f"{metric.short}{Amounts(metric).direction}" for metric in names]
        raise UserError(
            f"studies are compared by one metric, but {earlier.study!r} has {said[0]}, and {later.study!r} {said[1]}; import one "
            "of them again with the other's metric"
        )
    corpora = [str(study.corpus.get("fingerprint")) for study in (earlier, later)]
    if corpora[0] != corpora[1]:
        raise UserError(
            f"WERs of different corpora cannot be compared: {earlier.study!r} has corpus {corpora[0][:12]}, "
            f"{later.study!r} {corpora[1][:12]}; rerun one of them with the other's corpus"
        )
    if set(earlier.conditions) != set(later.conditions):
        raise UserError(
            f"WERs are compared condition by condition, but {earlier.study!r} has {', '.join(earlier.conditions)} and "
            f"{later.study!r} {', '.join(later.conditions)}; rerun one of them with the other's conditions"
        )
    known = {arm.arm: arm.overrides for arm in earlier.arms}
    noises = [study.provenance.get("scoring", {}).get("noise") for study in (earlier, later)]
    if None not in noises and noises[0] != noises[1]:
        raise UserError(
            f"WERs in different noise cannot be compared: the recordings of {earlier.study!r} are {noises[0] or 'none'}, of "
            f"{later.study!r} {noises[1] or 'none'}; rerun one of them with the other's"
        )
    if earlier.normalise != later.normalise:
        raise UserError(
            f"WERs are compared after one normalisation of the texts, but {earlier.study!r} has `normalise: "
            f"{earlier.normalise}` and {later.study!r} `normalise: {later.normalise}`; rerun one of them with the other's"
        )
    arms = [arm.arm for arm in later.arms if known.get(arm.arm) == arm.overrides]
    if not arms:
        raise UserError(f"{earlier.study!r} and {later.study!r} have no arm in common, so there is nothing to compare")
    return arms


def _check_same_texts(earlier: Study, later: Study, counts: Sequence[pd.DataFrame]) -> None:
    """Raise UserError unless both were scored on the same utterances with the same numbers of words, or on the same items."""
    metric = metric_of_changes(later)
    keys = ["condition", "utterance_id", metric.length]
    scored = [set(table[keys].drop_duplicates().itertuples(index=False, name=None)) for table in counts]
    if other := scored[0] ^ scored[1]:
        condition, utterance, _ = min(other)
        words = "WERs are compared on the same utterances with the same words"
        rule = words if metric.is_rate else "values are compared on the same items"
        raise UserError(
            f"{rule}, but {earlier.study!r} and {later.study!r} differ "
            f"in {len({key[:2] for key in other})}, e.g. {utterance} at {condition}; score one of them again"
        )


def document(found: Changes) -> Document:
    """Return the comparison as a document."""
    said = [f"{number} {word}" for word, number in Counter(map(_outcome, found.table.to_dict("records"))).items()]
    left_out = sorted(
        {arm.arm for study in (found.earlier, found.later) for arm in study.arms} - set(found.table["arm"])
    )
    summary = [f"Of {len(found.table)} pairs of arm and condition: {', '.join(said)}."]
    if left_out:
        summary.append(f"Not compared, as only one study has or has scored them: {', '.join(left_out)}.")
    summary += _cautions(found)
    names = [found.earlier.study, found.later.study]
    facts = [("Earlier", f"{names[0]}, {found.earlier.created}"), ("Later", f"{names[1]}, {found.later.created}")]
    sections = [
        Section("Changes", [Text(summary), _rates(found)]),
        Section("What differs between the studies", [_unlike(found)]),
        Section("How to read this", [Text(_method(found))]),
    ]
    return Document(
        "Two ablation studies", f"{names[0]} and {names[1]}", "What changed between two studies?", facts, sections
    )


def _cautions(found: Changes) -> list[str]:
    """Other possible causes of a changed WER than the arm itself."""
    said = []
    if found.earlier.preset != found.later.preset or found.earlier.settings != found.later.settings:
        said.append("The baselines' settings differ, so all arms differ in these settings: see below.")
    codes = [study.provenance.get("scoring", {}).get("code") for study in (found.earlier, found.later)]
    if None in codes:
        said.append("A study of an older version does not record the code that decoded and scored it.")
    elif codes[0] != codes[1]:
        said.append("The code that decodes and scores differs, so the scoring may cause a change, and not the model.")
    versions = [study.normalise_version for study in (found.earlier, found.later)]
    if versions[0] != versions[1] and found.metric.is_rate:
        said.append(
            f"The texts were normalised by versions {versions[0]} and {versions[1]} of `{found.later.normalise}`: see "
            "docs/statistics.md."
        )
    return said


METHOD: Sequence[str] = (
    "The unit of the tests is the seed. An arm with two or more common seeds is compared within these seeds (paired), other arms "
    "as independent samples. The variance between seeds is pooled over all arms; since seeds move all arms alike, its degrees of "
    "freedom are Satterthwaite's. p is of a t test, with Holm's correction over all arms and conditions. Confidence intervals are "
    "95 % each, so an interval may exclude zero while p is above the level. With one seed in either study there is no test. Trials "
    "that make the same errors in both studies are the same trials, used again: they are no evidence.",
)


def _outcome(row: Mapping[str, Any]) -> str:
    """The verdict on an arm in a condition, in words."""
    return SAME_TRIALS if row["same_trials"] else OVERALL[Overall(row["verdict"])]


def _rates(found: Changes) -> Table:
    conditions = found.later.conditions
    rows: list[Row] = []
    for arm, its in found.table.groupby("arm", sort=False):
        cells = {row["condition"]: _cell(row, Amounts(found.metric)) for row in its.to_dict("records")}
        rows.append([Cell(str(arm), [_seeds(its.iloc[0])]), *(cells.get(name, Cell("–")) for name in conditions)])
    note = (
        f"{found.metric.short} of the later study, then of the earlier study, the difference{Amounts(found.metric).in_unit} with "
        "its 95 % confidence interval, and p of a t test with correction for arms and conditions. “Worse” and “better” "
        "mark significant differences."
    )
    return Table("Changes by arm and condition", ["arm", *map(condition_label, conditions)], rows, note=note)


def _seeds(row: pd.Series) -> str:
    if row["paired"]:
        return f"{row['seeds']} common seed{'s' if row['seeds'] != 1 else ''}"
    return f"{row['seeds_before']} and {row['seeds']} seeds"


def _cell(row: Mapping[str, Any], write: Amounts) -> Cell:
    limits = interval(row["diff_low"], row["diff_high"], write.difference)
    worth_saying = row["same_trials"] or row["verdict"] in (Verdict.WORSE, Verdict.BETTER)
    notes = [
        f"was {write.bare(row['before'])}",
        f"{write.difference(row['difference'])} {limits}".strip(),
        ", ".join(filter(None, [p_value(row["p_adjusted"]), _outcome(row) if worth_saying else ""])),
    ]
    return Cell(write.value(row["wer"]), [note for note in notes if note], TONES[Overall(row["verdict"])])


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


def _method(found: Changes) -> list[str]:
    metric = found.metric
    unit = " in percentage points of WER" if metric.is_rate else Amounts(metric).in_unit
    sign = "positive" if metric.higher_is_better else "negative"
    first = f"A difference is later minus earlier{unit}: a {sign} difference means that the arm has become better."
    defined = [WORD_ERRORS, normalisation(found.later)] if metric.is_rate else scoring(found.later)
    return [" ".join([first, *METHOD]), *defined]


def to_csv(found: Changes) -> str:
    """Return one row per arm and condition; error rates are fractions."""
    return found.table.to_csv(index=False, lineterminator="\n")


def to_json(found: Changes) -> str:
    """Return the same rows with the names of the studies."""
    names = {"earlier": found.earlier.study, "later": found.later.study, "method": _method(found)}
    return dump({**names, "changes": found.table.to_dict("records")})
