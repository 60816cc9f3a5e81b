"""The report as Markdown, and its headline alone. Text that users wrote is escaped: a `|` breaks no table."""

import re
from collections.abc import Iterable, Sequence

from ablation.report.content import COST_HEAD, Content, cost, method, provenance
from ablation.report.wording import duration, interval, p_value, percent, points, replaced
from ablation.results import ArmRecord
from ablation.verdicts import readable


def escape(text: object) -> str:
    """Text as itself on one line: nothing in it is markup."""
    plain = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_{}\[\]#|~$])", r"\\\1", plain)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are escaped already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def headline(content: Content) -> str:
    """Question, facts at a glance, and a verdict per arm with its pooled WERs."""
    facts = ", ".join(f"{label.lower()} {escape(text)}" for label, text in content.summary)
    question = f": {escape(content.study.question)}" if content.study.question else ""
    rows = [_headline_row(content, arm) for arm in content.study.arms]
    verdicts = table(["arm", "in place of the baseline's", "WER clean", "WER noisy", "verdict"], rows)
    return f"# {escape(content.study.study)}{question}\n\n{facts}\n\n{verdicts}\n"


def _headline_row(content: Content, arm: ArmRecord) -> list[str]:
    wers = content.pooled.get(arm.arm, {})
    verdict = content.verdicts.get(arm.arm)
    said = "the model itself"
    if verdict:
        said = f"**{escape(verdict.claim)}** {escape(verdict.evidence)}".strip()
    changes = escape(replaced(arm)) if arm.overrides else ""
    return [escape(arm.arm), changes, percent(wers.get("clean")), percent(wers.get("noisy")), said]


def to_markdown(content: Content) -> str:
    """The whole report but its pictures."""
    study = content.study
    parts = [
        headline(content).rstrip(),
        "## Why each arm",
        _reasons(content),
        "## WER by arm and condition",
        _wers(content),
    ]
    if study.failed():
        rows = [[escape(t.arm), str(t.seed), escape(t.reason or "no reason given")] for t in study.failed()]
        parts += ["## Failed trials", table(["arm", "seed", "reason"], rows)]
    parts += ["## Cost", _cost(content), "## How to read this", "\n\n".join(method(study))]
    parts += ["## Provenance", table(["what", "value"], [[escape(a), escape(b)] for a, b in provenance(content)])]
    return "\n\n".join(parts) + "\n"


def _reasons(content: Content) -> str:
    arms = [arm for arm in content.study.arms if arm.part]
    return "\n".join(f"- {escape(arm.arm)}: {escape(arm.why or 'no reason given')}" for arm in arms) or "No ablations."


def _wers(content: Content) -> str:
    head = ["arm", *map(readable, content.study.conditions)]
    rows = [
        [escape(arm.arm), *(_cell(content, arm.arm, condition) for condition in content.study.conditions)]
        for arm in content.study.arms
    ]
    return table([escape(name) for name in head], rows) + "\n\nWER [95 %]; difference in points [95 %]; adjusted p."


def _cell(content: Content, arm: str, condition: str) -> str:
    row = content.row(arm, condition)
    if row is None:
        return "–"
    parts = [f"{percent(row['wer'])} {interval(row['wer_low'], row['wer_high'], percent)}".strip()]
    if arm != content.study.baseline:
        parts.append(f"{points(row['difference'])} {interval(row['diff_low'], row['diff_high'], points)}".strip())
    return "; ".join([*parts, *filter(None, [p_value(row["p_adjusted"])])])


def _cost(content: Content) -> str:
    stages = ", ".join(f"{escape(stage)} {duration(seconds)}" for stage, seconds in content.study.wall_seconds.items())
    rows = [[escape(cell) for cell in row] for row in cost(content)]
    return table(COST_HEAD, rows) + (f"\n\nWall time by stage: {stages}." if stages else "")
