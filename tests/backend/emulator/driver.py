"""The server's driver: it resolves the inputs of a step and writes the command of its pod."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emulator.graph import Artifacts, Execution
from emulator.objects import BUCKET
from emulator.records import Artifact
from emulator.values import DriverFailed, Json, as_text, doubles, dumps, typed

# Part of the metadata of every artifact that a step reads: how the launcher reaches the store.
SESSION = dumps(
    {
        "Provider": "minio",
        "Params": {
            "accessKeyKey": "accesskey",
            "disableSSL": "true",
            "endpoint": "seaweedfs.kubeflow:9000",
            "fromEnv": "false",
            "maxRetries": "5",
            "region": "minio",
            "secretKeyKey": "secretkey",
            "secretName": "mlpipeline-minio-artifact",
        },
    }
)


@dataclass(frozen=True)
class Job:
    """The names of a run that placeholders stand for."""

    pipeline: str
    id: str
    name: str
    display_name: str = "study"
    created: str = "2026-11-25T22:00:00Z"

    def constant(self, value: Json, task_name: str, graph: Execution) -> Json:
        """Return a constant of the package, or what it stands for if it is exactly one placeholder."""
        known = {
            "{{$.pipeline_job_uuid}}": self.id,
            "{{$.pipeline_job_name}}": self.display_name,
            "{{$.pipeline_job_resource_name}}": self.name,
            "{{$.pipeline_job_create_time_utc}}": self.created,
            "{{$.pipeline_job_schedule_time_utc}}": self.created,
            "{{$.pipeline_task_name}}": task_name,
            "{{$.pipeline_task_uuid}}": str(graph.id),
        }
        return known.get(value, value) if isinstance(value, str) else doubles(value)


def resolve(
    task_name: str, task: Mapping[str, Any], component: Mapping[str, Any], graph: Execution, job: Job
) -> tuple[dict[str, Json], Artifacts]:
    """Return parameters and artifacts that a task of a graph gets. Raises DriverFailed."""
    declared = component.get("inputDefinitions", {}).get("parameters", {})
    given = task.get("inputs", {})
    parameters: dict[str, Json] = {}
    if "dag" in component:  # a graph gets its defaults here, a step gets them from its launcher
        parameters = {
            name: doubles(each.get("defaultValue")) for name, each in declared.items() if each.get("isOptional")
        }
    for name, source in given.get("parameters", {}).items():
        if "parameterExpressionSelector" in source:
            raise NotImplementedError(f"{task_name}: the emulator has no expression for the parameter {name}")
        value = _parameter(source, task_name, task, graph, job)
        if value is None:
            if declared.get(name, {}).get("isOptional"):
                continue
            raise DriverFailed(f"the resolved input parameter is null: {name}")
        parameters[name] = value
    artifacts = {name: _artifacts(source, graph) for name, source in given.get("artifacts", {}).items()}
    skipped = task.get("parameterIterator", {}).get("itemInput")
    return check(parameters, {name: each for name, each in declared.items() if name != skipped}), artifacts


def check(parameters: dict[str, Json], declared: Mapping[str, Any]) -> dict[str, Json]:
    """Return the parameters with their declared types. Raises DriverFailed for a wrong or a missing one."""
    for name, each in declared.items():
        if parameters.get(name) is not None:
            parameters[name] = typed(name, parameters[name], each["parameterType"])
        elif name not in parameters and not each.get("isOptional") and "defaultValue" not in each:
            raise DriverFailed(f'neither value nor default value provided for non-optional parameter "{name}"')
    return parameters


def _parameter(source: Mapping[str, Any], task_name: str, task: Mapping[str, Any], graph: Execution, job: Job) -> Json:
    if "componentInputParameter" in source:
        name = source["componentInputParameter"]
        if name not in graph.parameters:
            raise DriverFailed(f"parent DAG does not have input parameter {name}")
        return graph.parameters[name]
    if "taskOutputParameter" in source:
        output = source["taskOutputParameter"]
        return graph.child(output["producerTask"]).output(output["outputParameterKey"], artifact=False)
    if "runtimeValue" in source:
        return job.constant(source["runtimeValue"]["constant"], task_name, graph)
    if "taskFinalStatus" in source:
        producer = graph.child(task["dependentTasks"][0])
        return {
            "state": producer.state,
            "pipelineJobResourceName": job.name,
            "pipelineTaskName": producer.name,
            "error": {},
        }
    raise NotImplementedError(f"{task_name}: the emulator does not know the source {source}")


def _artifacts(source: Mapping[str, Any], graph: Execution) -> list[Artifact]:
    if "componentInputArtifact" in source:
        name = source["componentInputArtifact"]
        if name not in graph.artifacts:
            raise DriverFailed(f"parent DAG does not have input artifact {name}")
        return graph.artifacts[name]
    output = source["taskOutputArtifact"]
    found: list[Artifact] = graph.child(output["producerTask"]).output(output["outputArtifactKey"], artifact=True)
    return found


def turn_inputs(loop: Execution, task: Mapping[str, Any], index: int) -> dict[str, Json]:
    """Return the parameters of one turn of a loop: those of the loop, with one item in place of the list."""
    items = task["parameterIterator"]["items"]["inputParameter"]
    parameters = {name: value for name, value in loop.parameters.items() if name != items}
    item = task["parameterIterator"]["itemInput"]
    parameters[item] = loop.parameters[items][index]
    declared = loop.component.get("inputDefinitions", {}).get("parameters", {})
    return check(parameters, {name: each for name, each in declared.items() if name != items})


def executor_input(
    task_name: str, component: Mapping[str, Any], parameters: Mapping[str, Json], artifacts: Artifacts, job: Job
) -> dict[str, Any]:
    """Return what the launcher gets, with new addresses for the outputs."""
    root = f"{BUCKET}v2/artifacts/{job.pipeline}/{job.id}/{task_name}/{uuid.uuid4()}"
    declared = component.get("outputDefinitions", {})
    kinds = {name: each["artifactType"] for name, each in declared.get("artifacts", {}).items()}
    kinds["executor-logs"] = {"schemaTitle": "system.Artifact"}
    return {
        "inputs": {
            "artifacts": {name: {"artifacts": [_shown(item) for item in items]} for name, items in artifacts.items()},
            "parameterValues": dict(parameters),
        },
        "outputs": {
            "artifacts": {
                name: {"artifacts": [{"name": name, "type": kind, "uri": f"{root}/{name}"}]}
                for name, kind in kinds.items()
            },
            "parameters": {name: {"outputFile": f"/tmp/kfp/outputs/{name}"} for name in declared.get("parameters", {})},
            "outputFile": f"/minio/{root.removeprefix('minio://')}/output_metadata.json",
        },
    }


def _shown(artifact: Artifact) -> dict[str, Any]:
    metadata = {"display_name": artifact.name, "store_session_info": SESSION} | artifact.metadata
    return {"name": str(1000 + hash(artifact.uri) % 9000), "uri": artifact.uri, "metadata": metadata}


def launcher_command(given: Mapping[str, Any], component: Mapping[str, Any], execution: int, job: Job) -> list[str]:
    """Return the `command` of the pod. Argo moves long `args` into a file, but never a long `command`."""
    shown = dict(component, outputDefinitions=dict(component.get("outputDefinitions", {})))
    options = {
        "--executor_type": "container",
        "--pipeline_name": job.pipeline,
        "--run_id": job.id,
        "--execution_id": str(execution),
        "--executor_input": dumps(given),
        "--component_spec": dumps(shown),
        "--pod_name": "$(KFP_POD_NAME)",
        "--pod_uid": "$(KFP_POD_UID)",
        "--ml_pipeline_server_address": "ml-pipeline.kubeflow.svc.cluster.local",
        "--ml_pipeline_server_port": "8887",
        "--mlmd_server_address": "metadata-grpc-service.kubeflow.svc.cluster.local",
        "--mlmd_server_port": "8080",
        "--publish_logs": "true",
    }
    return ["/kfp-launcher/launch", *(part for option in options.items() for part in option), "--"]


def user_command(container: Mapping[str, Any], given: Mapping[str, Any], component: Mapping[str, Any]) -> list[str]:
    """Return the step's own command as the launcher starts it: defaults filled in, placeholders replaced."""
    declared = component.get("inputDefinitions", {}).get("parameters", {})
    values = {name: doubles(each["defaultValue"]) for name, each in declared.items() if "defaultValue" in each}
    filled = dict(given, inputs=dict(given["inputs"], parameterValues=values | given["inputs"]["parameterValues"]))
    texts = {"{{$}}": dumps(filled)} | _placeholders(filled)
    words = []
    for word in [*container.get("command", []), *container.get("args", [])]:
        if not isinstance(word, str):
            raise NotImplementedError(f"the emulator does not know the argument {word}")
        for placeholder, text in texts.items():
            word = word.replace(placeholder, text)
        words.append(word)
    return words


