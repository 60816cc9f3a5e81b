"""Secrets that the user hands to the service: in the address of MLflow, in the environment, in the settings of the cluster.

None may reach a log, an artifact, a link, a report, a compiled package, or the arguments of a process, also when a run fails.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_proxy import NONE, FaultProxy
from injection.facts import Reference
from injection.processes import end_all
from injection.stages import reach
from injection.study import Place
from mlflow_servers import MlflowServer

PASSWORD, TOKEN, KEY, CLUSTER = "pass-7391-word", "token-5520-text", "key-8846-s3", "cluster-1937-value"
SECRETS = (PASSWORD, TOKEN, KEY, CLUSTER)
SETTINGS = {
    "MLFLOW_TRACKING_TOKEN": TOKEN,
    "AWS_ACCESS_KEY_ID": "somebody",
    "AWS_SECRET_ACCESS_KEY": KEY,
    "ABLATE_S3_ACCESS_KEY_ID": "somebody",
    "ABLATE_S3_SECRET_ACCESS_KEY": KEY,
    "KF_PIPELINES_TOKEN": TOKEN,
    "KF_PIPELINES_COOKIES": f"session={TOKEN}",
}


@pytest.fixture
def place(reference: Reference, tmp_path: Path) -> Iterator[Place]:
    place = Place.new(
        tmp_path / "place",
        reference.place.root / "corpora-cache",
        baseline={"training.steps": 12, "training.batch_size": 8},
    )
    yield place
    end_all(place.root)


def _in_arguments(place: Place) -> list[str]:
    """Secrets in the command lines of running processes, which every user of the machine can read."""
    commands = " ".join(process.command for process in place.processes())
    return [secret for secret in SECRETS if secret in commands]


def _in_files(*folders: Path) -> list[str]:
    """Files, and names of files, that hold a secret."""
    found = []
    for path in (path for folder in folders for path in folder.rglob("*")):
        with contextlib.suppress(OSError):
            content = str(path).encode() + (path.read_bytes() if path.is_file() else b"")
            found += [f"{secret} in {path}" for secret in SECRETS if secret.encode() in content]
    return found


@pytest.mark.slow
def test_no_secret_of_a_run_is_written_or_shown(place: Place, tmp_path: Path) -> None:
    """A study that ends well, and one that loses its server in the middle: that is when errors quote addresses."""
    with MlflowServer(tmp_path / "server") as server, FaultProxy(server.port, NONE) as proxy:
        address = proxy.address.replace("://", f"://ablate:{PASSWORD}@")
        settings = SETTINGS | {"MLFLOW_TRACKING_URI": address}
        del settings["MLFLOW_TRACKING_TOKEN"]
        run, shown = place.start(**settings), set[str]()
        while run.code is None:
            shown |= set(_in_arguments(place))
            time.sleep(0.2)
        assert run.code == 0, run.said
        second = place.start("run", "plan.yaml", "--force", **settings)
        assert reach(second, "train-trials")
        server.kill()
        second.process.terminate()
        second.wait()
    after = [
        place.finish(*command, **settings).said
        for command in (("champion", "faulty"), ("ui", "faulty", "--no-browser"))
    ]
    assert shown == set()
    assert [secret for text in after for secret in SECRETS if secret in text] == []
    assert _in_files(place.root, tmp_path / "server") == []


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("MY_TOKEN", "under `secrets`"), ("AWS_SECRET_ACCESS_KEY", "set ABLATE_S3_SECRET_ACCESS_KEY instead")],
)
def test_no_secret_of_a_cluster_is_compiled_or_shown(place: Place, name: str, remedy: str) -> None:
    """A value in `environment` of cluster.yaml is not the place of a secret: such a name is refused without its value."""
    settings = {"environment": {name: CLUSTER}}
    (place.root / "cluster.json").write_text(str(settings).replace("'", '"'))
    cluster = place.root / "cluster.json"
    run = place.finish(
        "compile",
        "-o",
        "package.yaml",
        "--image",
        "registry/ablate-python:0123456789ab",
        "--cluster",
        str(cluster),
        **SETTINGS,
    )
    cluster.unlink()
    assert run.code == 2, run.said
    assert remedy in run.said
    assert [secret for secret in SECRETS if secret in run.said] == []
    assert _in_files(place.root) == []
