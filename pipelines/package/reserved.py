"""Names that settings of a cluster cannot set: variables of the service, of KFP's launcher and of Kubernetes, and labels."""

S3_TWINS = {
    "AWS_ACCESS_KEY_ID": "ABLATE_S3_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY": "ABLATE_S3_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN": "ABLATE_S3_SESSION_TOKEN",
    "AWS_REGION": "ABLATE_S3_REGION",
    "AWS_DEFAULT_REGION": "ABLATE_S3_REGION",
    "AWS_ENDPOINT_URL": "ABLATE_S3_ENDPOINT",
    "AWS_ENDPOINT_URL_S3": "ABLATE_S3_ENDPOINT",
    "AWS_S3_ENDPOINT": "ABLATE_S3_ENDPOINT",
}
OURS = {"ABLATE_STEP_IMAGE", "ABLATE_IMAGE", "ABLATE_PROBLEMS", "ABLATE_FORK_WORKERS", "ABLATE_REPOSITORY"}
# KFP and Argo set these in the pod or read them in the launcher, which runs the step.
SERVER = ("KFP_", "_KFP_", "KUBERNETES_", "ARGO_", "ML_PIPELINE_", "METADATA_GRPC_", "METADATA_TLS_")
# Code of the image: another value starts another Python or other code.
PROCESS = {"PATH", "LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE"}
DOMAINS = ("kubeflow.org", "argoproj.io")  # of the labels of KFP and Argo, with all domains inside them


def variable_fault(name: str) -> str | None:
    """Return why settings cannot set an environment variable; None if they can."""
    if name.startswith("AWS_"):
        twin = S3_TWINS.get(name)
        remedy = f"set {twin} instead, which only the steps use" if twin else "remove it"
        return f"variables of AWS reach KFP's launcher, too, and would send its artifacts to another store; {remedy}"
    if name in OURS:
        return "the service sets this variable itself; remove it"
    if name.startswith(SERVER):
        return "a variable such as this one belongs to KFP and Kubernetes; remove it"
    if name in PROCESS:
        return "this variable decides which code a step runs, and belongs to the image; remove it"
    return None


def label_fault(key: str) -> str | None:
    """Return why settings cannot set a label of pods; None if they can."""
    domain = key.rpartition("/")[0]
    if domain == "pipeline" or any(f".{domain}".endswith(f".{taken}") for taken in DOMAINS):
        return "labels such as this one belong to KFP and Argo, which find their pods by them; use a domain of your own"
    return None
