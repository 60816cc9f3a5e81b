"""Phrases for parts, kinds, values and metrics: one meaning, or a refusal with the candidates."""

from typing import Any

import pytest

from ablation.plan.arms import expand
from ablation.plan.markdown.phrases import matches, words
from ablation.plan.plan import Plan, parse_plan
from common.errors import UserError
from model.config import CATALOGUE


def read(
    part: str = "scaling factor", action: str = "REPLACE", replacement: str = "static", metrics: str = "WER"
) -> Plan:
    fields = {"Ablated Part": part, "Action": action, "Replacement": replacement, "Metrics": metrics}
    text = "### X\n" + "".join(f"- **{name}**: {value}\n" for name, value in fields.items())
    return parse_plan(text, CATALOGUE, name="plan.md")


def specs(plan: Plan) -> list[Any]:
    return [next(iter(arm.overrides.values())) for arm in expand(plan, CATALOGUE)[1:]]


def static(*values: float) -> list[dict[str, Any]]:
    return [{"kind": "static", "value": value} for value in values]


SCALES: dict[str, list[dict[str, Any]]] = {
    "static (0.5)": static(0.5),
    "static scaling factor (S = 0.5)": static(0.5),
    "S fixed at 0.5": static(0.5),
    "static scaling factor = 0.5": static(0.5),
    "static scaling factor with a value of 0.5": static(0.5),
    "static scaling factor [0.5]": static(0.5),
    "50 % static scaling factor": static(0.5),
    "static 1e-1": static(0.1),
    "static scaling factor (-0.5)": static(-0.5),
    "static scaling factor (0.3, 0.5, 0.7)": static(0.3, 0.5, 0.7),
    "static scaling factor of 0.3, 0.5 and 0.7": static(0.3, 0.5, 0.7),
    "frozen scaling factor (until 0.3)": [{"kind": "frozen", "until": 0.3}],
    "None": [{"kind": "none"}],
    "use a static scaling factor": [{"kind": "static"}],
    "factors of static scaling": [{"kind": "static"}],
    "Static Scaling Factors.": [{"kind": "static"}],
    "static scaling factor (constant throughout training)": [{"kind": "static"}],
    "layer-wise scaling factor": [{"kind": "per_layer"}],
    "w/o scaling": [{"kind": "none"}],
    "static, none, and per-layer": [{"kind": "static"}, {"kind": "none"}, {"kind": "per_layer"}],
    "static scaling factor / no scaling factor": [{"kind": "static"}, {"kind": "none"}],
    "static scaling factor and no scaling factor": [{"kind": "static"}, {"kind": "none"}],
    "static (0.5); static (0.7)": static(0.5, 0.7),
}


@pytest.mark.parametrize(("phrase", "expected"), SCALES.items(), ids=SCALES)
def test_a_scale_in_words(phrase: str, expected: list[Any]) -> None:
    assert specs(read(replacement=phrase)) == expected


MASKS: dict[str, dict[str, Any]] = {
    "uniform masking with rate 0.15 and length 4": {"kind": "uniform", "rate": 0.15, "length": 4},
    "uniform masking: rate=0.15; length=4": {"kind": "uniform", "rate": 0.15, "length": 4},
    "uniform masking rate of 0.15": {"kind": "uniform_rate", "rate": 0.15},
    "uniform masking rate and length (15%, 4 frames)": {"kind": "uniform", "rate": 0.15, "length": 4},
    "no masking at all": {"kind": "none"},
    "uniform masking (4)": {"kind": "uniform", "length": 4},
    "uniform masking (30%)": {"kind": "uniform", "rate": 0.3},
    "same masking rate and same masking length": {"kind": "uniform"},
    "lengths and rates of the masking shared": {"kind": "uniform"},
    "uniform masking for audio and video": {"kind": "uniform"},
    "uniform rates with different lengths": {"kind": "uniform_rate"},
    "different rates and same length": {"kind": "uniform_length"},
    "audio masking for both streams": {"kind": "as_audio"},
    "no masking of audio and video": {"kind": "none"},
}


@pytest.mark.parametrize(("phrase", "expected"), MASKS.items(), ids=MASKS)
def test_masks_in_words(phrase: str, expected: dict[str, Any]) -> None:
    assert specs(read("masking strategy", replacement=phrase)) == [expected]


UNCLEAR = {
    "static scaling factor 0.3-0.7": "a range of numbers; list the values",
    "static scaling factor from 0.3 to 0.7": "a range of numbers",
    "static scaling factor (0,5)": "a comma between digits",
    "static scaling factor (1/2)": "a fraction",
    "static scaling factor (50)": "value is a number from -10 to 10",
    "static scaling factor (not 0.5)": "'not 0.5' after 'static scaling factor' is not understood",
    "static scaling factor (>0.5)": "is not understood",
    "static scaling factor of one": "no kind of fusion.scale is called",
    "static scaling factor of ½": "no kind of fusion.scale is called",
    "static scaling factor (learned per layer)": "'learned per layer' after 'static scaling factor'",
    "static scaling factor as in Section 3.1 of v2": "no kind of fusion.scale is called",
    "frozen scaling factor (0.5)": r"2 settings of the kind frozen take \(until .*; initial",
    "frozen scaling factor (value 0.5)": "takes? until, initial",
    "no scaling factor (S=1)": "no settings of the kind none take|not understood",
    "0.5": "no kind of fusion.scale is called '0.5'",
    "banana, static": "no kind of fusion.scale is called 'banana'",
    "N/A": "needs",
}


