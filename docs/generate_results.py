"""Write the tables of docs/results.md and README.md that come from results/: `python docs/generate_results.py`.

A block is between `<!-- generated: TABLE STUDY -->` and `<!-- end -->`; TABLE is a key of `TABLES`, STUDY a folder of results/.
With `--check`, the command writes nothing and fails if a block is stale.
"""

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from ablation.records import Study
from ablation.report.content import Content, load
from ablation.report.cost import total
from ablation.report.headline import headline
from ablation.report.verdict_wording import OVERALL
from ablation.report.wording import duration
from common.conditions import label
from common.files import atomic_write

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = (ROOT / "docs" / "results.md", ROOT / "README.md")
BLOCK = re.compile(r"(<!-- generated: (\w+) ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def wer_table(content: Content) -> str:
    """Return the mean WER in percent per arm and condition, with the verdict."""
    study = content.study
    rows = [[_name(study, arm.arm), _seeds(content, arm.arm), *_means(content, arm.arm), _verdict(content, arm.arm)]
            for arm in study.arms]  # fmt: skip
    return _table(["arm", "seeds", *map(label, study.conditions), "verdict"], rows)


def differences_table(content: Content) -> str:
    """Return every arm's difference to the baseline in points, with the simultaneous 95 % interval."""
    study = content.study
    arms = [arm.arm for arm in study.arms if arm.arm != study.baseline]
    rows = [[arm, *(_difference(content, content.row(arm, name)) for name in study.conditions)] for arm in arms]
    return _table(["arm", *map(label, study.conditions)], rows)


def seeds_table(content: Content) -> str:
    """Return the WER of every trial in percent, clean. With looks, decided arms have no trials of later seeds."""
    study = content.study
    found = {(trial.arm, trial.seed): trial.wer for trial in study.trials}
    key = f"{content.metric.name}/{study.conditions[0]}"
    rows = [[_name(study, arm.arm), *(_rate(content, found.get((arm.arm, seed), {}).get(key)) for seed in study.seeds)]
            for arm in study.arms]  # fmt: skip
    return _table(["arm", *(f"seed {seed}" for seed in study.seeds)], rows)


def contrasts_table(content: Content) -> str:
    """Return what every rung or factor adds, in points, with the simultaneous 95 % interval and the verdict."""
    study = content.study
    found = {(row["family"], row["contrast"], row["condition"]): row for row in content.contrasts.to_dict("records")}
    rows = []
    for each in content.contrast_verdicts:
        key = (each.contrast.family, each.contrast.name)
        cells = [_difference(content, found.get((*key, name))) for name in study.conditions]
        rows.append([each.contrast.name, *cells, OVERALL[each.verdict]])
    return _table(["contrast", *map(label, study.conditions), "verdict"], rows)


def headline_text(content: Content) -> str:
    """Return the headline of the study's report, as a quotation."""
    return "\n>\n".join(f"> {part}" for part in headline(content))


def cost_line(content: Content) -> str:
    """Return the trials of the study and their time, as a sentence."""
    study, cost = content.study, total(content.study)
    finished = sum(trial.status == "finished" for trial in study.trials)
    failed = len(study.failed())
    torch = study.provenance.get("versions", {}).get("torch", "unknown")
    return f"{finished} trials, {failed} failed; {duration(cost.device)} of training and scoring in all; torch {torch}."


TABLES: Mapping[str, Callable[[Content], str]] = {
    "wer": wer_table,
    "differences": differences_table,
    "seeds": seeds_table,
    "contrasts": contrasts_table,
    "headline": headline_text,
    "cost": cost_line,
}


def _name(study: Study, arm: str) -> str:
    return "baseline: SMILE" if arm == study.baseline else arm


def _seeds(content: Content, arm: str) -> str:
    row = content.row(arm, content.study.conditions[0])
    return "–" if row is None else str(int(row["seeds"]))


def _means(content: Content, arm: str) -> Iterable[str]:
    for name in content.study.conditions:
        row = content.row(arm, name)
        yield "–" if row is None else content.amounts.bare(row[content.metric.name])


def _rate(content: Content, value: float | None) -> str:
    return "–" if value is None else content.amounts.bare(value)


def _verdict(content: Content, arm: str) -> str:
    found = content.verdicts.get(arm)
    return "" if found is None else OVERALL[found.verdict]


def _difference(content: Content, row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "–"
    low, high = (content.amounts.difference(row[name]) for name in ("diff_low", "diff_high"))
    return f"{content.amounts.difference(row['difference'])} ({low} to {high})"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


@lru_cache
def _study(name: str) -> Content:
    return load(ROOT / "results" / name)


def document(path: Path) -> str:
    """Return a document with present tables."""

    def block(found: re.Match[str]) -> str:
        return f"{found[1]}{TABLES[found[2]](_study(found[3]))}\n{found[4]}"

    return BLOCK.sub(block, path.read_text(encoding="utf-8"))


def main(check: bool) -> None:
    for path in DOCUMENTS:
        present = document(path)
        if present == path.read_text(encoding="utf-8"):
            continue
        if check:
            sys.exit(f"{path.name} is stale; run `python docs/generate_results.py`")
        atomic_write(path, present)


if __name__ == "__main__":
    main("--check" in sys.argv[1:])
