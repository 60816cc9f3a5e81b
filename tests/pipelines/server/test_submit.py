"""`ablate submit` against a server on loopback with the public API: requests and answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.shared.revision import code_rev

SWAGGER = Path("../shared/kfp/kfp_api_single_file.swagger.json")
MLFLOW = "http://mlflow.example:5000"

Submit = Callable[..., Any]


def refused(answer: Any, *words: str) -> None:
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("error: ")
    assert len(answer.err.splitlines()) == 1
    for word in words:
        assert word in answer.err


@pytest.mark.skipif(not SWAGGER.is_file(), reason="the public definition of the API is not in ../shared/kfp")
def test_a_request_outside_of_the_definition_is_found(kubeflow: Any) -> None:
    """Every other test makes this check for its requests at its end."""
    for path, body, fault in [
        ("/nothing", {}, "no operation post"),
        ("/runs", {"name": "x"}, "run has no name"),
        ("/runs", {"display_name": 1}, "run.display_name is not of type string: 1"),
        ("/experiments", {"storage_state": "NEW"}, "experiment.storage_state is not in the enum: 'NEW'"),
    ]:
        request = kubeflow.request("post", path, body)
        assert kubeflow.contract.faults(request, 200, {})[0].startswith(fault)


def test_a_new_server_gets_pipeline_version_experiment_run(submit: Submit, kubeflow: Any) -> None:
    answer = submit("--seeds", "4", "--set", "training.steps=7", "--corpus", "grid://on-the-cluster")
    assert (answer.code, answer.err) == (0, "")
    assert kubeflow.calls() == [
        "get /healthz",
        "get /pipelines",
        "post /pipelines",
        "get /pipelines/pipelines-1/versions",
        "post /pipelines/upload_version",
        "get /experiments",
        "post /experiments",
        "post /runs",
    ]
    assert answer.out.splitlines()[-1] == f"Run: {kubeflow.host}/#/runs/details/runs-1"
    assert kubeflow.things["pipelines"][0]["name"] == "ablation-study"
    assert kubeflow.things["experiments"][0]["display_name"] == "demo"
    [run] = kubeflow.things["runs"]
    assert run["display_name"] == f"demo {code_rev()}".strip()
    assert run["experiment_id"] == "experiments-1"
    assert run["pipeline_version_reference"] == {"pipeline_id": "pipelines-1", "pipeline_version_id": "versions-1"}
    given = run["runtime_config"]["parameters"]
    assert (given["plan"]["corpus"], given["tracking_uri"]) == ("grid://on-the-cluster", MLFLOW)
    assert (given["plan"]["seeds"], given["plan"]["baseline"]) == ([4], {"training.steps": 7})


def test_the_mlflow_plugin_uses_the_experiment_of_the_study(submit: Submit, kubeflow: Any) -> None:
    assert submit().code == 0
    assert kubeflow.things["runs"][0]["plugins_input"] == {"mlflow": {"experiment_name": "demo"}}


def test_a_server_without_plugins_gets_a_request_without_them(submit: Submit, kubeflow: Any) -> None:
    kubeflow.knows_plugins = False
    assert submit().code == 0
    assert kubeflow.calls().count("post /runs") == 2
    assert len(kubeflow.things["runs"]) == 1
    assert "plugins_input" not in kubeflow.things["runs"][0]


def test_inputs_of_the_run_fit_the_uploaded_pipeline(submit: Submit, kubeflow: Any) -> None:
    submit()
    declared = kubeflow.things["versions"][0]["pipeline_spec"]["root"]["inputDefinitions"]["parameters"]
    given = set(kubeflow.things["runs"][0]["runtime_config"]["parameters"])
    assert given <= set(declared)
    assert {name for name, about in declared.items() if not about.get("isOptional")} <= given


def test_the_uploaded_package_has_the_cluster_settings(submit: Submit, kubeflow: Any, tmp_path: Path) -> None:
    settings = tmp_path / "cluster.yaml"
    settings.write_text("accelerator: {type: amd.com/gpu, count: 2}\n")
    assert submit("--cluster", str(settings)).code == 0
    package = kubeflow.things["versions"][0]["pipeline_spec"]
    trial = package["deploymentSpec"]["executors"]["exec-train-trials"]["container"]
    assert trial["resources"]["accelerator"]["resourceType"] == "amd.com/gpu"
    assert package["root"]["inputDefinitions"]["parameters"]["gpus_per_trial"]["defaultValue"] == "2"
    settings.write_text("accelerater: {type: nvidia.com/gpu}\n")
    refused(submit("--cluster", str(settings)), "did you mean 'accelerator'")


def test_the_same_code_is_uploaded_once(submit: Submit, kubeflow: Any) -> None:
    first, second = submit(), submit("--experiment", "another")
    [version] = kubeflow.things["versions"]
    assert first.out.splitlines()[0] == f"Version: {version['display_name']}, uploaded"
    assert second.out.splitlines()[0] == f"Version: {version['display_name']}, already there"
    assert [len(kubeflow.things[kind]) for kind in ("pipelines", "experiments", "runs")] == [1, 2, 2]


def test_an_existing_experiment_is_used_unless_archived(submit: Submit, kubeflow: Any) -> None:
    there = {"display_name": "demo", "experiment_id": "old", "storage_state": "AVAILABLE"}
    kubeflow.things["experiments"] = [there]
    assert submit().code == 0
    assert kubeflow.things["runs"][0]["experiment_id"] == "old"
    there["storage_state"] = "ARCHIVED"
    refused(submit(), "experiment 'demo' is archived", "restore it")


def test_a_pipeline_created_by_others_meanwhile_is_used(submit: Submit, kubeflow: Any) -> None:
    listed, found = kubeflow._list, {"pipelines": 0}

    def late(kind: str, asked: Any) -> Any:
        found[kind] = found.get(kind, 1) + 1
        if kind == "pipelines" and found[kind] == 1:
            kubeflow.things[kind] = [{"display_name": "ablation-study", "pipeline_id": "theirs"}]
            return 200, {}
        return listed(kind, asked)

    kubeflow._list = late
    assert submit().code == 0
    assert kubeflow.things["runs"][0]["pipeline_version_reference"]["pipeline_id"] == "theirs"


def test_a_multi_user_server_gets_the_namespace(submit: Submit, kubeflow: Any) -> None:
    kubeflow.multi_user = True
    refused(submit(), "has a namespace for every user", "--namespace")
    assert submit("--namespace", "anna").code == 0
    looked = [
        asked for asked in kubeflow.asked if asked.method == "get" and asked.path.endswith(("pipelines", "ments"))
    ]
    assert [asked.query["namespace"] for asked in looked] == ["anna", "anna"]
    assert [kubeflow.things[kind][0]["namespace"] for kind in ("pipelines", "experiments")] == ["anna", "anna"]
    kubeflow.multi_user = False
    refused(submit("--namespace", "anna"), "has no namespaces for users", "leave out --namespace anna")
