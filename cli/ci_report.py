"""The reports of a CI job: JUnit XML, and Markdown for the page of the job."""

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from cli.ci_job import Outcome, Step
from cli.exit_codes import SUCCESS
from common.files import atomic_write

# Colour codes, and characters that XML 1.0 cannot hold.
UNWRITABLE = re.compile(r"\x1b\[[0-9;]*m|[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
SKIPPED = (Outcome.NOT_RUN, Outcome.NOT_FINISHED)
FAILURE, ERROR, SKIP = "failure", "error", "skipped"
TOTALS = {FAILURE: "failures", ERROR: "errors", SKIP: "skipped"}


def summary(outcome: Outcome, steps: Sequence[Step], report: str) -> str:
    """Return Markdown: how the job and each step ended, the reasons, the page of the run, and the report of the study."""
    rows = [f"| {step.name} | {step.result.outcome.words} | {_time(step)} |" for step in steps]
    parts = [f"# Ablation: {outcome.words}", "\n".join(["| step | outcome | time |", "|---|---|---|", *rows])]
    parts += [f"[The run on the cluster]({step.result.page})" for step in steps if step.result.page]
    told = [step for step in steps if step.result.reasons and step.result.outcome is not Outcome.NOT_RUN]
    parts += ["\n".join(f"- {_plain(reason)}" for reason in step.result.reasons) for step in told]
    parts += [f"```\n{UNWRITABLE.sub('', step.result.log).strip()}\n```" for step in steps if step.result.log]
    return "\n\n".join([*parts, *([report] if report else [])]) + "\n"


def _time(step: Step) -> str:
    return "" if step.result.outcome is Outcome.NOT_RUN else f"{step.seconds:.0f} s"


def _plain(reason: str) -> str:
    """Return text in which Markdown and HTML mark nothing."""
    return re.sub(r"([\\`*_<>\[\]|~#])", r"\\\1", UNWRITABLE.sub("", reason))


def junit(steps: Sequence[Step], path: Path) -> None:
    """Write JUnit XML. A failed gate is a failure, another failed step an error; a step without a result is skipped."""
    suite = ElementTree.Element("testsuite", name="ablate", tests=str(len(steps)))
    counts = dict.fromkeys(TOTALS.values(), 0)
    for step in steps:
        case = ElementTree.SubElement(suite, "testcase", classname="ablate.ci", name=step.name)
        case.set("time", f"{step.seconds:.3f}")
        if kind := _kind(step.result.outcome):
            counts[TOTALS[kind]] += 1
            said = UNWRITABLE.sub("", "; ".join(step.result.reasons))
            words = "" if step.result.outcome is Outcome.NOT_RUN else f"{step.result.outcome.words}: "
            inner = ElementTree.SubElement(case, kind, message=f"{words}{said}")
            inner.text = UNWRITABLE.sub("", "\n".join([*step.result.reasons, step.result.log]).strip())
    for key, value in counts.items():
        suite.set(key, str(value))
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True))


def _kind(outcome: Outcome) -> str | None:
    """Return the element of JUnit for an outcome; None for success."""
    if outcome in SKIPPED:
        return SKIP
    if outcome.code == SUCCESS:
        return None
    return FAILURE if outcome is Outcome.GATE_FAILED else ERROR
