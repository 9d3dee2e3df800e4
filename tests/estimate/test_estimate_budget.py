"""A budget is compared with what is owed before anything is computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from estimate_things import full, ran, sweep_over, write_set

from ragvlc.core.budget import Budget
from ragvlc.core.errors import ConfigError
from ragvlc.estimate.estimate import estimate
from ragvlc.estimate.limits import over_budget

SERVED: dict[str, Any] = {"kind": "openai_compatible", "url": "http://127.0.0.1:9/v1", "model": "some-model"}


def test_a_sweep_without_limits_is_not_even_planned(data: Path, runs: Path) -> None:
    assert over_budget(sweep_over(data), runs) == []
    assert over_budget(sweep_over(data / "nowhere", budget={}), runs) == []


def test_numbers_may_be_written_as_powers_of_ten() -> None:
    assert Budget.model_validate({"prompt_tokens": "2e7", "calls": 3}).limits == {"prompt_tokens": 2e7, "calls": 3.0}


@pytest.mark.parametrize("limits", [{"calls": 0}, {"dollars": 3}])
def test_limits_that_make_no_sense_are_refused(data: Path, limits: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"budget"):
        sweep_over(data, budget=limits)


def test_each_limit_exceeded_is_named_with_what_would_fit(data: Path, runs: Path) -> None:
    total = estimate(sweep_over(data), runs).total
    exact = {"calls": total["calls"], "prompt_tokens": total["prompt_tokens"]}
    assert over_budget(sweep_over(data, budget=exact), runs) == []
    tokens, calls, advice = over_budget(sweep_over(data, budget={"calls": 11, "prompt_tokens": 900}), runs)
    assert "budget.calls allows 11, and what is left to do is estimated at 24" in calls
    assert "budget.prompt_tokens allows 900" in tokens
    limit = int(advice.split("--limit ")[1].split()[0])
    assert "--over-budget" in advice
    fitting, more = (
        estimate(sweep_over(data, dataset={"kind": "jsonl", "path": str(data), "limit": n}), runs).total
        for n in (limit, limit + 1)
    )
    assert fitting["calls"] <= 11
    assert fitting["prompt_tokens"] <= 900
    assert more["calls"] > 11 or more["prompt_tokens"] > 900


def test_what_is_answered_costs_nothing_more(data: Path, runs: Path) -> None:
    sweep = sweep_over(data, budget={"calls": 1})
    assert over_budget(sweep, runs)
    ran(sweep, runs)
    assert over_budget(sweep, runs) == []


def test_nothing_may_fit(data: Path, runs: Path) -> None:
    [_, advice] = over_budget(sweep_over(data, budget={"calls": 1}), runs)
    assert "Not even one question fits" in advice


def test_a_limit_on_what_is_not_known_says_what_to_add(data: Path, runs: Path) -> None:
    served = {"full": full(**SERVED)}
    [money] = over_budget(sweep_over(data, pipelines=served, budget={"money": 5.0}), runs)
    assert "openai_compatible some-model has no price. Add `price:" in money
    [seconds] = over_budget(sweep_over(data, pipelines=served, budget={"seconds": 5.0}), runs)
    assert "no stored answers to go by" in seconds
    priced = {"full": full(**SERVED, price={"prompt": 1000.0, "completion": 0.0})}
    [money, advice] = over_budget(sweep_over(data, pipelines=priced, budget={"money": 2.0}), runs)
    assert "budget.money allows 2.00" in money
    assert "--limit" in advice


def test_a_sampled_sweep_is_told_about_what_fits(tmp_path: Path, runs: Path) -> None:
    folder = write_set(tmp_path / "many", documents=40, each=5)
    [_, advice] = over_budget(sweep_over(folder, pipelines={"full": full()}, budget={"calls": 100}), runs)
    assert "About --limit 100 (of 200 questions) would fit." in advice
