"""A plan runs in worker processes, its results survive, and a page comes of them."""

from __future__ import annotations

import inspect
import json

import pytest

from asynczarr import Array
from benchmarks.report.goals import verdicts
from benchmarks.result import Result, Results
from benchmarks.runner import Runner
from benchmarks.units import Plan, Unit
from benchmarks.works.budget import DEFAULT_BUDGET

UNITS = [
    Unit("read", "128K", mebibytes=8),
    Unit("stream", "128K", mebibytes=8, fresh=True, runs=1),
    Unit("chunks", store="synthetic", count=100, only=("asynczarr",), fresh=True, runs=1),
]


@pytest.fixture(scope="module")
def results_file(folder):
    file = folder / "results" / "quick.json"
    plan = Plan(UNITS, 2, 5.0, ("asynczarr", "tensorstore"))
    said = []
    Runner(plan, folder, file, resume=False, say=said.append).run()
    assert len(said) == len(UNITS)
    return file


def test_results_have_the_same_metrics_for_all(results_file):
    document = json.loads(results_file.read_text())
    assert document["about"]["machine"]["python"]
    assert {"asynczarr", "tensorstore"} <= document["about"]["versions"].keys()
    assert [(each["unit"], each["peer"]) for each in document["results"]] == [
        (unit.name, peer) for unit in UNITS for peer in unit.only or ("asynczarr", "tensorstore")
    ]
    for each in document["results"]:
        assert each.keys() == {"unit", "peer", "runs", "problem"}
        assert each["problem"] is None
        assert {"seconds", "cpu", "peak", "idle_cpu"} <= each["runs"].keys()
        assert len({len(values) for values in each["runs"].values()}) == 1
        assert all(isinstance(value, float) for values in each["runs"].values() for value in values)
    read = document["results"][0]["runs"]
    assert len(read["seconds"]) == 2
    assert all(value > 0 for value in read["seconds"] + read["cpu"])


def test_resume_measures_only_what_is_missing(results_file, folder):
    said = []
    before = results_file.read_bytes()
    plan = Plan(UNITS, 2, 5.0, ("asynczarr", "tensorstore"))
    results = Runner(plan, folder, results_file, resume=True, say=said.append).run()
    assert said == []
    assert results_file.read_bytes() == before
    assert results.units() == [unit.name for unit in UNITS]


def test_resume_refuses_results_of_another_plan(results_file, folder):
    with pytest.raises(SystemExit, match="start over"):
        Runner(Plan(UNITS, 3, 5.0, ("asynczarr",)), folder, results_file, resume=True, say=str)


def test_page(tmp_path):
    pytest.importorskip("matplotlib", reason="plots are made by matplotlib")
    from benchmarks.report import write_page

    results = _results({"asynczarr": 0.2, "zarr": 1.0, "tensorstore": 0.1})
    results.save(tmp_path / "results" / "full.json")
    write_page(tmp_path / "results", tmp_path / "performance.md")
    page = (tmp_path / "performance.md").read_text()
    assert "| read, 128K, zstd | 0.50 ✗ | 5.00 | 200 | 1000 | **100** |" in page
    assert "- read, 128K, zstd: 0.50 of 1.0 (tensorstore is faster)" in page
    for line in page.splitlines():
        if line.startswith("!["):
            assert (tmp_path / line.rpartition("(")[2].rstrip(")")).read_text().startswith("<?xml")


def test_ratios_take_the_fastest_peer():
    results = _results({"asynczarr": 0.2, "zarr": 1.0, "tensorstore": 0.3})
    unit = Unit("read", "128K", mebibytes=256).name
    assert results.best_peer(unit).peer == "tensorstore"
    assert results.ratio(unit) == pytest.approx(1.5)
    assert results.ratio(unit, "zarr") == pytest.approx(5.0)
    assert [each.met for each in verdicts(results)] == [True, True]


def test_a_peer_with_a_problem_is_no_peer():
    results = _results({"asynczarr": 0.2, "zarr": 0.3})
    unit = results.units()[0]
    results.results.append(Result(unit, "tensorstore", problem="wrong result"))
    assert results.best_peer(unit).peer == "zarr"


def test_the_default_budget_is_that_of_the_library():
    assert inspect.signature(Array.stream_chunks).parameters["max_bytes"].default == DEFAULT_BUDGET


def _results(seconds):
    unit = Unit("read", "128K", mebibytes=256).name
    machine = dict.fromkeys(("processor", "cores", "memory", "system", "python"), "x")
    about = {"machine": machine, "versions": {}, "runs": 1, "settings": {}, "seconds": 1.0}
    return Results(about, [Result(unit, peer, {"seconds": [value], "cpu": [value]}) for peer, value in seconds.items()])
