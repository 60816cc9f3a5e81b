"""The report of a study, rebuilt from its folder alone: HTML, Markdown and CSV with the same numbers."""

from ablation.report.build import build, headline_markdown

__all__ = ["build", "headline_markdown"]
