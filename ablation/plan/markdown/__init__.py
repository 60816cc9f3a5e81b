"""Plans in Markdown: sections with fields, in which parts and kinds are named by phrases.

    ### Ablation of the fusion
    - **Ablated Part**: dynamic scaling factor in multimodal fusion
    - **Action**: REPLACE
    - **Replacement**:
      - static scaling factor (0.5)
      - no scaling factor
    - **Metrics**: WER

The remaining keys of a plan may be given first, as YAML between two lines of `---`. docs/plans.md says what is understood.

The text passes through these modules: `hidden` and `html` take out what is not plan text, `blocks` splits it into headings, lines
and tables, `sections` finds fields by their `names`, `document` and `leftovers` check that nothing is left over. `ablations` gives
each section its meaning: `parts`, `kinds` (with `numbers`) and `metrics` match `phrases` with the catalogue.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from ablation.plan import fields
from ablation.plan.catalogue import Catalogue
from ablation.plan.markdown.ablations import ablation_of
from ablation.plan.markdown.document import read_document, sendable
from ablation.plan.markdown.front_matter import split_front_matter
from ablation.plan.markdown.hidden import plain_text
from ablation.plan.markdown.leftovers import check_leftovers
from ablation.plan.markdown.metrics import metrics_of
from ablation.plan.markdown.names import METRICS
from ablation.plan.markdown.problems import Problems
from ablation.plan.readings import Reading
from common.errors import UserError

LONGEST_REASONING = 4000


def read_markdown(
    text: str, catalogue: Catalogue, stem: str, check: Callable[[dict[str, Any]], object] = dict
) -> dict[str, Any]:
    """Return the plain data of a Markdown plan, in the form of a YAML plan.

    Keys that the front matter leaves out take the defaults of `plan.Plan`; the study's name is then the file's `stem`. `check`
    raises UserError for data that is no plan. Raises UserError with all problems and their lines.
    """
    problems = Problems()
    front, body = split_front_matter(plain_text(text), problems)
    document = read_document(body, problems)
    if not document.ablations and not problems.found:
        problems.add(0, "no ablation found: a Markdown plan has sections with a line `- **Ablated Part**: ...`")
    data: dict[str, Any] = {"study": fields.slugified(stem)[:63].strip("-") or "study"}
    data |= {"question": sendable(document.title)} if document.title else {}
    if document.reasoning:
        data["reasoning"] = shortened(document.reasoning)
    lines = [line for section in document.ablations for line in section.fields.get(METRICS, [])]
    if "metrics" not in front and (metrics := metrics_of([*lines, *document.metrics], problems)):
        data["metrics"] = metrics
    check_leftovers(document, catalogue.parts, problems)
    read: list[Reading] = []
    found = [ablation_of(section, catalogue, problems, read) for section in document.ablations]
    data |= {**front, "ablations": _joined([each for each in found if each])}
    data["readings"] = [asdict(reading) for reading in read]
    try:
        check(data)
    except UserError as error:
        problems.add(0, str(error))
    problems.raise_all()
    return data


def front_matter(text: str) -> dict[str, Any]:
    """Return the keys of the front matter that can be read."""
    return split_front_matter(plain_text(text), Problems())[0]


def shortened(text: str) -> str:
    """Return a text of at most `LONGEST_REASONING` characters, cut at a space."""
    return text if len(text) <= LONGEST_REASONING else f"{text[:LONGEST_REASONING].rpartition(' ')[0]} ..."


def _joined(ablations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the ablations, each arm once: one that an earlier section asks for too keeps its first place, with both reasons."""
    kept: list[dict[str, Any]] = []
    for ablation in ablations:
        for earlier in kept:
            same = {k: v for k, v in ablation["replacements"].items() if earlier["replacements"].get(k) == v}
            twice = same if ablation["replacements"] else earlier["action"] == "remove" == ablation["action"]
            if earlier["part"] == ablation["part"] and twice:
                earlier["why"] = f"{earlier['why']}. {ablation['why']}"
                left = {k: v for k, v in ablation["replacements"].items() if k not in same}
                ablation = {**ablation, "replacements": left, "done": not left}
        if not ablation.pop("done", False):
            kept.append(ablation)
    return kept
