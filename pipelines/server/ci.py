"""What a CI job runs: steps one after the other, each told apart as passed, gate failed, or infrastructure failed.

Steps are the commands that a person would type, as processes: what is printed is the log, and an exit code says how it ended.
"""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

INFRASTRUCTURE, BAD_INPUT, GATE = 1, 2, 3
UNWRITABLE = re.compile(r"\x1b\[[0-9;]*m|[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # in XML 1.0


@dataclass(frozen=True)
class Step:
    """A step that has ended. `said` is what it printed last, `page` where its run on the server is to be seen."""

    name: str
    code: int
    seconds: float
    said: str
    page: str = ""

    @property
    def outcome(self) -> str:
        """In words."""
        return {0: "passed", BAD_INPUT: "bad input", GATE: "gate failed"}.get(self.code, "infrastructure failed")

    @property
    def why(self) -> str:
        """The reasons that the gate gave, or the last that a step said."""
        lines = [line.strip() for line in self.said.splitlines() if line.strip()] or ["it said nothing"]
        return "; ".join([line for line in lines if line.startswith("gate failed: ")] or lines[-1:])


def carry_out(commands: Sequence[tuple[str, Sequence[str]]], say: Callable[[str], None]) -> list[Step]:
    """Run `ablate` with each step's arguments until one fails; its output is passed on as it comes."""
    done: list[Step] = []
    for name, arguments in commands:
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
        done.append(Step(name, process.returncode, time.monotonic() - started, said, "".join(pages[:1])))
        if done[-1].code:
            break
    return done


def exit_code(steps: Sequence[Step]) -> int:
    """The last step's: 0 passed, 3 gate failed, 2 bad input; anything else is 1, infrastructure failed."""
    code = steps[-1].code
    return code if code in (0, BAD_INPUT, GATE) else INFRASTRUCTURE


def summary(steps: Sequence[Step], names: Sequence[str], report: str) -> str:
    """Markdown: what became of every step, why it ended where it did, and the study's verdicts."""
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
    """JUnit XML: a gate that failed is a failure, everything else that did is an error, the rest is skipped."""
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
            kind = "failure" if step.code == GATE else "error"
            counts["failures" if step.code == GATE else "errors"] += 1
            ElementTree.SubElement(case, kind, message=f"{step.outcome}: {step.why}").text = step.said
    for key, value in counts.items():
        suite.set(key, str(value))
    path.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)
