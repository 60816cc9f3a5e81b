"""`ablate ci`: one run for a commit and plan, taken up by later calls; its steps, exit codes and reports."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from junit_report import outcomes
from kubeflow_recorded import scenario, workflow

from ablation.decisions.gate import Gate
from cli import ci as command
from cli.ci_job import COMPILE, GATE, SMOKE, STEPS, STUDY, Job, Outcome, Result, run_command
from cli.ci_report import junit, summary
from common.errors import Unavailable, UserError
from pipelines.package.steps import pipeline_steps
from pipelines.server import ci_runs
from pipelines.server import wait as waiting
from pipelines.server.errors import ServerFailed
from pipelines.server.trials import Trials

ENDED = "2026-11-25T22:59:53Z"


@pytest.fixture
def ci(
    ablate: Callable[..., Any],
    kubeflow: Any,
    plan_file: Callable[..., Path],
    empty_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Any]:
    """Call `ablate ci` for a small plan. The smoke study passes at once, and the gate passes unless `judged` says more."""
    assert empty_home.is_dir()
    monkeypatch.setattr(waiting, "Clock", partial(waiting.Clock, poll_s=0.01, patience_s=0.2))
    monkeypatch.setattr(command, "run_command", lambda *_: Result())
    monkeypatch.setattr(command, "judged_run", lambda run, *_: Gate(notes=(f"judged {run}",)))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))

    def call(*options: Any, host: str = kubeflow.host, **plan: Any) -> Any:
        places = ["--host", host, "--tracking-uri", "http://mlflow.example:5000", "--junit", tmp_path / "ablate.xml"]
        return ablate("ci", plan_file(**plan), *places, *options)

    return call


@pytest.fixture
def report(tmp_path: Path) -> Callable[[], dict[str, str | None]]:
    return lambda: outcomes(tmp_path / "ablate.xml")


def end(kubeflow: Any, state: str, number: int = -1) -> None:
    """End a run on the server: as a list of runs shows it, and as the run itself does."""
    kubeflow.things["runs"][number] |= {"state": state, "finished_at": ENDED}
    kubeflow.script = [{"state": state, "finished_at": ENDED}]


def names(kubeflow: Any) -> list[str]:
    return [run["display_name"] for run in kubeflow.things["runs"]]


def test_no_wait_submits_once_for_a_commit_plan_and_settings(
    ci: Callable[..., Any], kubeflow: Any, tmp_path: Path, report: Callable[..., Any]
) -> None:
    kubeflow.script = ["RUNNING"]
    first = ci("--no-wait")
    assert (first.code, first.err) == (0, "")
    [name] = names(kubeflow)
    assert report() == dict.fromkeys(STEPS) | {GATE: "skipped: not reached"}
    assert (tmp_path / "summary.md").read_text().startswith("# Ablation: submitted\n")

    second = ci("--no-wait")
    assert (second.code, names(kubeflow)) == (0, [name])
    assert "submitted by an earlier call" in second.out
    assert report()[STUDY] == f"skipped: not finished yet: {_not_finished(name)}"

    settings = tmp_path / "cluster.yaml"
    settings.write_text("memory: 8Gi\ncpu: '4'\n")
    assert ci("--no-wait", "--cluster", settings).code == 0
    settings.write_text("# the same in another order\ncpu: '4'\nmemory: 8Gi\n")
    assert ci("--no-wait", "--cluster", settings).code == 0
    assert ci("--no-wait", seeds=[7]).code == 0
    assert len(set(names(kubeflow))) == len(names(kubeflow)) == 3


def _not_finished(name: str, state: str = "pending") -> str:
    return f"{name} is {state}; `ablate ci PLAN --only-gate` judges it after its end"


def test_a_later_call_waits_for_the_run_and_judges_it(
    ci: Callable[..., Any], kubeflow: Any, report: Callable[..., Any]
) -> None:
    assert ci("--no-wait").code == 0
    kubeflow.script = ["RUNNING", "RUNNING", "SUCCEEDED"]
    answer = ci()
    assert (answer.code, len(names(kubeflow))) == (0, 1)
    assert "judged runs-1" in answer.out
    skipped = "skipped: an earlier call submitted the run"
    assert report() == {COMPILE: skipped, SMOKE: skipped, STUDY: None, GATE: None}
    end(kubeflow, "SUCCEEDED")
    assert (ci().code, len(names(kubeflow))) == (0, 1)  # a job that is started again after the end


def test_a_failed_run_is_explained_and_started_again_only_on_demand(
    ci: Callable[..., Any], kubeflow: Any, report: Callable[..., Any]
) -> None:
    kubeflow.script = ["FAILED"]
    first = ci()
    end(kubeflow, "FAILED")
    later = ci()
    for answer in (first, later):
        assert answer.code == 1
        assert "failed: the run ended as FAILED" in answer.err
        assert "start a new run by --again" in answer.err
        assert len(names(kubeflow)) == 1
    assert str(report()[STUDY]).startswith("error: infrastructure failed: failed: the run ended as FAILED")
    kubeflow.script = ["RUNNING"]
    assert ci("--no-wait", "--again").code == 0
    assert len(names(kubeflow)) == 2
    assert ci("--no-wait", "--again").code == 0  # it runs: --again does not start a third
    assert names(kubeflow) == [names(kubeflow)[0]] * 2


@pytest.mark.parametrize("options", [[], ["--only-gate"]])
def test_the_reasons_of_trials_and_pods_reach_the_reports(
    options: list[str],
    ci: Callable[..., Any],
    kubeflow: Any,
    report: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A memory kill as a genuine server showed it, and a failed trial as MLflow tells it."""
    failed = SimpleNamespace(arm="no-scale", seed=1, state="failed", reason="the loss is not a number")
    monkeypatch.setattr(Trials, "now", lambda *_, **__: [failed])
    assert ci("--no-wait").code == 0
    today = dict(zip(("train-trial", "evaluate-trial"), pipeline_steps().trial, strict=True))
    ended = scenario("run-memory-kill", today)
    kubeflow.script, kubeflow.old_api = [ended], workflow(today)
    kubeflow.things["runs"][0] |= {key: ended[key] for key in ("state", "finished_at")}
    answer = ci(*options)
    assert answer.code == 1
    for place in (answer.err, str(report()[STUDY]), (tmp_path / "summary.md").read_text()):
        assert "failed: no-scale seed 1: the loss is not a number" in place.replace("\\", "")
        assert "OOMKilled (exit code 137)" in place.replace("\\", "")


