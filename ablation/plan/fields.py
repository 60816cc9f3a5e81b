"""Checks of the fields of a plan. Each returns the value in its final type or raises UserError with one sentence.

The sentence gives the rule, the value that breaks it, and what to write instead.
"""

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from common.errors import UserError
from common.hints import did_you_mean

BUILT_IN_NOISES = ("babble", "white")
SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
ARM = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
LARGEST_SEED = 2**32 - 1
MOST_SEEDS = 1000
MOST_LOOKS = 10
LARGEST_SNR_DB = 100
MOST_SNRS = 100  # of one kind of noise


def shown(value: Any) -> str:
    """Return a value as errors quote it, short enough for one line."""
    if value is None:
        return "nothing"
    written = repr(value)
    return written if len(written) <= 60 else f"{written[:57]}..."


def slugified(words: str) -> str:
    """Return words as a slug: lower case, joined by hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def repeated(values: Sequence[Any]) -> Iterator[tuple[Any, int]]:
    """Yield each value that occurs more than once, with the number of times, in the order of first occurrence."""
    yield from ((value, times) for value, times in Counter(values).items() if times > 1)


def text(key: str, value: Any) -> str:
    """Check that a value is text; numbers and lists are errors."""
    if not isinstance(value, str):
        raise UserError(f"`{key}` is text, got {shown(value)}; put it in quotes")
    return value.strip()


def filled_text(key: str, value: Any) -> str:
    """Check that a value is text and not empty."""
    if not (filled := text(key, value)):
        raise UserError(f"`{key}` is empty; fill it in or leave the key out")
    return filled


def slug(key: str, value: Any) -> str:
    """Check a name that is valid for folders, runs and cluster objects."""
    if not isinstance(value, str) or not SLUG.fullmatch(value):
        words = slugified(str(value))[:63] if value is not None else ""
        better = words or "smile" if isinstance(value, str) or not words else f"'{words}'"
        raise UserError(
            f"`{key}` takes lower-case letters, digits and hyphens (63 at most), got {shown(value)}; "
            f"write e.g. `{key}: {better}`"
        )
    return value


def arm_name(value: Any) -> str:
    """Check the name of an arm; `baseline` is reserved."""
    if value == "baseline":
        raise UserError("an arm is named 'baseline', which is the name of the unchanged model; choose another")
    if not isinstance(value, str) or not ARM.fullmatch(value):
        raise UserError(
            f"an arm's name takes lower-case letters, digits, dots, hyphens and underscores, got {shown(value)}; "
            f"write e.g. {slugified(str(value)) or 'static-scale'}"
        )
    return value


def one_of(key: str, value: Any, known: Sequence[str]) -> str:
    """Check that a value is one of the known words, in any case."""
    word = text(key, value).lower()
    if word not in known:
        raise UserError(f"unknown {key} {value!r}{did_you_mean(word, known)}")
    return word


def mapping(key: str, value: Any) -> dict[str, Any]:
    """Check that a value is a mapping whose keys are text."""
    if not isinstance(value, Mapping):
        raise UserError(f"`{key}` is a mapping, got {shown(value)}; write `name: value` lines below it")
    for name in value:
        if not isinstance(name, str):
            raise UserError(f"`{key}` has the key {shown(name)}, which YAML does not read as text; put it in quotes")
    return dict(value)


def ordered(key: str, value: Any) -> dict[str, Any]:
    """Check a mapping whose order counts: a mapping, or a list of mappings, since Kubeflow does not keep the order of mappings."""
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        return mapping(key, value)
    pairs = [pair for item in value for pair in mapping(key, item).items()]
    for name, times in repeated([name for name, _ in pairs]):
        raise UserError(f"`{key}` lists {name!r} {times} times; list every name once")
    return dict(pairs)


def listed(key: str, value: Any, example: str) -> list[Any]:
    """Check that a value is a list and not empty."""
    if not isinstance(value, list | tuple):
        inside = value if isinstance(value, int | float) and not isinstance(value, bool) else example
        raise UserError(f"`{key}` is a list, got {shown(value)}; write [{inside}]")
    if not value:
        raise UserError(f"`{key}` is empty; write e.g. [{example}]")
    return list(value)


def seeds(key: str, value: Any) -> tuple[int, ...]:
    """Check different whole numbers from 0 to 2**32 - 1, one per repetition of each arm."""
    numbers = listed(key, value, "1, 2, 3")
    if len(numbers) > MOST_SEEDS:
        raise UserError(
            f"a study has at most {MOST_SEEDS} seeds, got {len(numbers)} in `{key}`; 3 to 10 give most verdicts"
        )
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= LARGEST_SEED:
            raise UserError(f"a seed is a whole number from 0 to {LARGEST_SEED}, got {shown(number)}; write [1, 2, 3]")
    for number, times in repeated(numbers):
        raise UserError(f"seed {number} occurs {times} times in `{key}`; write every seed once")
    return tuple(numbers)


def seeds_of_text(text: str) -> list[int]:
    """Return the seeds of an option such as `1,2,3` or `[1, 2, 3]`; `seeds` checks the numbers. Raises UserError."""
    listed_in = re.fullmatch(r"\s*\[(.*)\]\s*", text)
    given = [seed.strip() for seed in (listed_in[1] if listed_in else text).split(",") if seed.strip()]
    for seed in given:
        if not re.fullmatch("-?[0-9]{1,4000}", seed):
            rule = "seeds are whole numbers with commas between them"
            raise UserError(f"{rule}, got {shown(seed)}; write e.g. 1,2,3")
    return [int(seed) for seed in given]


def looks(key: str, value: Any) -> tuple[int, ...]:
    """Check increasing numbers of seeds, two or more of them, each 2 or more."""
    numbers = listed(key, value, "3, 5, 8")
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int) or not 2 <= number <= MOST_SEEDS:
            rule = f"`{key}` are numbers of seeds from 2 to {MOST_SEEDS}"
            raise UserError(f"{rule}, got {shown(number)}; write e.g. `{key}: [3, 5, 8]`")
    if not 2 <= len(numbers) <= MOST_LOOKS or any(later <= number for number, later in itertools.pairwise(numbers)):
        rule = f"`{key}` are 2 to {MOST_LOOKS} increasing numbers of seeds"
        raise UserError(f"{rule}, got {shown(value)}; write e.g. `{key}: [3, 5, 8]`")
    return tuple(numbers)


def stopped(key: str, value: Any) -> dict[str, int]:
    """Check arm -> the number of seeds with which a look stopped it."""
    for arm, number in mapping(key, value).items():
        if isinstance(number, bool) or not isinstance(number, int) or number < 2:
            raise UserError(
                f"`{key}` maps arms to numbers of seeds, got {shown(number)} for {arm!r}; write e.g. `{arm}: 3`"
            )
    return dict(value)


def conditions(key: str, value: Any) -> dict[str, tuple[float, ...]]:
    """Check noise kind -> SNRs in dB. `clean` is an error, as it is always scored."""
    noises = ordered(key, value)
    if "clean" in noises:
        raise UserError(f"`{key}` lists 'clean', which is always scored; remove it and list noises only")
    return {kind: _snrs(f"{key}.{kind}", snrs) for kind, snrs in noises.items()}


def _snrs(key: str, value: Any) -> tuple[float, ...]:
    numbers = listed(key, value, "10, 5, 0, -5")
    if len(numbers) > MOST_SNRS:
        raise UserError(f"`{key}` has at most {MOST_SNRS} SNRs, got {len(numbers)}; write e.g. [10, 5, 0, -5]")
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            raise UserError(f"an SNR in `{key}` is a number of dB, got {shown(number)}; write e.g. [10, 5, 0, -5]")
        if abs(number) > LARGEST_SNR_DB:
            rule = f"an SNR in `{key}` is from {-LARGEST_SNR_DB} to {LARGEST_SNR_DB} dB"
            raise UserError(f"{rule}, got {shown(number)}; write e.g. [10, 5, 0, -5]")
    for name, times in repeated([f"{number:g}" for number in numbers]):
        raise UserError(f"{name} dB occurs {times} times in `{key}`; list every SNR once")
    return tuple(float(number) for number in numbers)


def choices(key: str, value: Any, known: Sequence[str]) -> tuple[str, ...]:
    """Check a list of known words; duplicates are dropped."""
    words = [one_of(key, word, known) for word in listed(key, value, known[0])]
    return tuple(dict.fromkeys(words))


def folders(key: str, value: Any) -> dict[str, str]:
    """Check noise kind -> folder of recordings."""
    named = {kind: filled_text(f"{key}.{kind}", folder) for kind, folder in mapping(key, value).items()}
    for kind in named:
        if kind == "clean" or not SLUG.fullmatch(kind):
            raise UserError(
                f"a noise's name takes lower-case letters, digits and hyphens and is not 'clean', got {kind!r}; "
                f"write e.g. {slugified(kind) if kind != 'clean' else 'street'}"
            )
    return named


def count(key: str, value: Any) -> int:
    """Check a whole number, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UserError(f"`{key}` is a whole number, 0 or more, got {shown(value)}; write e.g. `{key}: 0`")
    return value


def order(key: str, value: Any) -> int:
    """Check the number of parts in an interaction, 1 or more; 1 tests no interactions."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UserError(f"`{key}` is a whole number, 1 or more, got {shown(value)}; write e.g. `{key}: 2`")
    return value


def margin(key: str, value: Any) -> float | None:
    """Check a difference in points, more than 0 and at most 100; None for no margin."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 100:
        raise UserError(
            f"`{key}` is a difference in points, more than 0 and at most 100, got {shown(value)}; write e.g. `{key}: 0.5`"
        )
    return float(value)
