"""Metrics in words: `WER`, `Word Error Rate`, `WER (Word Error Rate) and CER`."""

import re
from collections.abc import Iterable

from ablation.plan.markdown.blocks import Line
from ablation.plan.markdown.phrases import listed, words
from ablation.plan.markdown.problems import Problems
from ablation.stats.metrics import METRICS

SEPARATOR = re.compile(r"\s*(?:[,;|/&+]|\band\b|\bor\b)\s*(?![^(]*\))", re.IGNORECASE)
REMEDY = "to judge by these, write `metrics: [wer]` between two lines of --- at the top"
ADDED = listed(
    "percent percentage lower better test clean noise noisy condition overall average mean primary main metric rate"
)


def metrics_of(lines: Iterable[Line], problems: Problems) -> list[str]:
    """Return the names of the metrics, each once. One that is not known is a problem."""
    found: list[str] = []
    for line in lines:
        if (whole := _metric(line.text)) is not None:
            found.append(whole)
            continue
        pieces = [piece for each in SEPARATOR.split(line.text) if (piece := each.strip(" .%↓*:-–—"))]
        unknown = [piece for piece in pieces if _metric(piece) is None]
        found += [name for piece in pieces if (name := _metric(piece))]
        if unknown:
            said = ", ".join(unknown) if len(unknown) < len(pieces) else line.text
            known = ", ".join(f"{metric.name} ({metric.label})" for metric in METRICS.values())
            problems.add(line.number, f"unknown metrics {said.lower()!r}. Known: {known}; {REMEDY}")
    return list(dict.fromkeys(found))


def _metric(said: str) -> str | None:
    """Return the only metric that is meant by some words, of which none is left over."""
    found = words(said)
    named = {name: (words(name), words(metric.label)) for name, metric in METRICS.items()}
    matching = [name for name, (short, label) in named.items() if short <= found or label <= found]
    if len(matching) != 1:
        return None
    short, label = named[matching[0]]
    return matching[0] if found - short - label <= ADDED else None
