"""An estimate counts what a real run then asks of its engines, to the token, and opens nothing."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from estimate_things import full, generator, prompt_tokens, rag, ran, sweep_over, two_reads, write_set

from ragvlc.engines.scripted.filler import filler
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer
from ragvlc.estimate.estimate import Options, estimate, estimate_pipeline
from ragvlc.estimate.figures import Estimate
from ragvlc.estimate.prefix_reuse import Blocks, SharedPrefixes
from ragvlc.memo.disk import Cache
from ragvlc.pipeline import Pipeline
from ragvlc.pool import EnginePool
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep

GRID = {
    "routes.rag.chunker.size": [20, 40],
    "routes.rag.selector.k": [1, 3, 100],  # all passages of the short document, at either size
    "routes.rag.order": ["document", "relevance"],
}


def test_every_figure_is_that_of_the_run_that_follows(data: Path, runs: Path) -> None:
    sweep = sweep_over(data, axes=GRID)
    total = estimate(sweep, runs).total
    outcome, engine = ran(sweep, runs)
    counts = outcome.counts
    assert len(outcome.status) == 13
    assert total["questions"] == 13 * 12
    assert (total["calls_asked"], total["calls"]) == (counts.asked["generate"], counts.computed["generate"])
    assert total["calls"] == len(engine.requests) < total["calls_asked"]
    assert total["prompt_tokens"] == prompt_tokens(engine)
    rows = [row for cell in outcome.results().cells for row in cell.rows.values()]
    assert total["prompt_tokens_asked"] == sum(row.answer.usage.prompt_tokens for row in rows if row.answer)
    assert any(row.answer.dropped_tokens for row in rows if row.answer)  # the window cut some
    for stage, word in (("chunk", "chunkings"), ("rank", "rankings"), ("index", "indexes")):
        assert (total[f"{word}_asked"], total[word]) == (counts.asked[stage], counts.computed[stage]), stage
    assert total["completion_tokens_most"] == sum(request.max_tokens for request in engine.requests)


def test_what_is_answered_is_not_counted_again_unless_asked_for(data: Path, runs: Path) -> None:
    ran(sweep_over(data, dataset={"kind": "jsonl", "path": str(data), "limit": 5}), runs)
    sweep = sweep_over(data)
    owed, everything = estimate(sweep, runs), estimate(sweep, runs, Options(everything=True))
    assert (owed.answered, everything.answered) == (10, 0)
    _, engine = ran(sweep, runs)
    assert (owed.total["calls"], owed.total["prompt_tokens"]) == (len(engine.requests), prompt_tokens(engine))
    assert everything.total["calls"] == 24
    assert estimate(sweep, runs).total["questions"] == 0


def test_a_route_of_many_calls_is_counted_with_answers_as_long_as_those_that_are_stored(data: Path, runs: Path) -> None:
    limited = {"kind": "jsonl", "path": str(data), "limit": 3}
    ran(sweep_over(data, name="earlier", dataset=limited, pipelines={"two": two_reads()}), runs, "one two three")
    sweep = sweep_over(data, pipelines={"two": two_reads()})
    found = estimate(sweep, runs)
    _, engine = ran(sweep, runs, "one two three")
    total = found.total
    assert total["calls"] == len(engine.requests) == 36
    assert total["prompt_tokens"] == prompt_tokens(engine)
    assert total["completion_tokens"] == 36 * 3
    assert total["completion_tokens_most"] == 24 * 12 + 12 * 5
    assert any("as in 9 stored answers" in note for note in found.notes)


def test_without_stored_answers_half_of_what_is_allowed_is_expected_and_said(data: Path, runs: Path) -> None:
    found = estimate(sweep_over(data, pipelines={"full": full()}), runs)
    assert found.total["completion_tokens"] * 2 == found.total["completion_tokens_most"] == 12 * 32
    assert any("50% of what is allowed" in note for note in found.notes)


def test_a_question_that_cannot_fit_is_said_and_the_rest_counted(data: Path, runs: Path) -> None:
    pipeline = full()
    pipeline["routes"] = {"full": {"kind": "full_context", "truncation": "refuse"}}
    found = estimate(sweep_over(data, pipelines={"full": pipeline}), runs)
    assert (found.total["failed"], found.total["calls"]) == (4, 8)
    assert any("too long" in problem for problem in found.problems)


def test_cells_that_measure_time_share_nothing(data: Path, runs: Path) -> None:
    sweep = sweep_over(data, pipelines={"full": full()}, latency="cold", dataset={"kind": "jsonl", "path": str(data)})
    both = sweep_over(data, pipelines={"full": full()}, axes={"latency": ["warm", "cold"]})
    assert estimate(sweep, runs).total["calls"] == 12
    assert estimate(both, runs).total["calls"] == 24


def llama(folder: Path, **settings: Any) -> dict[str, Any]:
    return {"kind": "transformers", "model": str(folder), "dtype": "float32", "device": "cpu", **settings}


def cached(sweep: Sweep, runs: Path, cache: Path) -> tuple[int, int, int]:
    with EnginePool(Cache(cache)) as pool:
        outcome = run_sweep(sweep, runs, pool=pool)
    answers = [row.answer for cell in outcome.results().cells for row in cell.rows.values()]
    new = [answer.usage for answer in answers if answer and not answer.reused]
    return len(new), sum(usage.prompt_tokens for usage in new), sum(usage.cached_tokens for usage in new)


@pytest.mark.parametrize("settings", [{}, {"batch_size": 1}, {"prefix_cache_mb": 0}], ids=str)
def test_cached_tokens_are_those_that_the_engine_finds(
    settings: dict[str, Any], data: Path, runs: Path, tmp_path: Path, tiny_llama: Path
) -> None:
    sweep = sweep_over(
        data,
        pipelines={"full": full(**llama(tiny_llama, **settings)), "rag": rag(**llama(tiny_llama, **settings))},
        axes={"routes.rag.selector.k": [2, 100]},
        concurrency=1,
    )
    total = estimate(sweep, runs).total
    assert (total["calls"], total["prompt_tokens"], total["cached_tokens"]) == cached(sweep, runs, tmp_path / "cache")
    assert bool(total["cached_tokens"]) == (not settings)


def test_what_stands_on_disk_from_other_sweeps_is_not_owed(
    data: Path, runs: Path, tmp_path: Path, tiny_llama: Path
) -> None:
    pipelines = {"rag": rag(**llama(tiny_llama))}
    with EnginePool() as pool:
        limited = {"kind": "jsonl", "path": str(data), "limit": 4}
        run_sweep(sweep_over(data, name="earlier", dataset=limited, pipelines=pipelines), runs, pool=pool)
    kept = {path: path.read_bytes() for path in (tmp_path / "store").rglob("*.json")}
    sweep = sweep_over(data, pipelines=pipelines)
    total = estimate(sweep, runs).total
    assert (total["calls_asked"], total["calls"], total["calls_stored"]) == (12, 8, 4)
    assert (total["rankings_asked"], total["rankings"]) == (12, 8)
    assert estimate(sweep, runs, Options(everything=True)).total["calls"] == 12
    assert kept
    assert {path: path.read_bytes() for path in (tmp_path / "store").rglob("*.json")} == kept


def test_embedders_and_rerankers_are_not_opened(data: Path, runs: Path) -> None:
    pipeline = rag()
    pipeline["embedders"] = {"main": {"kind": "sentence_transformer", "model": "nobody/has-this-model"}}
    pipeline["routes"]["rag"] |= {"retriever": "dense", "reranker": {"kind": "cross_encoder", "keep": 3}}
    found = estimate(sweep_over(data, pipelines={"rag": pipeline}, axes={"routes.rag.selector.k": [1, 2]}), runs)
    total = found.total
    assert (total["calls"], total["rerankings_asked"], total["rerankings"]) == (24, 24, 12)
    _, engine = ran(sweep_over(data, pipelines={"rag": pipeline}, axes={"routes.rag.selector.k": [1, 2]}), runs)
    assert total["texts_embedded_asked"] == 2 * (total["texts_embedded"] - 12) + 24  # two cells over the same passages
    assert len(engine.requests) == 24
    assert any("cross_encoder" in note for note in found.notes)


def judged(data: Path, runs: Path) -> Estimate:
    judge = {"kind": "llm_judge", "judge": generator(window=299)["main"], "judge_tokens": 7}
    return estimate(sweep_over(data, pipelines={"full": full()}, metrics=["contains", judge]), runs)


def test_the_calls_of_judges_are_counted(data: Path, runs: Path) -> None:
    assert judged(data, runs).total["calls"] == 24
    assert len(judged(data, runs).models) == 2


def test_verdicts_that_stored_answers_lack_are_counted_with_their_money(data: Path, runs: Path) -> None:
    judge = {"kind": "llm_judge", "judge": generator(window=299, price={"prompt": 2, "completion": 0})["main"]}
    sweeps = [
        sweep_over(data, pipelines={"full": full()}, metrics=metrics)
        for metrics in (["contains"], ["contains", judge], ["contains", "token_f1", judge])
    ]
    ran(sweeps[0], runs)
    assert estimate(sweeps[0], runs).total["calls"] == 0
    found = estimate(sweeps[1], runs)
    assert (found.total["questions"], found.total["rescored"], found.total["calls"]) == (0, 12, 12)
    assert any("12 stored answers have no current score of llm_judge" in note for note in found.notes)
    _, engine = ran(sweeps[1], runs, "True")
    judged = [one for one in engine.requests if "Reply with one word" in one.prompt.text()]
    assert len(judged) == 12
    assert found.total["prompt_tokens"] == sum(len(WordTokenizer().render(one.prompt)) for one in judged)
    assert found.total["money"] == pytest.approx(found.total["prompt_tokens"] * 2e-6)
    assert estimate(sweeps[1], runs).total["calls"] == estimate(sweeps[2], runs).total["calls"] == 0
    part = estimate(sweeps[1], runs, Options(everything=True)).total
    assert (part["rescored"], part["calls"]) == (0, 24)


def test_a_sample_of_missing_verdicts_stands_for_all(tmp_path: Path, runs: Path) -> None:
    data = write_set(tmp_path / "many", documents=20, each=5)
    judge = {"kind": "llm_judge", "judge": generator(window=299)["main"]}
    ran(sweep_over(data, pipelines={"full": full()}, metrics=["contains"]), runs)
    whole, part = (
        estimate(
            sweep_over(data, pipelines={"full": full()}, metrics=["contains", judge]), runs, Options(sample=sample)
        )
        for sample in (None, 20)
    )
    assert (whole.total["calls"], part.total["calls"]) == (100, pytest.approx(100))
    assert part.total["prompt_tokens"] == pytest.approx(whole.total["prompt_tokens"], rel=0.05)


def test_what_the_money_is_without_is_said(data: Path, runs: Path) -> None:
    price = {"prompt": 1, "completion": 1}
    pipeline = rag(price=price)
    pipeline["embedders"] = {"main": {"kind": "sentence_transformer", "model": "nobody/has-this-model"}}
    pipeline["routes"]["rag"] |= {"retriever": "dense", "reranker": {"kind": "cross_encoder", "keep": 3}}
    judge = {
        "kind": "llm_judge",
        "judge": {"kind": "openai_compatible", "model": "m", "url": "http://localhost:1/v1", "window": 2000},
    }
    found = estimate(sweep_over(data, pipelines={"rag": pipeline}, metrics=["contains", judge]), runs)
    notes = " ".join(found.notes)
    assert math.isnan(found.total["money"])
    assert "Money is unknown without a price of openai_compatible m (12 calls," in notes
    priced = sum(figures["money"] for figures in found.models.values() if figures["money"] == figures["money"])
    assert f"Money of the other models: estimate_things:Sealed {priced:,.4g}." in notes
    assert found.total["tokens_reranked"] > 12 * 20
    assert f"embedding ({found.total['tokens_embedded']:,.0f} tokens)" in notes
    assert f"reranking ({found.total['tokens_reranked']:,.0f} tokens), indexing." in notes
    free = estimate(sweep_over(data, pipelines={"rag": rag(), "full": full(price=price, window=299)}), runs)
    assert any(note.startswith("Without money, since they run here without a price: ") for note in free.notes)
    assert not any("oney" in note for note in estimate(sweep_over(data, pipelines={"rag": rag()}), runs).notes)


# --- samples


def test_a_sample_stands_for_all(tmp_path: Path, runs: Path) -> None:
    sweep = sweep_over(write_set(tmp_path / "many", documents=60, each=5), axes={"routes.rag.selector.k": [1, 100]})
    whole, part = (estimate(sweep, runs, Options(sample=sample)) for sample in (None, 50))
    assert (whole.total.sampled, part.total.sampled) == (900, 150)
    assert whole.total.spread == 0 < part.total.spread < 0.5
    for name in ("questions", "calls_asked", "prompt_tokens", "prompt_tokens_asked", "completion_tokens", "chunkings"):
        assert part.total[name] == pytest.approx(whole.total[name], rel=part.total.spread or 0.01), name
    assert part.total["questions"] == 900


def test_a_sample_of_one_large_group_counts_what_is_shared_once(tmp_path: Path, runs: Path) -> None:
    sweep = sweep_over(write_set(tmp_path / "one", documents=1, each=200))
    total = estimate(sweep, runs, Options(sample=20)).total
    assert total["chunkings"] == total["indexes"] == 1
    assert total["calls"] == pytest.approx(400)


# --- a pipeline over documents of a given length


def test_a_pipeline_reads_a_document_of_the_length_given(runs: Path) -> None:
    pipeline = Pipeline.model_validate(full(window=10_000))
    found = estimate_pipeline(pipeline, 5000, runs, questions=3, options=Options(new_tokens=9))
    assert found.total["calls"] == 3
    assert 5000 < found.total["prompt_tokens"] / 3 < 5100
    assert found.total["completion_tokens"] == 27


@pytest.mark.parametrize("tokens", [1, 7, 200])
def test_a_filler_has_the_tokens_asked_for_and_is_another_for_another_prompt(tokens: int) -> None:
    tokenizer = WordTokenizer()
    assert tokenizer.count(filler(tokenizer, tokens, "a")) == tokens
    assert filler(tokenizer, 200, "a") == filler(tokenizer, 200, "a") != filler(tokenizer, 200, "b")


# --- what engines find again


def tokens(*parts: tuple[int, int]) -> Any:
    import numpy as np

    return np.concatenate([np.full(size, number, np.int64) for number, size in parts])


def test_blocks_are_whole_and_never_hold_the_last_token() -> None:
    blocks = Blocks()
    assert blocks.cached(tokens((1, 64)), 8) == 0
    assert blocks.cached(tokens((1, 64)), 8) == 48
    assert blocks.cached(tokens((1, 40), (2, 40)), 8) == 32
    assert blocks.cached(tokens((2, 40), (1, 40)), 8) == 0


def test_prompts_beyond_the_memory_for_prefixes_are_forgotten() -> None:
    one, other = tokens((1, 100)), tokens((2, 100))
    roomy, tight = SharedPrefixes(), SharedPrefixes(capacity=150)
    assert [roomy.cached(prompt, 8) for prompt in (one, other, one)] == [0, 0, 99]
    assert [tight.cached(prompt, 8) for prompt in (one, other, one)] == [0, 0, 0]
