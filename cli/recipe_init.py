"""`ablate recipe init`: a recipe file for a Markdown plan of any model, to be filled in."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ablation.plan.fields import slugified
from ablation.plan.markdown.structure import Structure
from ablation.stats.metrics import METRICS
from common.errors import UserError


def init(
    plan: Annotated[
        str, typer.Argument(metavar="PLAN", help="A plan in Markdown: a file, an address, or - for standard input.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The new recipe file.")] = Path("recipe.yaml"),
) -> None:
    """Write a recipe file for a Markdown plan of any model, in which the commands are still to be filled in.

    Each ablated part becomes a part, each replacement a kind, and REMOVE the kind `none`. The phrases of the plan are those of
    the parts and kinds, so that the plan is understood with this recipe. What to fill in is marked FILL_IN.

    Example: ablate recipe init plan.md --out recipe.yaml
    """
    from cli.structure import given_structure
    from recipes.command.document import FILL_IN, read_document
    from recipes.skeleton import parts_of, skeleton

    if out.exists():
        raise UserError(f"{out} exists, and a skeleton never replaces a recipe; give another --out, or remove the file")
    found = given_structure(plan)
    if found.problems:
        lines = [f"line {line}: {sentence}" if line else sentence for line, sentence in found.problems]
        raise UserError(
            "\n  ".join([f"{plan}: {len(lines)} problems", *lines]) if len(lines) > 1 else f"{plan}: {lines[0]}"
        )
    stem = slugified(Path(plan).stem)[:63].strip("-") or "recipe"
    _write(out, skeleton(found, stem, Path(plan).name))
    parts, count = parts_of(found), len(read_document(out).to_fill_in())
    kinds = sum(len(part.kinds) + part.removed for part in parts)
    print(f"{out}: {len(parts)} parts, {kinds} changes of them, {count} values {FILL_IN} to replace")
    print("\n".join(next_steps(plan, out, found)))


def _write(out: Path, text: str) -> None:
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror}); give another --out") from error


def next_steps(plan: str, out: Path, found: Structure) -> list[str]:
    """Return how the plan is used with the recipe: the keys for its top, and the commands."""
    known = {name for metric in METRICS.values() for name in (metric.name, metric.label)}
    strange = [name for name in found.metrics if name.lower() not in known]
    here = os.path.relpath(out, Path(plan).parent) if plan != "-" and "://" not in plan else str(out)
    lines = ["then write at the top of the plan:", "  ---", f"  recipe: {here}"]
    if strange:
        lines.append(f"  metrics: [wer]    # {', '.join(strange)}: import them with `ablate import --scores`")
    return [*lines, "  ---", "and continue with:", f"  ablate recipe check {out} --plan {plan}", f"  ablate run {plan}"]
