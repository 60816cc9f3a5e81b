"""The inputs of a run and the plan that results from them. Every bad input is a UserError of one sentence."""

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException, IncompleteRead, InvalidURL
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import SplitResult, urlsplit

from ablation.plan.arms import trials
from ablation.plan.plan import Plan, adapted, plan_from_mapping
from common.errors import Unavailable, UserError
from common.http_answers import can_pass
from common.store_address import VARIABLE, enter
from common.yaml_text import load_yaml
from components.shared.chunks import chunks, trials_per_task
from components.shared.trial import plan_of
from corpora import recordings
from corpora.address import check
from recipes import plans

LONGEST_PLAN_BYTES = 1_000_000
TIMEOUT_S = 30
MOST_GPUS = 64


@dataclass(frozen=True)
class Overrides:
    """Inputs that each replace one key of the plan. All are text; an empty one keeps the plan's value."""

    corpus: str = ""
    preset: str = ""
    seeds: str = ""
    max_failed_trials: str = ""


def checked_inputs(plan: Mapping[str, Any], plan_uri: str, overrides: Overrides, gpus: str, per_task: str = "") -> Plan:
    """Return the plan of a run after all inputs have been checked: its corpus exists, its noise can be used. Raises UserError."""
    found = chosen_plan(plan, plan_uri, overrides)
    chunks(len(trials(found, plans.arms_of(found))), trials_per_task(per_task))
    gpu_count(gpus)
    check(found.corpus, here=True, needs_video=plans.of(found).needs_video)
    for warning in recordings.check(found.noise):
        print(f"warning: {warning}", file=sys.stderr)
    return found


def store_of(tracking_uri: str) -> str:
    """Return the address of MLflow without its secrets: the input, else MLFLOW_TRACKING_URI, which Kubeflow's own plugin sets.

    The secrets stay in the environment (see `common.store_address`). Raises UserError.
    """
    found = tracking_uri.strip() or os.environ.get(VARIABLE, "")
    if not found:
        raise UserError(
            "a run needs MLflow's address; fill in `tracking_uri`, or set MLFLOW_TRACKING_URI for the steps"
        )
    return enter(found)


def chosen_plan(plan: Mapping[str, Any], plan_uri: str, overrides: Overrides) -> Plan:
    """Return the plan of a run, from the input itself or from its address, with the changes that other inputs make."""
    if plan and plan_uri.strip():
        raise UserError("a run has one plan, and both `plan` and `plan_uri` are filled in; empty one of them")
    if not plan and not plan_uri.strip():
        raise UserError('a run needs a plan; fill in `plan` as JSON, e.g. {"study": "demo", ...}, or `plan_uri`')
    found = plan_of(plan) if plan else read_plan_from(plan_uri.strip())
    changed = {"preset": overrides.preset.strip(), "max_failed_trials": load_yaml(overrides.max_failed_trials)}
    given = {key: value for key, value in changed.items() if value not in (None, "")}
    found = plan_from_mapping(found.as_mapping() | given)
    found = adapted(found, corpus=overrides.corpus.strip() or None, seeds=overrides.seeds.strip() or None)
    return plans.settled(found)


def gpu_count(text: str) -> int:
    """Read the number of GPUs of a trial; empty means 0. Raises UserError."""
    text = str(text).strip() or "0"
    if not text.isdecimal() or int(text) > MOST_GPUS:
        raise UserError(f"`gpus_per_trial` is a whole number from 0 to {MOST_GPUS}, got {text!r}; write e.g. 1")
    return int(text)


def read_plan_from(uri: str, recipe: str | None = None) -> Plan:
    """Read a plan at http(s)://, s3://, file://, or at a path that the step sees; `recipe` replaces its own.

    Its content decides between Markdown, YAML and JSON. Raises UserError.
    """
    name, text = plan_text_from(uri)
    try:
        return plans.parse(text, name=name, recipe=recipe)
    except UserError as error:
        raise UserError(f"{uri}: {error}") from error


def plan_text_from(uri: str) -> tuple[str, str]:
    """Return the name of the file at an address and its text, without reading it as a plan. Raises UserError."""
    parts = _parts(uri)
    if parts.scheme in ("http", "https"):
        data = _bounded(uri, _download(uri))
    elif parts.scheme == "s3":
        from corpora.s3.place import Place, read_object

        data = _bounded(uri, read_object(Place.parse(uri), LONGEST_PLAN_BYTES + 1))
    elif parts.scheme in ("", "file"):
        data = _read(Path(parts.path if parts.scheme else uri))
    else:
        given = f"{parts.scheme}://"
        raise UserError(f"a plan is at http://, https://, s3:// or a path that the steps see, got {given}; give one")
    try:
        return PurePosixPath(parts.path).name, data.decode()
    except UnicodeDecodeError as error:
        raise UserError(f"{uri}: a plan is UTF-8 text, but byte {error.start} is not; give the plan itself") from error


def _parts(uri: str) -> SplitResult:
    try:
        parts = urlsplit(uri)
        _ = parts.port  # raises for one that is no port
    except ValueError as error:
        raise UserError(f"`plan_uri` is an address or a path, got {uri!r}: {error}; correct it") from error
    if parts.password:
        raise UserError(
            f"all who see a run see its inputs, and `plan_uri` at {parts.hostname} has a password; remove it"
        )
    if parts.scheme in ("http", "https") and not parts.hostname:
        raise UserError(f"an address of a plan names its server, and {uri} has none; write http://server/plan.yaml")
    return parts


def _download(uri: str) -> bytes:
    try:
        with urllib.request.urlopen(uri, timeout=TIMEOUT_S) as answer:
            data = bytes(answer.read(LONGEST_PLAN_BYTES + 1))
            if len(data) <= LONGEST_PLAN_BYTES and answer.length:  # a plan that is cut may be a valid one
                raise IncompleteRead(data, answer.length)
            return data
    except urllib.error.HTTPError as error:
        error.close()
        raise _unread(uri, f"{error.code} {error.reason}", passes=can_pass(error.code)) from error
    except (InvalidURL, ValueError) as error:
        raise _unread(uri, str(error), passes=False) from error
    except (OSError, HTTPException) as error:
        raise _unread(uri, str(getattr(error, "reason", error)), passes=True) from error


def _unread(uri: str, reason: str, *, passes: bool) -> UserError:
    """Return the error about an address that gives no plan; `passes` if it may give one later."""
    remedy = "check the address and the network, or try again later" if passes else "check the address"
    return (Unavailable if passes else UserError)(f"no plan can be read at {uri}: {' '.join(reason.split())}; {remedy}")


def _bounded(uri: str, data: bytes) -> bytes:
    if len(data) > LONGEST_PLAN_BYTES:
        raise UserError(f"a plan has at most {LONGEST_PLAN_BYTES} bytes, and {uri} has more; check the address")
    return data


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"no plan can be read at {path}: {error.strerror}; give a path that the steps see") from error
