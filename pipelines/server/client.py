"""A Kubeflow Pipelines server, as far as we use it: find or make a pipeline, a version, an experiment; start, watch.

This speaks through kfp's generated API and not through `kfp.Client`. The client's constructor asks the server up to
five times, with a traceback for each failure, and may write to ~/.config/kfp; its methods print, look for pipelines in no
namespace, and wait without any time-out; and a login page in HTML is an empty answer to it, not an error.
"""

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kfp_server_api

from common.errors import UserError
from pipelines.server.credentials import Credential
from pipelines.server.errors import FAULTS, Rejected, not_kubeflow, translated

TIMES_S = (10, 60)  # to connect, and to answer
UI_ENV = "KF_PIPELINES_UI_ENDPOINT"  # kfp's own name; for where the API and its pages have different addresses


@dataclass(frozen=True)
class Task:
    """A node of a run. `after` are the ids of nodes that it comes under or after."""

    id: str
    name: str
    state: str
    error: str
    after: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """A run as it stands. `state` is the server's word for it."""

    id: str
    state: str
    ended: bool
    error: str
    tasks: tuple[Task, ...]


def checked_host(text: str) -> str:
    """The server's address without a slash at its end. Raises UserError for what is no plain http(s) address."""
    text = text.strip()
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid:
        raise UserError(f"a host is an address such as https://NAME/pipeline or http://localhost:8080; got {text!r}")
    if parts.username is not None or parts.query or parts.fragment or "#" in text or "?" in text:
        bare = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")
        raise UserError(f"a host has no user, ? or # in it; give {bare}")
    return text.rstrip("/")


