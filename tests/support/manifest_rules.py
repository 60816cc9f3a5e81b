"""Rules for Kubernetes objects beyond their schemas. Each rule takes all objects and yields its faults as text."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

LONG_RUNNING = ("Deployment", "StatefulSet")
ELSEWHERE = {"kubeflow"}  # namespaces that exist already
UNITS = {"": 1, "m": 1e-3} | {unit: 1000.0**power for power, unit in enumerate("kMGTPE", 1)}
UNITS |= {f"{unit}i": 1024.0**power for power, unit in enumerate("KMGTPE", 1)}
SECRET_WORD = re.compile(r"password|secret|token|accesskey|access_key|credential", re.IGNORECASE)

Object = Mapping[str, Any]
Secrets = Mapping[tuple[str, str], set[str]]


def name_of(thing: Object) -> str:
    return f"{thing['kind']} {thing['metadata']['name']}"


def space(thing: Object) -> str:
    return str(thing["metadata"].get("namespace", ""))


def template(thing: Object) -> Any:
    """Return the pod template of an object; None if it creates no pods."""
    spec = thing.get("spec", {})
    return (spec["jobTemplate"]["spec"] if thing["kind"] == "CronJob" else spec).get("template")


def workloads(things: list[Object]) -> Iterator[tuple[Object, Any]]:
    for thing in things:
        if (pods := template(thing)) is not None:
            yield thing, pods


def containers(pods: Any) -> list[Any]:
    return [*pods["spec"].get("initContainers", []), *pods["spec"]["containers"]]


def labels(pods: Any) -> Any:
    return pods["metadata"].get("labels", {})


def selects(selector: Any, found: Mapping[str, str]) -> bool:
    """Return True if a label selector, or the plain mapping of a Service, matches these labels."""
    plain = selector.get("matchLabels", {}) if {"matchLabels", "matchExpressions"} & set(selector) else selector
    chosen = all(found.get(key) == value for key, value in plain.items())
    for rule in selector.get("matchExpressions", []):
        assert rule["operator"] == "In", "the rules support the operator In only"
        chosen = chosen and found.get(rule["key"]) in rule["values"]
    return chosen


def chosen_by(things: list[Object], thing: Object, selector: Any) -> list[Any]:
    return [
        pods for other, pods in workloads(things) if space(other) == space(thing) and selects(selector, labels(pods))
    ]


def selectors(things: list[Object], _: Secrets) -> Iterator[str]:
    """Every selector matches some pods, and the selector of a workload matches its own pods."""
    for thing in things:
        selector = thing.get("spec", {}).get("selector")
        if thing["kind"] in LONG_RUNNING and not selects(selector, labels(template(thing))):
            yield f"{name_of(thing)} does not select its own pods"
        if thing["kind"] in ("Service", "PodDisruptionBudget") and not chosen_by(things, thing, selector):
            yield f"{name_of(thing)} selects no pods"
        if thing["kind"] == "NetworkPolicy" and not chosen_by(things, thing, thing["spec"]["podSelector"]):
            yield f"{name_of(thing)} applies to no pods"
        for peer in peers(thing):
            if "podSelector" in peer and not chosen_by(things, thing, peer["podSelector"]):
                yield f"{name_of(thing)} names pods that do not exist"


def peers(thing: Object) -> Iterator[Any]:
    if thing["kind"] == "NetworkPolicy":
        for direction, side in (("ingress", "from"), ("egress", "to")):
            for rule in thing["spec"].get(direction, []):
                yield from rule.get(side, [])


def ports(things: list[Object], _: Secrets) -> Iterator[str]:
    """The target port of a Service exists in its pods."""
    for thing in things:
        if thing["kind"] == "Service":
            found = [port for pods in chosen_by(things, thing, thing["spec"]["selector"]) for port in open_ports(pods)]
            for port in thing["spec"]["ports"]:
                if port["targetPort"] not in {key for each in found for key in each}:
                    yield f"{name_of(thing)} leads to port {port['targetPort']}, which its pods do not have"


def open_ports(pods: Any) -> list[tuple[str, int]]:
    return [(port["name"], port["containerPort"]) for box in containers(pods) for port in box.get("ports", [])]


def restarts(things: list[Object], _: Secrets) -> Iterator[str]:
    """The restartPolicy fits the kind. The schema allows any, the server does not."""
    for thing, pods in workloads(things):
        policy = pods["spec"].get("restartPolicy", "Always")
        if policy not in (("Always",) if thing["kind"] in LONG_RUNNING else ("Never", "OnFailure")):
            yield f"{name_of(thing)} cannot have restartPolicy {policy}"


def amount(text: Any) -> float | None:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([A-Za-z]*)", str(text))
    return float(found[1]) * UNITS[found[2]] if found and found[2] in UNITS else None


def quantities(things: list[Object], _: Secrets) -> Iterator[str]:
    """Every quantity is valid, and no request is above its limit."""
    for thing in things:
        for key, value in walk(thing):
            if key in ("sizeLimit", "storage", "memory", "cpu", "ephemeral-storage") and amount(value) is None:
                yield f"{name_of(thing)}: {key} {value!r} is not a quantity"
    for thing, pods in workloads(things):
        for box in containers(pods):
            asked, most = (box.get("resources", {}).get(key, {}) for key in ("requests", "limits"))
            for key in set(asked) & set(most):
                if (amount(asked[key]) or 0) > (amount(most[key]) or 0):
                    yield f"{name_of(thing)} requests more {key} than its limit"


def walk(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every key with a plain value, at any depth."""
    for key, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
        if isinstance(inner, (Mapping, list)):
            yield from walk(inner)
        else:
            yield str(key), inner


