"""The pipeline for a cluster: the same definition, with image, resources and secrets set on its tasks."""

import functools
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from kfp import dsl, kubernetes
from kfp.dsl.pipeline_context import Pipeline

from components.shared.image import STEP_IMAGE, default_image
from components.shared.revision import code_rev
from pipelines.ablation_pipeline import ablation_pipeline
from pipelines.name import DESCRIPTION, NAME
from pipelines.package.cluster import Cluster
from pipelines.package.steps import pipeline_steps


def placed(settings: Cluster, image: str | None = None) -> Any:
    """Return the pipeline with the settings of a cluster. Its steps run in `image`, if one is given.

    The function traces the definition of local runs again and changes the tasks of the copy. The definition itself
    stays unchanged, because a local run cannot use settings such as a node selector.
    """
    definition, trial_steps = ablation_pipeline.pipeline_func, pipeline_steps().trial

    @functools.wraps(definition)
    def on_cluster(*arguments: Any, **named: Any) -> None:
        definition(*arguments, **named)
        gpus = inspect.signature(definition).bind(*arguments, **named).arguments["gpus_per_trial"]
        traced = Pipeline.get_default_pipeline()
        for name, task in traced.tasks.items():
            _configure(name, task, settings, image)
            if name in trial_steps:
                _resources(task, settings)
                _nodes(task, settings)
                # The step also has the number as an argument: otherwise the input would not reach the loop.
                task.set_accelerator_type(settings.accelerator.type).set_accelerator_limit(gpus)
        for loop in _loops(traced.groups[0]):
            if settings.parallelism:
                loop.parallelism_limit = settings.parallelism

    on_cluster.__signature__ = _with_defaults(definition, _defaults(settings))  # type: ignore[attr-defined]
    return dsl.pipeline(on_cluster, name=NAME, description=DESCRIPTION)


def _loops(group: Any) -> Iterator[dsl.ParallelFor]:
    """Yield the loops in a group of tasks, such as the exit handler around the study."""
    for inside in group.groups:
        if isinstance(inside, dsl.ParallelFor):
            yield inside
        yield from _loops(inside)


def _defaults(settings: Cluster) -> dict[str, Any]:
    """Return the defaults of the inputs of a run."""
    known = {
        "code_rev": code_rev(),
        "threads": settings.threads,
        "tracking_uri": settings.tracking_uri,
        "gpus_per_trial": str(settings.accelerator.count),
        "corpora_root": settings.corpora_root,
        "state_root": settings.state_root,
        "trials_per_task": settings.trials_per_task and str(settings.trials_per_task),
    }
    return {name: value for name, value in known.items() if value is not None}


def _with_defaults(function: Any, defaults: Mapping[str, Any]) -> inspect.Signature:
    signature = inspect.signature(function)
    parameters = [
        parameter.replace(default=defaults.get(name, parameter.default))
        for name, parameter in signature.parameters.items()
    ]
    return signature.replace(parameters=parameters)


def _configure(name: str, task: Any, settings: Cluster, image: str | None) -> None:
    """Set what every step has."""
    if image is not None:
        task.set_container_image(image)
    task.set_env_variable(STEP_IMAGE, image or default_image())
    task.set_caching_options(False)  # finished trials are found in MLflow; a cached step would repeat an old answer
    _environment(task, settings)
    for volume in settings.volumes:
        kubernetes.mount_pvc(task, volume.claim, volume.mount_path)
    if name in settings.timeouts:
        kubernetes.set_timeout(task, settings.timeouts[name])


def _environment(task: Any, settings: Cluster) -> None:
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
    """Set requests equal to limits. A trial with borrowed cores or memory is throttled or killed when others need them."""
    if settings.cpu:
        task.set_cpu_request(settings.cpu).set_cpu_limit(settings.cpu)
    if settings.memory:
        task.set_memory_request(settings.memory).set_memory_limit(settings.memory)
    if settings.shm_size:  # the default of a pod, 64 MB, is too small for data loaders that share batches
        kubernetes.empty_dir_mount(task, "shm", "/dev/shm", medium="Memory", size_limit=settings.shm_size)


def _nodes(task: Any, settings: Cluster) -> None:
    for key, value in settings.node_selector.items():
        kubernetes.add_node_selector(task, key, value)
    for toleration in settings.tolerations:
        kubernetes.add_toleration(
            task, toleration.key, toleration.operator, toleration.value, toleration.effect, toleration.seconds
        )
