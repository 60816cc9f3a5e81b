"""The content of a recipe file, typed and checked value by value. `rules` checks how the values fit together."""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ablation.imports.formats import FORMATS
from ablation.imports.options import compiled
from ablation.imports.records import parse_keys
from ablation.plan.fields import ARM
from common.hints import did_you_mean
from recipes.command import placeholders
from recipes.command.composites import Composite
from recipes.command.values import Strict, Value

NAME = re.compile(r"[a-z0-9][a-z0-9_-]*(\.[a-z0-9_-]+)*", re.IGNORECASE)
OURS = ("CUDA_VISIBLE_DEVICES",)  # environment variables that the service sets itself
PREPARED = "prepared"  # as `corpus_format`: the folder of the prepared corpus itself
Stage = Literal["train", "transcribe"]
STAGES: tuple[Stage, ...] = ("train", "transcribe")
OF_REFERENCES = ("condition", *placeholders.NAMED)


def _word(value: Any) -> str:
    """Take a word of a command as text. YAML reads an unquoted `{corpus}` as a mapping, and `yes: no` as another."""
    if isinstance(value, Mapping) and len(value) == 1 and list(value.values()) == [None]:
        raise ValueError(f'a placeholder is written in quotes: "{{{next(iter(value))}}}"')
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("a word of a command is text; put it in quotes")
    if "\0" in str(value):
        raise ValueError("a word of a command has no NUL character; remove it")
    return str(value)


def _words(value: Any) -> Any:
    if isinstance(value, str):
        raise ValueError(
            f"a command is a list of words, not one text; write [{', '.join(map(_quoted, value.split()))}]"
        )
    return value


def _quoted(word: str) -> str:
    return json.dumps(word, ensure_ascii=False) if re.search(r"[^\w./=-]", word) else word


def _not_empty(value: list[str]) -> list[str]:
    if not value or not value[0]:
        raise ValueError("a command starts with a program; write e.g. [python, train.py]")
    return value


def _environment(value: dict[str, str]) -> dict[str, str]:
    for name in value:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or name in OURS or name.startswith("ABLATE_"):
            reason = "the service sets" if name in OURS or name.startswith("ABLATE_") else "has another form than"
            raise ValueError(f"{name!r} {reason} names such as BATCH_SIZE; choose another")
    return value


def _keys(value: dict[str, Any]) -> dict[str, Any]:
    for key in value:
        if not key or any(not step for step in key.split(".")):
            raise ValueError(
                f"a key of the config is written with dots, such as model.pooling, got {key!r}; correct it"
            )
    return value


Word = Annotated[str, BeforeValidator(_word)]
Words = Annotated[list[Word], BeforeValidator(_words)]
Command = Annotated[Words, AfterValidator(_not_empty)]
Environment = Annotated[
    dict[str, Word], BeforeValidator(lambda value: _environment(value) if isinstance(value, dict) else value)
]
ConfigKeys = Annotated[
    dict[str, Any], BeforeValidator(lambda value: _keys(value) if isinstance(value, dict) else value)
]


class Change(Strict):
    """The change that a kind or a setting makes: arguments, keys of the config, environment variables."""

    arguments: Words | None = None
    set: ConfigKeys = Field(default_factory=dict)
    environment: Environment = Field(default_factory=dict)
    used_by: list[Stage] = Field(list(STAGES), min_length=1)

    @property
    def is_empty(self) -> bool:
        """True for a change that was not written down. `arguments: []` is written down: nothing changes."""
        return self.arguments is None and not self.set and not self.environment

    def texts(self) -> list[Any]:
        """Return everything in which placeholders may stand."""
        return [self.arguments or [], self.set, self.environment]


class Kind(Change):
    """One way to fill a part. `values` are its settings: a plan writes `{kind: NAME, VALUE: 0.5}`."""

    description: str = ""
    phrases: list[str] = Field(default_factory=list)
    arm: str = ""
    lacks: str = ""
    values: dict[str, Value] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.is_empty:
            raise ValueError(
                "a kind says what it changes: `arguments`, `set` or `environment`; write `arguments: []` for the command as it is"
            )
        if self.arm and not ARM.fullmatch(self.arm):
            raise ValueError(f"`arm` has lower-case letters, digits, dots and hyphens, got {self.arm!r}; correct it")
        if "kind" in self.values:
            raise ValueError("a value of a kind cannot be named `kind`; rename it")
        placeholders.check(self.texts(), tuple(self.values))
        if idle := set(self.values) - set(placeholders.names_in(self.texts())):
            raise ValueError(
                f"the value {min(idle)!r} reaches nothing; write {{{min(idle)}}} in `arguments`, `set` or `environment`"
            )
        return self

    @property
    def numbers(self) -> dict[str, Value]:
        """The values that are numbers, with their limits."""
        return {name: value for name, value in self.values.items() if value.is_number}