def references(things: list[Object], secrets: Secrets) -> Iterator[str]:
    """Every referenced object exists: here, or, for a Secret, in the documented list."""
    keys = {(space(t), "configMap", t["metadata"]["name"]): set(t["data"]) for t in things if t["kind"] == "ConfigMap"}
    keys |= {(where, "secret", name): found for (where, name), found in secrets.items()}
    claims = {(space(t), t["metadata"]["name"]) for t in things if t["kind"] == "PersistentVolumeClaim"}
    for thing, pods in workloads(things):
        for kind, name, key in named(pods):
            found = keys.get((space(thing), kind, name))
            if found is None or (key and key not in found):
                yield f"{name_of(thing)} needs {kind} {name}{f' with {key}' if key else ''}, which does not exist"
        volumes = pods["spec"].get("volumes", [])
        for claim in (
            volume["persistentVolumeClaim"]["claimName"] for volume in volumes if "persistentVolumeClaim" in volume
        ):
            if (space(thing), claim) not in claims:
                yield f"{name_of(thing)} needs PersistentVolumeClaim {claim}, which does not exist"
        there = {volume["name"] for volume in volumes}
        there |= {claim["metadata"]["name"] for claim in thing["spec"].get("volumeClaimTemplates", [])}
        for mount in (mount for box in containers(pods) for mount in box.get("volumeMounts", [])):
            if mount["name"] not in there:
                yield f"{name_of(thing)} mounts {mount['name']}, which is not a volume"


def named(pods: Any) -> Iterator[tuple[str, str, str | None]]:
    """Yield (kind, name, key) of every ConfigMap and Secret that pods read."""
    for box in containers(pods):
        for source in box.get("envFrom", []):
            yield from (
                (ref.removesuffix("Ref"), to["name"], None) for ref, to in source.items() if ref.endswith("Ref")
            )
        for source in (variable.get("valueFrom", {}) for variable in box.get("env", [])):
            for ref, to in source.items():
                yield ref.removesuffix("KeyRef"), to["name"], to["key"]
    for volume in pods["spec"].get("volumes", []):
        if "configMap" in volume:
            yield "configMap", volume["configMap"]["name"], None
        if "secret" in volume:
            yield "secret", volume["secret"]["secretName"], None


