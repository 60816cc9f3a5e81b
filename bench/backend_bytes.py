"""Print pods per study, and bytes through Kubeflow's store and through MLflow's, on the emulated server. Needs root.

A study of 2 arms x 2 seeds is run for real. For 20 arms x 5 seeds, pods and sizes come from a run with stubs, and bytes from those
of the small study, by trial. It also runs on earlier revisions: copy this file and tests/backend into one.

PYTHONPATH=.:tests/backend python bench/backend_bytes.py
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "tests" / "backend"))

IMAGE = "registry/ablate-python:0123456789ab"
ITEM = {"arm": "learning-rate-12", "seed": 3, "run_id": "0" * 32, "study_run_id": "1" * 32, "experiment_id": "12"}
ITEM |= {"opened": 1795647752.8611107, "fingerprint": "2" * 16, "evaluation": "3" * 16, "forced": False, "done": False}
PLAN = {
    "study": "bytes",
    "corpus": "synthetic://talking-mouth?train=64&test=16&valid=8",
    "seeds": [1, 2],
    "conditions": {"babble": [0]},
    "baseline": {"training.steps": 3, "training.batch_size": 4},
    "ablations": [{"part": "fusion.scale", "replacements": {"no-scale": {"kind": "none"}}}],
}


@contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """Start MLflow on loopback; its artifacts are files in `folder / files`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    places = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", f"{folder}/files"]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    settings = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "mlflow.log").open("wb") as log:
        process = subprocess.Popen([*command, *places], stdout=log, stderr=log, env=settings)
    try:
        for _ in range(900):
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def loop_steps(package: Any) -> set[str]:
    """Return the names of the steps inside the loop."""
    loops = [part for name, part in package.spec["components"].items() if name.startswith("comp-for-loop")]
    return {name for part in loops for name in part["dag"]["tasks"]}


def turns(trials: int) -> list[str]:
    """Return the items of the loop for a study: chunks, or one trial each in revisions that have no chunks."""
    try:
        from components.shared.chunks import chunks
    except ImportError:
        return [json.dumps(ITEM) for _ in range(trials)]
    return chunks(trials)


def stubbed(folder: Path, package_file: Path, items: list[str]) -> Any:
    """Run the package with stubs for all steps, and the given items of the loop."""
    from emulator.backend import Backend, fill_outputs
    from emulator.package import Package

    def found(step: Any, pod: Any) -> None:
        fill_outputs(step, pod)
        pod.host(step.executor_input["outputs"]["parameters"]["Output"]["outputFile"]).write_text(json.dumps(items))

    labels = Package.read(package_file).spec["deploymentSpec"]["executors"]
    stubs = {label.removeprefix("exec-"): fill_outputs for label in labels} | {"find-finished": found}
    return Backend(folder / f"stubbed-{len(items)}").run(package_file, {"plan": PLAN}, stubs=stubs)


def show(run: Any, inside: set[str], trials: int) -> None:
    """Print the bytes of a run by artifact, per trial inside the loop and once for others."""
    for way in ("uploaded", "downloaded"):
        counts = {name: count for name, count in run.bytes(way).items() if not name.endswith("executor-logs")}
        looped = sum(count for name, count in counts.items() if name.partition(".")[0] in inside)
        once = sum(counts.values()) - looped
        per_trial = looped / trials
        print(
            f"  {way}: {per_trial:,.0f} bytes a trial, {once:,} bytes once; 20 x 5: {once + 100 * per_trial:,.0f} bytes"
        )
        for name, count in sorted(counts.items(), key=lambda each: -each[1])[:6]:
            print(f"    {count:12,} {name}")


def main() -> None:
    from emulator.backend import Backend
    from emulator.package import Package

    from pipelines.package.compile import compile_package

    with TemporaryDirectory() as name:
        folder = Path(name)
        package_file = compile_package(folder / "package.yaml", image=IMAGE)
        inside = loop_steps(Package.read(package_file))
        with mlflow_server(folder) as address:
            run = Backend(folder / "backend").run(package_file, {"plan": PLAN, "tracking_uri": address})
        stored = sum(path.stat().st_size for path in (folder / "files").rglob("*") if path.is_file())
        print(f"2 x 2, first study: {run.state}, {run.pods} pods, {run.step_pods} of steps, {run.seconds:.0f} s")
        show(run, inside, 4)
        print(f"  MLflow's artifact store, S3 on a cluster: {stored / 4:,.0f} bytes a trial")
        for trials in (0, 4, 100):
            made = stubbed(folder, package_file, turns(trials))
            sizes = f"{made.packed_bytes:,} bytes packed, longest argument {made.longest_argument:,} bytes"
            print(f"{trials} trials to train: {made.pods} pods, {made.step_pods} of steps, {sizes}; {made.state}")


if __name__ == "__main__":
    main()
