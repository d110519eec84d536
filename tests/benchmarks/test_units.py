"""The plans measure what they should."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

import pytest

from benchmarks.layout import CHUNKS, CODECS
from benchmarks.remote import run as remote
from benchmarks.report.goals import goal_of
from benchmarks.units import PLANS, Unit
from benchmarks.works import WORKS


@pytest.mark.parametrize("name", PLANS)
def test_names_are_unique_and_works_exist(name):
    plan = PLANS[name]()
    assert [name for name, count in Counter(unit.name for unit in plan.units).items() if count > 1] == []
    assert {unit.work for unit in plan.units} <= WORKS.keys()
    assert plan.peers[0] == "asynczarr"


def test_units_survive_the_pipe_to_a_worker():
    for unit in PLANS["full"]().units:
        assert Unit.from_json(asdict(unit)) == unit


def test_the_full_plan_reads_every_codec_in_every_layout():
    read = {(unit.codec, unit.layout) for unit in PLANS["full"]().units if unit.work == "read" and unit.compared}
    layouts = {*CHUNKS, "128K/8M", "16K/8M"}
    assert read == {(codec, layout) for codec in CODECS for layout in layouts}


def test_the_full_plan_has_seven_runs_of_every_work():
    plan = PLANS["full"]()
    assert plan.runs >= 7
    assert all(unit.runs is None for unit in plan.units if unit.compared)
    assert {unit.work for unit in [*plan.units, *remote.plan().units]} == WORKS.keys()


def test_goals_are_those_of_the_issue():
    assert goal_of(Unit("read", "128K")) == goal_of(Unit("write", "16K/8M")) == goal_of(Unit("slab", "1M")) == 1.0
    assert goal_of(Unit("read", "16K")) == 0.6
    assert goal_of(Unit("read", "4K")) is None