class Server:
    """Every method raises the errors of `pipelines.server.errors`, and UserError for settings that cannot be used."""

    def __init__(self, host: str, credential: Credential, namespace: str | None = None) -> None:
        self.host, self.credential, self.namespace = host, credential, namespace
        self.api = kfp_server_api.ApiClient(_configuration(host, credential), cookie=credential.cookies)
        self._pipelines = kfp_server_api.PipelineServiceApi(self.api)
        self._experiments = kfp_server_api.ExperimentServiceApi(self.api)
        self._runs = kfp_server_api.RunServiceApi(self.api)

    def check(self) -> None:
        """Whether a Kubeflow Pipelines server answers, and whether it has a namespace for every user."""
        try:
            health = self.call(kfp_server_api.HealthzServiceApi(self.api).healthz_service_get_healthz)
        except Rejected as error:
            raise not_kubeflow(self.host, f"HTTP status {error.status}") from error
        if health.multi_user and self.namespace is None:
            raise UserError(f"{self.host} has a namespace for every user; give yours by --namespace")
        if not health.multi_user and self.namespace is not None:
            raise UserError(f"{self.host} has no namespaces for users; leave out --namespace {self.namespace}")

    def find_pipeline(self, name: str) -> str | None:
        """The id of the pipeline of this name; None where there is none."""
        listed = self.call(self._pipelines.pipeline_service_list_pipelines, filter=named(name), **self.in_namespace())
        return listed.pipelines[0].pipeline_id if listed.pipelines else None

    def pipeline(self, name: str, description: str) -> str:
        """The id of the pipeline of this name, made where there is none."""

        def make() -> str:
            asked = kfp_server_api.V2beta1Pipeline(
                name=name, display_name=name, description=description, **self.in_namespace()
            )
            return self.call(self._pipelines.pipeline_service_create_pipeline, asked).pipeline_id

        return self._found_or_made(lambda: self.find_pipeline(name), make)[0]

    def version(self, pipeline: str, name: str, package: Path) -> tuple[str, bool]:
        """The id of the pipeline's version of this name, and whether the package was uploaded for it now."""

        def find() -> str | None:
            listed = self.call(
                self._pipelines.pipeline_service_list_pipeline_versions, pipeline, filter=named(name)
            ).pipeline_versions
            return listed[0].pipeline_version_id if listed else None

        def make() -> str:
            upload = kfp_server_api.PipelineUploadServiceApi(self.api).upload_pipeline_version
            return self.call(
                upload, str(package), name=name, display_name=name, pipelineid=pipeline
            ).pipeline_version_id

        return self._found_or_made(find, make)

    def experiment(self, name: str) -> str:
        """The id of the experiment of this name, made where there is none."""

        def find() -> str | None:
            listed = self.call(
                self._experiments.experiment_service_list_experiments, filter=named(name), **self.in_namespace()
            ).experiments
            if listed and listed[0].storage_state == "ARCHIVED":
                raise UserError(f"experiment {name!r} is archived on {self.host}; restore it, or give another name")
            return listed[0].experiment_id if listed else None

        def make() -> str:
            asked = kfp_server_api.V2beta1Experiment(display_name=name, **self.in_namespace())
            return self.call(self._experiments.experiment_service_create_experiment, asked).experiment_id

        return self._found_or_made(find, make)[0]

    def start(self, name: str, *, experiment: str, pipeline: str, version: str, arguments: Mapping[str, Any]) -> str:
        """Create a run; returns its id. Not repeated where the answer is lost: there could be two runs then.

        A server whose MLflow plugin is on is asked to keep its own runs in the study's experiment, where the study stands
        below them. One that does not know plugins refuses the field, has made nothing then, and is asked again without.
        """
        asked = kfp_server_api.V2beta1Run(
            display_name=name, experiment_id=experiment, **self.what_to_run(pipeline, version, arguments)
        )
        return self._id(self.with_plugins(self._runs.run_service_create_run, asked).run_id)

    def what_to_run(self, pipeline: str, version: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The fields that say so, in a run and in a schedule of runs."""
        return {
            "pipeline_version_reference": kfp_server_api.V2beta1PipelineVersionReference(
                pipeline_id=pipeline, pipeline_version_id=version
            ),
            "runtime_config": kfp_server_api.V2beta1RuntimeConfig(parameters=dict(arguments)),
            "plugins_input": {"mlflow": {"experiment_name": arguments["plan"]["study"]}},
        }

    def with_plugins(self, method: Callable[..., Any], asked: Any) -> Any:
        """Make what is asked for, without `plugins_input` where the server does not know it."""
        try:
            return self.call(method, asked)
        except Rejected as error:
            if "plugins_input" not in str(error):
                raise
            asked.plugins_input = None
            return self.call(method, asked)

    def run(self, run: str) -> Run:
        """A run and its tasks as they stand."""
        found = self.call(self._runs.run_service_get_run, run)
        details = (found.run_details and found.run_details.task_details) or []
        ended = found.finished_at is not None and found.finished_at.year > 1970  # servers send the epoch for "not yet"
        return Run(run, found.state or "", ended, _message(found), _tasks(details))

    def page(self, run: str) -> str:
        """Where a person looks at a run."""
        return f"{(os.environ.get(UI_ENV) or self.host).rstrip('/')}/#/runs/details/{run}"

    def in_namespace(self) -> dict[str, str]:
        """The field of a request that says whose things are meant."""
        return {} if self.namespace is None else {"namespace": self.namespace}

    def _found_or_made(self, find: Callable[[], str | None], make: Callable[[], str]) -> tuple[str, bool]:
        """An id, and whether it is new. Somebody else may make the same in between: then theirs is taken."""
        if found := find():
            return found, False
        try:
            return self._id(make()), True
        except Rejected as error:
            if error.status == 409 and (found := find()):
                return found, False
            raise

    def _id(self, given: str | None) -> str:
        if not given:
            raise not_kubeflow(self.host, "an object that has no id")
        return given

    def call(self, method: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        """One request. The generated code takes any text for an empty object, so the answer is looked at again."""
        try:
            answer = method(*arguments, _request_timeout=TIMES_S, **more)
        except kfp_server_api.ApiTypeError:
            raise  # we asked wrongly
        except FAULTS as error:
            raise translated(error, self.host, self.credential) from error
        response = self.api.last_response
        with contextlib.suppress(ValueError):
            if isinstance(json.loads(response.data), dict):
                return answer
        kind = (response.getheader("content-type") or "no type").partition(";")[0]
        raise not_kubeflow(self.host, f"a page of {kind} (a login, perhaps, for {self.credential.name})")


def _configuration(host: str, credential: Credential) -> kfp_server_api.Configuration:
    configuration = kfp_server_api.Configuration(host=host)
    # urllib3 would try again at once, with a line in the log, and would follow the way to a page of a login.
    configuration.retries = False
    authority = os.environ.get("SSL_CERT_FILE")
    if authority and not Path(authority).is_file():
        raise UserError(f"SSL_CERT_FILE names a file of certificates, and {authority} is none; correct it, or unset it")
    configuration.ssl_ca_cert = authority
    if (token := credential.token) is not None:

        def fill(target: kfp_server_api.Configuration) -> None:
            target.api_key["authorization"] = token()

        fill(configuration)
        configuration.api_key_prefix["authorization"] = "Bearer"
        configuration.refresh_api_key_hook = fill
    return configuration


def named(name: str) -> str:
    """The filter for things of this name."""
    predicate = {"operation": "EQUALS", "key": "display_name", "string_value": name}
    return json.dumps({"predicates": [predicate]})


def _tasks(details: list[Any]) -> tuple[Task, ...]:
    """Nodes as the server lists them: some name their parent, some their children, by id or by pod."""
    after: dict[str, list[str]] = {}
    pods = {task.pod_name: task.task_id for task in details if task.pod_name}
    for task in details:
        for child in task.child_tasks or []:
            after.setdefault(child.task_id or pods.get(child.pod_name, ""), []).append(task.task_id)
        if task.parent_task_id:
            after.setdefault(task.task_id, []).append(task.parent_task_id)
    return tuple(
        Task(
            task.task_id, task.display_name or "", task.state or "", _message(task), tuple(after.get(task.task_id, ()))
        )
        for task in details
    )


def _message(thing: Any) -> str:
    return " ".join(str((thing.error and thing.error.message) or "").split())
