"""The report of a study, rebuilt from its folder alone: HTML, Markdown, LaTeX, CSV and JSON with the same numbers."""

from ablation.report.build import FORMATS, build, build_changes, headline_markdown, write_all
from ablation.report.content import load

__all__ = ["FORMATS", "build", "build_changes", "headline_markdown", "load", "write_all"]
