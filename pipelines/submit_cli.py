"""`ablate submit`: a study on a Kubeflow Pipelines server."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console

from ablation.arms import expand
from ablation.errors import UserError
from components.revision import code_rev
from model.config import CATALOGUE
from pipelines import places
from pipelines.plan_options import Corpus, PlanArgument, Seeds, Settings, chosen_plan

if TYPE_CHECKING:
    from pipelines.kfp_server import Server
    from pipelines.submit import Submitted

FAILED, INTERRUPTED = 1, 130
HOST_ENV = "KF_PIPELINES_ENDPOINT"


def submit(
    path: PlanArgument,
    host: Annotated[
        str | None, typer.Option(metavar="URL", help=f"The server, e.g. https://NAME/pipeline; or {HOST_ENV}.")
    ] = None,
    corpus: Corpus = None,
    seeds: Seeds = None,
    settings: Settings = None,
    tracking_uri: Annotated[
        str | None, typer.Option(metavar="URI", help="An MLflow server that pods reach; or MLFLOW_TRACKING_URI.")
    ] = None,
    image: Annotated[str | None, typer.Option(metavar="REF", help="The container image that the steps run in.")] = None,
    cluster: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Settings of the cluster, as deploy/cluster.yaml.")
    ] = None,
    experiment: Annotated[
        str | None, typer.Option(metavar="NAME", help="Made where there is none; the study's name by default.")
    ] = None,
    namespace: Annotated[
        str | None, typer.Option(metavar="NS", help="Yours, where the server has one for every user.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A token to log in with; or KF_PIPELINES_TOKEN itself.")
    ] = None,
    cookies: Annotated[
        str | None, typer.Option(metavar="TEXT", help="NAME=VALUE of a browser's session; or KF_PIPELINES_COOKIES.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Stay until the run has ended.")] = False,
    gate: Annotated[bool, typer.Option("--gate", help="Wait, and let no step fail either: for CI.")] = False,
    timeout: Annotated[
        float | None, typer.Option(metavar="MINUTES", help="Wait no longer than this; the run goes on.", min=0)
    ] = None,
) -> None:
    """Carry out a study on a Kubeflow Pipelines server.

    Uploads the pipeline, as a new version where its code or image is new, and creates a run. In a pod, the service
    account's token is used. Ctrl-C ends the waiting and not the run.

    \b
    Exit code: 0 submitted or, with --wait, succeeded; 1 anything else came of it; 2 bad input; 130 Ctrl-C.

    Example: ablate submit plans/smile.yaml --host https://kubeflow.example/pipeline --wait
    """
    from pipelines.cluster import read_cluster
    from pipelines.kfp_credentials import find_credential
    from pipelines.kfp_errors import ServerFailed
    from pipelines.kfp_server import Server, checked_host
    from pipelines.submit import arguments_for
    from pipelines.submit import submit as start

    checked, console, rev = chosen_plan(path, corpus, seeds, settings or []), Console(), code_rev()
    expand(checked, CATALOGUE)
    address = checked_host(host or os.environ.get(HOST_ENV) or _missing_host())
    if timeout is not None and not (wait or gate):
        raise UserError("--timeout limits the waiting; give --wait or --gate too")
    reached = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or (cluster and read_cluster(cluster).tracking_uri)
    arguments = arguments_for(checked, reached or places.tracking_uri(), rev)
    server = Server(address, find_credential(token_file, cookies), namespace)
    try:
        run = start(
            server,
            checked,
            arguments,
            image=image,
            cluster=cluster,
            experiment=experiment or checked.study,
            code_rev=rev,
        )
    except ServerFailed as error:
        _end(f"error: {error}; it has confirmed no run: look at {address} before trying again", FAILED)
    except KeyboardInterrupt:
        _end("interrupted before the server had confirmed a run", INTERRUPTED)
    how = "uploaded" if run.uploaded else "used again"
    console.print(f"Version: {run.version}, {how}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"Run: {run.page}", highlight=False, markup=False, soft_wrap=True)
    if wait or gate:
        _wait(server, run, console, gate, timeout)


def _missing_host() -> NoReturn:
    raise UserError(f"a server has to be named: --host URL, or {HOST_ENV}")


def _wait(server: "Server", run: "Submitted", console: Console, gate: bool, timeout_min: float | None) -> None:
    """Returns only where all is well."""
    from pipelines import submit_wait

    limit_s = None if timeout_min is None else 60 * timeout_min
    stop = f"to stop it: curl -X POST {server.host}/apis/v2beta1/runs/{run.run}:terminate, or its page {run.page}"
    try:
        with submit_wait.View(console, run.steps) as view:
            ended = submit_wait.wait(server, run.run, view, limit_s=limit_s, clock=submit_wait.Clock())
    except KeyboardInterrupt:
        _end(f"no longer waiting: the run goes on; {stop}", INTERRUPTED)
    except (submit_wait.Lost, UserError) as error:
        _end(f"no longer waiting: {error}; the run may go on, {stop}", FAILED)
    problems = submit_wait.failures(ended, run.steps)
    if ended.state == "SUCCEEDED" and not (gate and problems):
        console.print(f"Succeeded: {run.name}", highlight=False, markup=False, soft_wrap=True)
        return
    for problem in problems:
        print(problem, file=sys.stderr)
    why = f": {ended.error}" if ended.error else ""
    _end(f"failed: the run ended as {ended.state}{why}; see {run.page}", FAILED)


def _end(sentence: str, code: int) -> NoReturn:
    print(sentence, file=sys.stderr)
    raise typer.Exit(code)
