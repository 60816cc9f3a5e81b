"""Designs of studies in a real store: recorded when a study opens, and found by the next one."""

import json
from pathlib import Path
from typing import Any

from ablation.plan.arms import expand
from ablation.plan.plan import Plan, plan_from_mapping
from components.shared.designs import design_tag, other_designs
from recipes.smile import CATALOGUE
from tracking.designs import earlier_designs, newest_of_design, record_design
from tracking.runs import log_study_report
from tracking.studies import open_study

ABLATIONS = [{"part": "fusion.scale", "replacements": {"no-scale": {"kind": "none"}}}]


def plan(**keys: Any) -> Plan:
    return plan_from_mapping({"study": "x", "ablations": ABLATIONS, **keys})


def tag(of: Plan) -> dict[str, Any]:
    return design_tag(of, expand(of, CATALOGUE))


def study(store: str, tmp_path: Path, of: Plan, *, reported: bool = True) -> tuple[str, str]:
    runs = open_study(store, "x", question="", params={"code_rev": "r1"}, conditions=["clean"], trials=[])
    record_design(store, runs.study, tag(of))
    if reported:
        file = tmp_path / "study.json"
        file.write_text("{}")
        log_study_report(store, runs.study, [file], "")
    return runs.experiment_id, runs.study


def test_other_seeds_after_a_report_are_another_design(store: str, tmp_path: Path) -> None:
    study(store, tmp_path, plan(seeds=[1, 2]))
    study(store, tmp_path, plan(seeds=[1, 2, 3]), reported=False)  # nobody has seen its results
    study(store, tmp_path, plan(seeds=[1], baseline={"training.steps": 9}))  # other models
    later = plan(seeds=[1, 2, 3, 4])
    experiment, run = study(store, tmp_path, later)
    [found] = other_designs(later, earlier_designs(store, experiment, run))
    assert (found.seeds, found.looks, found.margin_points) == ([1, 2], [], None)
    assert found.opened


def test_a_rerun_and_the_looks_of_one_design_are_planned(store: str, tmp_path: Path) -> None:
    looks = {"looks": [3, 5], "margin_points": 1}
    study(store, tmp_path, plan(seeds=[1, 2, 3], **looks))
    second = plan(seeds=[1, 2, 3, 4, 5], **looks)
    study(store, tmp_path, second)
    experiment, run = study(store, tmp_path, second)
    assert other_designs(second, earlier_designs(store, experiment, run)) == []
    assert newest_of_design(store, "x", tag(second), "r1") == run
    assert newest_of_design(store, "x", tag(second), "r2") is None
    assert newest_of_design(store, "x", tag(plan(looks=[3, 6])), "r1") is None
    assert newest_of_design(store, "none", tag(second), "r1") is None


def test_changed_looks_and_a_changed_margin_are_other_designs() -> None:
    before = tag(plan(looks=[3, 5], margin_points=1))
    for changed in ({"looks": [3, 6], "margin_points": 1}, {"looks": [3, 5], "margin_points": 2}, {"seeds": [1, 2, 3]}):
        assert len(other_designs(plan(**changed), [before, before])) == 1
    other_seeds = plan(looks=[3, 5], margin_points=1, seeds=[11, 12, 13])
    assert len(other_designs(other_seeds, [before])) == 1


def test_the_texts_of_a_plan_do_not_change_its_design() -> None:
    assert tag(plan(seeds=[1, 2])) == tag(plan(seeds=[1, 2], question="Why?", reasoning="So."))
    assert len(json.dumps(tag(plan(seeds=list(range(1000)))))) < 5000  # the longest tag that MLflow keeps
