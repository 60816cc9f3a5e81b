"""No password of a store's address comes through, wherever it stands in a text."""

import pytest

from common.errors import UserError
from common.redact import redact
from tracking.store import prepare_store


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("postgresql://me:se:cr@et@host:5432/db", "postgresql://me@host:5432/db"),
        ("http://me:secret@host and https://you:other@there/x", "http://me@host and https://you@there/x"),
        ("postgresql+psycopg2://:secret@host/db", "postgresql+psycopg2://@host/db"),
        ("http://host:5000/a@b", "http://host:5000/a@b"),
        ("sqlite:////tmp/mlflow.db", "sqlite:////tmp/mlflow.db"),
    ],
)
def test_only_the_password_goes(text: str, plain: str) -> None:
    assert redact(text) == plain


def test_a_database_that_cannot_be_used_is_named_without_its_password() -> None:
    with pytest.raises(UserError) as caught:
        prepare_store("postgresql+nodriver://me:secret@127.0.0.1:9/db")
    assert "secret" not in str(caught.value)
    assert "me@127.0.0.1:9" in str(caught.value)
