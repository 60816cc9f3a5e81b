"""Rules of the lint for loops: each finds a faulty pipeline that kfp's own compiler accepts."""

import pytest
from kfp import dsl
from kfp.dsl import Dataset
from lint_cases import Check, assert_one, make_data, make_data_list, make_list, make_text, use_data, use_list, use_text


def test_a_loop_over_artifacts_is_found(check: Check) -> None:
    def faulty() -> None:
        with dsl.ParallelFor(make_data_list().output) as item:
            use_data(data=item)

    assert_one(check(faulty), "for-loop-1 runs over a list of artifacts", "URIs")


def test_an_importer_in_a_loop_is_found(check: Check) -> None:
    def faulty() -> None:
        with dsl.ParallelFor(["s3://a"]) as item:
            use_data(data=dsl.importer(artifact_uri=item, artifact_class=Dataset).output)

    def sound() -> None:
        imported = dsl.importer(artifact_uri="s3://a", artifact_class=Dataset)
        with dsl.ParallelFor(["a"]):
            use_data(data=imported.output)

    assert_one(check(faulty), "importer in for-loop-2", "import before")
    assert check(sound) == []


def test_nested_loops_are_found(check: Check) -> None:
    def faulty() -> None:
        with dsl.ParallelFor(["a"]), dsl.ParallelFor(["b"]) as inner:
            use_text(text=inner)

    def sound() -> None:
        for items in (["a"], ["b"]):
            with dsl.ParallelFor(items) as item:
                use_text(text=item)

    assert_one(check(faulty), "for-loop-4 is in for-loop-2", "one flat list")
    assert check(sound) == []


def test_a_parameter_of_an_outer_step_in_a_loop_is_found(check: Check) -> None:
    def directly() -> None:
        made = make_text()
        with dsl.ParallelFor(["a"]):
            use_text(text=made.output)

    def in_a_condition(when: str = "a") -> None:
        made = make_text()
        with dsl.If(when == "a"), dsl.ParallelFor(["a"]) as item, dsl.If(made.output == "a"):
            use_text(text=item)

    def the_whole_list() -> None:
        made = make_list()
        with dsl.ParallelFor(made.output):
            use_list(items=made.output)

    assert_one(check(directly), "use-text in for-loop-2 uses the parameter Output of make-text", "as an artifact")
    assert_one(check(in_a_condition), "uses the parameter Output of make-text")
    assert_one(check(the_whole_list), "use-list in for-loop-1 uses the parameter Output of make-list")


def test_valid_values_in_a_loop_are_accepted(check: Check) -> None:
    def sound(text: str = "a") -> None:
        data = make_data(text=text)
        with dsl.ParallelFor(make_list().output) as item:
            use_text(text=item)
            use_data(data=data.output)
        with dsl.ParallelFor(["a", "b"]):
            use_text(text=text)
            inner = make_text()
            use_text(text=inner.output)
            with dsl.If(inner.output == "a"):
                use_text(text=inner.output)

    assert check(sound) == []


@pytest.mark.parametrize("items", ["computed", "fixed"])
def test_a_key_called_name_is_found(check: Check, items: str) -> None:
    def faulty() -> None:
        with dsl.ParallelFor(make_list().output if items == "computed" else ["a"]) as item:
            use_text(text=item.name)

    def sound() -> None:
        with dsl.ParallelFor(make_list().output) as item:
            use_text(text=item.arm)

    assert_one(check(faulty), "cannot be `name`", "use-text in for-loop", "another name")
    assert check(sound) == []
