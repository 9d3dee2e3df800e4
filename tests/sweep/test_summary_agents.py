"""What agents did is among a cell's figures, and so among those that a tracker is sent."""

from __future__ import annotations

import pytest
import sweep_folders as made

from ragvlc.core.answer import Step, Usage
from ragvlc.results.summary import metric_values


def test_agents_and_their_tokens_are_figures_of_a_cell(tmp_path):
    calls = tuple(Step("call", {"prompt_tokens": tokens}) for tokens in (100, 80, 20))
    usage = Usage(200, 0, 12, 3)
    trace = (Step("split", {"agents": 2, "paths": 1}), Step("worker", usage=usage, steps=calls))
    cells = [
        made.cell("chain", [made.row("a", {"m": 1.0}, usage=usage, trace=trace)]),
        made.cell("full", [made.row("a", {"m": 1.0})]),
    ]
    chain, full = made.write(tmp_path, [made.example("a")], cells).cells
    sent = metric_values(chain.summary)
    assert sent["tokens/agents"] == 2
    assert sent["tokens/completion_tokens_per_call"] == 4
    assert sent["tokens/prompt_tokens_per_call"] == pytest.approx(200 / 3)
    assert sent["tokens/attention_pairs"] == sum(n * (n + 1) // 2 for n in (100, 80, 20))
    assert "agents" not in full.summary
