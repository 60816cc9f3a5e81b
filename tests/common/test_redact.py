"""No secret comes through, wherever it stands in a text: passwords of addresses, parameters, headers, the environment's own."""

from urllib.parse import quote

import pytest

from common.errors import UserError
from common.redact import is_secret_name, redact
from tracking.store import prepare_store


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("postgresql://me:se:cr@et@host:5432/db", "postgresql://me@host:5432/db"),
        ("http://me:secret@host and https://you:other@there/x", "http://me@host and https://you@there/x"),
        ("postgresql+psycopg2://:secret@host/db", "postgresql+psycopg2://@host/db"),
        ("postgresql://me:se/cr/et@host/db", "postgresql://me@host/db"),
        ("mysql+pymysql://me:se%40cr%2Fet@host:3306/db", "mysql+pymysql://me@host:3306/db"),
        ("http://host:5000/a@b", "http://host:5000/a@b"),
        ("http://host:5000/#/experiments/1", "http://host:5000/#/experiments/1"),
        ("sqlite:////tmp/mlflow.db", "sqlite:////tmp/mlflow.db"),
        ("models:/smile@champion", "models:/smile@champion"),
        ("mysql://host/db?user=me&password=secret&ssl=1", "mysql://host/db?user=me&password=***&ssl=1"),
        ("GET https://s3/x?X-Amz-Signature=abc&part=1", "GET https://s3/x?X-Amz-Signature=***&part=1"),
        ("{'Authorization': 'Basic bWU6c2VjcmV0'}", "{'Authorization': 'Basic ***'}"),
        ("Authorization: Bearer eyJhbGci.x.y", "Authorization: Bearer ***"),
        ("sent Bearer eyJhbGciOiJI", "sent Bearer ***"),
        ("Cookie: session=abc; other=1", "Cookie: ***"),
    ],
)
def test_only_the_secret_goes(text: str, plain: str) -> None:
    assert redact(text) == plain
    assert redact(plain) == plain


@pytest.mark.parametrize(
    "name",
    [
        "MLFLOW_TRACKING_PASSWORD",
        "MLFLOW_TRACKING_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "ABLATE_S3_SECRET_ACCESS_KEY",
        "KF_PIPELINES_TOKEN",
        "KF_PIPELINES_COOKIES",
        "MLFLOW_FLASK_SERVER_SECRET_KEY",
        "PGPASSWORD",
    ],
)
def test_secrets_of_the_environment_go(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = 'pl/an"t+ed@1'
    monkeypatch.setenv(name, secret)
    assert is_secret_name(name)
    for written in (secret, quote(secret, safe=""), secret.replace('"', '\\"')):
        assert redact(f"before {written} after") == "before *** after"


@pytest.mark.parametrize(
    "name", ["PWD", "AWS_ACCESS_KEY_ID", "KF_PIPELINES_SA_TOKEN_PATH", "SSH_AUTH_SOCK", "MAX_TOKENS"]
)
def test_other_variables_stay(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "ordinary")
    assert redact("an ordinary text") == "an ordinary text"


def test_short_values_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANY_TOKEN", "train")
    assert redact("training") == "training"


def test_passwords_of_addresses_in_the_environment_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:an%40swer42@host/db")
    assert redact("the driver says an@swer42 or an%40swer42") == "the driver says *** or ***"


def test_a_database_that_cannot_be_used_is_named_without_its_password() -> None:
    with pytest.raises(UserError) as caught:
        prepare_store("postgresql+nodriver://me:secret@127.0.0.1:9/db")
    assert "secret" not in str(caught.value)
    assert "me@127.0.0.1:9" in str(caught.value)