@pytest.mark.parametrize("state", [None, "PENDING", "SUCCEEDED", "FAILED"])
def test_only_gate_judges_and_creates_nothing(
    state: str | None, ci: Callable[..., Any], kubeflow: Any, report: Callable[..., Any], tmp_path: Path
) -> None:
    if state:
        assert ci("--no-wait").code == 0
    if state in ("SUCCEEDED", "FAILED"):
        end(kubeflow, state)
    kubeflow.asked.clear()
    (tmp_path / "summary.md").unlink(missing_ok=True)
    answer = ci("--only-gate")
    assert {asked.method for asked in kubeflow.asked} == {"get"}
    code, title, words = {
        None: (1, "infrastructure failed", "has no run that `ablate ci` submitted for study 'demo'"),
        "PENDING": (0, "not finished yet", "demo "),
        "SUCCEEDED": (0, "passed", "judged runs-1"),
        "FAILED": (1, "infrastructure failed", "failed: the run ended as FAILED"),
    }[state]
    assert (answer.code, words in answer.out + answer.err) == (code, True)
    assert (tmp_path / "summary.md").read_text().startswith(f"# Ablation: {title}\n")
    assert str(report()[STUDY]).partition(": ")[0] == {None: "error", "FAILED": "error", "PENDING": "skipped"}.get(
        state, "None"
    )
    assert (report()[GATE] is None) == (state == "SUCCEEDED")


