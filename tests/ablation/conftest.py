"""What the tests of plans share: the founding plan's text, and a way to read a plan's text as a user's file."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ablation.plan.plan import Plan, read_plan
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
