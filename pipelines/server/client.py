"""Client of a Kubeflow Pipelines server: finds or creates a pipeline, a version and an experiment; starts and reads runs.

The client uses kfp's generated API and not `kfp.Client`. The constructor of `kfp.Client` asks the server up to five times,
with a traceback for each failure, and may write to ~/.config/kfp. Its methods print, ignore namespaces when they look for
pipelines, and wait without a timeout. It reads a login page in HTML as an empty answer, not as an error.
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

TIMEOUTS_S = (10, 60)  # for the connection, and for the answer
UI_ENV = "KF_PIPELINES_UI_ENDPOINT"  # kfp's own name; the address of the pages, if the API has another one


@dataclass(frozen=True)
class Task:
    """A node of a run. `after` holds the ids of its parents and predecessors."""

    id: str
    name: str
    state: str
    error: str
    after: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """The present state of a run. `state` is the text of the server."""

    id: str
    state: str
    ended: bool
    error: str
    tasks: tuple[Task, ...]


def checked_host(text: str) -> str:
    """Return the address of a server without a slash at its end. Raises UserError if it is not a plain http(s) address."""
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
        raise UserError(f"a host has no user, ? or #; give {bare}")
    return text.rstrip("/")


class Server:
    """A server. Every method raises the errors of `pipelines.server.errors`, and UserError for unusable settings."""

    def __init__(self, host: str, credential: Credential, namespace: str | None = None) -> None:
        self.host, self.credential, self.namespace = host, credential, namespace
        self.api = kfp_server_api.ApiClient(_configuration(host, credential), cookie=credential.cookies)
        self._pipelines = kfp_server_api.PipelineServiceApi(self.api)
        self._experiments = kfp_server_api.ExperimentServiceApi(self.api)
        self._runs = kfp_server_api.RunServiceApi(self.api)

    def check(self) -> None:
        """Check that a Kubeflow Pipelines server answers, and that --namespace fits its mode."""
        try:
            health = self.call(kfp_server_api.HealthzServiceApi(self.api).healthz_service_get_healthz)
        except Rejected as error:
            raise not_kubeflow(self.host, f"HTTP status {error.status}") from error
        if health.multi_user and self.namespace is None:
            raise UserError(f"{self.host} has a namespace for every user; give your namespace by --namespace")
        if not health.multi_user and self.namespace is not None:
            raise UserError(f"{self.host} has no namespaces for users; leave out --namespace {self.namespace}")

    def find_pipeline(self, name: str) -> str | None:
        """Return the id of the pipeline with this name; None if it does not exist."""
        listed = self.call(self._pipelines.pipeline_service_list_pipelines, filter=named(name), **self.in_namespace())
        return listed.pipelines[0].pipeline_id if listed.pipelines else None

    def pipeline(self, name: str, description: str) -> str:
        """Return the id of the pipeline with this name. Create it if needed."""

        def make() -> str:
            asked = kfp_server_api.V2beta1Pipeline(
                name=name, display_name=name, description=description, **self.in_namespace()
            )
            return self.call(self._pipelines.pipeline_service_create_pipeline, asked).pipeline_id

        return self._found_or_created(lambda: self.find_pipeline(name), make)[0]

    def version(self, pipeline: str, name: str, package: Path) -> tuple[str, bool]:
        """Return the id of the version with this name, and True if this call uploaded the package."""

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

        return self._found_or_created(find, make)

    def experiment(self, name: str) -> str:
        """Return the id of the experiment with this name. Create it if needed."""

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

        return self._found_or_created(find, make)[0]

    def start(self, name: str, *, experiment: str, pipeline: str, version: str, arguments: Mapping[str, Any]) -> str:
        """Create a run and return its id. The request is not repeated after a lost answer: it could create a second run.

        The request asks the MLflow plugin of the server to keep its own runs in the experiment of the study, as parents of
        the study. A server without plugins refuses the field and creates nothing. Then the request is sent without it.
        """
        asked = kfp_server_api.V2beta1Run(
            display_name=name, experiment_id=experiment, **self.what_to_run(pipeline, version, arguments)
        )
        return self._id(self.with_plugins(self._runs.run_service_create_run, asked).run_id)

    def what_to_run(self, pipeline: str, version: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of the pipeline and its inputs, for a run and for a schedule."""
        return {
            "pipeline_version_reference": kfp_server_api.V2beta1PipelineVersionReference(
                pipeline_id=pipeline, pipeline_version_id=version
            ),
            "runtime_config": kfp_server_api.V2beta1RuntimeConfig(parameters=dict(arguments)),
            "plugins_input": {"mlflow": {"experiment_name": arguments["plan"]["study"]}},
        }

    def with_plugins(self, method: Callable[..., Any], asked: Any) -> Any:
        """Send a request; without `plugins_input` if the server does not know that field."""
        try:
            return self.call(method, asked)
        except Rejected as error:
            if "plugins_input" not in str(error):
                raise
            asked.plugins_input = None
            return self.call(method, asked)

    def run(self, run: str) -> Run:
        """Return the present state of a run and its tasks."""
        found = self.call(self._runs.run_service_get_run, run)
        details = (found.run_details and found.run_details.task_details) or []
        ended = found.finished_at is not None and found.finished_at.year > 1970  # servers send the epoch for "not yet"
        return Run(run, found.state or "", ended, _message(found), _tasks(details))

    def page(self, run: str) -> str:
        """Return the address of the page of a run."""
        return f"{(os.environ.get(UI_ENV) or self.host).rstrip('/')}/#/runs/details/{run}"

    def in_namespace(self) -> dict[str, str]:
        """Return the field of a request that selects the namespace."""
        return {} if self.namespace is None else {"namespace": self.namespace}

    def _found_or_created(self, find: Callable[[], str | None], make: Callable[[], str]) -> tuple[str, bool]:
        """Return an id, and True if it is new. If another client creates the same object meanwhile, its id is used."""
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
        """Send one request. The generated code reads any text as an empty object, so this method checks the answer again."""
        try:
            answer = method(*arguments, _request_timeout=TIMEOUTS_S, **more)
        except kfp_server_api.ApiTypeError:
            raise  # the mistake is in our request
        except FAULTS as error:
            raise translated(error, self.host, self.credential) from error
        response = self.api.last_response
        with contextlib.suppress(ValueError):
            if isinstance(json.loads(response.data), dict):
                return answer
        kind = (response.getheader("content-type") or "no type").partition(";")[0]
        raise not_kubeflow(self.host, f"a page of {kind} (perhaps a login, for {self.credential.name})")


def _configuration(host: str, credential: Credential) -> kfp_server_api.Configuration:
    configuration = kfp_server_api.Configuration(host=host)
    # urllib3 would repeat the request at once, with a line in the log, and would follow a redirection to a login page.
    configuration.retries = False
    authority = os.environ.get("SSL_CERT_FILE")
    if authority and not Path(authority).is_file():
        raise UserError(
            f"SSL_CERT_FILE must name a file of certificates, and {authority} is not a file; correct it, or unset it"
        )
    configuration.ssl_ca_cert = authority
    if (token := credential.token) is not None:

        def fill(target: kfp_server_api.Configuration) -> None:
            target.api_key["authorization"] = token()

        fill(configuration)
        configuration.api_key_prefix["authorization"] = "Bearer"
        configuration.refresh_api_key_hook = fill
    return configuration


def named(name: str) -> str:
    """Return the filter for objects with this name."""
    predicate = {"operation": "EQUALS", "key": "display_name", "string_value": name}
    return json.dumps({"predicates": [predicate]})


def _tasks(details: list[Any]) -> tuple[Task, ...]:
    """Return the nodes of a run. In the answer, some name their parent, some their children, by id or by pod."""
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
