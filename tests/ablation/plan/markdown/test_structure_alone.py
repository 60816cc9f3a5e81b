"""A page is read without any catalogue: fields word for word, and every other line is accounted for."""

from collections import Counter

import pytest

from ablation.plan.markdown.left_out import in_words
from ablation.plan.markdown.structure import metric_names, structure_of

PAGE = """\
<style>
h3 { color: red; }
</style>

# planner/a-model/A_Paper

<div class="box">
<h2>🧠 Reasoning Trace</h2>

- **Observation**: the pooling is never tested
### Idea 1
It could be removed.
</div>
<div class="box">
<h2>📋 Ablation Plan</h2>

### No attention pooling
- **Ablated Part**: Attention pooling (P<sup>A</sup>) over `frames`
- **Action**: REMOVE
- **Metrics**: Top-1 accuracy, Word Error Rate (WER), Success, %

### Pooling by others
- **Ablated Part**: Attention pooling
- **Action**: REPLACE
- **Replacement**:
  - f = (1-a)*x + a*y with a=0.1
  - >80
  - (mean, then max)
  - ˜I(Z; S)
- **Metrics**: Precision and Recall

</div>
"""


def test_fields_are_read_word_for_word() -> None:
    found = structure_of(PAGE)
    assert found.problems == []
    assert found.title == "planner/a-model/A_Paper"
    assert [(each.title, each.part, each.action) for each in found.ablations] == [
        ("No attention pooling", "Attention pooling (P^A) over frames", "remove"),
        ("Pooling by others", "Attention pooling", "replace"),
    ]
    assert found.ablations[1].replacements == [
        "f = (1-a)*x + a*y with a=0.1",
        ">80",
        "(mean, then max)",
        "˜I(Z; S)",
    ]
    assert found.metrics == ["Top-1 accuracy", "Word Error Rate (WER)", "Success, %", "Precision", "Recall"]


def test_every_line_is_read_or_left_out() -> None:
    found = structure_of(PAGE)
    lines = {number for number, line in enumerate(PAGE.splitlines(), 1) if line.strip()}
    left = {each.line for each in found.left_out}
    assert lines - left == {5, *range(17, 21), *range(22, 31)}
    assert Counter(each.what for each in found.left_out) == {"hidden text": 3, "reasoning": 4, "HTML": 4, "headings": 1}
    assert in_words(found.left_out).startswith("left out: 12 lines (3 hidden text, ")


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("WER", ["WER"]),
        ("Word Error Rate (WER)", ["Word Error Rate (WER)"]),
        ("mIoU, per-class IoU", ["mIoU", "per-class IoU"]),
        ("Accuracy, F1, and AUROC.", ["Accuracy", "F1", "AUROC"]),
        ("Task (Accuracy, F1), GPU-hours", ["Task (Accuracy, F1)", "GPU-hours"]),
        ("WER and CER", ["WER", "CER"]),
        ("correlation between speed and error", ["correlation between speed and error"]),
        ("ROUGE-1/2/L; Acc. (%)", ["ROUGE-1/2/L", "Acc. (%)"]),
        ("1,000-way accuracy", ["1,000-way accuracy"]),
    ],
)
def test_metrics_of_several_words_are_one_each(line: str, names: list[str]) -> None:
    assert metric_names(line) == names


def test_add_needs_no_replacement_and_replace_does() -> None:
    add = "### A\n- **Ablated Part**: a second decoder\n- **Action**: ADD\n"
    assert structure_of(add).problems == []
    assert "which REPLACE needs" in structure_of(add.replace("ADD", "REPLACE")).problems[0][1]


def test_what_is_not_understood_is_listed_with_its_line() -> None:
    found = structure_of("### A\n- **Ablated Part**: x\n- **Action**: REMOVE\n- **Metricks**: WER\n")
    assert [line for line, _ in found.problems] == [4]
    assert structure_of("Only prose.\n").problems[0][0] == 0
