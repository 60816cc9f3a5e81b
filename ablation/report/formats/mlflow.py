"""The result of a study for MLflow's pages: the description of its experiment, and numbers on the study's run."""

import math
import re
from collections.abc import Iterator

from ablation.decisions.verdict import Overall
from ablation.report.build import headline_markdown
from ablation.report.content import Content
from ablation.report.formats.data import contrast_metrics
from ablation.report.formats.markdown import escape, table
from ablation.report.headline import headline
from ablation.report.wording import p_value
from common.conditions import label as condition_label

MOST_CONDITIONS = 6  # of the table, which has to be short
MOST_METRICS = 3000
DECIDED = (Overall.WORSE, Overall.BETTER, Overall.MIXED, Overall.EQUIVALENT)
NUMBERS = {
    "difference": "difference",
    "p": "p_adjusted",
    "detectable": "detectable",
}  # name -> column of the comparison


def run_note(content: Content) -> str:
    """Return the description of the study's run as Markdown. MLflow shows about four lines of it before a click."""
    report = re.sub(r"(?m)^#+ ", "#### ", headline_markdown(content))  # its largest letters overlap
    return f"{_first(content)[0]}\n\n{report}"


def experiment_note(content: Content) -> str:
    """Return the question, the headline and the verdicts as Markdown. The first line is a sentence without markup."""
    study = content.study
    first, *more = _first(content)
    contrasts = [
        f"- {escape(content.contrast_sentences[each.contrast.family, each.contrast.name].text)}"
        for each in content.contrast_verdicts
    ]
    parts = [
        first,
        *(
            [f"**{escape(study.question)}** Study {escape(study.study)}, {study.created[:10]}."]
            if study.question
            else []
        ),
        *map(escape, more),
        *(["\n".join(contrasts)] if contrasts else []),
        _verdicts(content),
    ]
    return "\n\n".join(part for part in parts if part)


def _first(content: Content) -> list[str]:
    """Return the headline in paragraphs, the first of which is one sentence without markup."""
    found, *more = headline(content) or ["No arm could be compared with the baseline."]
    first, _, rest = found.partition(". ")
    return [f"{_plain(first).rstrip('.')}.", *([rest] if rest else []), *more]


def _plain(text: str) -> str:
    """Return a text on one line for a place that shows markup as it is, without what could be taken for a tag."""
    return " ".join(text.split()).replace("<", "‹")


def _verdicts(content: Content) -> str:
    """Return a row per arm with its verdict, and its difference and p per condition; decided arms first."""
    if not content.verdicts:
        return ""
    conditions = content.study.conditions[:MOST_CONDITIONS]
    unit = content.amounts.in_unit.strip().removeprefix("in ")
    head = ["arm", "verdict", *(f"{condition_label(name)}{f', {unit}' if unit else ''} (p)" for name in conditions)]
    arms = sorted(content.verdicts, key=lambda arm: content.verdicts[arm].verdict not in DECIDED)
    rows = [[arm, content.sentences[arm].claim, *(_cell(content, arm, name) for name in conditions)] for arm in arms]
    return table([*map(escape, head)], [[*map(escape, row)] for row in rows])


def _cell(content: Content, arm: str, condition: str) -> str:
    row = content.row(arm, condition)
    if row is None or math.isnan(row["difference"]):
        return "–"
    said = content.amounts.difference(row["difference"])
    return said if math.isnan(row["p_adjusted"]) else f"{said} ({p_value(row['p_adjusted'])})"


def study_metrics(content: Content) -> dict[str, float]:
    """Return at most `MOST_METRICS` finite numbers of the study for its run, those of contrasts first.

    `arm/ARM/CONDITION/difference` is an arm's difference from the baseline in the metric of the verdicts, a fraction for error
    rates; `.../p` is its adjusted p value, and `.../detectable` the difference that the study could have seen. Those of a contrast
    are `FAMILY/CONTRAST/CONDITION/difference` and so on.
    """
    found = {**contrast_metrics(content), **dict(_of_arms(content))}
    finite = [(name, value) for name, value in found.items() if math.isfinite(value)]
    return dict(finite[:MOST_METRICS])


def _of_arms(content: Content) -> Iterator[tuple[str, float]]:
    for row in content.comparison.to_dict("records"):
        if row["arm"] == content.study.baseline:
            continue
        for name, column in NUMBERS.items():
            yield f"arm/{row['arm']}/{row['condition']}/{name}", float(row[column])
