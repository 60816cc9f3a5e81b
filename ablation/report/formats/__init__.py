"""A report's document in HTML, Markdown, LaTeX, CSV and JSON."""
