"""Settings of a cluster: every key is checked, and applies only to the steps that need it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import components

from common.errors import UserError
from pipelines.package.cluster import Cluster, in_bytes, read_cluster
from pipelines.package.compile import compile_package
from pipelines.package.lint import lint
from pipelines.package.steps import Steps, pipeline_steps

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "deploy" / "cluster.yaml"
STEPS = {path.stem.replace("_", "-") for path in (ROOT / "components").glob("[a-z]*.py")}  # a file each
TRIAL_STEPS = {step for step in STEPS if step.startswith(("train-", "evaluate-"))}
[TRAIN] = [step for step in TRIAL_STEPS if step.startswith("train-")]
[EVALUATE] = TRIAL_STEPS - {TRAIN}

Settings = Callable[..., Path]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Write settings to a file."""

    def write(**given: Any) -> Path:
        path = tmp_path / "cluster.yaml"
        path.write_text(yaml.safe_dump(given), encoding="utf-8")
        return path

    return write


class Package:
    """A package as the server receives it: the pipeline and its Kubernetes settings."""

    def __init__(self, path: Path):
        self.path = path
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
        self.spec, self.platforms = documents[0], documents[1:]

    def container(self, step: str) -> dict[str, Any]:
        return dict(self.spec["deploymentSpec"]["executors"][f"exec-{step}"]["container"])

    def kubernetes(self, step: str) -> dict[str, Any]:
        [document] = self.platforms
        return dict(document["platforms"]["kubernetes"]["deploymentSpec"]["executors"].get(f"exec-{step}", {}))

    def tasks(self) -> dict[str, Any]:
        """Return the tasks of the pipeline and of its loop."""
        bodies = [each["dag"]["tasks"] for each in self.spec["components"].values() if "dag" in each]
        return {name: task for body in (self.spec["root"]["dag"]["tasks"], *bodies) for name, task in body.items()}

    def default(self, name: str) -> Any:
        return self.spec["root"]["inputDefinitions"]["parameters"][name].get("defaultValue")


@pytest.fixture
def packaged(settings: Settings, tmp_path: Path) -> Callable[..., Package]:
    """Compile with settings."""

    def compiled(**given: Any) -> Package:
        return Package(compile_package(tmp_path / "pipeline.yaml", "steps:1", settings(**given)))

    return compiled


def test_the_example_has_every_key_and_compiles(tmp_path: Path) -> None:
    given = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    assert set(given) == set(Cluster.model_fields) - {"caching"}  # accepted for older files, without effect
    package = Package(compile_package(tmp_path / "pipeline.yaml", "steps:1", EXAMPLE))
    assert lint(package.path) == []
    assert components.load_component_from_file(str(package.path)).platform_spec.platforms["kubernetes"]


def test_only_steps_of_a_trial_get_gpus_cores_and_memory(packaged: Callable[..., Package]) -> None:
    package = packaged(accelerator={"type": "amd.com/gpu", "count": 2}, cpu=6, memory="24Gi")
    for step in STEPS:
        resources = package.container(step).get("resources")
        if step not in TRIAL_STEPS:
            assert resources is None
            continue
        assert (resources["resourceCpuRequest"], resources["resourceCpuLimit"]) == ("6", "6")
        assert (resources["resourceMemoryRequest"], resources["resourceMemoryLimit"]) == ("24Gi", "24Gi")
        assert resources["accelerator"]["resourceType"] == "amd.com/gpu"
        name = re.fullmatch(r"\{\{\$\.inputs\.parameters\['(.+)'\]\}\}", resources["accelerator"]["resourceCount"])
        assert name, "the number comes from an input"
        assert package.tasks()[step]["inputs"]["parameters"][name[1]] == {"componentInputParameter": name[1]}
        assert name[1] == "pipelinechannel--gpus_per_trial"
    assert package.default("gpus_per_trial") == "2"


