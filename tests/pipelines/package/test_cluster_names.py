"""Settings that would reach KFP, Argo or the service itself are refused, and numbers that do not fit."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from server_texts import KEPT, REFUSED

from common.redact import is_secret_name
from common.validation import sentence
from pipelines.package.cluster import Cluster, read_cluster

OURS = ["ABLATE_STEP_IMAGE", "ABLATE_IMAGE", "ABLATE_PROBLEMS", "ABLATE_FORK_WORKERS"]
SERVER = ["KFP_POD_NAME", "KFP_RETRY_INDEX", "_KFP_RUNTIME", "KUBERNETES_SERVICE_HOST", "METADATA_GRPC_SERVICE_HOST"]
PROCESS = ["PATH", "PYTHONPATH", "PYTHONHOME", "LD_PRELOAD"]
TWINS = {
    "AWS_ACCESS_KEY_ID": "ABLATE_S3_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY": "ABLATE_S3_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN": "ABLATE_S3_SESSION_TOKEN",
    "AWS_REGION": "ABLATE_S3_REGION",
    "AWS_DEFAULT_REGION": "ABLATE_S3_REGION",
    "AWS_ENDPOINT_URL": "ABLATE_S3_ENDPOINT",
    "AWS_ENDPOINT_URL_S3": "ABLATE_S3_ENDPOINT",
}


def refused(**given: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Cluster.model_validate(given)
    return sentence(caught.value)


def ways(name: str) -> list[dict[str, Any]]:
    """Return both ways to set a variable."""
    return [{"environment": {name: "a"}}, {"secrets": [{"name": "s", "keys": {"k": name}}]}]


@pytest.mark.parametrize("name", [*OURS, *SERVER, *PROCESS])
def test_a_variable_of_the_service_or_the_server_is_refused(name: str) -> None:
    for given in ways(name):
        assert all(
            word in refused(**given) for word in (name, "belongs to the image" if name in PROCESS else "remove it")
        )


@pytest.mark.parametrize(("name", "twin"), TWINS.items())
def test_a_variable_of_aws_is_refused_with_its_twin(name: str, twin: str) -> None:
    for given in ways(name):
        assert f"got {name!r}" in refused(**given)
        assert "reach KFP's launcher" in refused(**given)
        assert f"set {twin} instead" in refused(**given)
    for given in ways(twin)[is_secret_name(twin) :]:
        assert Cluster.model_validate(given)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ABLATE_S3_SECRET_ACCESS_KEY", "wJalrXUtn"),
        ("MLFLOW_TRACKING_PASSWORD", "s3cret-of-mlflow"),
        ("HF_TOKEN", "hf_aaaaaaaa"),
        ("MLFLOW_S3_ENDPOINT_URL", "https://me:s3cret@s3.example"),
        ("ANY_NAME", "value-of-the-environment"),
    ],
)
def test_a_secret_in_the_settings_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KF_PIPELINES_TOKEN", "value-of-the-environment")
    said = refused(environment={name: value})
    assert f"the environment variable {name} holds one" in said
    assert "under `secrets`" in said
    assert value not in said


@pytest.mark.parametrize(
    "address", ["https://me:s3cret@host", "postgresql://me:a%2Fb@host/db", "http://host?token=s3cret"]
)
def test_a_secret_in_the_address_of_mlflow_is_refused(address: str) -> None:
    said = refused(tracking_uri=address)
    assert "tracking_uri holds one" in said
    assert "s3cret" not in said


def test_the_example_has_no_secrets() -> None:
    assert read_cluster(Path("deploy/cluster.yaml"))


def test_another_variable_of_aws_is_refused() -> None:
    assert refused(environment={"AWS_PROFILE": "a"}).count("remove it") == 1


@pytest.mark.parametrize(
    "name", ["MLFLOW_TRACKING_USERNAME", "HTTPS_PROXY", "SSL_CERT_FILE", "OMP_NUM_THREADS", "HOME", "TMPDIR"]
)
def test_other_variables_are_accepted(name: str) -> None:
    for given in ways(name):
        assert Cluster.model_validate(given)


@pytest.mark.parametrize(
    "key",
    [
        "pipelines.kubeflow.org/a",
        "pipeline/runid",
        "workflows.argoproj.io/a",
        "scheduledworkflows.kubeflow.org/a",
    ],
)
def test_a_label_of_kfp_or_argo_is_refused(key: str) -> None:
    assert all(word in refused(pod_labels={key: "a"}) for word in (repr(key), "a domain of your own"))


def test_other_labels_are_accepted() -> None:
    labels = {
        "app.kubernetes.io/part-of": "ablate",
        "team": "speech",
        "notkubeflow.org/a": "b",
        "sidecar.istio.io/inject": "false",
    }
    assert Cluster(pod_labels=labels).pod_labels == labels


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"parallelism": 2**31}, ["parallelism", "less than or equal to 1000", "2147483648"]),
        ({"parallelism": 10**30}, ["parallelism"]),
        ({"timeouts": {"resolve-plan": 2**31}}, ["timeouts.resolve-plan", "2147483647"]),
        ({"tolerations": [{"key": "a", "effect": "NoExecute", "seconds": 2**63}]}, ["tolerations.0.seconds"]),
        ({"accelerator": {"count": 2**31}}, ["accelerator.count", "64"]),
        ({"trials_per_task": 0}, ["trials_per_task", "greater than or equal to 1"]),
        ({"trials_per_task": 2**31}, ["trials_per_task"]),
        ({"cpu": "9" * 400}, ["cpu: cores are a number"]),
        ({"cpu": "0.5m"}, ["cpu: cores are a number"]),
        ({"cpu": "0.0001"}, ["at most three decimals"]),
        ({"memory": "9" * 400 + "Gi"}, ["memory: memory is a whole number"]),
        ({"ephemeral_storage": "10Gi"}, ["KFP 2.17 cannot request ephemeral storage", "LimitRange"]),
        ({"tracking_uri": "http://a\nb"}, ["tracking_uri: this is one line"]),
    ],
    ids=str,
)
def test_what_kubernetes_cannot_take_is_refused(given: dict[str, Any], words: list[str]) -> None:
    assert all(word in refused(**given) for word in words)


@pytest.mark.parametrize("text", REFUSED)
def test_a_text_that_a_server_changes_is_refused(text: str) -> None:
    assert refused(environment={"A": text}).startswith("environment.A: a ")
    assert refused(tracking_uri=f"http://{text}").startswith("tracking_uri: ")


@pytest.mark.parametrize("text", KEPT)
def test_a_text_that_a_server_keeps_is_accepted(text: str) -> None:
    assert Cluster(environment={"A": text}).environment == {"A": text}
