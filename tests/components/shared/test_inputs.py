"""The form for a run: what is filled in changes the plan, what is empty does not, and a mistake is one sentence."""

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.errors import Unavailable, UserError
from components.shared.inputs import LONGEST_PLAN_BYTES, Overrides, checked_inputs, chosen_plan, gpu_count, store_of
from components.shared.trial import Resolved, plan_of

ROOT = Path(__file__).parents[3]
PLAN: dict[str, Any] = {
    "study": "demo",
    "seeds": [1.0, 2.0],
    "corpus": "synthetic://talking-mouth?train=4&test=2",
    "ablations": [{"part": "fusion.scale", "replacements": {"no-scale": {"kind": "none"}}}],
}


def test_an_empty_form_leaves_the_plan_as_it_is() -> None:
    assert chosen_plan(PLAN, "", Overrides()) == plan_of(PLAN)
    assert chosen_plan(PLAN, " ", Overrides(" ", " ", " ", " ")) == plan_of(PLAN)


def test_what_is_filled_in_stands_instead_of_the_plans() -> None:
    found = chosen_plan(PLAN, "", Overrides("grid://here", "base", "7, 8", "0"))
    assert (found.corpus, found.preset, found.seeds, found.max_failed_trials) == ("grid://here", "base", (7, 8), 0)
    assert found.ablations == plan_of(PLAN).ablations
    assert chosen_plan(PLAN | {"max_failed_trials": 3.0}, "", Overrides(max_failed_trials="0")).max_failed_trials == 0


@pytest.mark.parametrize(
    ("plan", "uri", "overrides", "words"),
    [
        ({}, "", {}, "a run needs a plan"),
        (PLAN, "http://x", {}, "both `plan` and `plan_uri` are filled in"),
        ({"name": "demo"}, "", {}, "unknown key 'name'"),
        (PLAN | {"ablations": [{"part": "masks", "action": "remove"}]}, "", {}, "masks"),
        (PLAN, "", {"preset": "tin"}, "did you mean 'tiny'"),
        (PLAN, "", {"seeds": "1,1"}, "seed 1 occurs 2 times"),
        (PLAN, "", {"seeds": "one"}, "seeds are whole numbers"),
        (PLAN, "", {"max_failed_trials": "few"}, "`max_failed_trials` is a whole number"),
        (PLAN, "", {"max_failed_trials": "["}, "not valid YAML"),
        (PLAN, "", {"corpus": "grid:///no/such/folder"}, "/no/such/folder"),
        (PLAN, "", {"corpus": "synthetic://talking-mouth?tran=3"}, "did you mean 'train'"),
        ({}, "ftp://example.org/plan.yaml", {}, "got ftp://"),
        ({}, "/no/such/plan.yaml", {}, "no plan can be read at /no/such/plan.yaml: No such file"),
        ({}, "http://[1", {}, "got 'http://[1': Invalid IPv6 URL; correct it"),
        ({}, "http://127.0.0.1:port/plan.yaml", {}, "correct it"),
        ({}, "http:///plan.yaml", {}, "names its server, and http:///plan.yaml has none"),
        ({}, "http://me:s3cret@/plan.yaml", {}, "has a password; remove it"),
        ({}, "http://127.0.0.1:99999/plan.yaml", {}, "Port out of range"),
        ({}, "https://me:s3cret@example.org/plan.yaml", {}, "`plan_uri` at example.org has a password; remove it"),
    ],
)
def test_a_mistake_is_one_sentence(plan: Any, uri: str, overrides: dict[str, str], words: str) -> None:
    with pytest.raises(UserError) as caught:
        checked_inputs(plan, uri, Overrides(**overrides), "0")
    assert words in str(caught.value)
    assert caught.value.exit_code == 2
    assert len(str(caught.value).splitlines()) == 1
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(("text", "count"), [("", 0), ("0", 0), (" 2 ", 2), ("64", 64)])
def test_gpus(text: str, count: int) -> None:
    assert gpu_count(text) == count


@pytest.mark.parametrize("text", ["-1", "1.5", "two", "65", "nvidia"])
def test_gpus_that_are_no_number_of_gpus(text: str) -> None:
    with pytest.raises(UserError, match="a whole number from 0 to 64, got"):
        gpu_count(text)


