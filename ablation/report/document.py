"""The report of one study, section by section, as the blocks of `blocks.py`."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ablation.decisions.verdict import Overall
from ablation.records import ArmRecord
from ablation.report import contrasts, evidence, looks, measured
from ablation.report.blocks import (
    Alignment,
    Block,
    Card,
    Cell,
    Document,
    Row,
    Section,
    Table,
    Text,
    Verdicts,
)
from ablation.report.content import Content, flat, provenance
from ablation.report.cost import ArmCost, costs, total
from ablation.report.examples import Example
from ablation.report.figures import curves, plots
from ablation.report.headings import heading
from ablation.report.headline import headline
from ablation.report.method import method
from ablation.report.verdict_wording import OVERALL
from ablation.report.wording import duration, hours, number, replaced, stated_changes
from ablation.stats.metrics import CER
from common.conditions import label as condition_label

LINE = 60  # characters of an alignment per line
READING = re.compile(r"line (?P<line>\d+): (?P<quote>['\"])(?P<phrase>.*)(?P=quote) read as `(?P<read_as>.*)`")


def document(content: Content) -> Document:
    """Return the whole report; empty sections are left out."""
    study, lead = content.study, _lead(content)
    scored = not content.comparison.empty
    answer = [
        *lead,
        *([] if scored else [Section("Failed trials", _failed(content))]),
        Section(f"{heading(content.metric)} by arm and condition", evidence.rates(content) if scored else []),
        Section("Figures", _figures(content)),
    ]
    details = [
        Section("What each arm changed in the model", measured.changes(study)),
        Section("Secondary evidence", evidence.secondary(content)),
        Section("Learned values", curves.learned(content)),
        Section("Training", curves.training(content) or _no_curves(content)),
        Section("Failed trials", _failed(content) if scored else []),
        Section("Examples", _examples(content)),
        Section("Cost", [] if study.imported else _cost(content)),
        Section(
            "How the plan was read",
            [readings(study.readings)] if study.readings else [],
        ),
        Section("Reasoning of the plan", [Text(study.reasoning.splitlines())] if study.reasoning else []),
        Section("How to read this", [Text(method(study))]),
        Section("Provenance", [_pairs("Provenance", provenance(study)), *_settings(content)]),
    ]
    return _document(content, lead, [*answer, *(replace(each, detail=True) for each in details)])


def opening(content: Content) -> Document:
    """Return the leading sections of the report alone, without its figures, which take most of the time."""
    lead = _lead(content)
    return _document(content, lead, lead)


def _lead(content: Content) -> list[Section]:
    """Return the sections with what was found."""
    study, said = content.study, headline(content)
    verdicts = [Text([baseline_sentence(content)]), *looks.warning(study), Verdicts(cards(content))]
    return [
        Section("Findings", [Text(said)] if said else []),
        *contrasts.sections(content),
        Section("Verdicts", verdicts),
        Section("Looks", looks.history(study, content.looks, content.contrast_looks)),
    ]


def _document(content: Content, lead: Sequence[Section], sections: Sequence[Section]) -> Document:
    study = content.study
    return Document(
        "Ablation study",
        study.study,
        study.question or "Which parts does the model need?",
        content.summary,
        [section for section in sections if section.blocks],
        web_address((study.mlflow or {}).get("url")),
        sum(bool(section.blocks) for section in lead),
    )


def readings(lines: Sequence[str]) -> Block:
    """Return a table of the phrases of a Markdown plan and what each was read as; lines of another form stay as they are."""
    found = [READING.fullmatch(line) for line in lines]
    if None in found:
        return Text([line.replace("`", "") for line in lines])
    rows = [[each["line"], each["phrase"], each["read_as"]] for each in found if each]
    note = "The plan is a text. Each phrase was matched with the parts and kinds of the model by its words."
    return Table("How the plan was read", ["line", "phrase in the plan", "read as"], rows, frozenset({1, 2}), note)


def web_address(text: str | None) -> str:
    """Return the text if it is a web address, else an empty text."""
    return text if text and text.startswith(("http://", "https://")) else ""


def baseline_sentence(content: Content) -> str:
    base, label = content.pooled.get(content.study.baseline), content.metric.label
    write = content.amounts
    if base is None:
        return "No trial of the baseline finished, so no arm can be compared with it."
    rates = [f"{write.value(base['clean'])} clean"] if "clean" in base else []
    rates += [f"{write.value(base['noisy'])} over all noisy conditions"] if "noisy" in base else []
    everywhere = "" if len(content.study.conditions) == 1 else " over all conditions"
    rates = rates or [f"{write.value(base['overall'])}{everywhere}"]
    found = Counter(verdict.verdict for verdict in content.verdicts.values())
    counted = ", ".join(f"{number} {OVERALL[verdict]}" for verdict in Overall if (number := found[verdict]))
    verdicts = f" Of {len(content.verdicts)} arms, compared with the baseline: {counted}." if counted else ""
    stated = "" if content.study.imported else f" {stated_changes(content.study.arms)}"
    return f"The {label} of the baseline is {' and '.join(rates)}{write.direction}.{stated}{verdicts}"


def _no_curves(content: Content) -> list[Block]:
    left_out = content.study.archived and content.curves.empty and not content.study.imported
    return [Text(["Training curves were left out of this archive of the study."])] if left_out else []


def _figures(content: Content) -> list[Block]:
    if content.metric is CER:
        return [Text([f"The figures show WER only; the first metric of this plan is {content.metric.short}."])]
    return [*plots.pictures(content)]


def cards(content: Content) -> list[Card]:
    """Return a card per arm in the study's order; the baseline's has no verdict."""
    return [_card(content, arm) for arm in content.study.arms]


def _card(content: Content, arm: ArmRecord) -> Card:
    pooled, metric = content.pooled.get(arm.arm, {}), content.metric.short
    named = [name for name in pooled if name != "overall"] or list(pooled)
    rates = [(name, content.amounts.value(pooled[name])) for name in named]
    if arm.arm not in content.verdicts:
        doubt = content.cautions(arm.arm)
        return Card(arm.arm, "no change", "", "the reference of all comparisons", doubt, "base", rates, metric)
    words = content.sentences[arm.arm]
    tone = evidence.TONES[content.verdicts[arm.arm].verdict]
    return Card(arm.arm, replaced(arm), arm.why, words.claim, words.evidence, tone, rates, metric)


def _failed(content: Content) -> list[Block]:
    failed = content.study.failed()
    if not failed:
        return []
    rows = [[trial.arm, str(trial.seed), trial.reason or "no reason given"] for trial in failed]
    missing = Text(["These trials are missing from all numbers of the report. No values are imputed for them."])
    return [missing, Table("Failed trials", ["arm", "seed", "reason"], rows, prose=frozenset({2}))]


def _examples(content: Content) -> list[Block]:
    if not content.examples:
        return []
    said = (
        "Utterances of the test split on which an arm and the baseline differ most, by the sum of errors over their common "
        "seeds. They were selected for that and are not typical. Wrong words are in capitals. *** marks a deleted word, or in "
        "the reference an inserted one."
    )
    return [Text([said]), *(_alignment(content, example) for example in content.examples)]


def _alignment(content: Content, example: Example) -> Alignment:
    chosen, lines = example.choice, list[tuple[str, Sequence[str]]]()
    for start, end in _cuts([example.said, example.baseline, example.arm]):
        lines += [
            ("reference", example.said[start:end]),
            (content.study.baseline, example.baseline[start:end]),
            (chosen.arm, example.arm[start:end]),
        ]
    over = f"over {chosen.seeds} seeds" if chosen.seeds > 1 else "with one seed"
    title = (
        f"{chosen.arm}, {condition_label(chosen.condition)}, seed {chosen.seed}: {chosen.arm_errors} errors {over}, the baseline "
        f"{chosen.baseline_errors} ({chosen.utterance_id})"
    )
    return Alignment(title, lines)


def _cuts(lines: Sequence[Sequence[str]]) -> list[tuple[int, int]]:
    """Return start and end of each line when an alignment is broken at about `LINE` characters."""
    cuts, start, used = [], 0, 0
    for place, words in enumerate(zip(*lines, strict=True)):
        width = max(map(len, words)) + 1
        if used + width > LINE and place > start:
            cuts.append((start, place))
            start, used = place, 0
        used += width
    return [*cuts, (start, len(lines[0]))]


def wrong(said: str, heard: str) -> bool:
    """Return True if a column of an alignment is an error; an empty place is not an error."""
    return heard not in ("", said)


def _cost(content: Content) -> list[Block]:
    stages = ", ".join(f"{stage} {duration(seconds)}" for stage, seconds in content.study.wall_seconds.items())
    note = (
        "Training and evaluation are means over finished trials. Device time is the sum of the computing time of all trials, "
        "failed ones included. Wall time is the sum of the times from start to end of each trial, with imports and waiting."
    )
    head = ["arm", "trials finished", "parameters", "steps", "training", "evaluation", "device time", "wall time"]
    rows = [_cost_row(cost) for cost in costs(content.study)]
    all_ = _cost_row(total(content.study))
    rows.append(["all", all_[1], "", "", "", "", *all_[6:]])
    table = Table("Cost", head, rows, note=note)
    return [table, Text([f"Wall time by stage: {stages}."], small=True)] if stages else [table]


def _cost_row(cost: ArmCost) -> Row:
    return [
        cost.arm,
        f"{cost.finished} of {cost.trials}",
        number(cost.parameters),
        number(cost.steps),
        duration(cost.train),
        duration(cost.evaluate),
        hours(cost.device),
        hours(cost.wall),
    ]


def _pairs(title: str, pairs: Sequence[tuple[str, str]]) -> Table:
    rows: list[Row] = [[label, Cell(text, link=web_address(text))] for label, text in pairs]
    return Table(title, [], rows, prose=frozenset({1}))


def _settings(content: Content) -> list[Block]:
    settings = flat(content.study.settings)
    if not settings:
        return []
    return [_pairs("Settings of the baseline", settings)]
