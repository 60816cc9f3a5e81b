"""The MLflow client prints nothing and makes no request that we did not ask for."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tracking.runs import end_run
from tracking.store import client

RUN = {
    "info": {"run_id": "r", "run_uuid": "r", "run_name": "baseline seed 1", "experiment_id": "1", "status": "RUNNING"}
}


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """A server that has one run: its address with a password, and the requests that it got."""
    got: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({"run": RUN})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._answer({"run_info": RUN["info"]})

        def _answer(self, body: object) -> None:
            got.append(self.path.partition("/mlflow/")[2].partition("?")[0])
            data = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://me:secret@127.0.0.1:{serving.server_port}", got
        serving.shutdown()
        thread.join()
    client.cache_clear()


def test_the_end_of_a_run_prints_no_address(server: tuple[str, list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    uri, requests = server
    end_run(uri, "r", "KILLED", "its process is gone")
    assert capsys.readouterr() == ("", "")
    assert [request for request in requests if request.startswith("runs/")] == ["runs/set-tag", "runs/update"]
