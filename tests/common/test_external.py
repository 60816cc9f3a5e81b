"""Addresses of external corpora: one spelling, one fingerprint per version, and one sentence for what is wrong."""

import re

import pytest

from common.errors import UserError
from common.external import external


def test_a_version_is_a_corpus_of_its_own() -> None:
    three, four = external("external://digits?version=3"), external("external://digits?version=4")
    assert three is not None
    assert four is not None
    assert (three.name, three.version, three.uri) == ("digits", "3", "external://digits?version=3")
    assert three.fingerprint != four.fingerprint
    assert external("external://digits?version=%33") == three
    assert three.summary() == {"uri": three.uri, "fingerprint": three.fingerprint}


@pytest.mark.parametrize("uri", ["grid://external", "s3://external/x", "external", "externals://x?version=1"])
def test_other_addresses_are_not_external(uri: str) -> None:
    assert external(uri) is None


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        (
            "external://digits",
            "has a version, .* and 'external://digits' has none; write external://digits\\?version=1",
        ),
        ("external://digits?", "has none; write"),
        ("external://?version=3", "has ''; write external://NAME"),
        ("external://two words?version=3", "has a name of 1 to 64 letters, .* has 'two words'"),
        ("external://../up?version=3", "has '../up'"),
        ("external://x\n?version=3", "has 'x\\\\n'"),
        ("external://" + "x" * 65 + "?version=3", "has 'x{65}'"),
        ("external://digits?version=", "a version has 1 to 64 letters, .* has ''"),
        ("external://digits?version=3 beta", "has '3 beta'"),
        ("external://digits?version=3&version=4", "a version is given once, and .* has 2"),
        ("external://digits?version=3&split=test", "has one option, `version`, and .* has 'split'; write"),
        ("external://digits?Version=3", "has 'Version'; write external://digits\\?version=1"),
    ],
)
def test_a_wrong_address_is_one_sentence(uri: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        external(uri)
    assert "\n" not in str(caught.value).replace(repr(uri), "")
    assert re.search(r"; write .*external://", str(caught.value))
