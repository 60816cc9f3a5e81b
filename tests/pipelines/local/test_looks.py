"""The loop over looks. Training is replaced by drawn error counts; folders, records and decisions are real."""

from pathlib import Path
from typing import Any

from drawn_looks import Runs

from ablation.plan.arms import expand
from ablation.plan.looks import may_stop
from ablation.plan.plan import Plan, plan_from_mapping
from pipelines.local.looks import reached, run_looks
from recipes.smile import CATALOGUE

ARMS = ["no-scale", "static"]
ABLATIONS = [
    {"part": "fusion.scale", "replacements": {"no-scale": {"kind": "none"}, "static": {"kind": "static", "value": 0.5}}}
]


def plan(**keys: Any) -> Plan:
    given = {"study": "x", "looks": [3, 5, 8], "conditions": {}, "ablations": ABLATIONS}
    return plan_from_mapping({**given, **keys})


def test_decided_arms_stop_and_the_others_go_on(tmp_path: Path) -> None:
    runs, said = Runs(tmp_path / "study", {"no-scale": 9.0, "static": 0.2}, []), list[str]()
    run_looks(plan(), ARMS, runs.folder, runs, said.append)
    assert [(len(each.seeds), each.stopped) for each in runs.plans] == [
        (3, {}),
        (5, {"no-scale": 3}),
        (8, {"no-scale": 3}),
    ]
    assert said[0] == "look at 3 seeds: no-scale: worse"
    assert said[-1] == "look at 8 seeds: static: continue"


def test_a_second_call_goes_on_from_the_results_in_the_folder(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "study", {"no-scale": 9.0, "static": 0.2}, [])
    run_looks(plan(), ARMS, runs.folder, runs, lambda _: None)
    runs.plans.clear()
    run_looks(plan(), ARMS, runs.folder, runs, lambda _: None)
    assert [len(each.seeds) for each in runs.plans] == [8]
    assert len(reached(plan(looks=[3, 5, 9]), ARMS, runs.folder).seeds) == 3  # of another design
    assert len(reached(plan(seeds=list(range(11, 19))), ARMS, runs.folder).seeds) == 3


def test_no_run_follows_when_all_arms_are_decided(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "study", {"no-scale": 9.0, "static": 9.0}, [])
    run_looks(plan(), ARMS, runs.folder, runs, lambda _: None)
    assert len(runs.plans) == 1


def test_futility_can_be_ignored(tmp_path: Path) -> None:
    found = {}
    for futility in (True, False):
        runs = Runs(tmp_path / f"study-{futility}", {"no-scale": 9.0}, [])
        run_looks(plan(margin_points=0.9), ARMS, runs.folder, runs, lambda _: None, futility=futility)
        found[futility] = len(runs.plans)
    assert found[True] < found[False]


def test_a_failed_run_ends_the_looks(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "study", {}, [], problem="2 trials failed")
    assert run_looks(plan(), ARMS, runs.folder, runs, lambda _: None).problem == "2 trials failed"
    assert len(runs.plans) == 1


def test_a_plan_without_looks_is_one_run(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "study", {}, [])
    run_looks(plan(looks=[3, 5], seeds=[1, 2, 3]), ARMS, runs.folder, runs, lambda _: None)
    assert [len(each.seeds) for each in runs.plans] == [3]


LADDER = {"ladder": ["fusion", "masking", "siamese"], "ablations": []}
RUNGS = ["ladder-0-bare", "ladder-1-fusion", "ladder-2-masking"]


def carried_out(folder: Path, points: dict[str, float], **keys: Any) -> tuple[list[Plan], list[str]]:
    """Carry out a plan whose trials are drawn; return the plans of its looks and what was said."""
    runs, said = Runs(folder, points, []), list[str]()
    whole = plan(**keys)
    names = may_stop(whole, [arm.arm for arm in expand(whole, CATALOGUE)])
    run_looks(whole, names, folder, runs, said.append)
    return runs.plans, said


def test_rungs_stop_when_all_contrasts_that_use_them_are_decided(tmp_path: Path) -> None:
    # fusion and masking help at once, siamese does next to nothing: the bare rung stops, and so does the one with fusion
    points = {"ladder-0-bare": 18.0, "ladder-1-fusion": 9.0, "ladder-2-masking": 0.2}
    plans, said = carried_out(tmp_path / "study", points, **LADDER)
    assert [(len(each.seeds), each.stopped) for each in plans] == [
        (3, {}),
        (5, {"ladder-0-bare": 3, "ladder-1-fusion": 3}),
        (8, {"ladder-0-bare": 3, "ladder-1-fusion": 3}),
    ]
    assert said[:3] == [
        "look at 3 seeds: fusion of the ladder: better",
        "look at 3 seeds: masking of the ladder: better",
        "look at 3 seeds: siamese of the ladder: continue",
    ]
    assert said[-1] == "look at 8 seeds: siamese of the ladder: continue"


def test_the_baseline_of_a_ladder_stops_like_any_rung(tmp_path: Path) -> None:
    points = {"ladder-0-bare": 9.2, "ladder-1-fusion": 9.0, "ladder-2-masking": 9.0}
    plans, _ = carried_out(tmp_path / "study", points, **LADDER)
    assert plans[1].stopped == {"baseline": 3}
    assert plan_from_mapping(plans[1].as_mapping()) == plans[1]


def test_other_arms_of_a_ladder_keep_the_baseline_going(tmp_path: Path) -> None:
    points = {"ladder-0-bare": 27.0, "ladder-1-fusion": 18.0, "ladder-2-masking": 9.0, "no-scale": 0.2, "static": 9.0}
    plans, said = carried_out(tmp_path / "study", points, ladder=LADDER["ladder"])
    assert plans[1].stopped == {**dict.fromkeys(RUNGS, 3), "static": 3}
    assert said[3:5] == ["look at 3 seeds: no-scale: continue", "look at 3 seeds: static: worse"]


def test_a_second_call_of_a_ladder_goes_on_from_its_folder(tmp_path: Path) -> None:
    points = {"ladder-0-bare": 9.2, "ladder-1-fusion": 9.0, "ladder-2-masking": 9.0}
    carried_out(tmp_path / "study", points, **LADDER)
    plans, _ = carried_out(tmp_path / "study", points, **LADDER)
    assert [(len(each.seeds), each.stopped) for each in plans] == [(8, {"baseline": 3})]


def test_all_cells_of_a_factorial_go_on_until_it_is_answered(tmp_path: Path) -> None:
    masking = {"masking": [{"uniform": {"kind": "uniform", "budget": "matched"}}]}
    keys = {"factorial": [masking, "siamese"], "ablations": []}
    decided = {"uniform": 9.0, "no-siamese": 9.0, "uniform-and-no-siamese": 36.0}
    assert len(carried_out(tmp_path / "decided", decided, **keys)[0]) == 1
    plans, said = carried_out(tmp_path / "open", decided | {"uniform-and-no-siamese": 18.2}, **keys)
    assert [(len(each.seeds), each.stopped) for each in plans] == [(3, {}), (5, {}), (8, {})]
    assert "look at 3 seeds: uniform x no-siamese of the factorial: continue" in said
