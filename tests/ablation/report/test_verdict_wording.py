"""Verdicts in words: they name what was changed, follow the arm's action, and say what is missing."""

from typing import Any

import pytest

from ablation.decisions.contrasts import ContrastVerdict
from ablation.decisions.verdict import ArmVerdict, ConditionVerdict, FailedTrials, Overall
from ablation.plan.arms import expand
from ablation.plan.contrasts import Contrast, Effect
from ablation.plan.naming import NamedChange
from ablation.plan.plan import plan_from_mapping
from ablation.records import ArmRecord, Study
from ablation.report.amounts import Amounts
from ablation.report.contrast_wording import contrast_sentences
from ablation.report.verdict_wording import sentences, subject
from ablation.stats.metrics import WER
from ablation.stats.verdict import Caution, NotTested, Verdict
from common.conditions import label
from model.config import CATALOGUE

ADAPTER = NamedChange("adapter", "no adapter", "bottleneck adapter", lacks="the adapter")
ADDED = NamedChange("adapter", "bottleneck adapter", "no adapter", adds="the adapter")
VIDEO = NamedChange("fusion.tokens", "audio only", "mix attention", lacks="the video")
MASKING = NamedChange("masking", "uniform masking", "differential masking")
REMOVED = ArmRecord(arm="no-adapter", part="adapter", action="remove", changes=[ADAPTER])
ADDING = ArmRecord(arm="adapter", part="adapter", action="add", changes=[ADDED])
AUDIO_ONLY = ArmRecord(arm="audio-only", part="fusion.tokens", action="replace", changes=[VIDEO])
REPLACED = ArmRecord(arm="uniform", part="masking", action="replace", changes=[MASKING])
WORSE = [
    ("clean", Verdict.WORSE, 0.021),
    ("babble_-5db", Verdict.WORSE, 0.08),
    ("white_0db", Verdict.INCONCLUSIVE, 0.0),
]
BETTER = [("clean", Verdict.BETTER, -0.03)]
MIXED = [("clean", Verdict.BETTER, -0.03), ("white_0db", Verdict.WORSE, 0.05)]
SAME = [("clean", Verdict.EQUIVALENT, 0.001)]
NOTHING = [("clean", Verdict.INCONCLUSIVE, 0.0)]


def text(
    arm: ArmRecord,
    overall: Overall,
    conditions: list[tuple[str, Verdict, float]],
    failed: list[FailedTrials] | None = None,
    metrics: list[str] | None = None,
    **other: Any,
) -> str:
    found = [
        ConditionVerdict(name, verdict, difference, **({"detectable": 0.01} | other))
        for name, verdict, difference in conditions
    ]
    arms = [ArmRecord(arm="baseline"), arm]
    study = Study(study="s", preset="p", corpus={}, seeds=[1], conditions=["clean"], arms=arms, trials=[],
                  metrics=metrics or ["wer"])  # fmt: skip
    return sentences(study, ArmVerdict(arm.arm, overall, found, failed or [], 2.0)).text


