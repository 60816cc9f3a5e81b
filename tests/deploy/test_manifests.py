"""deploy/ as kubectl builds it: fits Kubernetes' schemas and our own rules, each of which finds a fault that is put in."""

import copy
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml

from pipelines.package.cluster import read_cluster

ROOT = Path(__file__).parents[2]
SCHEMA = "1.31"  # older than most clusters; newer ones take what it takes
Objects = list[dict[str, Any]]
Faults = Callable[[Objects], list[str]]


def test_every_object_fits_its_schema_strictly(things: Objects) -> None:
    for thing in things:
        kubernetes_validate.validate(thing, SCHEMA, strict=True)


def test_the_schema_finds_an_unknown_key(things: Objects) -> None:
    changed = copy.deepcopy(next(thing for thing in things if thing["kind"] == "Deployment"))
    changed["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(changed, SCHEMA, strict=True)


def test_every_overlay_keeps_the_rules(things: Objects, faults: Faults) -> None:
    assert faults(things) == []


def pod(thing: Any) -> Any:
    spec = thing["spec"]
    return (spec["jobTemplate"]["spec"] if thing["kind"] == "CronJob" else spec)["template"]["spec"]


def box(thing: Any) -> Any:
    return pod(thing)["containers"][0]


def env(thing: Any, name: str) -> Any:
    return next(variable for variable in box(thing)["env"] if variable["name"] == name)


def secret(thing: Any, name: str) -> Any:
    return env(thing, name)["valueFrom"]["secretKeyRef"]


# (object, what is done to it, what is said)
BROKEN: list[tuple[str, Callable[[Any], object], str]] = [
    (
        "Deployment mlflow",
        lambda t: t["spec"]["template"]["metadata"]["labels"].update({"app.kubernetes.io/name": "x"}),
        "does not select its own pods",
    ),
    (
        "Service mlflow",
        lambda t: t["spec"]["selector"].update({"app.kubernetes.io/name": "x"}),
        "Service mlflow selects no pods",
    ),
    (
        "PodDisruptionBudget s3",
        lambda t: t["spec"]["selector"]["matchLabels"].update(a="b"),
        "PodDisruptionBudget s3 selects no pods",
    ),
    (
        "NetworkPolicy s3",
        lambda t: t["spec"]["podSelector"]["matchLabels"].update(a="b"),
        "NetworkPolicy s3 applies to no pods",
    ),
    (
        "NetworkPolicy mlflow",
        lambda t: t["spec"]["egress"][0]["to"][0]["podSelector"]["matchLabels"].update(a="b"),
        "names pods that are not there",
    ),
    ("Service mlflow", lambda t: t["spec"]["ports"][0].update(targetPort="https"), "leads to port https"),
    ("CronJob postgres-backup", lambda t: pod(t).update(restartPolicy="Always"), "cannot have restartPolicy Always"),
    ("CronJob postgres-backup", lambda t: pod(t).pop("restartPolicy"), "cannot have restartPolicy Always"),
    ("Deployment mlflow", lambda t: pod(t).update(restartPolicy="Never"), "cannot have restartPolicy Never"),
    (
        "StatefulSet s3",
        lambda t: t["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"].update(storage="20Gb"),
        "'20Gb' is no quantity",
    ),
    ("Deployment mlflow", lambda t: box(t)["resources"]["requests"].update(cpu="0,5"), "'0,5' is no quantity"),
    (
        "Deployment mlflow",
        lambda t: box(t)["resources"]["requests"].update(memory="3000Mi"),
        "requests more memory than its limit",
    ),
    (
        "Deployment mlflow",
        lambda t: secret(t, "PGPASSWORD").update(name="postgres"),
        "needs secret postgres with password",
    ),
    (
        "Deployment mlflow",
        lambda t: secret(t, "PGPASSWORD").update(key="pass"),
        "needs secret postgres-credentials with pass",
    ),
    (
        "Deployment mlflow",
        lambda t: box(t)["envFrom"][0]["configMapRef"].update(name="mlflow"),
        "needs configMap mlflow, which",
    ),
    (
        "CronJob postgres-backup",
        lambda t: env(t, "PGHOST")["valueFrom"]["configMapKeyRef"].update(key="HOST"),
        "with HOST, which is not",
    ),
    (
        "CronJob postgres-backup",
        lambda t: pod(t)["volumes"][0]["persistentVolumeClaim"].update(claimName="x"),
        "needs PersistentVolumeClaim x",
    ),
    ("CronJob postgres-backup", lambda t: box(t)["volumeMounts"][0].update(name="x"), "mounts x, which is no volume"),
    ("Deployment mlflow", lambda t: pod(t).update(serviceAccountName="x"), "runs as ServiceAccount x"),
    ("RoleBinding ablate-submit", lambda t: t["roleRef"].update(name="x"), "binds Role x, which is not there"),
    (
        "RoleBinding ablate-submit",
        lambda t: t["subjects"][0].update(namespace="ablate"),
        "binds ServiceAccount ablate-submit",
    ),
    ("Role ablate-submit", lambda t: t["rules"][0].update(verbs=["*"]), "gives everything by *"),
    ("StatefulSet postgres", lambda t: box(t).update(image="ablate-postgres:latest"), "which names no version"),
    ("StatefulSet postgres", lambda t: box(t).update(image="registry:5000/ablate-postgres"), "which names no version"),
    ("StatefulSet postgres", lambda t: box(t).pop("livenessProbe"), "has no livenessProbe"),
    ("CronJob postgres-backup", lambda t: box(t).pop("resources"), "has no limits of cpu and memory"),
    ("StatefulSet s3", lambda t: pod(t)["securityContext"].pop("runAsNonRoot"), "may run as root"),
    (
        "StatefulSet s3",
        lambda t: box(t)["securityContext"].update(readOnlyRootFilesystem=False),
        "may write to its image",
    ),
    ("StatefulSet s3", lambda t: box(t)["securityContext"].pop("capabilities"), "or gain rights"),
    ("StatefulSet s3", lambda t: pod(t).pop("automountServiceAccountToken"), "is given a token of the cluster"),
    ("Deployment mlflow", lambda t: env(t, "PGPASSWORD").update(value="x"), "holds PGPASSWORD"),
    (
        "PersistentVolumeClaim postgres-backups",
        lambda t: t.update(kind="Secret"),
        "Secret postgres-backups is in the repository",
    ),
    (
        "PersistentVolumeClaim postgres-backups",
        lambda t: t["metadata"].update(namespace="x"),
        "in namespace 'x', which is not there",
    ),
    (
        "PodDisruptionBudget postgres",
        lambda t: t["metadata"].update(namespace="kubeflow"),
        "StatefulSet postgres has no PodDisruptionBudget",
    ),
    ("Service s3", lambda t: t["metadata"].update(name="mlflow"), "Service mlflow is there twice"),
]


@pytest.mark.parametrize(("name", "spoil", "words"), BROKEN, ids=[f"{name}-{words}" for name, _, words in BROKEN])
def test_each_rule_finds_an_injected_fault(
    build: Callable[[str], Objects], faults: Faults, name: str, spoil: Callable[[Any], object], words: str
) -> None:
    things = built_once(build)
    [thing] = [thing for thing in things if f"{thing['kind']} {thing['metadata']['name']}" == name]
    spoil(thing)
    assert any(words in fault for fault in faults(things)), faults(things)


def test_a_setting_that_holds_a_secret_is_found(build: Callable[[str], Objects], faults: Faults) -> None:
    things = built_once(build)
    [settings] = [t for t in things if t["kind"] == "ConfigMap" and t["metadata"]["name"].startswith("mlflow")]
    settings["data"]["AWS_SECRET_ACCESS_KEY"] = "x"
    assert faults(things) == [f"ConfigMap {settings['metadata']['name']} holds AWS_SECRET_ACCESS_KEY"]


_BUILT: dict[str, str] = {}


def built_once(build: Callable[[str], Objects]) -> Objects:
    """A copy of the smallest overlay's objects, to be spoilt."""
    if not _BUILT:
        _BUILT["small"] = json.dumps(build("small"))
    return list(json.loads(_BUILT["small"]))


INSIDE = {"kubernetes.io/metadata.name": "ablate"}
RUNS = {"kubernetes.io/metadata.name": "kubeflow", "ablate/uses": "servers"}
STRANGERS = {"kubernetes.io/metadata.name": "default"}
PORTS = {"mlflow": 5000, "postgres": 5432, "s3": 9000}


def named(name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": name}


def test_only_necessary_connections_are_open(build: Callable[[str], Objects], can_call: Callable[..., bool]) -> None:
    things = built_once(build)
    pods = [*PORTS, "postgres-backup"]
    callers: dict[str, tuple[Mapping[str, str], Mapping[str, str]]] = {name: (INSIDE, named(name)) for name in pods}
    callers |= {"a run": (RUNS, {}), "a stranger": (STRANGERS, named("mlflow")), "another pod": (INSIDE, named("x"))}
    open_ways = {
        (caller, name)
        for caller, who in callers.items()
        for name, port in PORTS.items()
        if can_call(things, named(name), who, port)
    }
    assert open_ways == {
        ("mlflow", "postgres"),
        ("mlflow", "s3"),
        ("postgres-backup", "postgres"),
        ("a run", "mlflow"),
        ("a run", "s3"),
    }
    assert not can_call(things, named("mlflow"), callers["a run"], 5432)


def test_settings_for_packages_fit_the_servers(
    build: Callable[[str], Objects], documented: Mapping[tuple[str, str], set[str]]
) -> None:
    things, cluster = built_once(build), read_cluster(ROOT / "deploy" / "cluster.yaml")
    services = {
        f"{thing['metadata']['name']}.{thing['metadata']['namespace']}:{thing['spec']['ports'][0]['port']}"
        for thing in things
        if thing["kind"] == "Service"
    }
    [settings] = [thing["data"] for thing in things if "MLFLOW_S3_ENDPOINT_URL" in thing.get("data", {})]
    tracking = urlsplit(str(cluster.tracking_uri)).netloc
    assert {tracking, urlsplit(cluster.environment["AWS_ENDPOINT_URL_S3"]).netloc} <= services
    assert cluster.environment["AWS_ENDPOINT_URL_S3"] == settings["MLFLOW_S3_ENDPOINT_URL"]
    assert {tracking.partition(":")[0], f"{tracking.partition(':')[0]}:*"} <= set(
        settings["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    )
    for wanted in cluster.secrets:
        assert set(wanted.keys) <= documented["kubeflow", wanted.name]


def test_the_servers_equal_those_of_compose(build: Callable[[str], Objects]) -> None:
    """Images, ports and every variable that compose sets, so that one set of images serves both."""
    composed = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8"))["services"]
    things = built_once(build)
    settings = {key for thing in things if thing["kind"] == "ConfigMap" for key in thing["data"]}
    for name, service in composed.items():
        [thing] = [t for t in things if t["kind"] in ("Deployment", "StatefulSet") and t["metadata"]["name"] == name]
        assert service["image"].endswith(f":-{box(thing)['image']}}}")
        given = {variable["name"] for variable in box(thing)["env"]} | settings
        assert set(service["environment"]) - given == set()
        for port in service.get("ports", []):
            assert port.endswith(f":{box(thing)['ports'][0]['containerPort']}")


def test_the_documented_overlays_exist() -> None:
    text = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    applied = re.findall(r"kubectl apply -k (\S+)", text)
    assert applied
    assert [path for path in applied if not (ROOT / path / "kustomization.yaml").is_file()] == []
    assert "kubectl label namespace kubeflow ablate/uses=servers" in text
