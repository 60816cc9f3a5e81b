"""The transcripts of a recipe as a table, with the references and speakers of the corpus. Every utterance has to be there once."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ablation.plan.plan import Plan
from common.errors import UserError
from common.external import is_external
from common.normalise import normaliser
from corpora.store import Corpus
from recipes.base import Transcript

if TYPE_CHECKING:
    import pandas as pd

SPLIT = "test"
REMEDY = "correct the recipe's `transcribe`"


def transcript_table(found: Iterable[Transcript], corpus: Path, plan: Plan) -> "pd.DataFrame":
    """Return the columns condition, utterance_id, speaker, reference and hypothesis, in the order of the transcripts.

    Those of an external corpus bring their references and speakers, the same under every condition.

    Raises UserError for an unknown condition or utterance, and for utterances that occur twice or not at all.
    """
    import pandas as pd

    transcripts = list(found)
    known = (
        _brought(transcripts, plan)
        if is_external(plan.corpus)
        else {each.id: (each.speaker, each.text) for each in Corpus.open(corpus).utterances(SPLIT)}
    )
    _check(transcripts, known, plan.condition_names())
    rows = [(each.condition, each.utterance_id, *known[each.utterance_id], each.hypothesis) for each in transcripts]
    return pd.DataFrame(rows, columns=["condition", "utterance_id", "speaker", "reference", "hypothesis"])


def _brought(transcripts: Sequence[Transcript], plan: Plan) -> dict[str, tuple[str, str]]:
    """Return utterance id -> speaker and reference, as the transcripts have them. Raises UserError."""
    found, form = dict[str, tuple[str, str]](), normaliser(plan.normalise)
    for each in transcripts:
        if not isinstance(each.reference, str):
            raise UserError(
                f"the service has no texts of {plan.corpus}, and the transcript of {each.utterance_id!r} under {each.condition!r} "
                f"has no reference: {REMEDY}"
            )
        speaker, text = found.setdefault(each.utterance_id, (each.speaker, each.reference))
        if form(text) != form(each.reference):
            raise UserError(
                f"an utterance has one reference under all conditions, and {each.utterance_id!r} has {each.reference[:40]!r} under "
                f"{each.condition!r} and {text[:40]!r} before: {REMEDY}"
            )
        if speaker != each.speaker:
            raise UserError(
                f"an utterance has one speaker, and {each.utterance_id!r} has {each.speaker!r} under {each.condition!r} and "
                f"{speaker!r} before: {REMEDY}"
            )
    if not any(form(text) for _, text in found.values()):
        raise UserError(f"an error rate needs words, and {len(found)} transcripts have references with 0: {REMEDY}")
    return found


def _check(transcripts: Sequence[Transcript], known: Collection[str], conditions: Sequence[str]) -> None:
    names = [each.condition for each in transcripts]
    if other := [name for name in dict.fromkeys(names) if name not in conditions]:
        raise UserError(
            f"a transcript has a condition of the plan ({', '.join(conditions)}), and {names.count(other[0])} of "
            f"{len(names)} have {other[0]!r}: {REMEDY}"
        )
    ids = [each.utterance_id for each in transcripts]
    if strange := [name for name in dict.fromkeys(ids) if name not in known]:
        raise UserError(
            f"a transcript is of an utterance of the split {SPLIT!r}, and {len(strange)} are not, e.g. {strange[0]!r}: {REMEDY}"
        )
    times = Counter((each.condition, each.utterance_id) for each in transcripts)
    if twice := [key for key, number in times.items() if number > 1]:
        raise UserError(f"{_once(len(twice), *twice[0])} have several: {REMEDY}")
    wanted = [(condition, name) for condition in conditions for name in known]
    if missing := [key for key in wanted if key not in times]:
        raise UserError(f"{_once(len(missing), *missing[0], of=len(wanted))} have none: {REMEDY}")
    if wrong := [each for each in transcripts if not isinstance(each.hypothesis, str)]:
        kind = type(wrong[0].hypothesis).__name__
        raise UserError(
            f"a hypothesis is text, and {len(wrong)} are not, e.g. {wrong[0].utterance_id!r} ({kind}): {REMEDY}"
        )


def _once(number: int, condition: str, name: str, of: int | None = None) -> str:
    among = f" of {of}" if of else ""
    return f"every utterance has one transcript under every condition, and {number}{among}, e.g. {name!r} under {condition!r},"
