"""The sentences of the synthetic corpus and their speakers, before anything is spoken or drawn."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from common.errors import UserError
from common.hints import did_you_mean
from corpora.readers.grid_sources import WORDS

NAME = "talking-mouth"
SENTENCES = int(np.prod([len(words) for words in WORDS]))
MOST_HELD_OUT = SENTENCES // 2
MOST = 1_000_000  # 2 TB: a larger number is a typing error
DEFAULTS = {"train": 2000, "test": 300, "valid": 60, "seed": 0}

_ACCENTS = ("en-us", "en-gb-x-rp", "en-029", "en", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd")
# espeak's variants that sound like a person: none that croaks, whispers, echoes or buzzes, and none of its Klatt synthesiser.
# A variant is in one split only, so a voice of `test` differs in more than its accent. The variants of women occur twice in
# `train`, with different accents, since there are fewer of them.
_VARIANTS: dict[str, tuple[str, ...]] = {
    "train": (
        *("f3", "f5", "Andrea", "aunty", "belinda", "linda", "steph", "steph2", "shelby", "grandma", "m4", "m5", "m6"),
        *("m8", "Alex", "Andy", "Denis", "Diogo", "Gene", "Gene2", "Mario", "Mike", "Nguyen", "Storm", "boris", "ed"),
        *(
            "gustave",
            "iven",
            "john",
            "marcelo",
            "max",
            "michel",
            "miguel",
            "norbert",
            "pablo",
            "paul",
            "pedro",
            "quincy",
        ),
        *("rob", "sandro", "travis", "victor", "grandpa"),
        *("f3", "f5", "Andrea", "aunty", "belinda", "linda", "steph", "steph2", "shelby"),
    ),
    "valid": ("f1", "m2", "Alicia", "antonio"),
    "test": ("f2", "m1", "f4", "m3", "Annie", "m7", "robert", "Michael"),
}


@dataclass(frozen=True)
class Options:
    """The number of utterances per split, and the seed of all random draws."""

    train: int
    test: int
    valid: int
    seed: int

    @classmethod
    def read(cls, name: str, query: Mapping[str, str]) -> "Options":
        """Raises UserError for an unknown corpus, an unknown option, and a number out of range."""
        if name != NAME:
            raise UserError(f"no synthetic corpus {name!r}{did_you_mean(name, [NAME])}")
        for key in query:
            if key not in DEFAULTS:
                raise UserError(f"no option {key!r} for synthetic://{NAME}{did_you_mean(key, DEFAULTS)}")
        numbers = {key: _number(key, query.get(key, str(default))) for key, default in DEFAULTS.items()}
        if numbers["test"] + numbers["valid"] > MOST_HELD_OUT:
            raise UserError(
                f"test and valid hold out at most {MOST_HELD_OUT} of the {SENTENCES} sentences; test={numbers['test']} "
                f"and valid={numbers['valid']} are more: lower them"
            )
        return cls(**numbers)

    @property
    def count(self) -> int:
        """The number of all utterances."""
        return self.train + self.test + self.valid


@dataclass(frozen=True)
class Line:
    """An utterance to make. `seed` belongs to it alone and does not depend on the rest of the corpus."""

    id: str
    speaker: str
    split: str
    text: str
    seed: tuple[int, ...]


def _number(key: str, value: str) -> int:
    least = 0 if key == "seed" else 1
    if not (value.isascii() and value.isdigit() and len(value) <= 9 and least <= int(value) <= MOST):
        raise UserError(f"{key}= takes a whole number from {least} to {MOST}, got {value!r}")
    return int(value)


def speakers(split: str) -> list[str]:
    """Return the voices of a split, such as `en-us+f2`: an accent and a variant of espeak."""
    return [f"{_ACCENTS[place % len(_ACCENTS)]}+{variant}" for place, variant in enumerate(_VARIANTS[split])]


def draw_lines(options: Options) -> list[Line]:
    """Return all utterances, `test` first. No sentence of `test` or `valid` occurs in another split."""
    lines: list[Line] = []
    held_out: set[str] = set()
    for split, count in (("test", options.test), ("valid", options.valid), ("train", options.train)):
        draw = np.random.default_rng([options.seed, number(split)])
        texts = _sentences(count, held_out, draw, again=split == "train")
        voices = _in_turn(speakers(split), count, draw)
        lines += [
            Line(f"{split}-{place:05d}", voice, split, text, (options.seed, number(split), place))
            for place, (voice, text) in enumerate(zip(voices, texts, strict=True))
        ]
        if split != "train":
            held_out.update(texts)
    return lines


def number(name: str) -> int:
    """Return a seed for a name. It is the same on every machine."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")


def _sentences(count: int, taken: set[str], draw: np.random.Generator, *, again: bool) -> list[str]:
    """Return sentences that are not in `taken`. Words of one position are equally frequent. With `again`, sentences repeat."""
    columns = [_in_turn(list(words.values()), count, draw) for words in WORDS]
    chosen: list[str] = []
    taken = set(taken)
    for words in zip(*columns, strict=True):
        text = " ".join(words)
        while text in taken:
            text = " ".join(list(choices.values())[draw.integers(len(choices))] for choices in WORDS)
        chosen.append(text)
        if not again:
            taken.add(text)
    return chosen


def _in_turn(choices: list[str], count: int, draw: np.random.Generator) -> list[str]:
    """Return `count` of the choices in random order. The numbers of times that two choices occur differ by at most one."""
    rounds = -(-count // len(choices))
    order = np.concatenate([draw.permutation(len(choices)) for _ in range(rounds)])[:count]
    return [choices[place] for place in draw.permutation(order)]
