"""Client of a Kubeflow Pipelines server: finds or creates a pipeline, a version and an experiment; starts, reads and ends runs."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import kfp_server_api

from common.errors import UserError
from pipelines.server.connection import Connection
from pipelines.server.credentials import Credential
from pipelines.server.errors import Rejected, not_kubeflow
from pipelines.server.runs import Run, read_run

UI_ENV = "KF_PIPELINES_UI_ENDPOINT"  # kfp's own name; the address of the pages, if the API has another one
PAGE = 100
NEWEST_FIRST = "created_at desc"


class Server(Connection):
    """A server. Every method raises the errors of `pipelines.server.errors`, and UserError for unusable settings."""

    def __init__(self, host: str, credential: Credential, namespace: str | None = None) -> None:
        super().__init__(host, credential, namespace)
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

    def inputs(self, pipeline: str, version: str) -> Mapping[str, Mapping[str, Any]]:
        """Return the inputs that a version of a pipeline declares, by name. Raises Rejected if it does not exist."""
        found = self.call(self._pipelines.pipeline_service_get_pipeline_version, pipeline, version).pipeline_spec or {}
        root = found.get("pipeline_spec", found).get("root", {})  # the package has a second document, or has not
        declared: Mapping[str, Mapping[str, Any]] = root.get("inputDefinitions", {}).get("parameters", {})
        return declared

    def find_experiment(self, name: str) -> str | None:
        """Return the id of the experiment with this name; None if it does not exist. Raises UserError if it is archived."""
        listed = self.call(
            self._experiments.experiment_service_list_experiments, filter=named(name), **self.in_namespace()
        ).experiments
        if listed and listed[0].storage_state == "ARCHIVED":
            raise UserError(f"experiment {name!r} is archived on {self.host}; restore it, or give another name")
        return listed[0].experiment_id if listed else None

    def experiment(self, name: str) -> str:
        """Return the id of the experiment with this name. Create it if needed."""

        def make() -> str:
            asked = kfp_server_api.V2beta1Experiment(display_name=name, **self.in_namespace())
            return self.call(self._experiments.experiment_service_create_experiment, asked).experiment_id

        return self._found_or_created(lambda: self.find_experiment(name), make)[0]

    def start(self, name: str, *, experiment: str, pipeline: str, version: str, arguments: Mapping[str, Any]) -> str:
        """Create a run and return its id."""
        return self.create(name, experiment=experiment, pipeline=pipeline, version=version, arguments=arguments).id

    def create(self, name: str, *, experiment: str, pipeline: str, version: str, arguments: Mapping[str, Any]) -> Run:
        """Create a run. The request is not repeated after a lost answer: it could create a second run.

        The request asks the MLflow plugin of the server to keep its own runs in the experiment of the study, as parents of
        the study. A server without plugins refuses the field and creates nothing. Then the request is sent without it.
        """
        asked = kfp_server_api.V2beta1Run(
            display_name=name, experiment_id=experiment, **self.what_to_run(pipeline, version, arguments)
        )
        made = read_run(self.with_plugins(self._runs.run_service_create_run, asked))
        self._id(made.id)
        return made

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
        return read_run(self.call(self._runs.run_service_get_run, run))

    def runs(self, experiment_id: str, name_or_filter: str | Mapping[str, Any]) -> list[Run]:
        """Return the runs of an experiment with a display name, or that a filter of the API selects; the newest first."""
        exact = isinstance(name_or_filter, str)
        asked = named(name_or_filter) if isinstance(name_or_filter, str) else json.dumps(name_or_filter)
        found: list[Run] = []
        page = ""
        while True:
            answer = self.call(
                self._runs.run_service_list_runs,
                experiment_id=experiment_id,
                filter=asked,
                sort_by=NEWEST_FIRST,
                page_size=PAGE,
                **({"page_token": page} if page else {}),
                **self.in_namespace(),
            )
            found += [read_run(thing) for thing in answer.runs or []]
            page = answer.next_page_token or ""
            if not page:  # the database of a server compares names without case and accents
                return [run for run in found if not exact or run.name == name_or_filter]

    def terminate(self, run: str) -> None:
        """Ask the server to end a run. The run is then CANCELING, and ends as FAILED some 20 seconds later."""
        self.call(self._runs.run_service_terminate_run, run)

    def manifest(self, run: str) -> Any:
        """Return what the deprecated API v1beta1 says of a run. The generated client no longer knows that API."""
        return self.call(
            self.api.call_api,
            "/apis/v1beta1/runs/{run}",
            "GET",
            {"run": run},
            [],
            {"Accept": "application/json"},
            response_type="object",
            auth_settings=["Bearer"],
            _return_http_data_only=True,
        )

    def page(self, run: str) -> str:
        """Return the address of the page of a run."""
        return f"{(os.environ.get(UI_ENV) or self.host).rstrip('/')}/#/runs/details/{run}"

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


def named(name: str) -> str:
    """Return the filter for objects with this name."""
    predicate = {"operation": "EQUALS", "key": "display_name", "string_value": name}
    return json.dumps({"predicates": [predicate]})
