"""Reader of JUnit reports."""

from pathlib import Path
from xml.etree import ElementTree


def outcomes(path: Path) -> dict[str, str | None]:
    """Return case -> kind and message, or None if it passed. Check that the totals are those of the cases."""
    suite = ElementTree.parse(path).getroot()
    cases = {str(case.get("name")): next(iter(case), None) for case in suite}
    kinds = [inner.tag for inner in cases.values() if inner is not None]
    assert suite.get("tests") == str(len(cases))
    for kind, total in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert suite.get(total) == str(kinds.count(kind))
    return {
        name: None if inner is None else ": ".join(filter(None, [inner.tag, inner.get("message")]))
        for name, inner in cases.items()
    }
