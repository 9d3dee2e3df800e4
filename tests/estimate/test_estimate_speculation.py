"""When speculation pays: by closed forms, by brute force, and beside stored answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from estimate_things import ran, sweep_over

from ragvlc.analysis import speculation_break_even as speculation
from ragvlc.analysis.speculation_acceptance import ASSUMED
from ragvlc.analysis.speculation_break_even import BreakEven, Speculator, expected_tokens
from ragvlc.analysis.speculation_map import draw, speedups
from ragvlc.core.component import Component
from ragvlc.core.errors import ConfigError
from ragvlc.estimate.forecast import Given, forecasts, speculating_routes
from ragvlc.hardware.devices import DEVICES
from ragvlc.hardware.model_sizes import KNOWN, Shape, shape_of
from ragvlc.hardware.placement import Machine
from ragvlc.hardware.roofline import Device, decode_seconds, verify_seconds
from ragvlc.pipeline import Pipeline
from ragvlc.routes.rapid import Rapid
from ragvlc.routes.speculative import Speculative
from tests.row_lines import read_rows, write_rows

SMALL = Shape(layers=2, hidden=8, heads=4, kv_heads=2, head_size=2, intermediate=16, vocabulary=10)
PLAIN = Device("plain", 1e12, 1e12, 1e3, 1e6, compute_share=1.0, traffic_share=1.0)
H200 = DEVICES["h200"]
BIG, LITTLE = shape_of(KNOWN["llama-3.1-8b"]), shape_of(KNOWN["llama-3.2-1b"])


def of(draft: Shape = LITTLE, acceptance: float = 0.75, **changes: Any) -> Speculator:
    return replace(Speculator(BIG, draft, H200, Rapid().draft_reads, acceptance), **changes)


# ---------------------------------------------------------------- the law


@pytest.mark.parametrize("gamma", [1, 4, 10])
@pytest.mark.parametrize("a", [0.0, 0.3, 0.75, 0.999])
def test_expected_tokens_are_the_geometric_sum(gamma: int, a: float) -> None:
    assert expected_tokens(gamma, a) == pytest.approx((1 - a ** (gamma + 1)) / (1 - a))
    assert expected_tokens(gamma, [a]) == pytest.approx(expected_tokens(gamma, a))


def test_acceptance_by_place_multiplies_up_to_each_place() -> None:
    # places .9, .5, and .5 from there on: 1 + .9 + .9 x .5 + .9 x .25
    assert expected_tokens(3, (0.9, 0.5)) == pytest.approx(1 + 0.9 + 0.45 + 0.225)
    assert expected_tokens(2, 1.0) == 3.0
    assert expected_tokens(0, 0.9) == 1.0


def test_seconds_by_hand() -> None:
    # Bytes only, 1,000 a second. Weights and one table: 2 x (1152 + 80); a token's keys and values: 2 layers x 16.
    weights, token = 2 * 1232, 32
    model = Speculator(SMALL, SMALL, PLAIN, lambda tokens: tokens // 10, 0.5)
    point = model.at(1000, 2)
    draft = weights + token * 100
    check = weights + token * 1003
    assert point.plain_seconds == pytest.approx((weights + token * 1000) / 1e3)
    assert point.seconds == pytest.approx((2 * draft + check) / 1e3 / (1 + 0.5 + 0.25))
    assert (point.context, point.draft_context, point.gamma, point.tokens_a_round) == (1000, 100, 2, 1.75)
    assert point.speedup == pytest.approx(point.plain_seconds / point.seconds)


def test_a_free_and_certain_drafter_gains_a_whole_draft() -> None:
    nothing = replace(LITTLE, layers=0, vocabulary=0)
    point = of(nothing, 1.0).at(131_072, 4)
    assert point.seconds == pytest.approx(verify_seconds(BIG, H200, 131_072, 5) / 5)
    by_bytes = of(nothing, 1.0, device=replace(H200, recorded=None)).at(131_072, 4)
    assert by_bytes.speedup == pytest.approx(5, rel=0.01)
    assert 4 < point.speedup < 5  # a check is dearer than a step


def test_more_acceptance_and_a_smaller_part_read_are_never_slower() -> None:
    speeds = [of(acceptance=a).at(131_072, 10).speedup for a in (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)]
    assert speeds == sorted(speeds)
    assert speeds[0] < 1 < speeds[-1]
    parts = [of(BIG, reads=lambda tokens, s=share: max(1, tokens // s)).at(131_072, 4).speedup for share in (1, 4, 24)]
    assert parts == sorted(parts)
    bests = [of(acceptance=a).best(131_072) for a in (0.3, 0.6, 0.9)]
    assert [one.gamma for one in bests] == sorted(one.gamma for one in bests)
    assert bests[0].gamma < bests[-1].gamma


def test_the_best_draft_is_the_best_of_all() -> None:
    model = of()
    every = {gamma: model.at(32_768, gamma).seconds for gamma in range(1, speculation.MOST_GAMMA + 1)}
    best = model.best(32_768)
    assert (best.gamma, best.seconds) == min(every.items(), key=lambda item: item[1])


def test_a_figure_of_the_paper_has_the_right_size() -> None:
    """8B from 8B, 120,000 tokens, one A800 (an A100 here), accepted 77 %: 2.1 times; the model bounds it from above."""
    shape = replace(of(BIG, 0.9), device=DEVICES["a100-80gb"])
    assert 1.0 < shape.best(120_000).speedup < 2.5


# ---------------------------------------------------------------- break-even


@pytest.mark.parametrize("gamma", [1, 3, 8, None])
@pytest.mark.parametrize("step", [1, 64])
def test_break_even_is_what_brute_force_finds(monkeypatch: pytest.MonkeyPatch, gamma: int | None, step: int) -> None:
    monkeypatch.setattr(speculation, "LONGEST", 1024)
    monkeypatch.setattr(speculation, "MOST_GAMMA", 8)

    def reads(tokens: int) -> int:  # all of 40 tokens, an eighth of more, in whole steps
        return min(tokens, max(40, -(-tokens // (8 * step)) * step if step > 1 else 40))

    model = Speculator(SMALL, SMALL, PLAIN, reads, 0.7)
    speeds = [(model.best(c) if gamma is None else model.at(c, gamma)).speedup for c in range(1, 1025)]
    wins = [context for context, speed in enumerate(speeds, 1) if speed > 1]
    found = model.break_even(gamma)
    assert found.context is not None
    assert found.until is None
    if step == 1:
        assert wins == list(range(found.context, 1025))
    else:  # the gain comes and goes at each step
        losses = set(range(1, 1025)) - set(wins)
        assert wins[0] <= found.context <= max(losses) + 1
        assert found.context in wins
        assert found.context - 1 in losses


def test_never_always_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speculation, "LONGEST", 1024)
    same = Speculator(SMALL, SMALL, PLAIN, lambda tokens: tokens, 0.0)
    assert same.break_even(4) == BreakEven(None)
    assert same.break_even(4).words == "never"
    free = replace(same, draft=replace(SMALL, layers=0, vocabulary=0), acceptance=0.9)
    assert free.break_even(4).words == "always"
    greedy = replace(same, reads=lambda tokens: 1 if tokens < 777 else tokens, acceptance=0.9)
    found = greedy.break_even(4)
    assert found.until == 777
    assert found.words.endswith("to 776 tokens")
    early = replace(greedy, reads=lambda tokens: tokens if 100 <= tokens < 777 else 1)
    assert early.at(99, 4).speedup > 1
    assert early.break_even(4) == BreakEven(777)  # what is won and lost before does not count


def test_a_long_context_makes_a_drafter_pay_that_does_not_behind_a_short_one() -> None:
    own = of(BIG, 0.9)
    found = own.break_even(10).context
    assert found is not None
    assert own.at(found - 1, 10).speedup <= 1 < own.at(found, 10).speedup
    assert decode_seconds(BIG, H200, found) > decode_seconds(BIG, H200, 4096)


# ---------------------------------------------------------------- of a pipeline


def pipeline(**route: Any) -> Pipeline:
    settings: Mapping[str, Any] = {"kind": "rapid", "retriever": "bm25", "floor": None} | route
    return Pipeline(generators={"main": {"kind": "scripted"}, "draft": {"kind": "scripted"}}, routes={"it": settings})


SIZED = Given(0.75, {"main": "llama-3.1-8b", "draft": "llama-3.2-1b"}, Machine("h200"))


def test_a_pipeline_is_forecast_by_its_own_settings() -> None:
    [found] = forecasts(pipeline(gamma=4), 131_072, "nowhere", SIZED)
    assert found.models == "llama-3.1-8b from llama-3.2-1b"
    assert found.asked == of().at(131_072, 4)
    assert found.asked.draft_context == 11 * 512  # the paper's rule
    assert found.best == of().best(131_072)
    assert found.break_even == of().break_even()
    assert [row[0].context for row in found.table] == [8192, 32_768, 131_072, 524_288, 2_097_152]
    assert "as given" in " ".join(found.notes)
    json.dumps(found.to_json(), allow_nan=False)


def test_what_the_drafter_reads() -> None:
    assert [Rapid().draft_reads(tokens) for tokens in (100, 4096, 50_000, 131_072)] == [100, 4096, 4096, 5632]
    assert Rapid(chunker={"kind": "whole"}, minimum=100).draft_reads(48_000) == 2000
    assert (Speculative().draft_reads(9000), Speculative(draft_context_tokens=1000).draft_reads(9000)) == (9000, 1000)


def test_routes_inside_others_are_found() -> None:
    class Around(Component):
        first: Component

        def answer(self) -> None: ...

    assert list(speculating_routes(pipeline())) == ["it"]
    plain = Pipeline(generators={"main": {"kind": "scripted"}}, routes={"full": "full_context"})
    assert speculating_routes(plain) == {}
    with pytest.raises(ConfigError, match=r"no route of this pipeline decodes speculatively \(full_context\)"):
        forecasts(plain, 1000)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (Given(), r"generators.main: .*'scripted'.*--shape main=NAME"),
        (Given(shapes={"mian": "llama-3.1-8b"}), r"--shape mian: no such role.*Nearest: main"),
        (Given(shapes={"main": "llama-3.1-8"}), r"--shape main=llama-3.1-8: .*Nearest: llama-3.1-8b"),
    ],
)
def test_what_is_not_known_is_one_clear_error(given: Given, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        forecasts(pipeline(), 1000, "nowhere", given)


def test_a_context_beyond_memory_is_told() -> None:
    [found] = forecasts(pipeline(), 2_000_000, "nowhere", replace(SIZED, machine=Machine("l4")))
    assert any("more than l4 has" in note for note in found.notes)


ROUTE = {"kind": "rapid", "retriever": "bm25", "floor": None, "temperature": 0, "eta": 0, "minimum": 64}


def stored(data: Path, runs: Path, llama: Path) -> Pipeline:
    """Runs a sweep of two questions with a tiny model and puts seconds of an engine into its rows."""
    model = {"kind": "transformers", "model": str(llama), "dtype": "float32", "device": "cpu"}
    spec = {
        "generators": {"main": model, "draft": model},
        "routes": {"it": {**ROUTE, "gamma": 3, "answer_tokens": 12, "chunker": {"kind": "tokens", "size": 32}}},
    }
    limited = {"kind": "jsonl", "path": str(data), "limit": 2}
    outcome, _ = ran(sweep_over(data, pipelines={"rapid": spec}, dataset=limited), runs)
    [folder] = [path.parent for path in outcome.folder.glob("*/predictions.jsonl")]
    rows = read_rows(folder / "predictions.jsonl")

    def steps(found: list[dict[str, Any]]) -> Any:
        for one in found:
            yield one
            yield from steps(one.get("steps", []))

    for row in rows:
        [facts] = [step["facts"] for step in steps(row["answer"]["trace"]) if "rounds" in step["facts"]]
        facts |= {"rounds": 10, "tokens": 30, "tried_at": "10 10 10", "judged_at": "10 9 6", "accepted_at": "9 6 5"}
        facts |= {"draft_seconds": 2.0, "verify_seconds": 1.0, "plain_seconds": 6.0}
        facts |= {"target_prompt": 1000, "draft_prompt": 100}
    write_rows(folder / "predictions.jsonl", rows)
    return Pipeline(**yaml.safe_load((folder / "resolved.yaml").read_text())["pipeline"])


def test_what_was_measured_stands_beside_and_gives_the_acceptance(data: Path, runs: Path, tiny_llama: Path) -> None:
    asked = stored(data, runs, tiny_llama)
    [found] = forecasts(asked, 500, runs, Given(machine=Machine("h200")))
    [one] = found.measured
    assert (one.sums.speedup, one.sums.tokens_a_second, one.gamma) == (2.0, 10.0, 3)
    assert (one.point.context, one.point.draft_context) == (1000, 100)
    # 40 of 50 judged tokens; no place of a draft has 30 of its own
    assert found.asked.tokens_a_round == pytest.approx((1 - 0.8**4) / 0.2)
    assert any("0.80" in note and "2 stored answers" in note for note in found.notes)
    [other] = forecasts(asked, 500, runs, Given(0.5, machine=Machine("h200")))
    assert other.asked.tokens_a_round == pytest.approx(1.875)


def test_answers_of_other_settings_are_shown_but_give_no_acceptance(data: Path, runs: Path, tiny_llama: Path) -> None:
    asked = stored(data, runs, tiny_llama)
    spec = asked.spec()
    spec["routes"]["it"] |= {"temperature": 1.0, "eta": 10.0}
    [found] = forecasts(Pipeline(**spec), 500, runs, Given(machine=Machine("h200")))
    assert len(found.measured) == 1
    assert found.asked.tokens_a_round == pytest.approx(expected_tokens(3, ASSUMED))


# ---------------------------------------------------------------- the map


def test_the_map_has_the_models_own_figures() -> None:
    contexts, shares = (4096, 131_072), (0.3, 0.9)
    best = speedups(of(BIG), contexts, shares)
    assert best == [[of(BIG, share).best(context).speedup for context in contexts] for share in shares]
    ten = speedups(of(BIG), contexts, shares, gamma=10)
    assert ten[1][1] == of(BIG, 0.9).at(131_072, 10).speedup
    assert ten[0][1] < best[0][1]
    assert best[0][0] < 1 < best[1][1]


def test_the_map_draws_a_line_where_it_begins_to_pay() -> None:
    contexts, shares = (4096, 131_072), (0.3, 0.9)
    axes = draw(of(BIG), contexts, shares).axes[0]
    figures = [f"{one:.2f}" for row in speedups(of(BIG), contexts, shares) for one in row]
    assert [text.get_text() for text in axes.texts] == figures
    assert [one.get_text() for one in axes.get_xticklabels()] == ["4k", "128k"]
    lines = [path for found in axes.collections for path in found.get_paths() if len(path.vertices)]
    assert lines
    nowhere = draw(of(BIG), (4096, 8192), (0.1, 0.2)).axes[0]
    assert not nowhere.collections