def test_pods_of_a_trial_get_shared_memory_and_nodes(packaged: Callable[..., Package]) -> None:
    package = packaged(
        shm_size="4Gi",
        node_selector={"gpu": "h100"},
        tolerations=[{"key": "gpu", "value": "yes", "effect": "NoExecute", "seconds": 60}, {"operator": "Exists"}],
    )
    for step in TRIAL_STEPS:
        pod = package.kubernetes(step)
        mount = {"volumeName": "shm", "mountPath": "/dev/shm", "medium": "Memory", "sizeLimit": "4Gi"}
        assert pod["emptyDirMounts"] == [mount]
        assert pod["nodeSelector"] == {"labels": {"gpu": "h100"}}
        first = {"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoExecute", "tolerationSeconds": "60"}
        assert pod["tolerations"] == [first, {"operator": "Exists"}]
    assert all(package.kubernetes(step) == {} for step in STEPS if step not in TRIAL_STEPS)


def test_every_step_gets_secrets_environment_images_and_labels(packaged: Callable[..., Package]) -> None:
    package = packaged(
        secrets=[{"name": "mlflow", "keys": {"password": "MLFLOW_TRACKING_PASSWORD"}}],
        environment={"MLFLOW_S3_ENDPOINT_URL": "http://s3:9000"},
        image_pull_policy="Always",
        image_pull_secrets=["registry"],
        pod_labels={"example.org/team": "speech"},
    )
    for step in STEPS:
        pod = package.kubernetes(step)
        [secret] = pod["secretAsEnv"]
        assert secret["secretName"] == "mlflow"
        assert secret["keyToEnv"] == [{"secretKey": "password", "envVar": "MLFLOW_TRACKING_PASSWORD"}]
        told = {variable["name"]: variable["value"] for variable in package.container(step)["env"]}
        assert told == {"MLFLOW_S3_ENDPOINT_URL": "http://s3:9000", "ABLATE_STEP_IMAGE": "steps:1"}
        assert pod["imagePullPolicy"] == "Always"
        assert [each["secretName"] for each in pod["imagePullSecret"]] == ["registry"]
        assert pod["podMetadata"] == {"labels": {"example.org/team": "speech"}}


def test_timeouts_apply_to_the_named_steps(packaged: Callable[..., Package]) -> None:
    package = packaged(timeouts={TRAIN: 7200})
    assert package.kubernetes(TRAIN) == {"activeDeadlineSeconds": "7200"}
    assert package.kubernetes(EVALUATE) == {}


def test_parallelism_applies_to_the_loop(packaged: Callable[..., Package]) -> None:
    [loop] = [task for name, task in packaged(parallelism=3).tasks().items() if name.startswith("for-loop")]
    assert loop["iteratorPolicy"] == {"parallelismLimit": 3}
    [loop] = [task for name, task in packaged().tasks().items() if name.startswith("for-loop")]
    assert "iteratorPolicy" not in loop


@pytest.mark.parametrize("given", [{}, {"caching": True}, {"caching": False}], ids=str)
def test_no_step_is_cached(packaged: Callable[..., Package], given: dict[str, Any]) -> None:
    tasks = packaged(**given).tasks().items()
    assert {name for name, task in tasks if task.get("cachingOptions", {}).get("enableCache")} == set()


def test_settings_give_defaults_of_the_inputs(packaged: Callable[..., Package]) -> None:
    package = packaged(cpu="3500m", tracking_uri="https://mlflow.example")
    assert (package.default("threads"), package.default("tracking_uri")) == (3, "https://mlflow.example")
    package = packaged(cpu=0.5)
    assert (package.default("threads"), package.default("tracking_uri")) == (1, "")
    assert package.default("gpus_per_trial") == "0"