class Part(Strict):
    """A part of the model or of its training that can be replaced."""

    default: str
    kinds: dict[str, Kind] = Field(min_length=1)
    description: str = ""
    phrases: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _default_exists(self) -> Self:
        if self.default not in self.kinds:
            raise ValueError(f"`default` names no kind: {self.default!r}{did_you_mean(self.default, self.kinds)}")
        for name in self.kinds:
            if not NAME.fullmatch(name) or "." in name:
                raise ValueError(f"a kind's name has letters, digits, hyphens and underscores, got {name!r}; rename it")
        return self


class Setting(Value, Change):
    """A setting outside parts. `otherwise` are the arguments of a switch (type bool) that is off."""

    otherwise: Words | None = None

    @model_validator(mode="after")
    def _used(self) -> Self:
        if self.is_empty:
            raise ValueError(
                "a setting says where its value goes: `arguments`, `set` or `environment`; "
                'write e.g. `arguments: [--steps, "{value}"]`'
            )
        if self.otherwise is not None and (self.type != "bool" or not self.is_switch):
            raise ValueError("`otherwise` is for a setting of type bool whose `arguments` have no {value}; remove it")
        placeholders.check([*self.texts(), self.otherwise or []], ("value",))
        if not self.is_switch and "value" not in placeholders.names_in(self.texts()):
            raise ValueError('the value reaches nothing; write "{value}" in `arguments`, `set` or `environment`')
        return self

    @property
    def is_switch(self) -> bool:
        """True for arguments that are given or left out."""
        return self.type == "bool" and bool(self.arguments) and "value" not in placeholders.names_in(self.arguments)


class Config(Strict):
    """A file of YAML or JSON. Arms change keys of a copy, whose path is `{config}`. `set` changes keys for all arms."""

    base: str
    set: ConfigKeys = Field(default_factory=dict)


class Hypotheses(Strict):
    """The files of `transcribe`. Without `format` it is detected. `id` is a regular expression for the part of ids that counts.

    Of an external corpus, `references` is a file with the references where `format` has none, and `speaker` a regular expression
    for the part of an id that names the speaker.
    """

    format: str | None = None
    keys: str = ""
    id: str | None = None
    references: str | None = None
    speaker: str | None = None

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.format is not None and self.format not in FORMATS:
            raise ValueError(f"unknown format {self.format!r}{did_you_mean(self.format, FORMATS)}")
        parse_keys(self.keys)
        compiled("id", self.id)
        compiled("speaker", self.speaker)
        placeholders.check(self.references or "", OF_REFERENCES)
        return self

    def identity(self) -> dict[str, Any]:
        """Return what decides the counts. Keys that only external corpora have count where they are given."""
        mine = self.model_dump()
        return {key: value for key, value in mine.items() if value is not None or key not in ("references", "speaker")}


class Timeouts(Strict):
    """Hours after which a command is ended; None waits for ever."""

    train: float | None = Field(None, gt=0)
    transcribe: float | None = Field(None, gt=0)


class Spec(Strict):
    """A recipe file."""

    recipe: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    train: Command
    transcribe: Command
    sources: list[str]
    transcribe_sources: list[str] = Field(default_factory=list)
    hypotheses: Hypotheses = Hypotheses()
    description: str = ""
    curves: str | None = None
    config: Config | None = None
    environment: Environment = Field(default_factory=dict)
    parts: dict[str, Part] = Field(default_factory=dict)
    composites: dict[str, Composite] = Field(default_factory=dict)
    settings: dict[str, Setting] = Field(default_factory=dict)
    presets: dict[str, dict[str, Any]] = Field(default_factory=dict)
    short: dict[str, Any] = Field(default_factory=dict)
    timeouts: Timeouts = Timeouts()
    packages: list[str] = Field(default_factory=list)
    needs_video: bool = False
    noises: list[str] = Field(default_factory=list)
    corpus_format: Literal["jsonl", "wav", "kaldi", "prepared"] = "jsonl"
    corpus_video: Literal["mp4", "npy"] | None = None

    @model_validator(mode="after")
    def _video_is_exported(self) -> Self:
        if self.corpus_video is not None and self.corpus_format == PREPARED:
            raise ValueError(
                "`corpus_video` is for exports, and `corpus_format: prepared` is the prepared folder; remove one"
            )
        return self
