"""Figures of the benchmarks: written to one file, compared beyond their spread, shown on one page."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "docs"))

import _figures
import compare
import measured

ROOT = Path(__file__).parents[1]
HERE = {"processor": "A", "cores": 2, "instructions": "avx2", "limited_to": "", "gpu": ""}


def side(values, better="more", *, exact=False, **machine):
    figures = {"first run": {"unit": "times", "better": better, "values": values, "exact": exact}}
    return {"grid.py": {**HERE, **machine, "figures": figures}}


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [
        (side([5.0, 5.2, 5.4]), side([5.3, 5.6, 5.9]), "same"),
        (side([5.0, 5.2, 5.4]), side([5.4, 5.6, 5.9]), "same"),
        (side([5.0, 5.2, 5.4]), side([4.0, 4.2, 4.9]), "worse"),
        (side([5.0, 5.2, 5.4]), side([5.5, 5.6, 5.9]), "better"),
        (side([1.0, 1.1], "less"), side([1.2, 1.3], "less"), "worse"),
        (side([1.0, 1.1], "less"), side([0.8, 0.9], "less"), "better"),
        (side([5.0, 5.2]), side([4.0]), "one repeat"),
        (side([5.0]), side([5.0]), "same"),
        (side([0.99], exact=True), side([0.98], exact=True), "worse"),
        (side([0.0, 0.0]), side([0.5, 0.6]), "better"),
        (side([5.0, 5.2]), side([1.0, 1.1], instructions="avx2 amx_bf16"), "other machine"),
        (side([5.0, 5.2]), side([1.0, 1.1], limited_to="ATEN_CPU_CAPABILITY=avx2"), "other machine"),
        ({}, side([5.0, 5.2]), "new"),
        (side([5.0, 5.2]), {}, "not measured"),
    ],
)
def test_a_figure_changed_only_if_the_ranges_share_no_value(before, now, verdict):
    [found] = compare.changes(before, now)
    assert (found.verdict, found.benchmark, found.figure) == (verdict, "grid.py", "first run")
    said = compare.report([found])
    assert ("grid.py: first run: " in said) == (verdict != "same")
    assert said.endswith(f"{int(verdict == 'same')} of 1 figures within their spread.")


def test_figures_are_written_where_the_run_was_asked_to_and_nowhere_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(ROOT / "tests/benchmarks/grid.py"), "--peer", "/opt/other/bin/python"])
    monkeypatch.delenv(_figures.FILE, raising=False)
    _figures.record("first run", [5.0, 5.2])
    assert list(tmp_path.iterdir()) == []
    file = tmp_path / "build" / "bench.json"
    monkeypatch.setenv(_figures.FILE, str(file))
    _figures.record("first run", [5.0, 5.23456789])
    _figures.record("second run", [9.0], "ms", better="less")
    [(name, entry)] = _figures.read(file).items()
    assert name == "grid.py --peer python"  # no folder of the machine
    assert entry["figures"] == {
        "first run": {"unit": "times", "better": "more", "values": [5.0, 5.235]},
        "second run": {"unit": "ms", "better": "less", "values": [9.0]},
    }
    assert {"date", "started", "processor", "cores", "instructions", "limited_to", "gpu", "load"} < entry.keys()


def test_figures_of_an_earlier_run_are_replaced_and_those_of_other_benchmarks_stay(tmp_path, monkeypatch):
    file = tmp_path / "bench.json"
    earlier = {"date": "2020-01-01", "started": "00:00:00", "figures": {"gone": {"values": [1.0]}}}
    _figures.write(file, {"grid.py": earlier, "rows.py": earlier})
    monkeypatch.setattr(sys, "argv", ["grid.py"])
    monkeypatch.setenv(_figures.FILE, str(file))
    _figures.record("first run", [5.0])
    found = _figures.read(file)
    assert list(found["grid.py"]["figures"]) == ["first run"]
    assert found["rows.py"] == earlier


@pytest.mark.parametrize(("now", "code"), [([4.0, 4.1], 1), ([6.0, 6.1], 0), ([5.1, 5.3], 0)])
def test_comparing_fails_only_where_something_became_worse(tmp_path, monkeypatch, capsys, now, code):
    for name, values in (("stored", [5.0, 5.2]), ("last", now)):
        (tmp_path / name).write_text(json.dumps(side(values)))
    monkeypatch.setattr(
        sys, "argv", ["compare.py", "--last", str(tmp_path / "last"), "--stored", str(tmp_path / "stored")]
    )
    assert compare.main() == code
    assert ("Worse" in capsys.readouterr().out) == bool(code)


def test_storing_takes_over_what_was_measured_and_leaves_the_rest(tmp_path, monkeypatch, capsys):
    (tmp_path / "stored").write_text(json.dumps(side([5.0]) | {"rapid_round.py": HERE | {"figures": {}}}))
    (tmp_path / "last").write_text(json.dumps(side([6.0])))
    paths = ["--last", str(tmp_path / "last"), "--stored", str(tmp_path / "stored")]
    monkeypatch.setattr(sys, "argv", ["compare.py", *paths, "--store"])
    assert compare.main() == 0
    found = _figures.read(tmp_path / "stored")
    assert found["grid.py"]["figures"]["first run"]["values"] == [6.0]
    assert "rapid_round.py" in found
    monkeypatch.setattr(sys, "argv", ["compare.py", "--last", str(tmp_path / "absent")])
    assert compare.main() == 2
    assert "Run: make bench" in capsys.readouterr().err


def test_the_page_shows_every_stored_figure_with_its_machine_and_date():
    text, stored = measured.page(), _figures.read(_figures.STORED)
    assert stored
    assert "/" not in "".join(stored)
    for benchmark, entry in stored.items():
        assert f"## `{benchmark}`" in text
        assert f"{entry['date']}, {entry['cores']} cores of {entry['processor']}" in text
        assert entry["instructions"] in text
        for name, figure in entry["figures"].items():
            assert any(line.startswith(f"| {name}") for line in text.splitlines()), name
            assert figure["values"]


def test_every_benchmark_of_make_bench_records_its_figures():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    run = "".join(
        makefile.partition(f"\n{target}: $")[2].partition("\n\n")[0] + "\n" for target in ("bench", "bench-gpu")
    )
    files = {line.split("tests/benchmarks/")[1].split()[0] for line in run.splitlines() if "tests/benchmarks/" in line}
    assert len(files) > 5
    for name in sorted(files):
        text = (ROOT / "tests" / "benchmarks" / name).read_text(encoding="utf-8")
        text += (ROOT / "tests" / "benchmarks" / "_sides.py").read_text(encoding="utf-8") if name == "grid.py" else ""
        assert "record(" in text, f"{name} writes no figure: make bench-compare would not see it become slower"
