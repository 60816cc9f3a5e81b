"""Fixtures of several tests: the founding plan, a reader of plan texts, and a metric that only the tests have."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ablation.plan.plan import Plan, read_plan
from ablation.stats.metrics import METRICS, Metric
from model.config import CATALOGUE

FOUNDING_PLAN = """\
### Ablation of Adaptive Dynamic Multimodal Fusion
- **Ablated Part**: dynamic scaling factor in multimodal fusion
- **Action**: REPLACE
- **Replacement**: 
  - static scaling factor
  - no scaling factor
- **Metrics**: WER

### Ablation of Masking Strategy in Siamese Architecture
- **Ablated Part**: differential masking rates and lengths for audio and video
- **Action**: REPLACE
- **Replacement**: 
  - uniform masking rate and length
- **Metrics**: WER
"""  # noqa: W291 (the document has these spaces)


@pytest.fixture
def founding_plan() -> str:
    """The plan that the service was founded on, as it stands."""
    return FOUNDING_PLAN


@pytest.fixture
def plan_file(tmp_path: Path) -> Callable[[str, str], Plan]:
    """Writes a plan's text to a file and reads it."""

    def read(text: str, name: str = "plan.yaml") -> Plan:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return read_plan(path, CATALOGUE)

    return read


def align_sentences(references: Sequence[str], hypotheses: Sequence[str]) -> list[str]:
    """Align whole sentences: each is right or wrong."""
    return ["C" if said == heard else "S" for said, heard in zip(references, hypotheses, strict=True)]


@pytest.fixture
def sentence_metric(monkeypatch: pytest.MonkeyPatch) -> Metric:
    """The sentence error rate, registered for one test."""
    metric = Metric(
        name="ser",
        label="sentence error rate",
        errors=("sentence_substitutions", "sentence_deletions", "sentence_insertions"),
        length="reference_sentences",
        align=align_sentences,
        description="wrong sentences over the number of sentences",
    )
    monkeypatch.setitem(METRICS, metric.name, metric)
    return metric
