"""Texts that a Kubeflow server keeps as they are: one rule for settings, packages, arguments and names.

Measured on KFP 2.17.0 with Argo 4.0.5. The server replaces `{{workflow.name}}`, `{{=1+1}}` and `{{$.inputs...}}` in any text and
refuses `{{inputs.x}}`, `{{tasks.x}}`, `{{pod.name}}` and a lone `{{`. It replaces `[[RunUUID]]` and its sisters in arguments. Its
database connection takes three bytes a character: a longer one gives HTTP 500 after the workflow was created.
"""

import re
import unicodedata

MACRO = re.compile(r"\[\[(?:RunUUID|ScheduledTime|CurrentTime|Index)[^\]]*\]*")
# A server writes a package again as YAML, and cannot read C1 controls or noncharacters back [run with its YAML modules].
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")


def fault(text: str) -> str | None:
    """Return the rule that a text breaks, with what breaks it and the remedy; None if a server keeps the text."""
    if "{{" in text:
        shown = text[text.index("{{") :].partition("}}")
        return f"a server replaces or refuses {_short(''.join(shown[:2]))!r}; write `{{ {{`, or other words"
    if found := MACRO.search(text):
        return f"a server replaces {_short(found.group())!r} by a value of the run; write other words"
    if found := CONTROL.search(text):
        return f"a server cannot keep the control character {_code(found.group())}; remove it"
    for letter in text:
        if unicodedata.category(letter) == "Cs":
            return f"a text is Unicode, and {_code(letter)} is half of a character; remove it"
        if ord(letter) > 0xFFFF:
            return f"a server stores characters up to U+FFFF only, not {letter!r} ({_code(letter)}); write it in words"
    return None


def _code(letter: str) -> str:
    return f"U+{ord(letter):04X}"


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."
