"""Plans in Markdown: one section per ablation, with parts and kinds named by phrases.

    ### Ablation of the fusion
    - **Ablated Part**: dynamic scaling factor in multimodal fusion
    - **Action**: REPLACE
    - **Replacement**:
      - static scaling factor (0.5)
      - no scaling factor
    - **Metrics**: WER

The remaining keys of a plan may be given first, as YAML between two lines of `---`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ablation.plan import fields
from ablation.plan.catalogue import Catalogue, Kind
from common.errors import UserError
from common.hints import did_you_mean, nearest
from common.yaml_text import load_yaml

FIELDS = ("ablated part", "action", "replacement", "metrics", "why")
FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)
HEADING = re.compile(r"#{1,6}\s+(.*?)\s*#*\s*$")
FIELD = re.compile(r"\s*[-*+]\s+\*\*(?P<name>[^*]+?)\s*:?\s*\*\*\s*:?\s*(?P<value>.*)$")
ITEM = re.compile(r"\s*[-*+]\s+(?P<value>.+)$")
NUMBER = re.compile(r"(?P<phrase>.+?)\s*(?:\(\s*|\bof\s+)(?P<value>[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?)\s*\)?")

Section = tuple[str, dict[str, list[str]]]


def read_markdown(text: str, catalogue: Catalogue, stem: str) -> dict[str, Any]:
    """Return the plain data of a Markdown plan, in the form of a YAML plan. Raises UserError.

    Keys that the front matter leaves out take the defaults of `plan.Plan`; the study's name is then the file's `stem`.
    """
    text = text.replace("\r\n", "\n").removeprefix("\ufeff")
    front, body = _split(text)
    sections = [section for section in _sections(body) if section[1]]
    if not sections:
        raise UserError("no ablation found: a Markdown plan has sections with a line `- **Ablated Part**: ...`")
    metrics = [metric for _, found in sections for metric in _words(found.get("metrics", []))]
    data: dict[str, Any] = {"study": fields.slugified(stem)}
    if metrics:
        data["metrics"] = list(dict.fromkeys(metrics))
    return {**data, **front, "ablations": [_ablation(section, catalogue) for section in sections]}


def _split(text: str) -> tuple[dict[str, Any], str]:
    match = FRONT_MATTER.match(text)
    if not match:
        return {}, text
    front = fields.mapping("front matter", load_yaml(match[1]) or {})
    if "ablations" in front:
        raise UserError("`ablations` is in the front matter of a Markdown plan; write them as sections below it")
    return front, text[match.end() :]


def _sections(body: str) -> Iterable[Section]:
    """Yield each heading with its fields; text before the first heading is a section as well."""
    title, found, last = "the plan", dict[str, list[str]](), ""
    for line in body.splitlines():
        if heading := HEADING.match(line):
            yield title, found
            title, found, last = heading[1], {}, ""
        elif field := FIELD.match(line):
            last = _field_name(field["name"], title)
            if last in found:
                raise UserError(f"{title!r} has the field {field['name']!r} twice; start a section for each ablation")
            found[last] = [field["value"].strip()] if field["value"].strip() else []
        elif last and (item := ITEM.match(line)):
            found[last].append(item["value"].strip())
    yield title, found


def _field_name(name: str, title: str) -> str:
    word = name.strip().lower()
    word = {"replacements": "replacement", "metric": "metrics", "part": "ablated part"}.get(word, word)
    if word not in FIELDS:
        raise UserError(f"unknown field {name!r} in {title!r}{did_you_mean(word, FIELDS)}")
    return word


def _ablation(section: Section, catalogue: Catalogue) -> dict[str, Any]:
    title, found = section
    for name in ("ablated part", "action"):
        if len(found.get(name, [])) != 1:
            raise UserError(f"{title!r} needs one field `- **{name.title()}**: ...`, got {len(found.get(name, []))}")
    action = found["action"][0].lower()
    phrases = found.get("replacement", [])
    if not phrases and action != "remove":
        raise UserError(f"{title!r} has no field `- **Replacement**: ...`, which {action.upper()} needs")
    part = _lookup(found["ablated part"][0], {name: (name, *p.phrases) for name, p in catalogue.parts.items()}, "part")
    arms: dict[str, Any] = {}
    for phrase in phrases:
        name, spec = _replacement(phrase, catalogue.parts[part].kinds, part)
        if name in arms:
            raise UserError(f"{title!r} has the replacement {phrase!r} twice, as arm {name!r}; remove one")
        arms[name] = spec
    return {"part": part, "action": action, "why": " ".join(found.get("why", [])) or title, "replacements": arms}


def _replacement(phrase: str, kinds: Mapping[str, Kind], part: str) -> tuple[str, dict[str, Any]]:
    """Return arm name and spec of a phrase such as `static scaling factor`, or `static scaling factor (0.3)` with a value."""
    names = {name: (name, kind.arm, *kind.phrases) for name, kind in kinds.items()}
    if with_value := NUMBER.fullmatch(phrase):
        kind = _lookup(with_value["phrase"], names, f"kind of {part}")
        value = float(with_value["value"])
        return f"{kinds[kind].arm}-{value:g}", {"kind": kind, "value": value}
    kind = _lookup(phrase, names, f"kind of {part}")
    return kinds[kind].arm, {"kind": kind}


def _lookup(phrase: str, known: Mapping[str, Iterable[str]], what: str) -> str:
    """Return the only name with this phrase. Raises UserError with suggestions for none or several."""
    wanted = _plain(phrase)
    matches = [name for name, phrases in known.items() if wanted in {_plain(said) for said in phrases}]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UserError(f"{phrase!r} could be more than one {what}: {', '.join(matches)}; write the name itself")
    owners = {said: name for name, phrases in known.items() for said in phrases if said}
    hints = "; ".join(f"{said!r} ({owners[said]})" for said in nearest(phrase, owners))
    raise UserError(f"no {what} is called {phrase!r}; the nearest are {hints}")


def _plain(phrase: str) -> str:
    """Return a phrase without case, punctuation and articles."""
    words = re.sub(r"[^a-z0-9]+", " ", phrase.lower()).split()
    return " ".join(word for word in words if word not in ("a", "an", "the"))


def _words(values: Iterable[str]) -> list[str]:
    return [word.lower() for value in values for word in re.split(r"[\s,;]+", value) if word]
