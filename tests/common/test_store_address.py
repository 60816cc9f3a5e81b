"""The secrets of an MLflow address move into the environment where they enter, and MLflow's client still gets them."""

import os

import pytest

from common.errors import UserError
from common.store_address import PASSWORD, USERNAME, VARIABLE, enter, has_secret, whole
from components.shared.inputs import store_of
from pipelines.local import paths


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore what `enter` sets."""
    for name in (VARIABLE, USERNAME, PASSWORD):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("address", "plain", "user", "password"),
    [
        ("http://me:s3cret@host:5000", "http://host:5000", "me", "s3cret"),
        ("https://me:s3%40%2F%3Acret@host/base/", "https://host/base/", "me", "s3@/:cret"),
        ("http://me:s3:c@ret@host", "http://host", "me", "s3:c@ret"),
        ("https://me@host", "https://me@host", None, None),
        ("http://host?token=s3cret&x=1", "http://host?x=1", None, None),
        ("http://[::1]:5000", "http://[::1]:5000", None, None),
    ],
)
def test_a_server(
    address: str, plain: str, user: str | None, password: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, address)
    assert paths.tracking_uri() == plain
    assert (os.environ.get(USERNAME), os.environ.get(PASSWORD)) == (user, password)
    assert os.environ[VARIABLE] == plain == whole(plain)


@pytest.mark.parametrize(
    ("address", "plain", "to_driver"),
    [
        ("postgresql://me:s3cret@host:5432/db", "postgresql://me@host:5432/db", "postgresql://me:s3cret@host:5432/db"),
        ("mysql+pymysql://me:s3@cret@host/db", "mysql+pymysql://me@host/db", "mysql+pymysql://me:s3%40cret@host/db"),
        ("postgresql://me:a%2Fb%3A@host/db", "postgresql://me@host/db", "postgresql://me:a%2Fb%3A@host/db"),
        ("postgresql:///db?host=h&password=s3c", "postgresql:///db?host=h", "postgresql:///db?host=h&password=s3c"),
        (
            "mysql://h/db?user=me@corp&password=s3c",
            "mysql://h/db?user=me@corp",
            "mysql://h/db?user=me@corp&password=s3c",
        ),
    ],
)
def test_a_database(address: str, plain: str, to_driver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_secret(address)
    assert store_of(address) == plain
    assert whole(plain) == os.environ[VARIABLE] == to_driver
    monkeypatch.setenv(VARIABLE, address)
    assert store_of("") == paths.tracking_uri() == plain
    assert store_of(plain) == plain
    assert whole(plain) == to_driver
    assert whole("postgresql://you@host/db") == "postgresql://you@host/db"


@pytest.mark.parametrize(
    "address", ["sqlite:////tmp/a:b@c/mlflow.db", "file:///tmp/a", "http://host:5000", "databricks"]
)
def test_an_address_without_secrets_stays(address: str) -> None:
    assert enter(address) == whole(address) == address
    assert not has_secret(address)


@pytest.mark.parametrize(
    "address",
    ["postgresql://me:s3/cret@host/db", "http://me:12/s3cret@host", "http://me:s3?cret@host", "http://me:1#s3cret@h"],
)
def test_a_password_without_a_clear_end_is_refused_unseen(address: str) -> None:
    with pytest.raises(UserError) as caught:
        enter(address)
    assert "are written %2F, %3F, %23 and %40" in str(caught.value)
    assert "cret" not in str(caught.value)
