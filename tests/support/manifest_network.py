"""The traffic that NetworkPolicies allow between pods."""

from typing import Any

from manifest_rules import Object, selects


def reached(things: list[Object], at: Any, source: tuple[str, Any], port: int) -> bool:
    """Return True if the policies let a source call pods `at` of the namespace ablate on a port.

    A source is (labels of its namespace, labels of its pods).
    """
    space_labels, caller = source
    inside = space_labels == {"kubernetes.io/metadata.name": "ablate"}
    return allowed(things, "Ingress", at, source, port) and (
        not inside or allowed(things, "Egress", caller, (space_labels, at), port)
    )


def allowed(things: list[Object], way: str, subject: Any, other: tuple[Any, Any], port: int) -> bool:
    policies = [t["spec"] for t in things if t["kind"] == "NetworkPolicy" and way in t["spec"]["policyTypes"]]
    policies = [policy for policy in policies if selects(policy["podSelector"], subject)]
    side = {"Ingress": "from", "Egress": "to"}[way]
    rules = [rule for policy in policies for rule in policy.get(way.lower(), [])]
    return not policies or any(
        any(matches(peer, other) for peer in rule.get(side, [{}])) and port in [each["port"] for each in rule["ports"]]
        for rule in rules
    )


def matches(peer: Any, other: tuple[Any, Any]) -> bool:
    space_labels, pod_labels = other
    if "namespaceSelector" in peer:
        return selects(peer["namespaceSelector"], space_labels) and selects(peer.get("podSelector", {}), pod_labels)
    own = space_labels == {"kubernetes.io/metadata.name": "ablate"}
    return not peer or (own and selects(peer["podSelector"], pod_labels))