def local_path(uri: str) -> str:
    """Return the path of an artifact inside a pod."""
    return uri.replace("minio://", "/minio/", 1)


def _placeholders(given: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for side in ("inputs", "outputs"):
        for name, listed in given[side]["artifacts"].items():
            for item in listed["artifacts"][:1]:
                found[f"{{{{$.{side}.artifacts['{name}'].uri}}}}"] = item["uri"]
                found[f"{{{{$.{side}.artifacts['{name}'].path}}}}"] = local_path(item["uri"])
    for name, value in given["inputs"]["parameterValues"].items():
        found[f"{{{{$.inputs.parameters['{name}']}}}}"] = as_text(value)
    for name, output in given["outputs"]["parameters"].items():
        found[f"{{{{$.outputs.parameters['{name}'].output_file}}}}"] = output["outputFile"]
    return found


def before(task: Mapping[str, Any]) -> set[str]:
    """Return the tasks that a task waits for: those named, and those whose outputs it takes."""
    given = task.get("inputs", {})
    sources = [*given.get("parameters", {}).values(), *given.get("artifacts", {}).values()]
    outputs = [source.get("taskOutputParameter") or source.get("taskOutputArtifact") for source in sources]
    return {*task.get("dependentTasks", []), *(output["producerTask"] for output in outputs if output)}


def cache_key(container: Mapping[str, Any], parameters: Mapping[str, Json], artifacts: Artifacts) -> str:
    uris = {name: [item.uri for item in items] for name, items in artifacts.items()}
    return dumps({"container": dict(container), "parameters": dict(parameters), "artifacts": uris})
