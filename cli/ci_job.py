"""The steps of a CI job, run in order. Each ends as passed, gate failed, bad input, or infrastructure failed.

A step is an `ablate` command in a process of its own: its output is the log, and its exit code is the outcome.
"""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from cli.exit_codes import BAD_INPUT, FAILED, GATE_FAILED, SUCCESS
from common.files import atomic_write

OUTCOMES = {SUCCESS: "passed", BAD_INPUT: "bad input", GATE_FAILED: "gate failed"}  # others: infrastructure failed
# Colour codes, and characters that XML 1.0 cannot hold.
UNWRITABLE = re.compile(r"\x1b\[[0-9;]*m|[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Step:
    """A step that has ended. `said` is the end of its output; `page` is the address of its run on the server."""

    name: str
    code: int
    seconds: float
    said: str
    page: str = ""

    @property
    def outcome(self) -> str:
        """The exit code in words."""
        return OUTCOMES.get(self.code, "infrastructure failed")

    @property
    def why(self) -> str:
        """The reasons of the gate, or the last line of the output."""
        lines = [line.strip() for line in self.said.splitlines() if line.strip()] or ["there is no output"]
        return "; ".join([line for line in lines if line.startswith("gate failed: ")] or lines[-1:])


def carry_out(commands: Sequence[tuple[str, Sequence[str]]], say: Callable[[str], None]) -> list[Step]:
    """Run `ablate` with the arguments of each step until one fails. `say` receives every line of output at once."""
    done: list[Step] = []
    for name, arguments in commands:
        done.append(_run(name, arguments, say))
        if done[-1].code:
            break
    return done


def _run(name: str, arguments: Sequence[str], say: Callable[[str], None]) -> Step:
    say(f"--- {name}: ablate {' '.join(arguments)}")
    started = time.monotonic()
    command, lines = [sys.executable, "-m", "cli.main", *arguments], []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            say(line.rstrip("\n"))
            lines.append(line)
    pages = [line.removeprefix("Run: ").strip() for line in lines if line.startswith("Run: ")]
    said = UNWRITABLE.sub("", "".join(lines[-20:]))
    return Step(name, process.returncode, time.monotonic() - started, said, "".join(pages[:1]))


def exit_code(steps: Sequence[Step]) -> int:
    """Return the code of the last step if it has an outcome of its own, else 1 for failed infrastructure."""
    code = steps[-1].code
    return code if code in OUTCOMES else FAILED


def summary(steps: Sequence[Step], names: Sequence[str], report: str) -> str:
    """Return Markdown: the outcome of every step, the end of the log if one failed, and the report of the study."""
    ended = {step.name: step for step in steps}
    rows = [
        f"| {name} | {ended[name].outcome} | {ended[name].seconds:.0f} s |"
        if name in ended
        else f"| {name} | not run | |"
        for name in names
    ]
    parts = [f"# Ablation: {steps[-1].outcome}", "\n".join(["| step | outcome | time |", "|---|---|---|", *rows])]
    parts += [f"[The run on the cluster]({step.page})" for step in steps if step.page]
    if steps[-1].code:
        parts.append(f"```\n{steps[-1].said.strip()}\n```")
    return "\n\n".join([*parts, *([report] if report else [])]) + "\n"


def junit(steps: Sequence[Step], names: Sequence[str], path: Path) -> None:
    """Write JUnit XML. A failed gate is a failure, any other failed step is an error, and the rest is skipped."""
    suite = ElementTree.Element("testsuite", name="ablate", tests=str(len(names)))
    ended = {step.name: step for step in steps}
    counts = {"failures": 0, "errors": 0, "skipped": len(names) - len(steps)}
    for name in names:
        case = ElementTree.SubElement(suite, "testcase", classname="ablate.ci", name=name)
        step = ended.get(name)
        if step is None:
            ElementTree.SubElement(case, "skipped")
            continue
        case.set("time", f"{step.seconds:.3f}")
        if step.code:
            kind = "failure" if step.code == GATE_FAILED else "error"
            counts["failures" if step.code == GATE_FAILED else "errors"] += 1
            ElementTree.SubElement(case, kind, message=f"{step.outcome}: {step.why}").text = step.said
    for key, value in counts.items():
        suite.set(key, str(value))
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True))
