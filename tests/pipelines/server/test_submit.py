"""`ablate submit` against a server on loopback that keeps to the public API: what is sent, and what comes of answers."""

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
    """Every other test checks its requests by this at its end."""
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
    trial = package["deploymentSpec"]["executors"]["exec-train-trial"]["container"]
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


@pytest.mark.parametrize(
    ("state", "code"), [("SUCCEEDED", 0), ("FAILED", 1), ("CANCELED", 1), ("SKIPPED", 1), ("HIBERNATED", 1)]
)
def test_only_a_succeeded_run_gives_exit_code_0(submit: Submit, kubeflow: Any, state: str, code: int) -> None:
    kubeflow.contract = kubeflow.contract if state != "HIBERNATED" else None  # which the definition does not know
    kubeflow.script = ["PENDING", "RUNNING", "PAUSED", "CANCELING", state]
    answer = submit("--wait")
    assert answer.code == code
    said = [line.removeprefix("run: ") for line in answer.out.splitlines() if line.startswith("run: ")]
    assert said == ["pending", "running", "paused", "canceling", state.lower()]
    assert (answer.err == "") is (code == 0)
    known = "the run ended as" if state != "HIBERNATED" else "in state 'HIBERNATED', which `ablate` does not know"
    assert code == 0 or (known in answer.err and state in answer.err)
    assert code == 0 or f"{kubeflow.host}/#/runs/details/runs-1" in answer.err


def test_an_ended_run_in_an_unknown_state_ends_the_wait(submit: Submit, kubeflow: Any) -> None:
    kubeflow.contract = None
    kubeflow.script = [
        {"state": "EXPLODING", "finished_at": "1970-01-01T00:00:00Z"},  # which is how servers say "not yet"
        {"state": "EXPLODED", "finished_at": "2026-01-01T00:00:00Z"},
    ]
    answer = submit("--wait")
    assert (answer.code, kubeflow.calls().count("get /runs/runs-1")) == (1, 2)
    assert "ended as EXPLODED" in answer.err


def test_temporary_failures_do_not_end_the_wait(submit: Submit, kubeflow: Any) -> None:
    kubeflow.script = ["RUNNING", 503, "break", 429, 500, "SUCCEEDED"]
    answer = submit("--wait")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.count("no answer, trying again: ") == 4


@pytest.mark.parametrize(
    ("step", "words"), [(503, "HTTP status 503 (the server is in trouble)"), (404, "404"), (401, "401 Unauthorized")]
)
def test_a_server_that_stays_away_ends_the_wait(submit: Submit, kubeflow: Any, step: int, words: str) -> None:
    kubeflow.script = ["RUNNING", step]
    answer = submit("--wait")
    assert answer.code == 1
    assert answer.err.startswith("no longer waiting: ")
    assert words in answer.err
    assert "/apis/v2beta1/runs/runs-1:terminate" in answer.err


def test_a_timeout_ends_the_wait(submit: Submit, kubeflow: Any) -> None:
    kubeflow.script = ["RUNNING"]
    answer = submit("--wait", "--timeout", "0.001")
    assert answer.code == 1
    assert "the time of --timeout is over, and the run is running" in answer.err
    refused(submit("--timeout", "5"), "--timeout limits the waiting; give --wait")


def task(id: str, name: str, state: str, *parents: str, **more: Any) -> dict[str, Any]:
    return {"task_id": id, "display_name": name, "state": state, "parent_task_id": "".join(parents), **more}


LOOP = [
    task("0", "demo-x7k2p", "RUNNING"),
    task("1", "resolve-plan-driver", "SUCCEEDED", "0"),
    task("2", "resolve-plan", "SUCCEEDED", "0"),
    task("3", "for-loop-1", "RUNNING", "0"),
    task("4", "iteration-iterations(0:0)", "RUNNING", "3"),
    task("5", "iteration-item", "RUNNING", "4"),
    task("6", "train-trial", "SUCCEEDED", "5"),
    task("7", "evaluate-trial", "RUNNING", "5"),
    task("8", "iteration-iterations(3:3)", "RUNNING", "3", pod_name="p8", child_tasks=[{"pod_name": "p9"}]),
    task("9", "train-trial", "FAILED", pod_name="p9", error={"code": 13, "message": "out of\nmemory"}),
    task("10", "executor", "FAILED", "9"),
]