def test_a_package_without_settings_has_no_cluster_details(
    packaged: Callable[..., Package],
) -> None:
    from pipelines.ablation_pipeline import ablation_pipeline

    assert packaged(cpu=8, shm_size="1Gi", tolerations=[{"operator": "Exists"}]).platforms
    assert packaged().platforms == []
    assert not ablation_pipeline.platform_spec.platforms
    executors = ablation_pipeline.pipeline_spec.deployment_spec["executors"]
    assert all("resources" not in executors[name]["container"] for name in list(executors))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"acelerator": {}}, ["unknown key 'acelerator'", "did you mean 'accelerator'"]),
        ({"accelerator": {"typ": "a/b"}}, ["accelerator: ", "unknown key 'typ'", "did you mean 'type'"]),
        ({"accelerator": {"count": -1}}, ["accelerator.count", "greater than or equal to 0", "got -1"]),
        ({"accelerator": {"count": "1"}}, ["accelerator.count", "integer", "got '1'"]),
        ({"accelerator": {"type": "gpu"}}, ["accelerator.type", "nvidia.com/gpu", "got 'gpu'"]),
        ({"cpu": "eight"}, ["cpu: cores are a number", "got 'eight'"]),
        ({"cpu": 0}, ["cpu: cores are a number above 0"]),
        ({"cpu": True}, ["cpu: this is text"]),
        ({"memory": 32}, ["memory: memory is a whole number with a unit", "got 32"]),
        ({"memory": "32GB"}, ["such as 32Gi", "got '32GB'"]),
        ({"memory": "1Gi", "shm_size": "2000M"}, ["shm_size 2000M counts towards memory, which is 1Gi"]),
        ({"node_selector": {"gpu": True}}, ["node_selector.gpu", "put it in quotes", "got True"]),
        ({"node_selector": {"a b": "c"}}, ["node_selector.a b", "the key of a label"]),
        ({"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}, ["tolerations.0", "takes no value"]),
        ({"tolerations": [{}]}, ["tolerations.0", "operator: Exists"]),
        ({"tolerations": [{"key": "a", "effect": "NoSchedule", "seconds": 5}]}, ["NoExecute only"]),
        ({"tolerations": [{"key": "a", "effect": "Never"}]}, ["tolerations.0.effect", "'NoSchedule'", "got 'Never'"]),
        ({"tolerations": {"key": "a"}}, ["tolerations", "list"]),
        ({"secrets": [{"name": "a"}]}, ["secrets.0.keys", "required"]),
        ({"secrets": [{"name": "a", "keys": {}}]}, ["secrets.0.keys", "at least 1"]),
        ({"secrets": [{"name": "My_Secret", "keys": {"a": "B"}}]}, ["secrets.0.name", "lower-case"]),
        ({"secrets": [{"name": "a", "keys": {"a": "B-C"}}]}, ["secrets.0.keys.a", "environment variable"]),
        ({"environment": {"A": "1"}, "secrets": [{"name": "a", "keys": {"a": "A"}}]}, ["variable A is set 2 times"]),
        ({"environment": {"A": 1}}, ["environment.A", "put it in quotes"]),
        ({"image_pull_policy": "Sometimes"}, ["image_pull_policy", "'IfNotPresent'", "'Sometimes'"]),
        ({"timeouts": {TRAIN.replace("-", "_"): 60}}, ["unknown step", f"did you mean {TRAIN!r}"]),
        ({"timeouts": {TRAIN: 5}}, [f"timeouts.{TRAIN}", "60", "got 5"]),
        ({"parallelism": 0}, ["parallelism", "got 0"]),
        ({"caching": "no"}, ["caching", "boolean", "got 'no'"]),
        ({"tracking_uri": ""}, ["tracking_uri", "at least 1"]),
    ],
    ids=str,
)
def test_a_mistake_is_one_sentence_with_file_and_key(
    settings: Settings, given: dict[str, Any], words: list[str]
) -> None:
    path = settings(**given)
    with pytest.raises(UserError) as caught:
        read_cluster(path)
    assert len(str(caught.value).splitlines()) == 1
    for word in (str(path), *words):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, ["cannot be read", "deploy/cluster.yaml"]),
        (b"\xff", ["UTF-8"]),
        (b"cpu: [", ["valid YAML"]),
        (b"- cpu", ["a mapping"]),
        (b"cpu: 1\ncpu: 2", ["twice"]),
    ],
)
def test_a_file_without_settings_is_refused(tmp_path: Path, text: bytes | None, words: list[str]) -> None:
    if text is not None:
        (tmp_path / "cluster.yaml").write_bytes(text)
    with pytest.raises(UserError) as caught:
        read_cluster(tmp_path / "cluster.yaml")
    assert all(word in str(caught.value) for word in (*words, "cluster.yaml"))


@pytest.mark.parametrize(("memory", "number"), [("2Ki", 2048), ("3M", 3_000_000), ("1Gi", 2**30), ("5T", 5 * 10**12)])
def test_memory_in_bytes(memory: str, number: int) -> None:
    assert in_bytes(memory) == number


def test_steps_are_read_from_the_package(packaged: Callable[..., Package]) -> None:
    for steps in (pipeline_steps(), Steps.of(packaged(caching=False).path)):
        assert (set(steps.names), set(steps.trial)) == (STEPS, TRIAL_STEPS)
        assert len(steps.names) == len(STEPS)
