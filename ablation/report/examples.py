"""Utterances on which an arm and the baseline differ most, aligned word by word. They are selected, and so not typical."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np
import pandas as pd

from ablation.records import Study
from ablation.results import read_texts
from ablation.stats.metrics import WER
from ablation.stats.scoring import Normaliser
from common.normalise import normalise, normaliser

PER_ARM = 2
NOTHING = "***"  # one side has no word
Row = tuple[str, ...]


@dataclass(frozen=True)
class Choice:
    """An utterance, and the seed with the largest difference; errors are summed over the `seeds` common seeds."""

    arm: str
    condition: str
    seed: int
    utterance_id: str
    seeds: int
    baseline_errors: int
    arm_errors: int


@dataclass(frozen=True)
class Example:
    """A choice with its words in columns: the reference, and the hypotheses of the baseline and of the arm."""

    choice: Choice
    said: Row
    baseline: Row
    arm: Row


def examples(study: Study, counts: pd.DataFrame, folder: Path, per_arm: int = PER_ARM) -> list[Example]:
    """Return at most `per_arm` different utterances per arm, the largest difference first; none whose texts were left out.

    Raises UserError.
    """
    choices = choose(counts, study.baseline, [arm.arm for arm in study.arms], per_arm)
    if not choices:
        return []
    form = normaliser(study.normalise, study.normalise_version)
    texts = read_texts(folder, sorted({choice.utterance_id for choice in choices}))
    keyed = texts.set_index(["arm", "seed", "condition", "utterance_id"])
    keyed = keyed[~keyed.index.duplicated()]

    def heard(arm: str, choice: Choice, column: str) -> str:
        return str(keyed.at[(arm, *_key(choice)), column])

    return [
        Example(choice, *align(heard(choice.arm, choice, "reference"), *(
            heard(arm, choice, "hypothesis") for arm in (study.baseline, choice.arm)
        ), form=form))
        for choice in choices
        if all((arm, *_key(choice)) in keyed.index for arm in (study.baseline, choice.arm))
    ]  # fmt: skip


def _key(choice: Choice) -> tuple[int, str, str]:
    return choice.seed, choice.condition, choice.utterance_id


def choose(counts: pd.DataFrame, baseline: str, arms: Sequence[str], per_arm: int) -> list[Choice]:
    """Rank (condition, utterance) by the difference in errors, summed over the seeds that an arm and the baseline share.

    Ties stay in their order of appearance.
    """
    names = [pd.factorize(counts[column]) for column in ("arm", "seed", "condition", "utterance_id")]
    codes, labels = [codes for codes, _ in names], [list(found) for _, found in names]
    if baseline not in labels[0]:
        return []
    errors = np.full([len(found) for found in labels], np.nan, dtype=np.float32)
    errors[tuple(codes)] = counts[[*WER.errors]].sum(axis=1)
    base = errors[labels[0].index(baseline)]
    known = [arm for arm in arms if arm in labels[0] and arm != baseline]
    return [
        choice
        for arm in known
        for choice in _largest(arm, errors[labels[0].index(arm)], base, labels[1:], per_arm)
    ]  # fmt: skip


def _largest(
    arm: str, errors: np.ndarray, base: np.ndarray, labels: Sequence[Sequence[object]], per_arm: int
) -> Iterable[Choice]:
    """`errors` and `base`: (seeds, conditions, utterances), NaN for trials that were not scored."""
    apart = errors - base
    total = np.nansum(apart, axis=0)
    ranked = np.argsort(-np.abs(total), axis=None, kind="stable")[: 50 * per_arm]
    taken: set[int] = set()
    for condition, utterance in zip(*np.unravel_index(ranked, total.shape), strict=True):
        if len(taken) == per_arm or not total[condition, utterance]:
            return
        if utterance in taken:
            continue
        taken.add(utterance)
        mine = apart[:, condition, utterance] * np.sign(total[condition, utterance])
        shared = ~np.isnan(mine)
        seeds, conditions, utterances = labels
        yield Choice(
            arm,
            str(conditions[condition]),
            int(str(seeds[int(np.nanargmax(mine))])),
            str(utterances[utterance]),
            int(shared.sum()),
            int(base[shared, condition, utterance].sum()),
            int(errors[shared, condition, utterance].sum()),
        )


def align(reference: str, *hypotheses: str, form: Normaliser = normalise) -> list[Row]:
    """Return the words of the reference and of each hypothesis in columns, after their normalisation by `form`.

    As in sclite, wrong words are in capitals (in brackets if they have no letters). `***` marks a deleted word or, in the
    reference, an inserted one; there the other hypothesis has an empty place.
    """
    said = form(reference).split()
    slots = [_slots(said, form(hypothesis)) for hypothesis in hypotheses]
    widths = [max((len(inserted[place]) for inserted, _ in slots), default=0) for place in range(len(said) + 1)]
    none: list[list[str]] = [[]] * len(widths)
    return [_row(said, none, widths, NOTHING), *(_row(words, inserted, widths, "") for inserted, words in slots)]


def _slots(said: list[str], hypothesis: str) -> tuple[list[list[str]], list[str]]:
    """The words inserted before each word of the reference (and at its end), and the word recognised for each."""
    inserted: list[list[str]] = [[] for _ in range(len(said) + 1)]
    words = [NOTHING] * len(said)
    heard = hypothesis.split()
    if not said:
        return [[_wrong(word) for word in heard]], []
    for chunk in jiwer.process_words(" ".join(said), hypothesis).alignments[0]:
        found = heard[chunk.hyp_start_idx : chunk.hyp_end_idx]
        if chunk.type == "insert":
            inserted[chunk.ref_start_idx] += map(_wrong, found)
        elif chunk.type != "delete":
            marked = found if chunk.type == "equal" else map(_wrong, found)
            words[chunk.ref_start_idx : chunk.ref_end_idx] = marked
    return inserted, words


def _wrong(word: str) -> str:
    return word.upper() if word.upper() != word else f"[{word}]"


def _row(words: Sequence[str], inserted: Sequence[Sequence[str]], widths: Sequence[int], filling: str) -> Row:
    cells: list[str] = []
    for place, width in enumerate(widths):
        cells += [*inserted[place], *[filling] * (width - len(inserted[place]))]
        cells += words[place : place + 1]
    return tuple(cells)
