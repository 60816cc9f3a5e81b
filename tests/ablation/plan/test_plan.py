"""Plans as users write them: what is read, and the one sentence that each mistake gets."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ablation.plan.ablations import Ablation
from ablation.plan.plan import Plan, adapted, plan_from_mapping, read_plan
from common.errors import UserError
from model.config import CATALOGUE

PLANS = Path(__file__).parents[3] / "plans"
ReadPlan = Callable[..., Plan]

WHOLE = """\
study: doubts
question: What for?
corpus: grid://data/grid
preset: tiny
seeds: [3, 1]
conditions: {babble: [10, 0], street: [-5.5]}
noise: {street: recordings}
metrics: [CER, WER]
margin_points: 1
baseline: {training.steps: 10, fusion.scale: none}
max_failed_trials: 2
ablations:
  - part: training.learning_rate
    why: does it diverge?
    replacements: {huge: 1e6, small: 1.0e-9}
  - {part: masking, action: remove}
"""


def test_every_key_is_read(plan_file: ReadPlan) -> None:
    assert plan_file(WHOLE) == Plan(
        study="doubts",
        question="What for?",
        corpus="grid://data/grid",
        preset="tiny",
        seeds=(3, 1),
        conditions={"babble": (10.0, 0.0), "street": (-5.5,)},
        metrics=("cer", "wer"),
        margin_points=1.0,
        baseline={"training.steps": 10, "fusion.scale": "none"},
        ablations=(
            Ablation("training.learning_rate", "replace", "does it diverge?", {"huge": 1e6, "small": 1e-9}),
            Ablation("masking", "remove"),
        ),
        noise={"street": "recordings"},
        max_failed_trials=2,
    )


def test_condition_names_keep_zero_and_the_plans_order(plan_file: ReadPlan) -> None:
    assert plan_file(WHOLE).condition_names() == ["clean", "babble_10db", "babble_0db", "street_-5.5db"]
    assert plan_file("{study: s, conditions: {}}").condition_names() == ["clean"]


def test_a_plan_survives_its_plain_form(plan_file: ReadPlan) -> None:
    plan = plan_file(WHOLE)
    assert plan_from_mapping(plan.as_mapping()) == plan


def test_arms_and_noises_may_stand_in_lists_and_none_twice(plan_file: ReadPlan) -> None:
    listed = plan_file("{study: s, ablations: [{part: masking, replacements: [{b: none}, {a: uniform}]}]}")
    assert list(listed.ablations[0].replacements.items()) == [("b", "none"), ("a", "uniform")]
    with pytest.raises(UserError, match="lists 'b' 2 times"):
        plan_file("{study: s, ablations: [{part: masking, replacements: [{b: none}, {b: uniform}]}]}")


def test_json_is_read_too(plan_file: ReadPlan) -> None:
    assert plan_file('{"study": "s", "seeds": [1]}', "plan.json").seeds == (1,)


def test_the_shipped_plans_are_sound() -> None:
    shipped = [read_plan(path, CATALOGUE) for path in sorted(PLANS.rglob("*.*"))]
    assert len({plan.study for plan in shipped}) == len(shipped) >= 4


ONE = "study: s\nablations:\n  - "
BILLION = "".join(f"a{n + 1}: &a{n + 1} [{', '.join(10 * [f'*a{n}'])}]\n" for n in range(9))
MISTAKES = {
    "no mapping": ("- a\n- b", r"a plan is a mapping of keys .*got \['a', 'b'\]"),
    "empty file": ("", "a plan is a mapping .*got nothing"),
    "syntax": ("study: s\nseeds: [1, 2\nmetrics: [wer]", r"not valid YAML: line 3, column 8"),
    "tab": ("study:\n\t- x", r"not valid YAML: line 2, column 1"),
    "unhashable key": ("{[1]: 2}", r"not valid YAML: line 1, column 2"),
    "unknown key": ("study: s\nseed: [1]", "unknown key 'seed' .*did you mean 'seeds'"),
    "key twice": ("study: s\nstudy: t", "'study' occurs twice, on lines 1 and 2"),
    "arm twice": (ONE + "part: masking\n    replacements: {a: none, a: uniform}", "key 'a' occurs twice"),
    "no study": ("seeds: [1]", "needs a `study`"),
    "no slug": ("study: My Study", "got 'My Study'; write e.g. `study: my-study`"),
    "number as study": ("study: 2024", "got 2024; write e.g. `study: '2024'`"),
    "number as question": ("study: s\nquestion: 3", "`question` is text, got 3; put it in quotes"),
    "empty corpus": ("study: s\ncorpus: ''", "`corpus` is empty"),
    "bare seed": ("study: s\nseeds: 1", r"`seeds` is a list, got 1; write \[1\]"),
    "no seeds": ("study: s\nseeds: []", r"`seeds` is empty; write e.g. \[1, 2, 3\]"),
    "absent seeds": ("study: s\nseeds:", "`seeds` is a list, got nothing"),
    "too many seeds": (f"study: s\nseeds: {list(range(1001))}", "at most 1000 seeds, got 1001 in `seeds`"),
    "a text that is too long": (f"study: s\nseeds: {list(range(50_000))}", "line 2: over 20,000 values up to here"),
    "no such date": ("study: s\nquestion: 2026-13-45", "line 2: '2026-13-45' is not .*month must be in 1..12"),
    "a date": ("study: s\nquestion: 2026-01-05", "`question` is text, got datetime.* put it in quotes"),
    "an endless number": (f"study: s\nseeds: [{'9' * 5000}]", "line 2: a number has at most 100 digits"),
    "same seed": ("study: s\nseeds: [1, 2, 1]", "seed 1 occurs 2 times"),
    "boolean seed": ("study: s\nseeds: [true]", "a seed is a whole number .*got True"),
    "negative seed": ("study: s\nseeds: [-1]", "got -1"),
    "fraction of a seed": ("study: s\nseeds: [1.5]", "got 1.5"),
    "text seed": ("study: s\nseeds: ['1']", "got '1'"),
    "unknown noise": ("study: s\nconditions: {bable: [0]}", "unknown noise 'bable': did you mean 'babble'"),
    "clean listed": ("study: s\nconditions: {clean: [0]}", "'clean', which is always scored; remove it"),
    "SNR as text": ("study: s\nconditions: {babble: ['0 dB']}", r"an SNR .* got '0 dB'; write e.g. \[10"),
    "SNR absent": ("study: s\nconditions: {babble: [null]}", "got nothing"),
    "SNR boolean": ("study: s\nconditions: {babble: [true]}", "got True"),
    "SNR endless": ("study: s\nconditions: {babble: [.inf]}", "got inf"),
    "SNR beyond sense": ("study: s\nconditions: {babble: [-4000]}", "is from -100 to 100 dB, got -4000"),
    "too many SNRs": (f"study: s\nconditions: {{babble: {list(range(101))}}}", "at most 100 SNRs, got 101"),
    "bare SNR": ("study: s\nconditions: {babble: -5}", r"`conditions.babble` is a list, got -5; write \[-5\]"),
    "no SNR": ("study: s\nconditions: {babble: []}", "`conditions.babble` is empty"),
    "SNR twice": ("study: s\nconditions: {babble: [0, 0.0]}", "0 dB occurs 2 times"),
    "list of noises": ("study: s\nconditions: [0]", r"`conditions` is a mapping, got \[0\]"),
    "noise unused": ("study: s\nnoise: {street: d}", "`noise` gives a folder for 'street', which no condition uses"),
    "noise called clean": ("study: s\nnoise: {clean: d}", "is not 'clean'"),
    "unknown normalisation": ("study: s\nnormalise: basics", "unknown normalise 'basics': did you mean 'basic'"),
    "unknown metric": ("study: s\nmetrics: [were]", "unknown metrics 'were': did you mean 'wer'"),
    "baseline key": ("study: s\nbaseline: {1: 2}", "has the key 1, which YAML does not read as text"),
    "failures": ("study: s\nmax_failed_trials: true", "whole number, 0 or more, got True"),
    "margin": ("study: s\nmargin_points: 0", "more than 0 and at most 100, got 0; write e.g. `margin_points: 0.5`"),
    "ablations mapping": ("study: s\nablations: {a: b}", "`ablations` is a list"),
    "ablation text": (ONE + "masking", "`ablation 1` is a mapping, got 'masking'"),
    "ablation key": (ONE + "{part: masking, replacement: {}}", "did you mean 'replacements'"),
    "no part": (ONE + "{action: remove}", "ablation 1 names no part"),
    "action": (ONE + "{part: masking, action: swap}", "unknown action of masking 'swap'.*Known: replace, remove, add"),
    "nothing to replace": (ONE + "{part: masking}", "masking has nothing to replace"),
    "remove with": (ONE + "{part: masking, action: remove, replacements: {a: none}}", "takes no replacements"),
    "arm name": (ONE + "{part: masking, replacements: {No Mask: none}}", "got 'No Mask'; write e.g. no-mask"),
    "alias of itself": ("study: s\nbaseline: &a {x: *a}", "line 2: with its aliases .* over 100,000 values; drop them"),
    "a billion values": ("a0: &a0 [x]\n" + BILLION, "with its aliases .* over 100,000 values; drop them"),
    "a deep text": ("study: " + 5000 * "[", "nested hundreds deep; a plan needs a few levels"),
    "arm baseline": (ONE + "{part: masking, replacements: {baseline: none}}", "the name of the unchanged model"),
}


@pytest.mark.parametrize(("text", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_gets_one_clear_sentence(plan_file: ReadPlan, text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        plan_file(text)
    assert "\n" not in str(caught.value)
    assert "plan.yaml" in str(caught.value)


def test_a_missing_file_and_one_that_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no plan file at .*absent\.yaml"):
        read_plan(tmp_path / "absent.yaml", CATALOGUE)
    with pytest.raises(UserError, match="no plan file"):
        read_plan(tmp_path, CATALOGUE)
    (tmp_path / "binary.yaml").write_bytes(b"study: \xff")
    with pytest.raises(UserError, match="byte 7 is not; save it as UTF-8"):
        read_plan(tmp_path / "binary.yaml", CATALOGUE)


def test_words_and_numbers_are_read_as_people_expect(plan_file: ReadPlan) -> None:
    """YAML 1.1 reads `no` as false, and 1e6 and 1.0e6 as text."""
    plan = plan_file("study: no\nbaseline: {a: 1e6, b: 1.0e6, c: -1.5E-3, d: on, e: 10, f: true, g: .5}")
    assert plan.study == "no"
    assert plan.baseline == {"a": 1e6, "b": 1e6, "c": -0.0015, "d": "on", "e": 10, "f": True, "g": 0.5}
    assert type(plan.baseline["e"]) is int


def test_anchors_and_merges_still_work(plan_file: ReadPlan) -> None:
    plan = plan_file("study: s\nbaseline: &b {x: 1}\nablations:\n - {part: p, replacements: {a: {<<: *b, kind: k}}}")
    assert plan.ablations[0].replacements == {"a": {"x": 1, "kind": "k"}}


def test_the_command_line_changes_a_plan_under_the_same_checks(plan_file: ReadPlan) -> None:
    plan = plan_file(WHOLE)
    other = adapted(
        plan, corpus="grid://elsewhere", seeds="7, 8", settings=["training.steps=3", "fusion.scale={kind: zero}"]
    )
    assert (other.corpus, other.seeds) == ("grid://elsewhere", (7, 8))
    assert other.baseline == {"training.steps": 3, "fusion.scale": {"kind": "zero"}}
    assert plan.baseline["training.steps"] == 10
    assert adapted(plan) == plan
    with pytest.raises(UserError, match="got 'x'"):
        adapted(plan, seeds="1,x")
    with pytest.raises(UserError, match="`seeds` is empty"):
        adapted(plan, seeds="")
    with pytest.raises(UserError, match="at most 1000 seeds, got 50000"):
        adapted(plan, seeds=",".join(map(str, range(50_000))))
    with pytest.raises(UserError, match=r"key=value, got 'training\.steps'"):
        adapted(plan, settings=["training.steps"])
