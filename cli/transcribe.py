"""`ablate transcribe`: the text of clips, by a registered checkpoint."""

import base64
import json
import math
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from ablation.plan.plan import RECIPE
from cli.options import Store
from common.errors import UserError
from pipelines.local import paths

if TYPE_CHECKING:
    from corpora.clip import Sample
    from recipes.optional import Texts


def transcribe(
    clips: Annotated[
        list[str], typer.Argument(metavar="CLIP...", help="Video files, or FOLDER#UTTERANCE_ID of a prepared corpus.")
    ],
    model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="models:/NAME@ALIAS, models:/NAME/VERSION, or the folder of a checkpoint."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: clip, text and model version.")] = False,
    snr_db: Annotated[
        float | None, typer.Option("--snr-db", metavar="DB", help="Mix noise into the sound at this SNR; 0 is a value.")
    ] = None,
    noise: Annotated[
        str | None,
        typer.Option(metavar="KIND", help="The kind of noise for --snr-db: babble or white. By default babble."),
    ] = None,
    request: Annotated[
        bool, typer.Option("--request", help="Print the body of a request to `mlflow models serve` instead.")
    ] = False,
    recipe: Annotated[
        str,
        typer.Option(
            metavar="RECIPE", help="The recipe of a checkpoint in a folder; the registry knows that of a version."
        ),
    ] = RECIPE,
    tracking_uri: Store = None,
) -> None:
    """Transcribe clips with a registered model.

    The command prints the text. For several clips it prints one line each: name, tab, text. Video files need the
    environment that `make mouth` builds.

    Example: ablate transcribe clip.mpg --model models:/smile@champion

    Example: ablate transcribe corpora-cache/NAME#s1_bbaf2n --model models:/smile/3 --snr-db 0
    """
    if snr_db is not None and not math.isfinite(snr_db):
        raise UserError(f"--snr-db takes a finite number of decibels, got {snr_db}; leave it out for clean sound")
    if noise is not None and snr_db is None:
        raise UserError(f"--noise needs an SNR, got --noise {noise} alone; add --snr-db, e.g. --snr-db 0")
    noise = noise or "babble"
    uri = paths.tracking_uri(tracking_uri)
    if not request:
        _check(model, uri)  # before imports that take seconds

    from pipelines.local.clips import read_clips

    if request or model is None:
        print(_request(read_clips(clips, noise, snr_db)))
        return
    transcriber, version = _load(model, uri, recipe)
    texts = transcriber(read_clips(clips, noise, snr_db))
    if as_json:
        rows = [{"clip": clip, "text": text, "snr_db": snr_db} for clip, text in zip(clips, texts, strict=True)]
        print(json.dumps({"model": model, "version": version, "clips": rows}, indent=1))
    else:
        print(*_lines(clips, texts), sep="\n")


def _check(model: str | None, uri: str) -> None:
    """Check that there is a model, and that MLflow answers if it is there."""
    from tracking.probe import check_answers

    if model is None:
        raise UserError("a transcript needs a model; give --model, e.g. --model models:/smile@champion")
    if not Path(model).is_dir():
        check_answers(uri)


def _lines(clips: Sequence[str], texts: Sequence[str]) -> list[str]:
    return list(texts) if len(clips) == 1 else [f"{clip}\t{text}" for clip, text in zip(clips, texts, strict=True)]


def _load(model: str, uri: str, recipe: str) -> "tuple[Texts, str | None]":
    """Return the transcriber and its version in the registry; a folder has no version (None)."""
    from recipes.optional import transcriber
    from recipes.registry import find, trusted

    if Path(model).is_dir():
        return transcriber(find(trusted(recipe, Path())), Path(model)), None
    from tracking.addresses import find_version
    from tracking.checkpoints import fetch_checkpoint

    model_id, version = find_version(uri, model)
    found = find(version.tags.get("recipe", RECIPE))
    with TemporaryDirectory() as folder:
        fetch_checkpoint(uri, model_id, Path(folder))
        return transcriber(found, Path(folder)), version.version


def _request(samples: "Sequence[Sample]") -> str:
    """Return the body of a POST request to /invocations, as JSON."""
    from corpora.clip import to_bytes

    rows = [[base64.b64encode(data).decode() for data in to_bytes(each)] for each in samples]
    return json.dumps({"dataframe_split": {"columns": ["audio", "video"], "data": rows}})
