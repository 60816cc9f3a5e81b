"""Texts as a genuine server treats them: measured on KFP 2.17.0, and with its YAML modules (yaml.v3 3.0.1, sigs 1.6.0)."""

REFUSED = [
    "{{workflow.name}}",
    "{{workflow.uid}}",
    "{{=1+1}}",
    "{{$.inputs.parameters['plan']}} {{",
    "{{inputs.parameters.x}}",
    "{{pod.name}}",
    "{{tasks.a.outputs.result}}",
    "{{steps.a.ip}}",
    "{{",
    "[[RunUUID]]",
    "[[CurrentTime.2006]]",
    "[[ScheduledTime]]",
    "[[Index]]",
    "\U0001f600",
    "\U00020000",
    "\x00",
    "\x7f",
    "\x85",
    "\ufffe",
]
KEPT = ["{", "}}", "{ {", "$(NAME)", "$$", "[[a]]", "é", "한국어", "\u2028", "a\n\tb", "\ufeffa", "100 %", "${A}"]
NUMBERS = ["1e5", "1.5e3", "1e+5", "12345e6", "0o17", "0B1", "1E5", "-1e5", "7e12345", "3e7_8"]
# Texts that PyYAML quotes by itself, or that no parser takes for anything else.
TEXTS = [
    "1_000",
    "yes",
    "on",
    "null",
    "~",
    "0x1F",
    "017",
    "1:30",
    ".inf",
    "2026-01-01",
    "",
    " a ",
    "- a",
    "a: b",
    "# a",
    "'",
    '"',
    "=",
    "<<",
]