def roles(things: list[Object], _: Secrets) -> Iterator[str]:
    """Bindings name existing roles and subjects, pods run under existing accounts, and no role grants everything."""
    there = {(t["kind"], space(t), t["metadata"]["name"]) for t in things}
    for thing in things:
        if thing["kind"] == "RoleBinding":
            role, subjects = thing["roleRef"], thing["subjects"]
            wanted = [(role["kind"], space(thing), role["name"])]
            wanted += [(who["kind"], who.get("namespace", ""), who["name"]) for who in subjects]
            yield from (
                f"{name_of(thing)} binds {kind} {name}, which does not exist"
                for kind, at, name in wanted
                if (kind, at, name) not in there
            )
        if "*" in [value for key, value in walk(thing.get("rules", [])) if key.isdigit()]:
            yield f"{name_of(thing)} grants everything by *"
    for thing, pods in workloads(things):
        account = pods["spec"].get("serviceAccountName")
        if account and ("ServiceAccount", space(thing), account) not in there:
            yield f"{name_of(thing)} runs as ServiceAccount {account}, which does not exist"


def images(things: list[Object], _: Secrets) -> Iterator[str]:
    for thing, pods in workloads(things):
        for image in (box["image"] for box in containers(pods)):
            if not re.search(r"(:(?!latest$)[\w.-]+|@sha256:[0-9a-f]{64})$", image):
                yield f"{name_of(thing)} has image {image}, which has no version"


def care(things: list[Object], _: Secrets) -> Iterator[str]:
    """Long-running pods have probes, and all containers have requests and limits."""
    for thing, pods in workloads(things):
        for box in containers(pods):
            missing = [probe for probe in ("startupProbe", "readinessProbe", "livenessProbe") if probe not in box]
            if thing["kind"] in LONG_RUNNING and missing:
                yield f"{name_of(thing)} has no {missing[0]}"
            for kind in ("requests", "limits"):
                if not {"cpu", "memory"} <= set(box.get("resources", {}).get(kind, {})):
                    yield f"{name_of(thing)} has no {kind} of cpu and memory"


def confined(things: list[Object], _: Secrets) -> Iterator[str]:
    """Pods fit the level `restricted`, with a read-only root file system and without a token of the cluster."""
    for thing, pods in workloads(things):
        pod = pods["spec"].get("securityContext", {})
        if not (
            pod.get("runAsNonRoot")
            and pod.get("runAsUser")
            and pod.get("seccompProfile", {}).get("type") == "RuntimeDefault"
        ):
            yield f"{name_of(thing)} may run as root, or without seccomp"
        if pods["spec"].get("automountServiceAccountToken") is not False:
            yield f"{name_of(thing)} gets a token of the cluster"
        for box in containers(pods):
            own = box.get("securityContext", {})
            tight = own.get("readOnlyRootFilesystem") and own.get("allowPrivilegeEscalation") is False
            if not tight or own.get("capabilities", {}).get("drop") != ["ALL"] or own.get("privileged"):
                yield f"{name_of(thing)} may write to its image, or gain rights"


def no_secrets(things: list[Object], _: Secrets) -> Iterator[str]:
    for thing in things:
        if thing["kind"] == "Secret":
            yield f"{name_of(thing)} is in the repository"
        if thing["kind"] == "ConfigMap":
            yield from (f"{name_of(thing)} holds {key}" for key in thing["data"] if SECRET_WORD.search(key))
    for thing, pods in workloads(things):
        for variable in (variable for box in containers(pods) for variable in box.get("env", [])):
            if "value" in variable and SECRET_WORD.search(variable["name"]):
                yield f"{name_of(thing)} holds {variable['name']}"


def placed(things: list[Object], _: Secrets) -> Iterator[str]:
    """Every object is in an existing namespace, once. Every StatefulSet has a PodDisruptionBudget."""
    spaces = {thing["metadata"]["name"] for thing in things if thing["kind"] == "Namespace"} | ELSEWHERE
    seen = set()
    for thing in things:
        key = (thing["kind"], space(thing), thing["metadata"]["name"])
        if thing["kind"] != "Namespace" and space(thing) not in spaces:
            yield f"{name_of(thing)} is in namespace {space(thing)!r}, which does not exist"
        if key in seen:
            yield f"{name_of(thing)} exists twice"
        seen.add(key)
        budgets = [
            t["spec"]["selector"] for t in things if t["kind"] == "PodDisruptionBudget" and space(t) == space(thing)
        ]
        if thing["kind"] == "StatefulSet" and not any(selects(budget, labels(template(thing))) for budget in budgets):
            yield f"{name_of(thing)} has no PodDisruptionBudget"


RULES = (selectors, ports, restarts, quantities, references, roles, images, care, confined, no_secrets, placed)
