"""The runs that `ablate ci` submitted, found by their names: study, commit, and a hash of the plan and the settings."""

import hashlib
import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

from common.source_code import sources_fingerprint
from components.shared.image import default_image
from components.shared.revision import code_rev, image_tag
from pipelines.package.cluster import read_cluster
from pipelines.server.client import Server
from pipelines.server.runs import Run

ABBREVIATED = 12  # characters of a commit
HASHED = 8  # characters of the hash
HISTORY = 1000  # commits
NAME = re.compile(rf"(\S+) (\S+) ([0-9a-f]{{{HASHED}}})")
CHANGED = "+"  # of a commit: files differ from it
ALL_RUNS: Mapping[str, Any] = {"predicates": []}


@dataclass(frozen=True)
class RunName:
    """The name of a run. The same commit, plan and settings give the same name, on every machine."""

    study: str
    commit: str
    settings: str

    def __str__(self) -> str:
        """Return the name as the server shows it."""
        return f"{self.study} {self.commit} {self.settings}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the parts of a name; None if `ablate ci` did not give it."""
        found = NAME.fullmatch(text)
        return cls(*found.groups()) if found else None


def name_for(arguments: Mapping[str, Any], image: str | None, cluster: Path | None) -> RunName:
    """Return the name of the run with these inputs, image and cluster settings. Raises UserError for a wrong settings file.

    Comments and order in the files do not count. If files differ from the commit, the sources of the model count as well.
    """
    told = {
        "plan": arguments["plan"],
        "tracking_uri": arguments["tracking_uri"],
        "image": image or default_image(),
        "cluster": read_cluster(cluster).model_dump(mode="json") if cluster else None,
    }
    here = commit()
    if here.endswith(CHANGED):
        told["sources"] = sources_fingerprint()
    text = json.dumps(told, sort_keys=True)
    return RunName(arguments["plan"]["study"], here, hashlib.sha256(text.encode()).hexdigest()[:HASHED])


def commit() -> str:
    """Return the commit of this checkout, with `+` if files differ from it; outside of git, a hash of the sources.

    `git describe`, the revision that studies record, also depends on the tags that a checkout fetched.
    """
    found = _git("rev-parse", "HEAD")[:ABBREVIATED]
    return f"{found}{CHANGED if code_rev().endswith(CHANGED) else ''}" if found else image_tag("")


@cache
def history() -> frozenset[str]:
    """Return this commit and those before it, as far as the checkout has them."""
    listed = _git("rev-list", f"--max-count={HISTORY}", "HEAD").split()
    return frozenset(commit[:ABBREVIATED] for commit in listed)


def own_run(server: Server, name: RunName) -> Run | None:
    """Return the newest run with exactly this name; None if there is none. Creates nothing on the server."""
    experiment = server.find_experiment(name.study)
    found = server.runs(experiment, str(name)) if experiment else []
    return found[0] if found else None


def runs_of_history(server: Server, name: RunName) -> list[Run]:
    """Return the newest run of each name that CI submitted for this commit or one before it, the newest first."""
    experiment = server.find_experiment(name.study)
    newest: dict[RunName, Run] = {}
    for run in server.runs(experiment, ALL_RUNS) if experiment else []:
        parsed = RunName.parse(run.name)
        if parsed and parsed.study == name.study and (parsed == name or parsed.commit in history()):
            newest.setdefault(parsed, run)
    return list(newest.values())


def _git(*arguments: str) -> str:
    """Return the output of git in this checkout; empty outside of git."""
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
