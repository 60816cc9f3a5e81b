"""The result of a study for Kubeflow's page of a run: a short summary in Markdown, and numbers for "Compare runs".

Kubeflow's page joins lines that follow each other and gives table cells no padding. So each fact is a paragraph or a list item of
its own, and the cells of the one table end with spaces that stay.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from ablation.decisions.verdict import Overall
from ablation.records import ArmRecord
from ablation.report.content import Content
from ablation.report.contrasts import TITLES
from ablation.report.document import baseline_sentence, web_address
from ablation.report.formats.markdown import escape, link, table
from ablation.report.headings import heading
from ablation.report.headline import headline
from ablation.report.wording import p_value
from ablation.stats.levels import ALPHA
from ablation.stats.verdict import Verdict
from common.conditions import label as condition_label

MOST_COLUMNS = 6
MOST_ARMS = 40
MOST_FAILURES = 20
MOST_METRICS = 200
PADDING = "&nbsp;&nbsp;"
SIGNIFICANT = (Verdict.WORSE, Verdict.BETTER)
DECIDED = (Overall.WORSE, Overall.BETTER, Overall.MIXED, Overall.EQUIVALENT)


def summary_markdown(content: Content, *, report_url: str | None = None, mlflow_url: str | None = None) -> str:
    """Return verdicts, error rates, failed trials and links as Markdown. A link that is not a web address is shown as text.

    Without `mlflow_url` the address in the study's record is linked, if it has one.
    """
    study = content.study
    arms = _shown(content)
    mlflow = mlflow_url or web_address((study.mlflow or {}).get("url"))
    parts = [
        f"# {escape(study.study)}: {escape(study.question or 'which parts does the model need?')}",
        escape(baseline_sentence(content)),
        *_links(("Report", report_url), ("Study in MLflow", mlflow)),
        *(escape(said) for said in headline(content)),
        *_contrasts(content),
        *_section("Verdicts", [_verdict(content, arm.arm) for arm in arms if arm.arm in content.verdicts]),
        *_rates(content, arms),
        *_section("Failed trials", _failures(content)),
        *_left_out(content, arms),
    ]
    return "\n\n".join(parts) + "\n"


def metrics(content: Content) -> dict[str, float]:
    """Return at most `MOST_METRICS` finite numbers, the most important first: rates and differences are fractions.

    Names have letters, digits, `_` and `.` only, e.g. `wer_clean.baseline`, `p_babble_minus5db.no_scale`. Names of metrics
    other than the first have its name in front: `cer_clean.baseline`, `cer_p_clean.no_scale`.
    """
    finished = sum(trial.status == "finished" for trial in content.study.trials)
    found = {"trials_finished": float(finished), "trials_failed": float(len(content.study.failed()))}
    names = _plain_names([arm.arm for arm in content.study.arms])
    places = _plain_names(content.study.conditions)
    found |= _contrast_metrics(content, places)
    for metric, arm, condition, kind, value in _numbers(content):
        front = f"{metric}_" if metric not in (kind, content.metric.name) else ""
        if math.isfinite(value) and len(found) < MOST_METRICS:
            found[f"{front}{kind}_{places[condition]}.{names[arm]}"] = float(value)
    return found


def _contrast_metrics(content: Content, places: Mapping[str, str]) -> dict[str, float]:
    """Return differences and p of contrasts, e.g. `rung_difference_clean.adapter`."""
    names = _plain_names([each.name for each in content.study.contrasts])
    numbers = {
        f"{row['kind']}_{short}_{places[row['condition']]}.{names[row['contrast']]}": row[column]
        for row in content.contrasts.to_dict("records")
        for short, column in (("difference", "difference"), ("p", "p_adjusted"))
    }
    return {name: float(value) for name, value in list(numbers.items())[: MOST_METRICS // 2] if math.isfinite(value)}


def _shown(content: Content) -> list[ArmRecord]:
    """Return the arms to show, in the study's order; of too many the baseline and those with a decided verdict first."""
    arms = content.study.arms
    if len(arms) <= MOST_ARMS:
        return list(arms)

    def later(arm: ArmRecord) -> bool:
        return arm.arm in content.verdicts and content.verdicts[arm.arm].verdict not in DECIDED

    chosen = {arm.arm for arm in sorted(arms, key=later)[:MOST_ARMS]}
    return [arm for arm in arms if arm.arm in chosen]


def _links(*links: tuple[str, str | None]) -> list[str]:
    """Return a paragraph per address; none for an address that is empty."""
    return [
        f"{label}: {link(address, address) if web_address(address) else escape(address)}"
        for label, address in links
        if address
    ]


def _section(title: str, items: Sequence[str]) -> list[str]:
    return [f"## {title}", *(f"- {item}" for item in items)] if items else []


