"""Judge ablations from Python. docs/python-api.md has examples.

Mistakes raise `UserError`, a ValueError of one sentence with the remedy.
"""

from ablate.api import UserError, compare, import_results, load_study, read_plan, write_report

__all__ = ["UserError", "compare", "import_results", "load_study", "read_plan", "write_report"]
