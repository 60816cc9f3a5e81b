"""Manifests of deploy/ fit the schemas of Kubernetes and our own rules. Each rule finds an injected fault."""

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
from manifest_faults import BROKEN, box
from manifest_network import reached

from pipelines.package.cluster import read_cluster

ROOT = Path(__file__).parents[2]
SCHEMA = "1.31"  # older than most clusters; newer ones accept the same objects
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
    """Return a copy of the objects of the smallest overlay, for changes."""
    if not _BUILT:
        _BUILT["small"] = json.dumps(build("small"))
    return list(json.loads(_BUILT["small"]))


INSIDE = {"kubernetes.io/metadata.name": "ablate"}
RUNS = {"kubernetes.io/metadata.name": "kubeflow", "ablate/uses": "servers"}
OTHERS = {"kubernetes.io/metadata.name": "default"}
PORTS = {"mlflow": 5000, "postgres": 5432, "s3": 9000}


def named(name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": name}


def test_only_necessary_connections_are_open(build: Callable[[str], Objects]) -> None:
    things = built_once(build)
    pods = [*PORTS, "postgres-backup"]
    callers: dict[str, tuple[Mapping[str, str], Mapping[str, str]]] = {name: (INSIDE, named(name)) for name in pods}
    callers |= {
        "a run": (RUNS, {}),
        "another namespace": (OTHERS, named("mlflow")),
        "another pod": (INSIDE, named("x")),
    }
    open_ways = {
        (caller, name)
        for caller, who in callers.items()
        for name, port in PORTS.items()
        if reached(things, named(name), who, port)
    }
    assert open_ways == {
        ("mlflow", "postgres"),
        ("mlflow", "s3"),
        ("postgres-backup", "postgres"),
        ("a run", "mlflow"),
        ("a run", "s3"),
    }
    assert not reached(things, named("mlflow"), callers["a run"], 5432)


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
    assert {tracking, urlsplit(cluster.environment["ABLATE_S3_ENDPOINT"]).netloc} <= services
    assert cluster.environment["ABLATE_S3_ENDPOINT"] == settings["MLFLOW_S3_ENDPOINT_URL"]
    assert {tracking.partition(":")[0], f"{tracking.partition(':')[0]}:*"} <= set(
        settings["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    )
    for wanted in cluster.secrets:
        assert set(wanted.keys) <= documented["kubeflow", wanted.name]


def test_the_servers_equal_those_of_compose(build: Callable[[str], Objects]) -> None:
    """Check images, ports and every variable of Compose, so that the same images work for both."""
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


def test_the_documented_restore_runs_the_other_script_of_the_backup_job(build: Callable[[str], Objects]) -> None:
    text = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    [(script, number)] = re.findall(r"sed 's#(\S+)#/restore.sh#; s#(\S+)#STAMP#'", text)
    things = built_once(build)
    [job] = [thing for thing in things if thing["kind"] == "CronJob"]
    command = json.dumps(job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["command"])
    changed = json.loads(command.replace(script, "/restore.sh").replace(number, '"STAMP"'))
    assert changed == ["sh", "/scripts/restore.sh", "/backups", "STAMP"]
    [scripts] = [thing["data"] for thing in things if "backup.sh" in thing.get("data", {})]
    assert "restore.sh" in scripts


def test_the_rights_to_apply_an_overlay_are_documented(things: Objects) -> None:
    text = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    rights = text[text.index("| right | where | for |") : text.index("## 1. Images")]
    words = {"ServiceAccount": "service account", "PersistentVolumeClaim": "claims", "CronJob": "cron jobs"} | {
        "StatefulSet": "stateful sets",
        "ConfigMap": "config maps",
        "NetworkPolicy": "network policies",
        "PodDisruptionBudget": "pod disruption budgets",
        "RoleBinding": "role binding",
    }
    assert [kind for thing in things if words.get(kind := thing["kind"], kind.lower()) not in rights] == []