@pytest.mark.parametrize(("phrase", "sentence"), UNCLEAR.items(), ids=UNCLEAR)
def test_a_replacement_without_one_meaning_is_refused(phrase: str, sentence: str) -> None:
    with pytest.raises(UserError, match=rf"^line [34]: .*({sentence})"):
        read(replacement=phrase)


REMOVALS: dict[str, tuple[str, dict[str, Any]]] = {
    "masking": ("masking", {"kind": "none"}),
    "the adapters": ("adapter", {"kind": "none"}),
    "Siamese masked interaction learning": ("siamese", {"kind": "none"}),
    "scaling": ("fusion.scale", {"kind": "none"}),
    "stop gradient": ("siamese", {"kind": "no_stop_gradient"}),
    "visual modality": ("fusion.tokens", {"kind": "audio_only"}),
    "audio": ("fusion.tokens", {"kind": "video_only"}),
    "mix attention": ("fusion.tokens", {"kind": "channel"}),
    "layer sum": ("fusion.layers", {"kind": "last"}),
    "adaptive dynamic multimodal fusion": ("fusion", {"kind": "none"}),
    "cross-modal interactions": ("encoder.attention", {"kind": "self"}),
}


@pytest.mark.parametrize("nothing", ["", "N/A", "None", "n/a (removed)".partition(" ")[0], "-", "not applicable"])
@pytest.mark.parametrize(("phrase", "expected"), REMOVALS.items(), ids=REMOVALS)
def test_a_removal_takes_no_replacement(phrase: str, expected: tuple[str, Any], nothing: str) -> None:
    plan = read(phrase, "REMOVE", nothing)
    assert (plan.ablations[0].part, specs(plan)) == (expected[0], [expected[1]])


PARTS = {
    ("fusion output", "REMOVE", ""): "is fusion.output, which cannot be removed; use REPLACE",
    ("masking and adapter", "REMOVE", ""): "more than one part: masking, adapter",
    ("masking rate", "REMOVE", ""): "no part is called 'masking rate'",
    ("audio and video", "REMOVE", ""): "no part is called",
    ("EMA", "REMOVE", ""): "not a part but a kind",
    ("cosine loss", "REMOVE", ""): "not a part but a kind",
    ("siamese loss", "REMOVE", ""): "cannot be removed; use REPLACE with one of its kinds: cosine, mse",
    ("masking", "REMOVE", "uniform masking"): "REMOVE takes no replacement, got 'uniform masking'",
    ("fusion", "REPLACE", "banana"): "may be fusion, without a kind called banana. Known: fusion: adaptive",
    ("masking", "do not remove", ""): "unknown action of masking 'do not remove'. Known: REPLACE, REMOVE, ADD",
    ("masking", "REPLACE 3", "none"): "unknown action",
}  # fmt: skip


@pytest.mark.parametrize(("given", "sentence"), PARTS.items(), ids=map(" ".join, PARTS))
def test_a_part_or_action_without_one_meaning_is_refused(given: tuple[str, str, str], sentence: str) -> None:
    with pytest.raises(UserError, match=rf"^line [234]: .*{sentence}"):
        read(*given)


@pytest.mark.parametrize(
    ("action", "replacement", "arms"),
    [
        ("Replace", "none", ["no-scale"]),
        ("MODIFY", "static", ["static-scale"]),
        ("REMOVE/REPLACE", "static", ["no-scale", "static-scale"]),
        ("REMOVE or REPLACE", "none, static", ["no-scale", "static-scale"]),
        ("REPLACE with a static scaling factor", "", ["static-scale"]),
        ("Remove the scaling factor entirely", "", ["no-scale"]),
    ],
)
def test_actions_in_words(action: str, replacement: str, arms: list[str]) -> None:
    assert [arm.arm for arm in expand(read(action=action, replacement=replacement), CATALOGUE)[1:]] == arms


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ("WER (lower is better)", ("wer",)),
        ("word error rates", ("wer",)),
        ("CER/WER", ("cer", "wer")),
        ("`WER` (%) & CER", ("wer", "cer")),
        ("Word error rate (WER) and character error rate", ("wer", "cer")),
        ("WER in clean and noisy conditions", ("wer",)),
    ],
)
def test_metrics_in_words(said: str, names: tuple[str, ...]) -> None:
    assert read(metrics=said).metrics == names


@pytest.mark.parametrize("said", ["BLEU", "WER on LRS3", "Error rate", "WER, BLEU"])
def test_another_metric_is_refused(said: str) -> None:
    with pytest.raises(UserError, match=r"^line 5: unknown metrics .* Known: wer \(word error rate\), cer"):
        read(metrics=said)


def test_every_phrase_of_the_catalogue_means_its_kind_and_nothing_else() -> None:
    for part in CATALOGUE.parts.values():
        known = {name: (name, kind.arm, *kind.phrases) for name, kind in part.kinds.items()}
        for name, phrases in known.items():
            assert {tuple(matches(phrase, known)) for phrase in phrases} == {(name,)}


def test_negations_and_order() -> None:
    assert words("No masking") != words("masking")
    assert words("rates and lengths of the masks") == words("masking length and rate")