def test_mlflow_is_the_forms_or_what_kubeflows_plugin_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(UserError, match="fill in `tracking_uri`, or set MLFLOW_TRACKING_URI"):
        store_of("")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://plugin")
    assert (store_of(""), store_of("http://form")) == ("http://plugin", "http://form")


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address at which a web server shows it."""
    handler = partial(Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield tmp_path, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


class Quiet(SimpleHTTPRequestHandler):
    """A server of files. `/status/503` answers with that status, and `/cut/plan.yaml` with the first line of that file."""

    def do_GET(self) -> None:
        if self.path.startswith("/status/"):
            self.send_error(int(self.path.rpartition("/")[2]))
        elif self.path.startswith("/cut/"):
            data = Path(self.directory, self.path.rpartition("/")[2]).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data.splitlines(keepends=True)[0])
        else:
            super().do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_a_plan_can_lie_on_a_web_server_or_on_a_volume(web: tuple[Path, str]) -> None:
    folder, address = web
    (folder / "plan.yaml").write_text(yaml.safe_dump(PLAN | {"seeds": [1, 2]}))
    for uri in (
        f"{address}/plan.yaml",
        f"{address}/plan.yaml?raw=1",
        str(folder / "plan.yaml"),
        f"file://{folder}/plan.yaml",
    ):
        assert chosen_plan({}, uri, Overrides()) == plan_of(PLAN)
    (folder / "smile.md").write_bytes((ROOT / "plans" / "smile.md").read_bytes())
    assert len(chosen_plan({}, f"{address}/smile.md", Overrides()).ablations) >= 2


@pytest.mark.parametrize(
    ("status", "exit_code"), [(404, 2), (403, 2), (410, 2), (501, 2), (505, 2), (408, 1), (429, 1), (500, 1), (503, 1)]
)
def test_a_server_that_fails_is_not_bad_input(web: tuple[Path, str], status: int, exit_code: int) -> None:
    with pytest.raises(UserError, match=f"no plan can be read at .*: {status} .*check the address") as caught:
        chosen_plan({}, f"{web[1]}/status/{status}", Overrides())
    assert caught.value.exit_code == exit_code


def test_a_plan_that_is_cut_is_not_read(web: tuple[Path, str]) -> None:
    """Its first line would be a plan without ablations."""
    (web[0] / "plan.yaml").write_text("study: demo\nablations: [{part: masking, action: remove}]\n")
    with pytest.raises(Unavailable, match=r"no plan can be read at .*12 bytes read, 45 more expected"):
        chosen_plan({}, f"{web[1]}/cut/plan.yaml", Overrides())


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9/plan.yaml", "http://no-such-host.invalid/plan.yaml"])
def test_a_server_that_is_away_is_not_bad_input(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(Unavailable, match="check the address and the network, or try again later"):
        chosen_plan({}, uri, Overrides())


def test_a_plan_can_lie_in_s3(bucket: str, s3_client: Any) -> None:
    s3_client.put_object(Bucket=bucket, Key="plans/demo.yaml", Body=yaml.safe_dump(PLAN | {"seeds": [1, 2]}).encode())
    s3_client.put_object(Bucket=bucket, Key="plans/large.yaml", Body=b"#" * (LONGEST_PLAN_BYTES + 1))
    assert chosen_plan({}, f"s3://{bucket}/plans/demo.yaml", Overrides()) == plan_of(PLAN)
    for uri, words in {
        f"s3://{bucket}/plans/none.yaml": f"there is nothing at s3://{bucket}/plans/none.yaml",
        f"s3://{bucket}/plans/large.yaml": "a plan has at most",
        f"s3://{bucket}-not/demo.yaml": "has no bucket",
        "s3://b": "a place in S3 is s3://bucket/prefix",
    }.items():
        with pytest.raises(UserError, match=words):
            chosen_plan({}, uri, Overrides())


def test_what_lies_there_and_is_no_plan(web: tuple[Path, str]) -> None:
    folder, address = web
    (folder / "list.json").write_text(json.dumps([1]))
    (folder / "binary.yaml").write_bytes(b"\xff\xfe")
    (folder / "large.yaml").write_bytes(b"#" * (LONGEST_PLAN_BYTES + 1))
    for name, words in {
        "list.json": "a plan is a mapping",
        "binary.yaml": "a plan is UTF-8 text",
        "large.yaml": "a plan has at most",
        "none.yaml": "404",
    }.items():
        with pytest.raises(UserError, match=words) as caught:
            chosen_plan({}, f"{address}/{name}", Overrides())
        assert f"{address}/{name}" in str(caught.value)


def test_what_later_steps_read_is_what_was_resolved(tmp_path: Path) -> None:
    plan = chosen_plan(PLAN, "", Overrides(seeds="5")).as_mapping()
    Resolved(plan, ["a", "b"]).write(tmp_path / "new" / "resolved")
    found = Resolved.read(tmp_path / "new" / "resolved")
    assert found == Resolved(plan, ["a", "b"])
    assert plan_of(found.plan).seeds == (5,)


def test_a_study_has_any_number_of_trials_in_48_tasks() -> None:
    large = PLAN | {"seeds": list(range(500))}
    assert len(checked_inputs(large, "", Overrides(), "0").seeds) == 500
    assert len(checked_inputs(large, "", Overrides(), "0", "25").seeds) == 500
    with pytest.raises(UserError, match=r"at most 48 tasks .* have 100; give at least 21"):
        checked_inputs(large, "", Overrides(), "0", "10")
    with pytest.raises(UserError, match="a whole number from 1"):
        checked_inputs(large, "", Overrides(), "0", "some")