@pytest.mark.parametrize(
    ("arm", "overall", "conditions", "expected"),
    [
        (REMOVED, "worse", WORSE,
         "removing the adapter makes it worse: WER rises by 2.1 points at clean, 8.0 points at babble −5 dB"),
        (REMOVED, "better", BETTER, "removing the adapter makes it better: WER falls by 3.0 points at clean"),
        (REMOVED, "mixed", MIXED,
         "removing the adapter makes it worse in 1 condition and better in 1 condition: "
         "WER rises by 5.0 points at white 0 dB; WER falls by 3.0 points at clean"),
        (REMOVED, "equivalent", SAME,
         "removing the adapter makes no relevant difference: "
         "equivalent: the difference is shown to be less than 2 points in every condition"),
        (REMOVED, "inconclusive", NOTHING,
         "removing the adapter has an inconclusive effect: "
         "no significant difference; this design detects differences of 1.0 points with a power of 80 %"),
        (ADDING, "worse", WORSE[:1], "adding the adapter makes it worse: WER rises by 2.1 points at clean"),
        (ADDING, "better", BETTER, "adding the adapter helps: WER falls by 3.0 points at clean"),
        (ADDING, "equivalent", SAME,
         "adding the adapter does not help: "
         "equivalent: the difference is shown to be less than 2 points in every condition"),
        (REPLACED, "worse", WORSE[:1],
         "uniform masking in place of differential masking makes it worse: WER rises by 2.1 points at clean"),
        (AUDIO_ONLY, "worse", WORSE,
         "without the video, WER rises by 2.1 to 8.0 points: 2.1 points at clean, 8.0 points at babble −5 dB"),
        (AUDIO_ONLY, "better", BETTER, "without the video, WER falls by 3.0 points: 3.0 points at clean"),
        (AUDIO_ONLY, "mixed", MIXED,
         "without the video, WER rises in 1 condition and falls in 1 condition: "
         "WER rises by 5.0 points at white 0 dB; WER falls by 3.0 points at clean"),
    ],
)  # fmt: skip
def test_the_claim_follows_the_action(
    arm: ArmRecord, overall: str, conditions: list[tuple[str, Verdict, float]], expected: str
) -> None:
    assert text(arm, Overall(overall), conditions) == expected


def test_the_metric_of_the_verdicts_is_named() -> None:
    assert text(REMOVED, Overall.BETTER, BETTER, metrics=["cer", "wer"]).endswith(": CER falls by 3.0 points at clean")


def test_conditions_that_are_equivalent_are_named() -> None:
    found = text(REMOVED, Overall.INCONCLUSIVE, [*SAME, ("white_0db", Verdict.INCONCLUSIVE, 0.0)])
    assert ": equivalent within 2 points at clean; no significant difference; this design" in found


def test_without_variation_no_detectable_difference_is_given() -> None:
    found = text(REMOVED, Overall.INCONCLUSIVE, NOTHING, detectable=None)
    assert found.endswith("no significant difference; the trials do not vary between seeds")


def test_reasons_for_no_test_are_given_once() -> None:
    conditions = [("clean", Verdict.NOT_TESTED, 0.1), ("white_0db", Verdict.NOT_TESTED, 0.1)]
    assert text(REMOVED, Overall.NOT_TESTED, conditions, why_not_tested=NotTested.ONE_SEED) == (
        "removing the adapter was not tested: one seed"
    )
    assert text(AUDIO_ONLY, Overall.NOT_TESTED, []) == "the model without the video was not tested: no trial finished"


def test_failed_trials_are_named_with_their_reasons() -> None:
    failed = FailedTrials("no-adapter", 3, [("loss is NaN", (1, 3)), (None, (2,))])
    assert text(REMOVED, Overall.NOT_TESTED, [], [failed]).endswith(
        "not tested: trials failed: seeds 1, 3: loss is NaN, seed 2: no reason given"
    )
    some = [FailedTrials("no-adapter", 3, [("loss is NaN", (3,))]), FailedTrials("baseline", 2, [("disk full", (7,))])]
    assert text(REMOVED, Overall.BETTER, BETTER, some).endswith(
        "at clean; 1 of 3 trials failed: seed 3: loss is NaN; 1 of 2 trials of the baseline failed: seed 7: disk full"
    )


def test_a_caution_is_given_once_with_its_conditions() -> None:
    found = text(REMOVED, Overall.WORSE, WORSE, caution=Caution.ARM_VARIES)
    assert found.count("varies more between seeds") == 1
    assert "; at clean, babble −5 dB and white 0 dB this arm varies more between seeds than" in found


