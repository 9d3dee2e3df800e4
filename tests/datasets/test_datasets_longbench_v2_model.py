"""LongBench v2 on records made by hand, asked with the packaged model as its authors ask, end to end."""

from __future__ import annotations

import json

from ragvlc.datasets.longbench_v2 import LongbenchV2
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep
from tests.released_files import LONGBENCH_V2


def test_a_sweep_with_the_authors_prompt_cut_and_figures(language_model, tmp_path):
    context = " ".join(f"On day {day} the wind came from the west." for day in range(25))
    rows = [{**LONGBENCH_V2, "context": f"{context} The keeper carries oil. {context}"}]
    (tmp_path / "data.json").write_text(json.dumps(rows))
    sweep = Sweep.load("longbench_v2", overrides={"generators.main.window": 420, "tracker": "none"})
    changed = {
        "pipelines": {name: one for name, one in sweep.pipelines.items() if name == "full_context"},
        "dataset": LongbenchV2(path=str(tmp_path), prompts="official", cut="official"),
        "axes": {path: values for path, values in sweep.axes.items() if path != "dataset.prompts"},
    }
    outcome = run_sweep(sweep.model_copy(update=changed), tmp_path / "runs")
    assert outcome.complete
    [cell] = outcome.results().cells
    [row] = cell.rows.values()
    assert cell.facts["dataset"] == "longbench_v2, official prompts and cut"
    assert list(row.answer.facts("prompts")) == ["official"]
    assert list(row.answer.facts("cut")) == ["middle_odd"]
    assert row.answer.usage.prompt_tokens + 128 <= 420
    assert len(row.answer.context) == 2  # the middle is left out
    assert set(row.scores) == {"choice_accuracy", "longbench_v2_accuracy"}
