"""Faults for the manifests: each makes one rule fail."""

from collections.abc import Callable
from typing import Any


def pod(thing: Any) -> Any:
    spec = thing["spec"]
    return (spec["jobTemplate"]["spec"] if thing["kind"] == "CronJob" else spec)["template"]["spec"]


def box(thing: Any) -> Any:
    return pod(thing)["containers"][0]


def env(thing: Any, name: str) -> Any:
    return next(variable for variable in box(thing)["env"] if variable["name"] == name)


def secret(thing: Any, name: str) -> Any:
    return env(thing, name)["valueFrom"]["secretKeyRef"]


# (object, the injected fault, the expected text)
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
        "names pods that do not exist",
    ),
    ("Service mlflow", lambda t: t["spec"]["ports"][0].update(targetPort="https"), "leads to port https"),
    ("CronJob postgres-backup", lambda t: pod(t).update(restartPolicy="Always"), "cannot have restartPolicy Always"),
    ("CronJob postgres-backup", lambda t: pod(t).pop("restartPolicy"), "cannot have restartPolicy Always"),
    ("Deployment mlflow", lambda t: pod(t).update(restartPolicy="Never"), "cannot have restartPolicy Never"),
    (
        "StatefulSet s3",
        lambda t: t["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"].update(storage="20Gb"),
        "'20Gb' is not a quantity",
    ),
    ("Deployment mlflow", lambda t: box(t)["resources"]["requests"].update(cpu="0,5"), "'0,5' is not a quantity"),
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
        "with HOST, which does not exist",
    ),
    (
        "CronJob postgres-backup",
        lambda t: pod(t)["volumes"][0]["persistentVolumeClaim"].update(claimName="x"),
        "needs PersistentVolumeClaim x",
    ),
    (
        "CronJob postgres-backup",
        lambda t: box(t)["volumeMounts"][0].update(name="x"),
        "mounts x, which is not a volume",
    ),
    ("Deployment mlflow", lambda t: pod(t).update(serviceAccountName="x"), "runs as ServiceAccount x"),
    ("RoleBinding ablate-submit", lambda t: t["roleRef"].update(name="x"), "binds Role x, which does not exist"),
    (
        "RoleBinding ablate-submit",
        lambda t: t["subjects"][0].update(namespace="ablate"),
        "binds ServiceAccount ablate-submit",
    ),
    ("Role ablate-submit", lambda t: t["rules"][0].update(verbs=["*"]), "grants everything by *"),
    ("StatefulSet postgres", lambda t: box(t).update(image="ablate-postgres:latest"), "which has no version"),
    ("StatefulSet postgres", lambda t: box(t).update(image="registry:5000/ablate-postgres"), "which has no version"),
    ("StatefulSet postgres", lambda t: box(t).pop("livenessProbe"), "has no livenessProbe"),
    ("CronJob postgres-backup", lambda t: box(t).pop("resources"), "has no limits of cpu and memory"),
    ("StatefulSet s3", lambda t: pod(t)["securityContext"].pop("runAsNonRoot"), "may run as root"),
    (
        "StatefulSet s3",
        lambda t: box(t)["securityContext"].update(readOnlyRootFilesystem=False),
        "may write to its image",
    ),
    ("StatefulSet s3", lambda t: box(t)["securityContext"].pop("capabilities"), "or gain rights"),
    ("StatefulSet s3", lambda t: pod(t).pop("automountServiceAccountToken"), "gets a token of the cluster"),
    ("Deployment mlflow", lambda t: env(t, "PGPASSWORD").update(value="x"), "holds PGPASSWORD"),
    (
        "PersistentVolumeClaim postgres-backups",
        lambda t: t.update(kind="Secret"),
        "Secret postgres-backups is in the repository",
    ),
    (
        "PersistentVolumeClaim postgres-backups",
        lambda t: t["metadata"].update(namespace="x"),
        "in namespace 'x', which does not exist",
    ),
    (
        "PodDisruptionBudget postgres",
        lambda t: t["metadata"].update(namespace="kubeflow"),
        "StatefulSet postgres has no PodDisruptionBudget",
    ),
    ("Service s3", lambda t: t["metadata"].update(name="mlflow"), "Service mlflow exists twice"),
]
