"""The choices of an import. The command line and the Python API fill in the same ones."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from ablation.imports.formats import check_format
from ablation.imports.records import parse_keys
from ablation.stats.metrics import METRICS
from common.errors import UserError
from common.hints import did_you_mean
from common.normalise import BASIC, NORMALISERS

REFUSE, AS_DELETIONS, IGNORE, AS_FAILED = "refuse", "as-deletions", "ignore", "as-failed"
CHOICES = {
    "missing": (REFUSE, AS_DELETIONS),
    "extra": (REFUSE, IGNORE),
    "missing-trials": (REFUSE, AS_FAILED),
    "normalise": tuple(NORMALISERS),
}


FOR_SCORES = ("metric", "higher_is_better", "unit")
FOR_FILES = ("ref", "format", "keys", "missing", "extra", "id_part", "normalise", "metrics")
FLAGS = {"id_part": "--id", "higher_is_better": "--higher-is-better or --lower-is-better"}


@dataclass(frozen=True)
class Options:
    """Choices for reading, checking and judging results.

    `ref` is a file of references, or a pattern with `{condition}`; None takes them from the hypothesis files. `keys` is a list
    such as `id=utt,ref=text,hyp=pred`. `missing`, `extra` and `missing_trials` say what happens with utterances that a file
    lacks, with those that the references lack, and with trials that have no file. `id_part` and `speaker` are regular expressions
    on ids, whose first group counts; `speakers` is a file of `utterance speaker` lines. `arms` is a YAML file with part, action
    and why of arms. `metric`, `higher_is_better` and `unit` describe a table of scores; None takes what the table and the name of
    the metric say. Raises UserError for a choice that does not exist.
    """

    ref: str | None = None
    format: str | None = None
    keys: str = ""
    missing: str = REFUSE
    extra: str = REFUSE
    missing_trials: str = REFUSE
    id_part: str | None = None
    speaker: str | None = None
    speakers: Path | None = None
    arms: Path | None = None
    baseline: str = "baseline"
    margin_points: float | None = None
    normalise: str = BASIC
    metrics: Sequence[str] = ("wer",)
    metric: str | None = None
    higher_is_better: bool | None = None
    unit: str | None = None
    question: str = ""

    def __post_init__(self) -> None:
        if self.format is not None:
            check_format(self.format)
        parse_keys(self.keys)
        given = (self.missing, self.extra, self.missing_trials, self.normalise)
        for (option, known), value in zip(CHOICES.items(), given, strict=True):
            if value not in known:
                raise UserError(f"--{option} is {' or '.join(known)}, got {value!r}{did_you_mean(value, known)}")
        for metric in self.metrics:
            if metric not in METRICS:
                raise UserError(f"unknown metric {metric!r}{did_you_mean(metric, METRICS)}")
        if not self.metrics or len(set(self.metrics)) < len(self.metrics):
            raise UserError(f"--metrics names each metric once, got {','.join(self.metrics)!r}; correct the list")
        if self.margin_points is not None and not 0 < self.margin_points < math.inf:
            raise UserError(f"--margin is more than 0, got {self.margin_points:g}; correct it")
        if self.speaker is not None and self.speakers is not None:
            raise UserError("speakers come from --speaker or from --speakers, and both are given; leave one out")
        for option, pattern in (("id", self.id_part), ("speaker", self.speaker)):
            compiled(option, pattern)

    def check_for_files(self) -> None:
        """Raise UserError for choices that only a table of scores has, and for a margin that no error rate can have."""
        self._refuse(FOR_SCORES, "--scores")
        if self.margin_points is not None and self.margin_points >= 100:
            raise UserError(f"--margin is between 0 and 100 points, got {self.margin_points:g}; correct it")

    def check_for_scores(self) -> None:
        """Raise UserError for choices that only files of hypotheses have."""
        self._refuse(FOR_FILES, "--hyp")

    def _refuse(self, others: Sequence[str], owner: str) -> None:
        for field in fields(self):
            if field.name in others and getattr(self, field.name) != field.default:
                option = FLAGS.get(field.name, f"--{field.name.replace('_', '-')}")
                raise UserError(f"{option} is a choice for {owner}, which is not given; leave it out")


def compiled(option: str, pattern: str | None) -> re.Pattern[str] | None:
    """Return a regular expression of the command line. Raises UserError."""
    try:
        return None if pattern is None else re.compile(pattern)
    except re.error as error:
        raise UserError(f"--{option} is a regular expression, and {pattern!r} is none: {error}; correct it") from error


def part_of(pattern: re.Pattern[str], text: str, option: str) -> str:
    """Return the first group of a match in a text, or the match if there are no groups. Raises UserError without one."""
    found = pattern.search(text)
    part = found and found[1 if pattern.groups else 0]
    if not part:
        raise UserError(
            f"--{option} {pattern.pattern!r} finds nothing in the id {text!r}; correct the regular expression"
        )
    return part