def _verdict(content: Content, arm: str) -> str:
    """Return a verdict with its first piece of evidence. Failures have their own section."""
    words, tested = content.sentences[arm], bool(content.verdicts[arm].conditions)
    said = f": {escape(words.evidence[0])}" if words.evidence and tested else ""
    return f"{escape(arm)}: **{escape(words.claim)}**{said}"


def _contrasts(content: Content) -> list[str]:
    """Return a section for each family of contrasts: the claims with their first piece of evidence."""
    found: dict[str, list[str]] = {}
    for (family, name), words in content.contrast_sentences.items():
        said = f": {escape(words.evidence[0])}" if words.evidence else ""
        found.setdefault(family, []).append(f"{escape(name)}: **{escape(words.claim)}**{said}")
    return [part for family, items in found.items() for part in _section(TITLES[family], items)]


def _rates(content: Content, arms: Sequence[ArmRecord]) -> list[str]:
    if content.comparison.empty:
        return []
    conditions = content.study.conditions[: MOST_COLUMNS - 1]
    head = [f"arm{PADDING}", *(escape(condition_label(name)) + PADDING for name in conditions)]
    rows = [
        [escape(arm.arm) + PADDING, *(_cell(content, arm.arm, name) + PADDING for name in conditions)] for arm in arms
    ]
    note = f"Mean over seeds. In brackets: difference to the baseline{content.amounts.in_unit}; p. Bold: p ≤ {ALPHA:g}."
    return [f"## {heading(content.metric)}", note, table(head, rows)]


def _cell(content: Content, arm: str, condition: str) -> str:
    """E.g. `6.5 % (+0.3; 0.51)`. A narrow cell breaks before the bracket only."""
    row = content.row(arm, condition)
    if row is None:
        return "–"
    notes = [] if pd.isna(row["difference"]) else [content.amounts.difference(row["difference"])]
    notes += filter(None, [p_value(row["p_adjusted"]).removeprefix("p ").removeprefix("= ")])
    rate, bracket = content.amounts.value(row["wer"]), f" ({'; '.join(notes)})" if notes else ""
    text = f"{_unbroken(rate)} {_unbroken(bracket)}".rstrip()
    return f"**{text}**" if row["verdict"] in SIGNIFICANT else text


def _unbroken(text: str) -> str:
    return escape(text).replace(" ", "&nbsp;")


def _failures(content: Content) -> list[str]:
    """Return an item per arm and reason, with the seeds, e.g. `huge, seeds 1, 2: out of memory`."""
    seeds: dict[tuple[str, str], list[int]] = {}
    for trial in content.study.failed():
        seeds.setdefault((trial.arm, trial.reason or "no reason given"), []).append(trial.seed)
    items = [
        f"{escape(arm)}, seed{'s' if len(found) > 1 else ''} {', '.join(map(str, found))}: {escape(reason)}"
        for (arm, reason), found in seeds.items()
    ]
    more = [f"and {len(items) - MOST_FAILURES} more in the report"] if len(items) > MOST_FAILURES else []
    return items[:MOST_FAILURES] + more


def _left_out(content: Content, arms: Sequence[ArmRecord]) -> list[str]:
    """Say what only the report has."""
    study, shown = content.study, MOST_COLUMNS - 1
    left = [f"{len(arms)} of {len(study.arms)} arms"] if len(arms) < len(study.arms) else []
    left += [f"{shown} of {len(study.conditions)} conditions"] if len(study.conditions) > shown else []
    return [f"This summary shows {' and '.join(left)}; the report has all of them."] if left else []


def _numbers(content: Content) -> Iterator[tuple[str, str, str, str, float]]:
    """Yield (metric, arm, condition, kind of number, number), the most important first. A missing number is NaN."""
    for metric, compared in content.comparisons.items():
        rows = {(row["arm"], row["condition"]): row for row in compared.to_dict("records")}
        for condition in content.study.conditions:
            for arm in content.study.arms:
                if row := rows.get((arm.arm, condition)):
                    yield metric, arm.arm, condition, metric, row["wer"]
                    yield metric, arm.arm, condition, "difference", row["difference"]
                    yield metric, arm.arm, condition, "p", row["p_adjusted"]


def _plain_names(names: Sequence[str]) -> dict[str, str]:
    """Return name -> its form in metrics, e.g. `babble_minus5db`; a number tells two names with the same form apart."""
    found: dict[str, str] = {}
    for name in names:
        form = re.sub(r"[^A-Za-z0-9_.]", "_", name.replace("_-", "_minus"))
        plain, number = form, 2
        while plain in found.values():
            plain, number = f"{form}_{number}", number + 1
        found[name] = plain
    return found
