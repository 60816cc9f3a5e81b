"""Volumes: mounted into every step, and checked with the folders that lie on them."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from common.validation import sentence
from pipelines.ablation_pipeline import ablation_pipeline
from pipelines.package.cluster import Cluster
from pipelines.package.compile import compile_package
from pipelines.package.volumes import TAKEN, lies_on

DATA = {"claim": "data", "mount_path": "/data"}
ROOT = Path(__file__).parents[3]


@pytest.fixture
def documents(tmp_path: Path) -> Callable[..., list[Any]]:
    def compiled(**given: Any) -> list[Any]:
        (tmp_path / "cluster.yaml").write_text(yaml.safe_dump(given))
        path = compile_package(tmp_path / "pipeline.yaml", "steps:1", tmp_path / "cluster.yaml")
        return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))

    return compiled


def refused(**given: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Cluster.model_validate(given)
    return sentence(caught.value)


def test_every_step_mounts_every_volume(documents: Callable[..., list[Any]]) -> None:
    pipeline, platform = documents(
        volumes=[DATA, {"claim": "corpora", "mount_path": "/mnt/corpora", "read_only": True}]
    )
    pods = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert set(pods) == set(pipeline["deploymentSpec"]["executors"])
    for pod in pods.values():
        mounted = {mount["constant"]: mount["mountPath"] for mount in pod["pvcMount"]}
        assert mounted == {"data": "/data", "corpora": "/mnt/corpora"}


def test_folders_and_trials_per_task_are_defaults_of_the_inputs(documents: Callable[..., list[Any]]) -> None:
    given = {"corpora_root": "/data/corpora", "state_root": "/data", "trials_per_task": 3}
    inputs = documents(volumes=[DATA], **given)[0]["root"]["inputDefinitions"]["parameters"]
    signature = inspect.signature(ablation_pipeline.pipeline_func).parameters
    assert set(inputs) == set(signature)
    for name in given.keys() & signature.keys():
        assert inputs[name]["defaultValue"] == str(given[name])


@pytest.mark.parametrize("key", ["corpora_root", "state_root"])
def test_a_folder_on_no_volume_is_refused(key: str) -> None:
    assert f"{key} /data/a is on no volume" in refused(**{key: "/data/a"})
    assert f"{key} /database is on no volume" in refused(volumes=[DATA], **{key: "/database"})
    for inside in ("/data", "/data/a"):
        assert Cluster.model_validate({"volumes": [DATA], key: inside})


def test_states_need_a_volume_that_can_be_written() -> None:
    fixed = DATA | {"read_only": True}
    assert "state_root /data is on the read-only claim data" in refused(volumes=[fixed], state_root="/data")
    assert Cluster.model_validate({"volumes": [fixed], "corpora_root": "/data"})
    inner = {"claim": "states", "mount_path": "/data/states"}
    assert Cluster.model_validate({"volumes": [fixed, inner], "state_root": "/data/states/a"})
    assert "read-only claim inner" in refused(
        volumes=[DATA, {"claim": "inner", "mount_path": "/data/a", "read_only": True}], state_root="/data/a/b"
    )


@pytest.mark.parametrize("taken", TAKEN)
def test_a_volume_cannot_cover_what_a_pod_needs(taken: str) -> None:
    for path in {taken, f"{taken}/inside", str(Path(taken).parent)}:
        assert "a volume cannot cover" in refused(volumes=[DATA | {"mount_path": path}])


def test_the_folder_of_the_code_is_that_of_the_image() -> None:
    text = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
    [code] = [line.split()[1] for line in text.splitlines() if line.startswith("WORKDIR /opt")]
    assert code in TAKEN


@pytest.mark.parametrize(
    ("volumes", "words"),
    [
        ([DATA, {"claim": "other", "mount_path": "/data"}], ["the path /data occurs 2 times"]),
        ([DATA, {"claim": "data", "mount_path": "/other"}], ["the claim data occurs 2 times"]),
        ([{"claim": "a.b", "mount_path": "/data"}], ["volumes.0.claim", "no dots"]),
        ([{"claim": "a" * 64, "mount_path": "/data"}], ["at most 63"]),
        ([{"claim": "shm", "mount_path": "/data"}], ["a volume shm already"]),
        ([{"claim": "kfp-launcher", "mount_path": "/data"}], ["a volume kfp-launcher already"]),
        ([{"claim": "a", "mount_path": "data"}], ["volumes.0.mount_path", "absolute path"]),
        ([{"claim": "a", "mount_path": "/data/"}], ["absolute path"]),
        ([{"claim": "a", "mount_path": "/a/../b"}], ["absolute path"]),
        ([{"claim": "a", "mount_path": "//a"}], ["absolute path"]),
        ([{"claim": "a", "mount_path": "/a:b"}], ["no colon"]),
        ([{"claim": "a", "mount_path": "/{{a}}"}], ["replaces or refuses"]),
        ([{"claim": "a", "mount_path": "/"}], ["a volume cannot cover"]),
        ([{"claim": "a"}], ["volumes.0.mount_path", "required"]),
        ([{"claim": "a", "mount_path": "/a", "read_only": "yes"}], ["volumes.0.read_only", "boolean"]),
        ([{"claim": "a", "path": "/a"}], ["unknown key 'path'"]),
        ({"claim": "a"}, ["volumes", "list"]),
    ],
    ids=str,
)
def test_a_mistake_in_a_volume_is_one_sentence(volumes: Any, words: list[str]) -> None:
    said = refused(volumes=volumes)
    assert all(word in said for word in words), said


def test_folders_contain_whole_names_only() -> None:
    assert lies_on("/data/a", "/data")
    assert not lies_on("/database", "/data")
