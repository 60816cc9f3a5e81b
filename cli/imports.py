"""`ablate import`: judge the finished results of any other toolkit."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Store, listed
from common.errors import UserError
from common.redact import redact
from components.shared.revision import code_rev
from pipelines.local import paths

if TYPE_CHECKING:
    from ablation.imports.options import Options

Hyp = Annotated[
    list[str] | None,
    typer.Option(
        "--hyp",
        metavar="PATTERN",
        help="The files of hypotheses, with the fields {arm}, {seed} and {condition}; repeatable.",
        show_default=False,
    ),
]
Scores = Annotated[
    Path | None,
    typer.Option(
        "--scores",
        metavar="FILE",
        help="Values of any metric in place of --hyp: CSV, TSV, JSON Lines or Parquet with the columns arm, seed and value, "
        "and if wanted condition, metric and item.",
        show_default=False,
    ),
]
Metric = Annotated[
    str | None,
    typer.Option("--metric", metavar="NAME", help="The metric of --scores, if there are several or no column."),
]
Higher = Annotated[
    bool | None,
    typer.Option(
        "--higher-is-better/--lower-is-better",
        help="The direction of the metric of --scores. Default: by its name, e.g. accuracy, PSNR, loss.",
        show_default=False,
    ),
]
Unit = Annotated[
    str | None, typer.Option("--unit", metavar="TEXT", help="The unit of the values of --scores, e.g. dB.")
]
Out = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Folder for the study, e.g. studies/mine.", show_default=False)
]
Ref = Annotated[
    str | None,
    typer.Option("--ref", metavar="FILE", help="References; {condition} is allowed. Default: next to the hypotheses."),
]
FormatName = Annotated[
    str | None,
    typer.Option("--format", metavar="NAME", help="trn, kaldi, jsonl, json, csv, tsv, recogs or errs; else detected."),
]
Keys = Annotated[
    list[str] | None,
    typer.Option(
        "--keys",
        metavar="LIST",
        help="Names in JSON and tables: id=NAME,ref=NAME,hyp=NAME; id=# numbers. Repeatable.",
    ),
]
Missing = Annotated[
    str, typer.Option("--missing", metavar="CHOICE", help="Utterances without a hypothesis: refuse or as-deletions.")
]
Extra = Annotated[
    str, typer.Option("--extra", metavar="CHOICE", help="Utterances without a reference: refuse or ignore.")
]
MissingTrials = Annotated[
    str, typer.Option("--missing-trials", metavar="CHOICE", help="Trials without all files: refuse or as-failed.")
]
IdPart = Annotated[
    str | None,
    typer.Option("--id", metavar="REGEX", help="The part of an id that counts: the first group, or the match."),
]
SpeakerPart = Annotated[
    str | None, typer.Option("--speaker", metavar="REGEX", help="The part of an id that is the speaker.")
]
Speakers = Annotated[
    Path | None, typer.Option("--speakers", metavar="FILE", help="A file of `utterance speaker` lines, as utt2spk.")
]
Arms = Annotated[
    Path | None, typer.Option("--arms", metavar="FILE", help="YAML: part, action and why of each arm, for the report.")
]
Baseline = Annotated[str, typer.Option("--baseline", metavar="ARM", help="The arm that all others are compared with.")]
Margin = Annotated[
    float | None,
    typer.Option(
        "--margin",
        metavar="NUMBER",
        help="Differences below this do not matter, in points of WER or in the unit of --scores: tests equivalence.",
    ),
]
Normalise = Annotated[
    str, typer.Option("--normalise", metavar="NAME", help="Normalisation of texts before scoring: basic or none.")
]
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metrics",
        metavar="LIST",
        help="Metrics, from wer and cer; verdicts are by the first one. Repeatable. Default: wer.",
    ),
]
Mlflow = Annotated[
    bool, typer.Option("--mlflow", help="Log the study and its trials to MLflow, without checkpoints and curves.")
]
Question = Annotated[str, typer.Option("--question", metavar="TEXT", help="The question of the study.")]


def import_(
    out: Out,
    hyp: Hyp = None,
    scores: Scores = None,
    ref: Ref = None,
    format_name: FormatName = None,
    keys: Keys = None,
    missing: Missing = "refuse",
    extra: Extra = "refuse",
    missing_trials: MissingTrials = "refuse",
    id_part: IdPart = None,
    speaker: SpeakerPart = None,
    speakers: Speakers = None,
    arms: Arms = None,
    baseline: Baseline = "baseline",
    margin: Margin = None,
    normalise: Normalise = "basic",
    metrics: Metrics = None,
    metric: Metric = None,
    higher_is_better: Higher = None,
    unit: Unit = None,
    question: Question = "",
    mlflow: Mlflow = False,
    tracking_uri: Store = None,
) -> None:
    """Judge finished results of any other toolkit.

    The files of hypotheses are found by a pattern, checked, scored and written as a study. Nothing is trained. `ablate
    report` and `ablate gate` take the study like any other. Without {seed} there is one seed and no verdict; without
    {condition} all files are `clean`. With --scores, the values of any metric are judged by the same tests. See
    docs/import.md.

    Example: ablate import --hyp 'exp/{arm}/seed{seed}/{condition}.trn' --ref data/test/text --out studies/mine

    Example: ablate import --scores scores.csv --metric accuracy --out studies/mine
    """
    from ablation.imports.options import Options

    options = Options(
        ref=ref,
        format=format_name,
        keys=",".join(keys or []),
        missing=missing,
        extra=extra,
        missing_trials=missing_trials,
        id_part=id_part,
        speaker=speaker,
        speakers=speakers,
        arms=arms,
        baseline=baseline,
        margin_points=margin,
        normalise=normalise,
        metrics=listed(metrics or ["wer"]),
        metric=metric,
        higher_is_better=higher_is_better,
        unit=unit,
        question=question,
    )
    if tracking_uri and not mlflow:
        raise UserError("--tracking-uri names the store of --mlflow, which is not given; add it, or leave out both")
    for path in (_logged if mlflow else _written)(hyp, scores, out, options, tracking_uri):
        print(path)


def _written(hyp: list[str] | None, scores: Path | None, out: Path, options: "Options", _: str | None) -> list[Path]:
    from ablation.imports.folder import import_results

    return import_results(hyp, out, options, scores=scores)


def _logged(
    hyp: list[str] | None, scores: Path | None, out: Path, options: "Options", tracking_uri: str | None
) -> list[Path]:
    """Write the study's folder, and log it to MLflow."""
    from ablation.imports.folder import import_results
    from components.shared.imported_runs import imported_runs

    uri = paths.tracking_uri(tracking_uri)
    with imported_runs(uri, code_rev()) as runs:
        written = import_results(hyp, out, options, scores=scores, track=runs.open)
        run_id = runs.finish(out, written)
    print(f"logged to MLflow in {redact(uri)} as run {run_id}", file=sys.stderr)
    return written
