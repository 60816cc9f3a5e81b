"""The functions of the Python API. They only hand on to the packages that the command line uses."""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from ablation.plan.plan import Plan
    from ablation.report.content import Content

Location = str | PathLike[str]
__all__ = ["UserError", "compare", "import_results", "load_study", "read_plan", "write_report"]


def compare(
    frame: "pd.DataFrame",
    baseline: str = "baseline",
    *,
    margin_points: float | None = None,
    metric: str | None = None,
    normalise: str = "basic",
    higher_is_better: bool | None = None,
    margin: float | None = None,
    ladder: Sequence[str] = (),
    factorial: Mapping[str, Mapping[str, str]] | None = None,
    interaction_order: int = 2,
) -> "pd.DataFrame":
    """Test every arm of a table against the baseline, over seeds.

    `frame` has a row per utterance: arm, seed, condition (all are `clean` without it), utterance_id, reference, hypothesis. It may
    have the counts of the metric (`wer` or `cer`) instead of the texts. Returns a row per arm and condition with the columns of
    `ablation.stats.significance.compare`; error rates and differences are fractions.

    With `ladder` or `factorial`, the rows are contrasts instead, with the columns of `ablation.stats.contrasts.compare_contrasts`.
    `ladder` lists arms, each of which is compared with the one before. `factorial` gives the level of every factor for each of its
    arms; the baseline has the first level of all. Interactions have up to `interaction_order` factors.

    A frame with the column `value` has the values of any other metric instead: a row per arm, seed and condition, or per `item` of
    the test set. `metric` names it, if no column does; `higher_is_better` is its direction, if the name does not say it; `margin`
    is in its unit. The columns are then named after the value, not after the WER. Contrasts need error rates. Raises UserError.
    """
    from ablation.imports.frame import compare_texts, compare_values, counts_of
    from ablation.imports.scores import Direction

    if "value" in frame:
        if ladder or factorial:
            raise UserError(
                "contrasts are tested on error rates only; leave out `ladder` and `factorial`, or give texts"
            )
        return compare_values(frame, baseline, Direction(metric, higher_is_better), margin)
    if not ladder and not factorial:
        return compare_texts(frame, baseline, metric or "wer", normalise, margin_points)
    from ablation.imports.contrasts import compare_named

    counts = counts_of(frame, baseline, metric or "wer", normalise)
    return compare_named(counts, baseline, ladder, factorial or {}, interaction_order, margin_points, metric or "wer")


def import_results(
    hyp: str | Sequence[str] | None = None, out: Location = "", *, scores: Location | None = None, **options: Any
) -> "Content":
    """Make a study folder of hypothesis files or of a table of scores, as `ablate import` does, and return the study.

    `hyp` is a pattern such as `exp/{arm}/seed{seed}/{condition}.trn`, or several. `scores` is a table in its place. `options`
    are the fields of `ablation.imports.options.Options`: ref, format, keys, missing, extra, missing_trials, id_part, speaker,
    speakers, arms, baseline, margin_points, normalise, metrics, metric, higher_is_better, unit, question. Raises UserError.
    """
    from dataclasses import fields

    from ablation.imports.folder import import_results as write
    from ablation.imports.options import Options
    from common.hints import did_you_mean

    known = [field.name for field in fields(Options)]
    if unknown := [name for name in options if name not in known]:
        raise UserError(f"import_results has no option {unknown[0]!r}{did_you_mean(unknown[0], known)}")
    if not str(out):
        raise UserError("import_results needs the folder of the study; give out='studies/NAME'")
    paths = {name: Path(options[name]) for name in ("speakers", "arms") if options.get(name) is not None}
    write(hyp, Path(out), Options(**{**options, **paths}), scores=None if scores is None else Path(scores))
    return load_study(out)


def read_plan(path: Location) -> "Plan":
    """Read a plan in YAML, JSON or Markdown. Raises UserError."""
    from recipes import plans

    return plans.read_plan(Path(path))


def load_study(folder: Location) -> "Content":
    """Read a study's folder and run its tests.

    The result has `study` (the record), `comparison` (a table as `compare` returns it), `comparisons` by metric, `verdicts` and
    `sentences` by arm. Raises UserError.
    """
    from ablation.report.content import load

    return load(Path(folder))


def write_report(folder: Location, formats: Sequence[str] | None = None, out: Location | None = None) -> list[Path]:
    """Write the report of a study into its folder or into `out`, and return the paths. By default, in all formats.

    Raises UserError.
    """
    from ablation.report.build import FORMATS, build

    return build(Path(folder), FORMATS if formats is None else formats, None if out is None else Path(out))
