"""The words of a catalogue, and general words: whether a phrase speaks of this model at all."""

import re
from collections.abc import Mapping
from functools import lru_cache

from ablation.plan.catalogue import Part
from ablation.plan.markdown.phrases import ADDED, listed, words

# Words that explain a phrase and name nothing of a model. Words with the same stem count too: `placed` is `place`.
GENERAL = (ADDED - {"two"}) | listed(
    "across actual add additional after again all allow also alternative among amount any approach architecture around art "
    "aspect base basic be because before behind being better between block both by can chosen choice choose combination "
    "combine common component compute configuration consist contain contribution conventional core create current default "
    "describe design different do during e each effect enable entering existing explicit feature feed final find first "
    "fixed following framework full function further generate give global go how idea impact implement important improve in "
    "include incoming individual inner input inside integrate integration interact interaction introduce it kind layer "
    "leave let like main make many may means model more multi multiple multilevel must name network new next novel number "
    "obtain off one operation order original other our out outer over own paper part particular per perform place placing "
    "plain plus present previous procedure process produce proposed provide put real rely representation represent required "
    "result role same section several show signal simply so solely special specific standard step structure style such "
    "system take technique term than their them then there they through together toward traditional front throughout entire "
    "prevent preserve training trained type under until up upon usage use using vanilla various very via was way we well "
    "were what when where whether which while whole will within work you aggregate aggregation token located situated "
    "inserted sit sub layers equal"
)
SUFFIX = re.compile(r"(?<=\w{4})(?:ations?|ating|ate[ds]?|ions?|ings?|edly|ed|e?s|ively|ives?|ly|e|al)$")
Parts = Mapping[str, Part]


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """Return a word without its ending: `combining`, `combination` and `combine` have the same."""
    return SUFFIX.sub("", word)


@lru_cache(maxsize=4096)
def stems(phrase: str) -> frozenset[str]:
    """Return the content words of a phrase without their endings."""
    return frozenset(map(stem, words(phrase)))


GENERAL_STEMS = frozenset(map(stem, GENERAL)) | frozenset().union(*(stems(word) for word in GENERAL))


def texts_of(part: Part, name: str) -> list[str]:
    """Return all that a catalogue says of a part: names, phrases and descriptions, of its kinds too."""
    kinds = part.kinds.items()
    said = [text for kind, each in kinds for text in (kind, each.arm, each.description, *each.phrases)]
    return [name, part.description, *part.phrases, *said]


def words_of(part: Part, name: str) -> frozenset[str]:
    """Return the stems of all that a catalogue says of a part."""
    return frozenset().union(*map(stems, texts_of(part, name)))


def foreign(phrase: str, parts: Parts) -> frozenset[str]:
    """Return the stems of a phrase that are neither general nor in the catalogue's texts of these parts.

    A phrase that has some is about something else, such as another model.
    """
    known = frozenset[str]().union(*(words_of(part, name) for name, part in parts.items()))
    return frozenset(word for word in stems(phrase) - known - GENERAL_STEMS if not word.isdigit())
