"""The pipeline as a cluster gets it: the same definition, with image, resources and secrets put onto its tasks."""

import functools
import inspect
from collections.abc import Mapping
from typing import Any

from kfp import dsl, kubernetes
from kfp.dsl.pipeline_context import Pipeline

from components.shared.image import STEP_IMAGE, default_image
from components.shared.revision import code_rev
from pipelines.ablation_pipeline import ablation_pipeline
from pipelines.name import DESCRIPTION, NAME
from pipelines.package.cluster import TRIAL_STEPS, Cluster


def placed(settings: Cluster, image: str | None = None) -> Any:
    """The pipeline with the settings of a cluster, its steps in `image` where one is given.

    Traces the definition that local runs use once more, and then settles its tasks: that one stays as it is, since a
    local run could make nothing of a node selector.
    """
    definition = ablation_pipeline.pipeline_func

    @functools.wraps(definition)
    def on_cluster(*arguments: Any, **named: Any) -> None:
        definition(*arguments, **named)
        gpus = inspect.signature(definition).bind(*arguments, **named).arguments["gpus_per_trial"]
        traced = Pipeline.get_default_pipeline()
        for name, task in traced.tasks.items():
            _settle(name, task, settings, image)
            if (
                name in TRIAL_STEPS
            ):  # the step is given the number as an argument, too: else it would not reach the loop
                task.set_accelerator_type(settings.accelerator.type).set_accelerator_limit(gpus)
        for group in traced.groups[0].groups:
            if isinstance(group, dsl.ParallelFor) and settings.parallelism:
                group.parallelism_limit = settings.parallelism

    on_cluster.__signature__ = _with_defaults(definition, _defaults(settings))  # type: ignore[attr-defined]
    return dsl.pipeline(on_cluster, name=NAME, description=DESCRIPTION)


def _defaults(settings: Cluster) -> dict[str, Any]:
    """What the run's form is filled in with beforehand."""
    known = {
        "code_rev": code_rev(),
        "threads": settings.threads,
        "tracking_uri": settings.tracking_uri,
        "gpus_per_trial": str(settings.accelerator.count),
    }
    return {name: value for name, value in known.items() if value is not None}


def _with_defaults(function: Any, defaults: Mapping[str, Any]) -> inspect.Signature:
    signature = inspect.signature(function)
    parameters = [
        parameter.replace(default=defaults.get(name, parameter.default))
        for name, parameter in signature.parameters.items()
    ]
    return signature.replace(parameters=parameters)


def _settle(name: str, task: Any, settings: Cluster, image: str | None) -> None:
    """What every step gets, then what a trial's steps get on top."""
    if image is not None:
        task.set_container_image(image)
    task.set_env_variable(STEP_IMAGE, image or default_image())
    if not settings.caching:
        task.set_caching_options(False)
    _surroundings(task, settings)
    if name in settings.timeouts:
        kubernetes.set_timeout(task, settings.timeouts[name])
    if name in TRIAL_STEPS:
        _resources(task, settings)
        _nodes(task, settings)


def _surroundings(task: Any, settings: Cluster) -> None:
    for secret in settings.secrets:
        kubernetes.use_secret_as_env(task, secret.name, dict(secret.keys))
    for variable, value in settings.environment.items():
        task.set_env_variable(variable, value)
    if settings.image_pull_policy:
        kubernetes.set_image_pull_policy(task, settings.image_pull_policy)
    if settings.image_pull_secrets:
        kubernetes.set_image_pull_secrets(task, list(settings.image_pull_secrets))
    for key, value in settings.pod_labels.items():
        kubernetes.add_pod_label(task, key, value)


def _resources(task: Any, settings: Cluster) -> None:
    """Requests equal limits: a trial that borrows cores or memory is slowed down or killed when others want them back."""
    if settings.cpu:
        task.set_cpu_request(settings.cpu).set_cpu_limit(settings.cpu)
    if settings.memory:
        task.set_memory_request(settings.memory).set_memory_limit(settings.memory)
    if settings.shm_size:  # a pod has 64 MB by default, too little for data loaders that share batches
        kubernetes.empty_dir_mount(task, "shm", "/dev/shm", medium="Memory", size_limit=settings.shm_size)


def _nodes(task: Any, settings: Cluster) -> None:
    for key, value in settings.node_selector.items():
        kubernetes.add_node_selector(task, key, value)
    for toleration in settings.tolerations:
        kubernetes.add_toleration(
            task, toleration.key, toleration.operator, toleration.value, toleration.effect, toleration.seconds
        )
