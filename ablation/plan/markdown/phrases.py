"""Phrases compared by their content words: order, case, endings and small words do not matter."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from difflib import SequenceMatcher
from functools import lru_cache


def listed(text: str) -> frozenset[str]:
    """Return the words of a text that is only a list of them."""
    return frozenset(text.split())


# One word for several that mean the same in a plan.
MEANINGS = {
    "no": "no none non without remove removed removing removal drop dropped omit omitted disable disabled exclude excluded "
    "eliminate eliminated absent not never",
    "same": "uniform uniformly identical equal equally shared common unified",
    "static": "constant fixed fix const",
    "learned": "learnable learn learning trainable trained",
    "video": "visual visually videos vision",
    "audio": "acoustic audios",
    "mean": "average averaged averaging",
    "last": "final top",
    "frozen": "freeze freezing",
    "sum": "summation summing summed",
    "per": "each every specific",
    "scale": "scaling scaled scaler scalar",
    "mask": "masking masked masks",
    "concatenation": "concatenate concatenated concatenating concat",
    "swap": "swapped swapping",
    "gate": "gated gating gates",
    "dynamic": "dynamically",
    "time": "temporal temporally",
    "adaptive": "adaptively",
}
CANONICAL = {form: word for word, forms in MEANINGS.items() for form in (word, *forms.split())}
SMALL = listed(
    "a an the of for in on to by with and or is are be its it this that these those use used uses using as at into "
    "factor factors value values setting settings instead"
)
# Words that a plan may add to a phrase without changing what it means.
ADDED = listed(
    "simple simply both two all encoder output frame entirely completely modality stream strategy mechanism "
    "method approach scheme module component variant version model set kept keep replace replaced replacing "
    "apply applied e g eg ie i about approximately around roughly say s"
)
BOTH = re.compile(r"\b(?:audio|acoustic)\s+and\s+(?:video|visual)\b|\b(?:video|visual)\s+and\s+(?:audio|acoustic)\b")
JOINED = {"w/o": "without", "layerwise": "per layer", "layer-wise": "per layer", "wise": "per"}


def words(phrase: str) -> frozenset[str]:
    """Return the content words of a phrase. Negations count: `no masking` and `masking` differ."""
    return frozenset(in_order(phrase))


@lru_cache(maxsize=4096)
def in_order(phrase: str) -> tuple[str, ...]:
    """Return the content words of a phrase in their order."""
    text = unicodedata.normalize("NFKC", phrase).casefold()
    for form, plain in JOINED.items():
        text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", f" {plain} ", text)
    text = BOTH.sub(" both modalities ", text.replace("n't", " not"))
    text = re.sub(r"[<>≤≥±≠]", " compared ", text.replace("~", ""))
    found = (_canonical(word) for word in re.findall(r"[^\W_]+", text))
    return tuple(word for word in found if word not in SMALL)


def _canonical(word: str) -> str:
    if word in CANONICAL:
        return CANONICAL[word]
    singular = _singular(word)
    return CANONICAL.get(singular, singular)


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def literally(phrase: str, known: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the names that have a phrase letter for letter; case, spaces and the punctuation around it do not matter."""
    said = _plain(phrase)
    return [name for name, phrases in known.items() if any(_plain(each) == said for each in phrases)]


@lru_cache(maxsize=4096)
def _plain(phrase: str) -> str:
    return " ".join(phrase.casefold().split()).strip(" .;,")


def matches(
    phrase: str, known: Mapping[str, Iterable[str]], also: Mapping[str, Collection[str]] | None = None
) -> list[str]:
    """Return the names whose phrases have the content words of `phrase`.

    Words that mean nothing by themselves may be missing in a phrase: those of `ADDED`, of `also` for the name, and of the other
    phrases of the same name, except negations. Names with the fewest of them are returned. If the words fit several names equally
    well, their order decides, if it can.
    """
    found, ranks = words(phrase), dict[str, int]()
    for name, phrases in known.items():
        forms = [form for each in phrases if (form := words(each))]
        free = ADDED.union(*forms, (also or {}).get(name, ())) - {"no"}
        fitting = [len(found - form) for form in forms if form <= found and found - form <= free]
        if fitting:
            ranks[name] = min(fitting)
    best = [name for name, rank in ranks.items() if rank == min(ranks.values())]
    ordered = [name for name in best if in_order(phrase) in map(in_order, known[name])]
    return ordered if len(ordered) == 1 else best


def nearest(phrase: str, known: Mapping[str, Iterable[str]], count: int = 3) -> str:
    """Return the phrases that have most words in common with a phrase, each with the name that it stands for."""
    found, owners = words(phrase), {said: name for name, phrases in known.items() for said in phrases if said}

    def distance(said: str) -> tuple[float, float]:
        form = words(said)
        shared = len(found & form) / (len(found | form) or 1)
        return -shared, -SequenceMatcher(None, phrase.lower()[:200], said.lower()).ratio()

    return "; ".join(f"{said!r} ({owners[said]})" for said in sorted(owners, key=distance)[:count])
