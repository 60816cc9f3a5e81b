"""The settings of our own S3 store: what is set, what is half set, and what other programs then see."""

import os
from pathlib import Path

import boto3
import pytest

from common.errors import UserError
from common.own_store import ACCESS_KEY, ENDPOINT, REGION, SECRET_KEY, TOKEN, VARIABLES, OwnStore, use_own_store

KEYS = {ACCESS_KEY: "ours", SECRET_KEY: "our-secret"}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "ABLATE_S3_", "MLFLOW_S3_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(os, "environ", dict(os.environ))  # what the tested function sets ends with the test
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.environ["AWS_CONFIG_FILE"] = str(tmp_path / "none")


def set_(**settings: str) -> None:
    os.environ.update(settings)


@pytest.mark.parametrize(
    ("given", "absent"),
    [
        ({ACCESS_KEY: "a"}, SECRET_KEY),
        ({SECRET_KEY: "s"}, ACCESS_KEY),
        ({ACCESS_KEY: "a", SECRET_KEY: " \n"}, SECRET_KEY),
        ({TOKEN: "t"}, f"{ACCESS_KEY} and {SECRET_KEY}"),
        ({TOKEN: "t", ACCESS_KEY: "a"}, SECRET_KEY),
    ],
)
def test_half_set_keys_are_refused_by_name(given: dict[str, str], absent: str) -> None:
    set_(**given)
    for call in (OwnStore.read, use_own_store):
        with pytest.raises(UserError, match=f"is set without {absent}: set them too, or unset it"):
            call()
    assert "AWS_ACCESS_KEY_ID" not in os.environ


def test_nothing_set_leaves_everything_to_boto3() -> None:
    set_(AWS_ACCESS_KEY_ID="usual", AWS_SECRET_ACCESS_KEY="usual", **dict.fromkeys(VARIABLES, ""))
    before = dict(os.environ)
    use_own_store()
    assert os.environ == before
    assert OwnStore.read().for_client() == {}
    assert OwnStore.read().name_of(ACCESS_KEY) == "AWS_ACCESS_KEY_ID"


def test_our_settings_win_and_no_token_of_other_keys_goes_along() -> None:
    """The line break is one that `kubectl create secret --from-file` keeps."""
    set_(
        AWS_ACCESS_KEY_ID="usual",
        AWS_SECRET_ACCESS_KEY="usual",
        AWS_SESSION_TOKEN="theirs",
        AWS_ENDPOINT_URL_S3="http://a",
    )
    set_(**KEYS, **{ENDPOINT: "http://our.store:9000\n", REGION: "eu-central-1"})
    ours = boto3.Session().client("s3", **OwnStore.read().for_client())
    use_own_store()
    usual = boto3.Session().client("s3")
    for client in (ours, usual):
        found = client._request_signer._credentials
        assert (found.access_key, found.secret_key, found.token) == ("ours", "our-secret", None)
        assert (client.meta.endpoint_url, client.meta.region_name) == ("http://our.store:9000", "eu-central-1")
    assert os.environ["MLFLOW_S3_ENDPOINT_URL"] == "http://our.store:9000"


def test_an_address_for_mlflow_alone_stays() -> None:
    set_(**KEYS, **{ENDPOINT: "http://our.store:9000"}, MLFLOW_S3_ENDPOINT_URL="http://another:9000")
    use_own_store()
    assert os.environ["MLFLOW_S3_ENDPOINT_URL"] == "http://another:9000"


def test_the_address_alone_takes_credentials_from_the_usual_chain() -> None:
    set_(AWS_ACCESS_KEY_ID="usual", AWS_SECRET_ACCESS_KEY="usual", **{ENDPOINT: "http://our.store:9000"})
    client = boto3.Session().client("s3", region_name="us-east-1", **OwnStore.read().for_client())
    assert client._request_signer._credentials.access_key == "usual"
    assert client.meta.endpoint_url == "http://our.store:9000"
