"""The address of a corpus, and the checks that need no preparation. Imports nothing that takes seconds."""

from dataclasses import dataclass
from urllib.parse import parse_qsl

from common.errors import UserError
from common.external import external
from common.hints import did_you_mean
from corpora.readers.reader import Query, Reader
from corpora.readers.registry import READERS, S3, examples, schemes


@dataclass(frozen=True)
class Address:
    """The parts of a corpus URI: `scheme://place?name=value&...`."""

    scheme: str
    place: str
    query: Query

    @classmethod
    def parse(cls, uri: str) -> "Address":
        """Return the parts. Raises UserError for a text that is not a URI, for an unknown scheme, and for an option given twice."""
        scheme, separator, rest = uri.partition("://")
        place, _, query = rest.partition("?")
        if not separator or not place:
            raise UserError(f"a corpus is a URI, {examples()}; got {uri!r}")
        if found := external(uri):
            raise UserError(
                f"{found.uri} is known to a recipe's own toolkit only, so there is nothing to prepare; give it as the corpus of a "
                "plan whose recipe trains on data of its own"
            )
        if scheme not in READERS:
            raise UserError(f"no corpus scheme {scheme!r}{did_you_mean(scheme, schemes())}")
        pairs = parse_qsl(query, keep_blank_values=True)
        for name, value in pairs:
            if [other for other, _ in pairs].count(name) > 1:
                raise UserError(f"a corpus option is given once; {uri} has {name}= more than once (e.g. {value!r})")
        return cls(scheme, place, dict(pairs))

    @property
    def reader(self) -> Reader:
        """The reader of the scheme."""
        return READERS[self.scheme]


def check(uri: str, *, here: bool, needs_video: bool = False) -> None:
    """Raise UserError for a URI that cannot be a corpus; with `here`, also for a corpus that this machine cannot find.

    With `needs_video`, also for a corpus that has no pictures; of one in S3 only its content says so (`check_video`).
    """
    if external(uri):  # its recipe checks more
        return
    if uri.startswith(f"{S3}://"):
        from corpora.s3.place import Place
        from corpora.s3.transfer import find

        find(uri) if here else Place.parse(uri)
        return
    address = Address.parse(uri)
    if needs_video:
        check_video(uri, has_video=address.reader.video)
    if here or address.reader.generated:
        address.reader.count(address.place, address.query)


def check_video(uri: str, *, has_video: bool) -> None:
    """Raise UserError for a corpus without pictures, for a recipe that needs them."""
    if not has_video:
        raise UserError(
            f"this recipe needs pictures of the speaker, and {uri} has only sound; choose a corpus with video"
        )


def check_babble(uri: str, *, utterances: int) -> None:
    """Raise UserError for a corpus with too few training utterances for babble, as `corpora.noise` does once it is mixed."""
    from corpora.noise import TALKERS

    if utterances < TALKERS:
        raise UserError(
            f"babble is mixed from {TALKERS} different training utterances, and {uri} has {utterances}: prepare more, or give "
            "recordings (noise: {babble: DIR})"
        )
