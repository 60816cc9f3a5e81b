"""The two sizes that the lint knows, with the figures of a genuine server: 96 turns of two steps succeed, 100 do not."""

import pytest
from kfp import dsl
from lint_cases import Check, assert_one, make_data, make_list, use_all, use_data, use_text, use_three

from pipelines.package.rules import sizes


def test_the_figures_agree_with_what_was_measured() -> None:
    """Without the 30 % to spare, the figures fail where the server failed, and pass where it passed."""
    state = [sizes.STATE_BASE + 2 * sizes.STATE_STEP * turns for turns in (96, 100)]
    assert state[0] < sizes.STATE_BYTES < 1.03 * state[1]
    argument = [sizes.ARGUMENT_BASE + artifacts * (sizes.ARGUMENT_ARTIFACT + 17) for artifacts in (237, 242)]
    assert argument[0] < sizes.ARGUMENT_BYTES < argument[1]


@pytest.mark.parametrize(("turns", "fits"), [(64, True), (70, True), (71, False), (100, False)])
def test_a_loop_of_two_steps_has_at_most_seventy_turns(check: Check, turns: int, fits: bool) -> None:
    def wide() -> None:
        with dsl.ParallelFor([f"{number}" for number in range(turns)]) as item:
            use_data(data=make_data(text=item).output)

    found = check(wide)
    assert (found == []) is fits
    if not fits:
        assert_one(found, "a loop with 2 steps has at most 70 turns", f"for-loop-2 has {turns}", "1 MiB")


def test_a_loop_over_computed_items_has_the_turns_of_a_study(check: Check) -> None:
    def three() -> None:
        with dsl.ParallelFor(make_list().output) as item:
            for _ in range(3):
                use_text(text=item)

    def two() -> None:
        with dsl.ParallelFor(make_list().output) as item:
            for _ in range(2):
                use_text(text=item)

    assert_one(check(three), "a loop with 3 steps has at most 47 turns", "for-loop-1 has 48")
    assert check(two) == []


@pytest.mark.parametrize(("turns", "fits"), [(140, True), (160, False)])
def test_collected_artifacts_fit_into_one_argument(check: Check, turns: int, fits: bool) -> None:
    def collecting() -> None:
        with dsl.ParallelFor([f"{number}" for number in range(turns)]) as item:
            made = make_data(text=item)
        use_all(data=dsl.Collected(made.outputs["data"]))

    found = check(collecting)
    assert any("one argument" in each or "an argument" in each for each in found) is not fits


def test_every_collected_artifact_of_a_step_counts(check: Check) -> None:
    def thrice() -> None:
        with dsl.ParallelFor([f"{number}" for number in range(64)]) as item:
            made = make_data(text=item)
        one, two, three = (dsl.Collected(made.outputs["data"]) for _ in range(3))
        use_three(one=one, two=two, three=three)

    assert_one(check(thrice), "use-three needs about 115 kB, with 192 collected artifacts", "pass their names")


def test_a_long_constant_is_found(check: Check) -> None:
    assert_one(check(lambda: use_text(text="a" * 95_000) and None), "use-text needs about 98 kB")
    assert check(lambda: use_text(text="a" * 80_000) and None) == []