def test_cautions_on_a_contrast_name_their_conditions_in_order() -> None:
    contrast = Contrast("ladder", "masking", Effect.RUNG, {"a": -1.0, "b": 1.0}, [MASKING])
    cautions = [Caution.SPREADS_UNSURE, Caution.ARM_VARIES, Caution.SPREADS_UNSURE]
    conditions = [
        ConditionVerdict(name, verdict, difference, caution=caution)
        for (name, verdict, difference), caution in zip(WORSE, cautions, strict=True)
    ]
    verdict = ContrastVerdict(contrast, Overall.WORSE, conditions)
    unsure, varies = contrast_sentences(verdict, Amounts(WER), None).evidence[1:]
    assert unsure.startswith("at clean and white 0 dB the arms do not seem to vary equally")
    assert varies.startswith("at babble −5 dB an arm of this contrast varies more")


@pytest.mark.parametrize(
    ("arm", "expected"),
    [
        (ArmRecord(arm="a", part="adapter", action="remove", overrides={"adapter": {}}), "removing adapter"),
        (ArmRecord(arm="a", part="x", action="add", overrides={"x": {"kind": "y"}}), "adding x"),
        (
            ArmRecord(arm="audio-only", part="fusion.tokens", action="replace", overrides={"fusion.tokens": {}}),
            "audio-only in place of the baseline's fusion.tokens",
        ),
        (ArmRecord(arm="a", part="x + y", action="remove", overrides={"x": {}, "y": {}}), "removing x and y"),
        (ArmRecord(arm="a"), "arm a"),
    ],
)
def test_arms_of_older_versions_are_named_by_part_and_arm(arm: ArmRecord, expected: str) -> None:
    assert subject(arm) == expected


def arm_of(*ablations: dict[str, Any], **keys: Any) -> ArmRecord:
    """The record of a plan's last arm, as `compare_arms` stores it."""
    arm = expand(plan_from_mapping({"study": "s", "ablations": list(ablations), **keys}), CATALOGUE)[-1]
    return ArmRecord(arm=arm.arm, part=arm.part, action=arm.action, overrides=arm.overrides, changes=list(arm.changes))


def swapped(part: str, spec: Any, action: str = "replace") -> dict[str, Any]:
    return {"part": part, "action": action, **({} if action == "remove" else {"replacements": {"a": spec}})}


@pytest.mark.parametrize(
    ("arm", "expected"),
    [
        (arm_of(swapped("adapter", None, "remove")), "removing the adapter"),
        (arm_of(swapped("fusion.tokens", "audio_only")), "without the video"),
        (arm_of(swapped("fusion.tokens", "video_only")), "without the audio"),
        (arm_of(swapped("masking", {"kind": "uniform"})), "uniform masking in place of differential masking"),
        (arm_of(swapped("fusion.scale", {"kind": "static", "value": 0.5})),
         "static scale (value 0.5) in place of learned scale"),
        (arm_of(swapped("fusion.scale", {"kind": "learned", "initial": 0.5})),
         "learned scale (initial 0.5) in place of the baseline's"),
        (arm_of(swapped("adapter", "bottleneck", "add"), baseline={"adapter": "none"}), "adding the adapter"),
        (arm_of(swapped("training.steps", 7)), "training.steps = 7 in place of 700"),
        (arm_of(factorial=["masking", "adapter"]), "removing masking and the adapter"),
        (arm_of(factorial=["masking", {"fusion.layers": {"last": {"kind": "last"}}}]),
         "last layer in place of learned layer weights, without masking,"),
    ],
)  # fmt: skip
def test_arms_of_a_plan_are_named_by_the_catalogue(arm: ArmRecord, expected: str) -> None:
    assert subject(arm) == expected
    assert subject(ArmRecord.model_validate_json(arm.model_dump_json())) == expected


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("clean", "clean"),
        ("babble_-5db", "babble −5 dB"),
        ("white_0db", "white 0 dB"),
        ("my-street_2.5db", "my-street 2.5 dB"),
    ],
)
def test_conditions_are_written_with_unit_and_minus_sign(name: str, words: str) -> None:
    assert label(name) == words
