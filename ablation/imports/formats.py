"""The formats of hypothesis and reference files, and the detection of a file's format by its content and its suffix."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ablation.imports import icefall, plain, records
from ablation.imports.utterances import Utterance, numbered, read_text
from common.errors import UserError
from common.hints import did_you_mean

Reader = Callable[[str, Path, Mapping[str, str]], list[Utterance]]


@dataclass(frozen=True)
class Format:
    """A format: its layout in words, and the reader of a file's text."""

    name: str
    layout: str
    read: Reader


def _without_keys(read: Callable[[str, Path], list[Utterance]]) -> Reader:
    return lambda text, path, _: read(text, path)


FORMATS: Mapping[str, Format] = {
    found.name: found
    for found in (
        Format("trn", "NIST trn: `words (id)`", _without_keys(plain.read_trn)),
        Format("kaldi", "`text` of Kaldi and ESPnet: `id words`", _without_keys(plain.read_kaldi)),
        Format("jsonl", "JSON Lines, e.g. manifests of NeMo (`text`, `pred_text`)", records.read_jsonl),
        Format("json", "JSON, e.g. `hypo-*.json` of AV-HuBERT (`utt_id`, `ref`, `hypo`)", records.read_json),
        Format("csv", "table with a header, separated by commas", records.read_csv),
        Format("tsv", "table with a header, separated by tabs", records.read_tsv),
        Format("recogs", "`recogs-*.txt` of icefall", _without_keys(icefall.read_recogs)),
        Format("errs", "`errs-*.txt` of icefall", _without_keys(icefall.read_errs)),
    )
}


def check_format(name: str) -> None:
    """Raise UserError for an unknown format."""
    if name not in FORMATS:
        raise UserError(f"unknown format {name!r}{did_you_mean(name, FORMATS)}")


def read_file(path: Path, keys: Mapping[str, str], name: str | None = None) -> tuple[str, list[Utterance]]:
    """Return the format of a file and its utterances; `name` forces the format. Raises UserError in one sentence."""
    text = read_text(path)
    if not text.strip():
        raise UserError(f"{path} is empty: 0 utterances; decode again, or leave this file out")
    chosen = name or detect(path, text)
    found = FORMATS[chosen].read(text, path, keys)
    if not found:
        raise UserError(f"{path} has 0 utterances when it is read as {chosen}; give its format with --format")
    return chosen, found


def detect(path: Path, text: str) -> str:
    """Return the format of a text. The suffix counts where the content allows several."""
    suffix, (_, first) = path.suffix.lower(), numbered(text)[0]
    if suffix in (".csv", ".tsv", ".trn"):
        return suffix[1:]
    if suffix in (".json", ".jsonl", ".ndjson", ".manifest") or re.match(r'\s*(\{\s*"|\[\s*\{|\{\s*$)', first):
        return _json_or_lines(text)
    if icefall.RECOGS_LINE.fullmatch(first.strip()):
        return "recogs"
    if first.startswith("%WER") or re.search(rf"^{icefall.DETAILS}", text, re.MULTILINE):
        return "errs"
    return "trn" if plain.is_trn(text) else "kaldi"


def _json_or_lines(text: str) -> str:
    """Tell JSON Lines from JSON: each line is an object, and there are several, or the only one is not of lists."""
    lines = [line.strip() for _, line in numbered(text)]
    one_each = all(line.startswith("{") and line.endswith("}") for line in lines)
    if not one_each:
        return "json"
    return "jsonl" if len(lines) > 1 or not re.search(r":\s*[\[{]", lines[0]) else "json"
