"""A server of S3 that fails may succeed later; one that refuses has bad input."""

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from common.errors import UserError
from corpora.s3.place import Place, read_object

ANSWERS = {
    "SlowDown": (503, 1),
    "InternalError": (500, 1),
    "TooManyRequests": (429, 1),
    "RequestTimeout": (400, 1),
    "NotImplemented": (501, 2),
    "AccessDenied": (403, 2),
    "NoSuchBucket": (404, 2),
    "InvalidRequest": (400, 2),
}


class Refusing(BaseHTTPRequestHandler):
    """Answers every request with the error that its key names, in the form of S3."""

    def do_GET(self) -> None:
        code = self.path.rpartition("/")[2].partition("?")[0]
        body = f"<Error><Code>{code}</Code><Message>no.</Message></Error>".encode()
        self.send_response(ANSWERS[code][0])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def _refusing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        for name in [name for name in os.environ if name.startswith(("AWS_", "ABLATE_S3_"))]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("no_proxy", "*")
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # boto3 waits between its tries
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "any")
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            monkeypatch.setenv(name, str(tmp_path / "none"))
        yield
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("_refusing")
@pytest.mark.parametrize("code", list(ANSWERS))
def test_only_an_error_that_can_pass_is_not_bad_input(code: str) -> None:
    with pytest.raises(UserError) as caught:
        read_object(Place("bucket", code), 10)
    assert caught.value.exit_code == ANSWERS[code][1]
    assert len(str(caught.value).splitlines()) == 1
    assert ("run the command again later" in str(caught.value)) == (caught.value.exit_code == 1)


@pytest.mark.usefixtures("_refusing")
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"AWS_RETRY_MODE": "bogus"}, "since boto3 refuses its settings .*bogus.*: correct them"),
        ({"AWS_CONFIG_FILE": "broken"}, "since boto3 refuses its settings .*parse config file.*: correct them"),
        ({"AWS_CONFIG_FILE": "sso", "AWS_PROFILE": "p"}, "needs credentials for S3 .*SSO"),
    ],
    ids=["mode", "file", "no login"],
)
def test_wrong_settings_are_bad_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], words: str
) -> None:
    (tmp_path / "broken").write_text("[[\n")
    sso = "sso_start_url = https://x.invalid/start\nsso_region = eu-west-1\nsso_account_id = 1\nsso_role_name = r\n"
    (tmp_path / "sso").write_text(f"[profile p]\n{sso}")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    for name, value in settings.items():
        monkeypatch.setenv(name, str(tmp_path / value) if name == "AWS_CONFIG_FILE" else value)
    with pytest.raises(UserError, match=words) as caught:
        read_object(Place("bucket", "AccessDenied"), 10)
    assert (caught.value.exit_code, len(str(caught.value).splitlines())) == (2, 1)
