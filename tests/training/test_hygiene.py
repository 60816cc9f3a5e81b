"""The probe distinguishes all kinds and finds the same function under two names; sizes and masks are measured."""

from typing import Any

import pytest

from model.config import CATALOGUE
from model.masking import expected_fraction
from model.masking_kinds import DifferentialMasking
from model.parts import PARTS
from training.hygiene import MASKED_FRAMES, Hygiene, examine


def examined(preset: str = "tiny", baseline: dict[str, Any] | None = None, **arms: dict[str, Any]) -> Hygiene:
    below = baseline or {}
    changes = {"baseline": {}, **arms}
    return examine({name: CATALOGUE.resolve(preset, below, change) for name, change in changes.items()})


def test_no_two_kinds_compute_the_same() -> None:
    arms = {f"{part} {kind}": {part: kind} for part, entry in PARTS.items() for kind in list(entry.kinds)[1:]}
    assert examined(**arms).same == []


SAME: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a scale of 1": ({"fusion.scale": {"kind": "static", "value": 1.0}}, {"fusion.scale": "none"}),
    "a scale of 0": ({"fusion.scale": {"kind": "static", "value": 0.0}}, {"fusion.scale": "zero"}),
    "S frozen at once": ({"fusion.scale": {"kind": "frozen", "until": 0.0}}, {"fusion.scale": "none"}),
    "a loss without weight": ({"training.beta": 0.0}, {"siamese": "none"}),
    "a teacher without memory": (
        {"siamese": {"kind": "ema", "momentum": 0.0, "final_momentum": 0.0}},
        {"siamese": "stop_gradient", "training.beta": 0.3},
    ),
    "a rate of 0": ({"masking": {"kind": "uniform", "rate": 0.0}}, {"masking": "none"}),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_the_same_function_under_two_names_is_found(one: dict[str, Any], other: dict[str, Any]) -> None:
    found = examined(one=one, other=other, half={"fusion.scale": "static"})
    assert [{"one", "other"} <= set(group) for group in found.same] == [True]
    assert "'one' and 'other' compute the same function" in found.warnings[0] or "'baseline'" in found.warnings[0]


def test_a_part_that_the_baseline_lacks_cannot_be_ablated() -> None:
    """Without a Siamese branch its loss is nothing, and with one token per frame there is nothing to scale."""
    assert examined(baseline={"siamese": "none"}, mse={"siamese.loss": "mse"}).same == [("baseline", "mse")]
    channel = examined(
        "base", {"fusion.tokens": "channel"}, half={"fusion.scale": "static"}, last={"fusion.layers": "last"}
    )
    assert channel.same == [("baseline", "half")]


def test_means_over_different_numbers_of_layers_differ_at_any_depth() -> None:
    arms: dict[str, dict[str, Any]] = {
        f"mean-{last}": {"fusion.layers": {"kind": "mean", "last": last}} for last in (1, 2, 3, 5)
    }
    found = examined(
        baseline={"encoder.layers": 5}, last={"fusion.layers": "last"}, mean={"fusion.layers": "mean"}, **arms
    )
    assert found.same == [("last", "mean-1"), ("mean", "mean-5")]


def test_other_sizes_and_training_settings_are_other_models() -> None:
    arms: dict[str, dict[str, Any]] = {"wide": {"encoder.width": 128}, "fast": {"training.learning_rate": 1e-2}}
    assert examined(**arms).same == []


def test_sizes_are_counted_at_full_size_and_differences_told() -> None:
    found = examined("base", adapter={"adapter": "none"}, layers={"fusion.layers": "last"})
    adapter = 2 * (768 * 192 + 192 + 192 * 768 + 768 + 2 * 768)
    assert found.facts["baseline"].parameters - found.facts["adapter"].parameters == adapter
    assert found.facts["baseline"].parameters - found.facts["layers"].parameters == 12
    tiny = examined(audio={"fusion.tokens": "audio_only"}, layers={"fusion.layers": "last"})
    assert next(warning for warning in tiny.warnings if "parameters" in warning).startswith("arm 'audio' trains 4")
    assert not any("'layers'" in warning for warning in tiny.warnings)


def test_masks_are_measured_and_other_fractions_are_reported() -> None:
    found = examined(matched={"masking": "uniform"}, more={"masking": "as_audio"}, none={"masking": "none"})
    masking = DifferentialMasking()
    for stream in ("audio", "video"):
        wanted = expected_fraction(MASKED_FRAMES, getattr(masking, stream))
        assert found.facts["baseline"].masked[stream]["fraction"] == pytest.approx(wanted, abs=0.01)
    assert [warning.split(" of the frames")[0] for warning in found.warnings] == ["arm 'more' masks 0.19"]
    assert found.facts["matched"].fraction == pytest.approx(found.facts["baseline"].fraction, abs=0.005)
    assert found.facts["none"].masked["audio"] == {"fraction": 0.0, "run": 0.0}
    lines = "\n".join(found.lines())
    assert "none: masks no audio, no video" in lines
    assert "baseline: 4" in lines
    assert found.as_json()["arms"]["more"]["masked"]["audio"]["run"] > 4
