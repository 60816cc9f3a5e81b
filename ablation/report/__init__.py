"""The report of a study, from its folder alone: HTML, Markdown, LaTeX, CSV and JSON with the same numbers."""
