"""`ablate submit --cron` and `ablate schedule` against a server with the public API."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from common.errors import UserError
from pipelines.server.schedules import checked_cron, next_time

NIGHT = "0 0 2 * * *"

Command = Callable[..., Any]


@pytest.fixture
def schedule(ablate: Command, kubeflow: Any) -> Command:
    return lambda verb, *arguments: ablate("schedule", verb, *arguments, "--host", kubeflow.host)


def refused(answer: Any, *words: str, code: int = 2) -> None:
    assert (answer.code, answer.out) == (code, "")
    assert len(answer.err.splitlines()) == 1
    for word in ("error: ", *words):
        assert word in answer.err


def test_a_nightly_study_is_a_recurring_run(submit: Command, kubeflow: Any) -> None:
    answer = submit("--cron", NIGHT)
    assert (answer.code, answer.err) == (0, "")
    assert kubeflow.things["runs"] == []
    [made] = kubeflow.things["recurringruns"]
    assert (made["display_name"], made["experiment_id"], made["mode"]) == ("demo", "experiments-1", "ENABLE")
    assert made["trigger"] == {"cron_schedule": {"cron": NIGHT}}
    assert (made["max_concurrency"], made["no_catchup"]) == ("1", True)
    assert made["pipeline_version_reference"] == {"pipeline_id": "pipelines-1", "pipeline_version_id": "versions-1"}
    assert made["runtime_config"]["parameters"]["plan"]["study"] == "demo"
    assert made["plugins_input"] == {"mlflow": {"experiment_name": "demo"}}
    first, second = answer.out.splitlines()[1:]
    assert first == "Schedule: demo, created"
    assert second.startswith(f"{NIGHT}, next 20")
    assert second.endswith(" 02:00 UTC")


def test_a_change_replaces_a_schedule_and_a_repetition_does_not(submit: Command, kubeflow: Any) -> None:
    def after(*options: str, **plan: Any) -> tuple[str, int]:
        said = submit("--cron", *options, **plan).out.splitlines()[1]
        [one] = kubeflow.things["recurringruns"]
        return said.rpartition(" ")[2], int(one["recurring_run_id"].rpartition("-")[2])

    assert after(NIGHT) == ("created", 1)
    assert after(f" {NIGHT.replace(' ', '  ')}") == ("unchanged", 1)
    assert after("0 30 2 * * *") == ("replaced", 2)
    assert after(NIGHT, "--seeds", "7,8") == ("replaced", 3)
    assert after(NIGHT, "--image", "registry.example/ablate-python:2") == ("replaced", 4)
    assert after(NIGHT, "--experiment", "other") == ("replaced", 5)
    removed = [asked for asked in kubeflow.asked if asked.method == "delete"]
    assert {asked.query["propagation_policy"] for asked in removed} == {"ORPHAN"}  # running runs continue
    assert len(removed) == 4


def test_the_same_command_repairs_an_interrupted_replacement(submit: Command, kubeflow: Any) -> None:
    submit("--cron", NIGHT)
    kubeflow.trouble["delete /recurringruns/recurringruns-1"] = (503, "", {})
    answer = submit("--cron", "0 30 2 * * *")
    assert (answer.code, len(kubeflow.things["recurringruns"])) == (1, 2)  # two schedules are better than none
    assert "has not confirmed a schedule" in answer.err
    kubeflow.trouble.clear()
    assert submit("--cron", "0 30 2 * * *").code == 0
    assert [made["recurring_run_id"] for made in kubeflow.things["recurringruns"]] == ["recurringruns-2"]


def test_schedules_of_other_pipelines_stay_unchanged(submit: Command, schedule: Command, kubeflow: Any) -> None:
    theirs = {
        "display_name": "demo",
        "recurring_run_id": "theirs",
        "pipeline_version_reference": {"pipeline_id": "another"},
        "trigger": {"periodic_schedule": {"interval_second": "60"}},
    }
    kubeflow.things["recurringruns"] = [theirs]
    assert submit("--cron", NIGHT).code == 0
    assert submit("--cron", "0 0 3 * * *").code == 0
    assert schedule("delete", "demo").code == 0
    assert kubeflow.things["recurringruns"] == [theirs]


def test_a_disabled_schedule_stays_disabled_until_enabled(submit: Command, schedule: Command, kubeflow: Any) -> None:
    submit("--cron", NIGHT)
    assert schedule("disable", "demo").out == f"demo: {NIGHT}, disabled\n"
    assert submit("--cron", "0 0 3 * * *").out.splitlines()[1:] == ["Schedule: demo, replaced", "0 0 3 * * *, disabled"]
    assert [made["status"] for made in kubeflow.things["recurringruns"]] == ["DISABLED"]
    assert schedule("enable", "demo").out.startswith("demo: 0 0 3 * * *, next ")
    assert schedule("delete", "demo").out == "demo: deleted\n"
    assert kubeflow.things["recurringruns"] == []


def test_schedules_on_all_pages_are_listed(submit: Command, schedule: Command, kubeflow: Any) -> None:
    refused(schedule("list"), "has no pipeline 'ablation-study'", "`ablate submit` uploads it")
    submit()
    assert schedule("list").out.startswith("no study has a schedule; `ablate submit PLAN --cron")
    kubeflow.longest_page = 1
    for study in ("two", "one", "three"):
        submit("--cron", NIGHT, study=study)
    assert [line.partition(":")[0] for line in schedule("list").out.splitlines()] == ["one", "three", "two"]
    refused(schedule("disable", "thre"), "study 'thre' has no schedule", "did you mean 'three'?")


def test_a_schedule_of_another_case_is_another_schedule(submit: Command, schedule: Command, kubeflow: Any) -> None:
    """The database of a server finds `DEMO` for `demo`."""
    submit("--cron", NIGHT)
    [mine] = kubeflow.things["recurringruns"]
    kubeflow.things["recurringruns"] = [theirs := mine | {"display_name": "DEMO", "recurring_run_id": "theirs"}]
    assert "Schedule: demo, created" in submit("--cron", NIGHT).out
    assert schedule("delete", "demo").code == 0
    assert kubeflow.things["recurringruns"] == [theirs]


def test_a_schedule_that_could_never_start_is_refused(submit: Command, kubeflow: Any) -> None:
    """A server accepts it, and fails at every tick."""
    submit()
    declared = kubeflow.things["versions"][0]["pipeline_spec"]["root"]["inputDefinitions"]["parameters"]
    del declared["code_rev"]
    refused(submit("--cron", NIGHT), "has no input code_rev; start the command again with the version of `ablate`")
    declared["code_rev"] = {"parameterType": "NUMBER_INTEGER"}
    refused(submit("--cron", NIGHT), "the input code_rev of version", "is of type NUMBER_INTEGER, and the value is")
    declared["code_rev"] = {"parameterType": "STRING", "literals": ["a", "b"]}
    refused(submit("--cron", NIGHT), "the input code_rev of version", "is one of a, b; got")
    declared["code_rev"] = {"parameterType": "STRING"}
    declared["more"] = {"parameterType": "STRING"}
    refused(submit("--cron", NIGHT), "needs the input more")
    kubeflow.refuse["get /pipelines/pipelines-1/versions/versions-1"] = "error-version-of-other-pipeline"
    refused(submit("--cron", NIGHT), "PipelineVersion 00000000-0000-0000-0000-000000000000 not found")
    assert kubeflow.things["recurringruns"] == []


def test_a_cron_that_the_server_refuses_is_one_sentence(submit: Command, kubeflow: Any) -> None:
    kubeflow.refuse["post /recurringruns"] = "error-cron"
    refused(submit("--cron", NIGHT), "HTTP status 400 (Schedule cron is not a supported format")


def test_a_server_without_plugins_gets_a_request_without_them(submit: Command, kubeflow: Any) -> None:
    kubeflow.knows_plugins = False
    assert submit("--cron", NIGHT).code == 0
    assert "plugins_input" not in kubeflow.things["recurringruns"][0]


def test_a_failing_or_denying_server_is_one_sentence(submit: Command, schedule: Command, kubeflow: Any) -> None:
    submit("--cron", NIGHT)
    kubeflow.trouble["get /recurringruns"] = (503, "", {})
    refused(schedule("list"), "failed with HTTP status 503; run the command again later", code=1)
    kubeflow.token = "right"
    refused(schedule("list"), "401 Unauthorized to no credential", code=1)


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("0 2 * * *", "begins with seconds, and '0 2 * * *' has five fields; write '0 0 2 * * *'"),
        ("nightly", "six fields"),
        ("@daily", "write e.g. '0 0 2 * * *'"),
        ("0 0 2 * * * 2027", "six fields"),
        ("0 0 25 * * *", "'25' is not a range within 0 to 23, from the smaller to the larger hour"),
        ("0 0 22-2 * * *", "'22-2' is not a range"),
        ("0 0 2 29-30/40 2 */0", "the step of '*/0' is 0"),
        ("0 0 , * * *", "a schedule needs a time that exists"),
        ("0 0 0 31 2 *", "a schedule needs a time that exists"),
        ("0 0 2 L * *", "six fields"),
        ("0 0 2 * * 7", "weekdays 0 (Sunday) to 6"),
        ("", "got ''"),
    ],
)
def test_a_cron_that_a_server_misreads_is_refused(submit: Command, kubeflow: Any, cron: str, words: str) -> None:
    refused(submit("--cron", cron), words)
    assert kubeflow.asked == []


def test_a_schedule_cannot_be_waited_for(submit: Command) -> None:
    refused(submit("--cron", NIGHT, "--wait"), "leave out --wait and --gate")


@pytest.mark.parametrize(
    ("cron", "after"),
    [
        (NIGHT, "2026-11-25 02:00:00"),
        ("30 */20 * * * *", "2026-11-24 12:00:30"),
        ("0 0 2 ? * MON-FRI", "2026-11-25 02:00:00"),
        ("0 0 2 * * 0", "2026-11-29 02:00:00"),
        ("0 15 10 1,15 * ?", "2026-12-01 10:15:00"),
    ],
)
def test_the_next_time_agrees_with_a_calendar(cron: str, after: str) -> None:
    noon = datetime(2026, 11, 24, 12, tzinfo=UTC)  # a Tuesday
    assert f"{next_time(checked_cron(cron), noon):%Y-%m-%d %H:%M:%S}" == after


def test_five_fields_are_refused() -> None:
    """A server would read the first field as seconds: every hour at two minutes past."""
    with pytest.raises(UserError, match="five fields"):
        checked_cron("0 2 * * *")