def test_only_gate_judges_the_newest_run_that_ended_in_the_history(
    ci: Callable[..., Any], kubeflow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs of other branches, of other studies, and those that `ablate submit` started do not count."""
    assert ci("--no-wait").code == 0
    [run] = kubeflow.things["runs"]
    monkeypatch.setattr(ci_runs, "history", lambda: frozenset({"aaaaaaaaaaaa", "bbbbbbbbbbbb"}))
    others = ["demo aaaaaaaaaaaa 11111111", "demo bbbbbbbbbbbb 22222222", "demo cccccccccccc 33333333"]
    others += ["demo-2 aaaaaaaaaaaa 11111111", "demo aaaaaaaaaaaa"]
    kubeflow.things["runs"] = [
        *(
            run | {"run_id": f"other-{number}", "display_name": name, "state": "SUCCEEDED", "finished_at": ENDED}
            for number, name in enumerate(others)
        ),
        run | {"run_id": "older", "display_name": run["display_name"], "state": "FAILED", "finished_at": ENDED},
        run,
    ]
    kubeflow.script = ["SUCCEEDED"]
    answer = ci("--only-gate")
    assert (answer.code, "judged other-1" in answer.out) == (0, True)
    assert f"not finished yet: {run['display_name']}, pending" in answer.out


def test_the_reasons_of_the_gate_are_the_reasons_of_the_job(
    ci: Callable[..., Any], report: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = Gate(failures=("clean: 3 points", "babble: 4 points"))
    monkeypatch.setattr(command, "judged_run", lambda *_: judged)
    answer = ci()
    assert answer.code == 3
    assert answer.err.splitlines() == ["gate failed: clean: 3 points", "gate failed: babble: 4 points"]
    assert report()[GATE] == "failure: gate failed: clean: 3 points; babble: 4 points"
    monkeypatch.setattr(command, "judged_run", lambda *_: Gate(refused="another corpus"))
    answer = ci()
    assert (answer.code, report()[GATE]) == (2, "error: bad input: another corpus")


def test_a_lost_answer_neither_loses_nor_repeats_the_run(
    ci: Callable[..., Any], kubeflow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, losing = kubeflow.answer, True

    def lost(asked: Any) -> Any:
        answer = made(asked)
        if losing and asked.method == "post" and asked.path.endswith("/runs"):
            raise ConnectionAbortedError
        return answer

    monkeypatch.setattr(kubeflow, "answer", lost)
    answer = ci("--no-wait")
    assert (answer.code, len(names(kubeflow))) == (0, 1)
    assert "details/runs-1" in answer.out
    assert ci("--no-wait").code == 0
    assert len(names(kubeflow)) == 1


def test_a_run_that_the_server_refused_is_not_there(ci: Callable[..., Any], kubeflow: Any) -> None:
    kubeflow.trouble["post /runs"] = (503, "{}", {})
    answer = ci("--no-wait")
    assert (answer.code, names(kubeflow)) == (1, [])
    assert "the server has not confirmed a run" in answer.err


def test_the_end_of_the_time_and_ctrl_c_leave_the_run(
    ci: Callable[..., Any], kubeflow: Any, report: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeflow.script = ["RUNNING"]
    monkeypatch.setattr(command, "LONGEST_MINUTES", 0.001)
    answer = ci()
    assert answer.code == 1
    assert "the same command takes the run up" in answer.err

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(waiting, "wait", interrupted)
    answer = ci()
    assert (answer.code, len(names(kubeflow))) == (130, 1)
    assert str(report()[STUDY]).startswith("error: interrupted: the run continues")


def test_a_server_that_is_away_is_failed_infrastructure(ci: Callable[..., Any], report: Callable[..., Any]) -> None:
    answer = ci(host="http://127.0.0.1:9")
    assert (answer.code, len(answer.err.splitlines())) == (1, 1)
    assert "connection refused" in answer.err
    assert report()[SMOKE] == "skipped: not reached"


@pytest.mark.parametrize(
    ("error", "outcome", "kind"),
    [
        (None, Outcome.PASSED, None),
        (UserError("why <it> ended"), Outcome.BAD_INPUT, "error"),
        (Unavailable("why <it> ended"), Outcome.FAILED, "error"),
        (ServerFailed("why <it> ended"), Outcome.FAILED, "error"),
        (waiting.Lost("why <it> ended"), Outcome.FAILED, "error"),
        (RuntimeError("why <it> ended"), Outcome.FAILED, "error"),
        (KeyboardInterrupt(), Outcome.INTERRUPTED, "error"),
    ],
)
def test_every_error_of_a_step_becomes_an_outcome_with_a_reason(
    error: BaseException | None, outcome: Outcome, kind: str | None, tmp_path: Path
) -> None:
    def action() -> Result:
        if error:
            raise error
        return Result()

    job = Job(print)
    assert job.step(COMPILE, Result)
    assert job.step(SMOKE, action) == (error is None)
    assert (job.outcome, job.stopped) == (outcome, error is not None)
    junit(job.steps(), tmp_path / "new" / "ablate.xml")
    found = outcomes(tmp_path / "new" / "ablate.xml")
    assert str(found[SMOKE]).partition(":")[0] == str(kind)
    assert found[GATE] == "skipped: not reached"
    text = summary(job.outcome, job.steps(), "the report")
    assert f"| smoke study | {outcome.words} | 0 s |" in text
    assert "| gate | not run | |" in text.replace("|  |", "| |")
    assert ("why \\<it\\> ended" in text) == (error is not None and not isinstance(error, KeyboardInterrupt))
    assert text.endswith("the report\n")


def test_a_failed_command_shows_the_end_of_its_output(tmp_path: Path) -> None:
    heard: list[str] = []
    found = run_command(["plan", str(tmp_path / "no-plan.yaml")], heard.append)
    assert found.outcome is Outcome.BAD_INPUT
    assert "exit code 2: error: " in found.reasons[0]
    assert heard[-1] in found.log


def test_reports_are_valid_text_whatever_a_reason_holds(tmp_path: Path) -> None:
    """No colour codes, no bytes that XML cannot hold, and no reason that Markdown would read as a table or a link."""
    job = Job(print)
    said = "\x1b[31mred\x1b[0m \x00\x08 <&]]> | [a](b)"
    job.step(GATE, lambda: Result(Outcome.GATE_FAILED, (said, "b"), log=said))
    junit(job.steps(), tmp_path / "ablate.xml")
    assert outcomes(tmp_path / "ablate.xml")[GATE] == "failure: gate failed: red  <&]]> | [a](b); b"
    inner = ElementTree.parse(tmp_path / "ablate.xml").getroot()[3][0]
    assert inner.text == "red  <&]]> | [a](b)\nb\nred  <&]]> | [a](b)"
    assert "- red  \\<&\\]\\]\\> \\| \\[a\\](b)" in summary(job.outcome, job.steps(), "")


def test_the_name_of_a_run_needs_no_tags_and_no_git(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = {"plan": {"study": "demo"}, "tracking_uri": "http://mlflow"}
    name = ci_runs.name_for(arguments, "image:1", None)
    assert ci_runs.RunName.parse(str(name)) == name
    assert ci_runs.RunName.parse("demo 0123456789ab") is None
    assert ci_runs.name_for(arguments, "image:2", None).settings != name.settings
    assert ci_runs.name_for(arguments | {"tracking_uri": "http://other"}, "image:1", None) != name
    monkeypatch.setattr(ci_runs, "_git", lambda *_: "")
    monkeypatch.setattr(ci_runs, "code_rev", lambda: "")
    assert ci_runs.name_for(arguments, "image:1", None).commit.startswith("sources-")
    monkeypatch.setattr(ci_runs, "_git", lambda *_: "0123456789abcdef0123")
    monkeypatch.setattr(ci_runs, "code_rev", lambda: "v1.2-3-g0123456789ab")
    clean = ci_runs.name_for(arguments, "image:1", None)
    monkeypatch.setattr(ci_runs, "code_rev", lambda: "v1.2-3-g0123456789ab+")
    changed = ci_runs.name_for(arguments, "image:1", None)
    assert (clean.commit, changed.commit) == ("0123456789ab", "0123456789ab+")
    assert clean.settings != changed.settings  # the sources count where they differ from the commit


def test_a_missing_study_is_failed_infrastructure(
    ablate: Callable[..., Any], store: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from cli.gate import judged_run

    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    with pytest.raises(Unavailable, match="no study of the Kubeflow run some-run"):
        judged_run("some-run", 2.0, tmp_path / "study")
    answer = ablate("gate", "demo", "--from-mlflow")
    assert (answer.code, answer.out) == (1, "")
    assert "has no run of study 'demo'" in answer.err
    answer = ablate("gate", "demo", "--from-mlflow", "--tracking-uri", "http://127.0.0.1:9")
    assert (answer.code, answer.out, len(answer.err.splitlines())) == (1, "", 1)
    assert "cannot be reached: connection refused" in answer.err


@pytest.mark.usefixtures("empty_home")
def test_bad_input_is_reported_before_any_step(
    ablate: Callable[..., Any], plan_file: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "cluster.yaml").write_text(yaml.safe_dump({"memroy": "8Gi"}))
    pods = ["--host", "http://k", "--tracking-uri", "http://mlflow"]
    for options, words in [
        ([], "needs the address of a server; give --host URL, or set KF_PIPELINES_ENDPOINT"),
        (["--host", "http://k"], "a cluster cannot write to the MLflow store"),
        (["--host", "http://k", "--tracking-uri", "http://localhost:5000"], "in a pod, localhost is the pod itself"),
        ([*pods, "--cluster", tmp_path / "cluster.yaml"], "memroy"),
        ([*pods, "--no-wait", "--only-gate"], "give one of the two"),
        ([*pods, "--again", "--only-gate"], "give one of the two"),
        ([*pods, "--no-wait", "--timeout", "5"], "leave it out"),
    ]:
        answer = ablate("ci", plan_file(), *options)
        assert (answer.code, answer.out) == (2, "")
        assert words in answer.err
    answer = ablate("ci", tmp_path / "no-plan.yaml")
    assert answer.code == 2
    assert "no plan file" in answer.err
