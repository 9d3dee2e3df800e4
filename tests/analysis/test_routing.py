"""The router report, for results whose figures can be worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import sweep_folders as made
from rich.console import Console
from sweep_folders import cell, example, write

from ragvlc.analysis._routing_break_even import break_even
from ragvlc.analysis._routing_curves import curve
from ragvlc.analysis._routing_groups import RoutingGroup
from ragvlc.analysis._routing_measures import (
    Measures,
    measures,
    qualities,
    question_oracle,
    single_route,
    task_oracle,
)
from ragvlc.analysis.page import html_page
from ragvlc.analysis.report import terminal_report
from ragvlc.analysis.results import Results
from ragvlc.analysis.routing import routing_frame, routing_groups, routing_reports
from ragvlc.core.answer import Prediction, Step, Timing, Usage
from ragvlc.statistics.differences import paired_difference

NAMES = ("a", "b", "c", "d")
RAG = {"a": 1.0, "b": 0.0, "c": 0.5, "d": 0.0}
FULL = {"a": 0.0, "b": 1.0, "c": 0.5, "d": 0.4}
CHARACTERS = {"a": 4_000, "b": 8_000, "c": 16_000, "d": 32_000}
PRICES = {"main": {"prompt": 2.0, "completion": 0.0, "cached": 0.2}}


def questions() -> list[dict[str, Any]]:
    """Two task classes over four documents; d has no answer in its text."""
    return [
        example(
            name,
            f"doc {name}",
            documents=[f"doc {name}"],
            characters=[CHARACTERS[name]],
            group=name,
            task="lookup" if name in "ab" else "compare",
            unanswerable=name == "d",
            evidence=[] if name == "d" else [[f"doc {name}", 0, 100]],
        )
        for name in NAMES
    ]


def answered(name: str, score: float, route: str, tokens: int, steps: Sequence[Step] = (), **answer: Any) -> Prediction:
    """Returns a row that took `route`, read `tokens` tokens and scored so."""
    reason = "always" if not answer.pop("chosen", None) else "looked"
    signals = answer.pop("signals", {})
    usage = Usage(tokens, answer.pop("cached", 0), 0, 1)
    chosen = Step("route", {"route": route, "reason": reason, **signals})
    given = {"route": route, "usage": usage, "bills": {"main": usage}, "trace": (chosen, *steps), **answer}
    return made.row(
        name, {"m": score}, timing=answer.pop("timing", Timing()), **{k: v for k, v in given.items() if k != "timing"}
    )


def fixed(route: str, scores: Mapping[str, float], tokens: Mapping[str, int]) -> list[Prediction]:
    return [answered(name, scores[name], route, tokens[name]) for name in NAMES]


def router(
    choices: Mapping[str, str], signals: Mapping[str, float] | None = None, favours: str = "full"
) -> list[Prediction]:
    """Returns the rows of a router with these choices."""
    rows = []
    for name, route in choices.items():
        told = {"score": signals[name], "favours": favours} if signals else {}
        score = (RAG if route == "rag" else FULL)[name]
        tokens = 1000 if route == "rag" else CHARACTERS[name] // 4
        rows.append(answered(name, score, route, tokens, chosen=True, signals=told))
    return rows


def cells(**more: list[Prediction]) -> list[dict[str, Any]]:
    return [
        cell("full", fixed("full", FULL, {name: CHARACTERS[name] // 4 for name in NAMES}), prices=PRICES),
        cell("rag", fixed("rag", RAG, dict.fromkeys(NAMES, 1000)), prices=PRICES),
        *(cell(name, rows, prices=PRICES) for name, rows in more.items()),
    ]


def results(folder: Path, **more: list[Prediction]) -> Results:
    return write(folder, questions(), cells(**more), metrics=("m",))


WRONG = {"a": "full", "b": "rag", "c": "rag", "d": "rag"}
RIGHT = {"a": "rag", "b": "full", "c": "rag", "d": "full"}
HALF = {"a": "rag", "b": "full", "c": "full", "d": "rag"}


def joined_bounds(group: RoutingGroup, row: Measures) -> tuple[float | None, float | None]:
    """The outermost bounds of the comparisons with the single route, and with either route, as both are chosen."""
    arms = [single_route(group), *group.fixed]
    own = qualities(row.arm, NAMES)
    found = [paired_difference(own, qualities(arm, NAMES), group.clusters) for arm in arms]
    return min(one.low or 0 for one in found), max(one.high or 0 for one in found)


def test_gain_regret_and_accuracy_are_what_the_definitions_say(tmp_path: Path) -> None:
    found = routing_groups(results(tmp_path, half=router(HALF), wrong=router(WRONG)))
    assert len(found) == 1
    group = found[0]
    assert [arm.name for arm in group.fixed] == ["rag", "full"], "the cheapest first"
    assert group.best.name == "full", "0.475 against 0.375"
    half, wrong = (measures(group, arm) for arm in group.routers)
    assert half.quality.mean == pytest.approx(2.5 / 4)
    # Without a, full is best and scores 0 on a; without b rag, 0; without c full, 0.5; without d both are level: rag.
    assert group.chosen == {
        "a": {"rag": 0.0, "full": 1.0},
        "b": {"rag": 1.0, "full": 0.0},
        "c": {"rag": 0.0, "full": 1.0},
        "d": {"rag": 1.0, "full": 0.0},
    }
    assert half.gain.mean == pytest.approx((2.5 - 0.5) / 4)
    assert (half.gain.low, half.gain.high) == joined_bounds(group, half)
    assert half.regret.mean == pytest.approx((2.9 - 2.5) / 4)
    assert half.normalised.mean == pytest.approx((2.5 - 0.5) / (2.9 - 0.5))
    assert half.right is not None
    assert (half.right.mean, half.right.n) == (pytest.approx(2 / 3), 3), "c is a tie"
    assert half.shares == {"rag": 0.5, "full": 0.5}
    assert half.tokens == pytest.approx((1000 + 2000 + 4000 + 1000) / 4)
    assert half.money == pytest.approx(half.tokens * 2 / 1e6)
    assert half.seconds is None, "nothing was timed"
    assert wrong.gain.mean == pytest.approx(0)
    rag = measures(group, group.fixed[0])
    assert rag.gain.mean == pytest.approx((1.5 - 1.9) / 4), "of a fixed route: against the best one"
    assert wrong.right is not None
    assert wrong.right.mean == 0


def test_oracles_take_the_best_route_of_a_class_and_of_a_question(tmp_path: Path) -> None:
    [group] = routing_groups(results(tmp_path, half=router(HALF)))
    by_class, by_question = task_oracle(group), question_oracle(group)
    assert by_class.sent == {"a": "rag", "b": "rag", "c": "full", "d": "full"}, "lookups are level: the cheapest"
    assert by_question.sent == {"a": "rag", "b": "full", "c": "rag", "d": "full"}
    assert measures(group, by_question).regret.mean == 0
    assert measures(group, by_question).quality.mean == pytest.approx(2.9 / 4)


def test_a_deferral_curve_goes_from_one_route_to_the_other_in_the_order_of_the_score(tmp_path: Path) -> None:
    best, worst = {"b": 4.0, "d": 3.0, "c": 2.0, "a": 1.0}, {"a": 4.0, "c": 3.0, "d": 2.0, "b": 1.0}
    loaded = results(
        tmp_path,
        best=router(HALF, best),
        worst=router(HALF, worst),
        turned=router(HALF, {name: -score for name, score in best.items()}, favours="rag"),
        alike=router(HALF, dict.fromkeys(NAMES, 1.0)),
        point=router(RIGHT),
    )
    [group] = routing_groups(loaded)
    curves = {arm.name: curve(group, arm) for arm in group.routers}
    assert all(curves.values())
    best_one = curves["best"]
    assert best_one is not None
    assert best_one.shares == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert best_one.qualities == pytest.approx((1.5 / 4, 2.5 / 4, 2.9 / 4, 2.9 / 4, 1.9 / 4))
    assert best_one.tokens[0] == 1000
    assert best_one.tokens[-1] == pytest.approx(60_000 / 16)
    for one in curves.values():
        assert one is not None
        area = sum(
            (one.shares[i + 1] - one.shares[i]) * (one.qualities[i + 1] + one.qualities[i]) / 2
            for i in range(len(one.shares) - 1)
        )
        assert one.area == pytest.approx(area), one.arm.name
    over = {name: one.over_line.mean for name, one in curves.items() if one}
    assert over["best"] == pytest.approx(best_one.possible)
    assert over["turned"] == pytest.approx(over["best"]), "a low score that speaks for the other route is the same"
    assert over["worst"] == pytest.approx(-(over["best"] or 0))
    assert over["alike"] == pytest.approx(0, abs=1e-12)
    assert curves["point"] is not None
    assert not curves["point"].scored


def wrapped(escalated: Sequence[str], score: Mapping[str, float] | None = None) -> list[Prediction]:
    """Returns the rows of a wrapper over rag and full whose routes are named by their kinds."""
    rows = []
    for name in NAMES:
        sent = name in escalated
        told = {"route": "retrieve", "escalate": sent} | ({"score": score[name]} if score else {})
        steps = [Step("first", told), *([Step("then", {"route": "full_context"})] if sent else [])]
        tokens = 1000 + (CHARACTERS[name] // 4 if sent else 0)
        rows.append(answered(name, (FULL if sent else RAG)[name], "careful", tokens, steps))
    return rows


def test_a_wrapper_is_a_router_whose_second_call_pays_for_both(tmp_path: Path) -> None:
    scores = {"a": 0.1, "b": 0.9, "c": 0.2, "d": 0.3}
    [group] = routing_groups(results(tmp_path, careful=wrapped(["b", "d"], scores)))
    [careful] = group.routers
    assert careful.sent == {"a": "rag", "b": "full", "c": "rag", "d": "full"}
    found, deferral = measures(group, careful), curve(group, careful)
    assert found.tokens == pytest.approx((1000 + 3000 + 1000 + 9000) / 4)
    assert deferral is not None
    assert deferral.scored
    assert deferral.tokens[-1] == pytest.approx(1000 + 60_000 / 16), "sent on, both are on the bill"
    assert deferral.qualities[2] == pytest.approx(2.9 / 4)


def test_break_evens_follow_from_tokens_and_prices(tmp_path: Path) -> None:
    [group] = routing_groups(results(tmp_path))
    found = break_even(group)
    assert found.tokens_length == pytest.approx(4000), "a thousand tokens at four characters"
    assert found.money_length == pytest.approx(4000)
    assert found.tokens_per_character == pytest.approx(0.25)
    # Fresh tokens: full costs its document once, rag a thousand a question.
    assert found.questions_tokens.mean == pytest.approx(1 + (3750 - 1000) / 1000)
    # Money: a cached token costs a tenth. The prompt of a, of 1,000 tokens, is too short for a cache; from their second
    # question on the others cost as much as 200, 400 and 800 tokens.
    assert found.questions_money.mean == pytest.approx(1 + (3750 - 1000) / (1000 - (1000 + 200 + 400 + 800) / 4))
    gains = [FULL[name] - RAG[name] for name in NAMES]
    x = [math.log2(CHARACTERS[name]) for name in NAMES]
    mean_x, mean_y = sum(x) / 4, sum(gains) / 4
    slope = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, gains, strict=True)) / sum((a - mean_x) ** 2 for a in x)
    assert found.doubling.mean == pytest.approx(slope)
    assert found.questions_seconds is None


def test_an_index_and_cold_prompts_set_the_questions_that_pay_in_seconds(tmp_path: Path) -> None:
    def timed(name: str, score: float, route: str, tokens: int, cached: int, seconds: float) -> Prediction:
        steps = (Step("index", {"index": route, "index_seconds": 8.0}),) if route == "rag" else ()
        return answered(name, score, route, tokens, steps, cached=cached, timing=Timing(engine_seconds=seconds))

    full = [timed(n, FULL[n], "full", 4000, 0 if n in "ab" else 3900, 20.0 if n in "ab" else 1.0) for n in NAMES]
    rag = [timed(n, RAG[n], "rag", 1000, 0, 5.0) for n in NAMES]
    loaded = write(tmp_path, questions(), [cell("full", full), cell("rag", rag)], metrics=("m",))
    [group] = routing_groups(loaded)
    # 20 s against 5 s and a quarter of the 8 s that the index took; from then on 1 s against 5 s.
    assert break_even(group).questions_seconds == pytest.approx(1 + (20 - 5 - 2) / (5 - 1))


def test_groups_are_of_one_model_and_data_set(tmp_path: Path) -> None:
    both = []
    for model in ("small", "large"):
        for one in cells(half=router(HALF)):
            path = "generators.main.model"
            own = {path: model, "router.limit": 3} | ({"embedders.main.model": "e"} if one["name"] == "full" else {})
            both.append({**one, "name": f"{one['name']} model={model}", "settings": own})
    reports = routing_reports(write(tmp_path, questions(), both, metrics=("m",)))
    assert [one.group.title for one in reports] == [
        "generators.main.model=small, toy",
        "generators.main.model=large, toy",
    ]
    frame = routing_frame(reports)
    assert set(frame["group"]) == {one.group.title for one in reports}
    assert list(frame[frame["group"] == reports[0].group.title]["arm"])[-2:] == ["task oracle", "question oracle"]
    assert set(frame["kind"]) == {"fixed", "router", "single", "oracle"}
    router_row = frame[frame["arm"] == "half model=small"].iloc[0]
    assert router_row["p_holm"] >= router_row["p"]
    assert router_row["area_over_random_tokens_low"] <= router_row["area_over_random_tokens"]


def test_refusals_score_questions_without_an_answer_and_smaller_may_be_better(tmp_path: Path) -> None:
    def rows(route: str, loss: float, refusal: float) -> list[Prediction]:
        found = []
        for name in NAMES:
            one = answered(name, loss, route, 1000)
            scores = {"m": loss, "refusal_recall": refusal if name == "d" else None}
            found.append(Prediction(one.example_id, one.example_key, one.answer, None, scores))
        return found

    made_of = [
        cell("full", rows("full", 0.5, 0.0), smaller_is_better=["m"]),
        cell("rag", rows("rag", 0.25, 1.0), smaller_is_better=["m"]),
    ]
    [group] = routing_groups(write(tmp_path, questions(), made_of, metrics=("m", "refusal_recall")))
    assert group.best.name == "rag"
    quality = {name: one.quality for name, one in group.best.outcomes.items()}
    assert quality == {"a": -0.25, "b": -0.25, "c": -0.25, "d": 1.0}


def test_the_report_shows_routers_in_the_terminal_and_on_the_page(tmp_path: Path) -> None:
    loaded = results(tmp_path, half=router(HALF, {"b": 4.0, "d": 3.0, "c": 2.0, "a": 1.0}))
    console = Console(width=160, markup=False, emoji=False, highlight=False)
    with console.capture() as capture:
        for part in terminal_report(loaded):
            console.print(part)
    text = " ".join(capture.get().split())
    assert "Routing: toy (4 questions)" in text
    assert "knowing the best route of each question would gain +0.250" in text
    assert "from 3.8" in text, "questions a document in fresh tokens"
    assert "Against random mixing: toy" in text
    assert "At equal tokens, half is +0." in text
    assert "over sending questions to rag and full at random." in text
    assert "At equal money the same to three digits." in text, "money is two a million tokens"
    assert {"routing_tokens", "routing_deferral"} <= set(loaded.figures())
    page = html_page(loaded)
    for words in ("Routing by task class: toy", "Sent by task class: toy", "Routing by length: toy", "question oracle"):
        assert words in page


def test_results_without_routes_have_no_router_report(tmp_path: Path) -> None:
    plain = [cell("full", [made.row(name, {"m": 1.0}) for name in NAMES]), cell("rag", fixed("rag", RAG, CHARACTERS))]
    loaded = write(tmp_path, questions(), plain, metrics=("m",))
    assert routing_groups(loaded) == []
    assert not any(name.startswith("routing") for name in loaded.figures())


def test_a_router_that_takes_a_third_route_has_no_curve_and_that_is_said(tmp_path: Path) -> None:
    third = [answered(name, 0.5, "third", 2000) for name in NAMES]
    mixed = [
        answered(name, (FULL, RAG)[place % 2][name], ("full", "rag")[place % 2], 1000, chosen=True)
        for place, name in enumerate(NAMES)
    ]
    mixed[3] = answered("d", 0.5, "third", 2000, chosen=True)
    made_of = [*cells(), cell("third", third, prices=PRICES), cell("mixed", mixed, prices=PRICES)]
    loaded = write(tmp_path, questions(), made_of, metrics=("m",))
    [report] = routing_reports(loaded)
    assert report.curves == ()
    table = report.curve_table
    assert table is not None
    assert table.heads == ("at its\ntokens",), "its own cost can still be compared"
    assert "No curve of mixed: for one, a router needs to choose between rag and full alone." in table.note
    frame = loaded.routing()
    assert list(frame[frame["arm"] == "mixed"]["over_random_at_its_tokens"].notna()) == [True]
