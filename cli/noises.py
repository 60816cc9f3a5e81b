"""The test conditions that a command line names: `--noise babble=10,5,0`, or those of a plan."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from common.errors import UserError

if TYPE_CHECKING:
    from corpora.export.sets import Noises


def noises_of(given: Sequence[str], plan: str | None) -> "Noises":
    """Return the noises of `--noise` or of a plan; none of both gives the clean condition only. Raises UserError."""
    from corpora.export.sets import Noises

    if plan is None:
        found: dict[str, tuple[float, ...]] = {}
        for text in given:
            kind, snrs_db = _parsed(text)
            if kind in found:
                raise UserError(f"--noise names each kind once, and {kind!r} occurs twice; write its SNRs in one list")
            found[kind] = snrs_db
        return Noises(found, {})
    if given:
        raise UserError("the conditions come from --noise or from --plan, and both are given; leave one out")
    from cli.options import chosen_plan

    chosen = chosen_plan(plan, None, None, [])
    return Noises(chosen.conditions, chosen.noise)


def _parsed(text: str) -> tuple[str, tuple[float, ...]]:
    kind, equals, numbers = (part.strip() for part in text.partition("="))
    try:
        snrs_db = tuple(float(number) for number in numbers.split(","))
    except ValueError:
        snrs_db = ()
    if not kind or not equals or not snrs_db or not all(map(math.isfinite, snrs_db)):
        raise UserError(f"--noise is a kind and its SNRs in dB, such as babble=10,5,0, got {text!r}; correct it")
    if len(set(snrs_db)) < len(snrs_db):
        raise UserError(f"--noise names each SNR once, got {text!r}; correct the list")
    return kind, snrs_db