def test_steps_in_the_loop_are_labelled_by_trial(submit: Submit, kubeflow: Any) -> None:
    kubeflow.script = [{"state": "RUNNING", "run_details": {"task_details": LOOP}}, "RUNNING", "SUCCEEDED"]
    answer = submit("--wait", "--seeds", "1,2")
    assert answer.code == 0
    assert answer.out.splitlines()[2:] == [
        "run: running",
        "resolve-plan: succeeded",
        "trial 1 train-trial: succeeded",
        "trial 1 evaluate-trial: running",
        "trial 4 train-trial: failed",
        "run: succeeded",
        f"Succeeded: {kubeflow.things['runs'][0]['display_name']}",
    ]


def test_steps_are_labelled_by_arm_and_seed_from_mlflow(
    submit: Submit, kubeflow: Any, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real store, with the runs that a study's first steps leave there; its second trial was finished before."""
    from tracking.reuse import note_turn
    from tracking.studies import open_study

    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    trials = [
        {"arm": arm, "seed": seed, "part": "", "params": {}} for arm in ("baseline", "no-scale") for seed in (1, 2)
    ]

    def opened() -> None:
        runs = open_study(store, "demo", question="", params={"code_rev": code_rev()}, conditions=[], trials=trials)
        for turn, run in enumerate([runs.trials[0], *runs.trials[2:]]):
            note_turn(store, run, turn)

    look, left = kubeflow._look, [opened]

    def with_study(run: str) -> Any:
        if left:
            left.pop()()
        return look(run)

    kubeflow._look, kubeflow.script = (
        with_study,
        [{"state": "RUNNING", "run_details": {"task_details": LOOP}}, "SUCCEEDED"],
    )
    steps = [line for line in submit("--wait").out.splitlines() if "-trial:" in line]
    assert steps == [
        "baseline seed 1 train-trial: succeeded",
        "baseline seed 1 evaluate-trial: running",
        "trial 4 train-trial: failed",  # of which the store knows nothing
    ]
    left.append(opened)  # a second one at the same time: now nobody can say which is which
    kubeflow.script = [{"state": "RUNNING", "run_details": {"task_details": LOOP}}, "SUCCEEDED"]
    assert "trial 1 train-trial: succeeded" in submit("--wait").out


def test_the_gate_fails_for_a_failed_step(submit: Submit, kubeflow: Any) -> None:
    kubeflow.script = [{"state": "SUCCEEDED", "run_details": {"task_details": LOOP}}]
    assert submit("--wait").code == 0
    answer = submit("--gate")
    assert answer.code == 1
    assert answer.err.splitlines()[0] == "trial 4 train-trial: failed: out of memory"
    kubeflow.script = ["SUCCEEDED"]
    assert submit("--gate").code == 0


def test_ci_waits_for_an_absent_server_and_starts_one_run(submit: Submit, kubeflow: Any) -> None:
    answer, away = kubeflow.answer, {"left": 3}

    def late(asked: Any) -> Any:
        away["left"] -= 1
        return answer(asked) if away["left"] < 0 else (503, {"code": 14, "message": "starting"})

    kubeflow.answer = late
    assert submit().code == 1  # a person is told at once
    done = submit("--gate")
    assert (done.code, done.err, done.out.count("no answer, trying again: ")) == (0, "", 2)
    assert [len(kubeflow.things[kind]) for kind in ("pipelines", "experiments", "runs")] == [1, 1, 1]


def test_ci_stops_waiting_for_an_absent_server(submit: Submit, kubeflow: Any) -> None:
    kubeflow.trouble["get /healthz"] = (503, "", {})
    answer = submit("--gate")
    assert (answer.code, kubeflow.things["runs"]) == (1, [])
    assert "HTTP status 503; no run was started" in answer.err
    kubeflow.trouble["get /healthz"] = (401, "", {})
    kubeflow.asked.clear()
    assert submit("--gate").code == 1
    assert kubeflow.calls() == ["get /healthz"]  # no time makes a token valid
