"""Plans, checks and tables say which texts are longer than the window of an embedder or reranker."""

from __future__ import annotations

import json

import pytest
import yaml

from ragvlc import config
from ragvlc.analysis.results import Results
from ragvlc.analysis.tables import costs
from ragvlc.check import check
from ragvlc.core.answer import Step
from ragvlc.core.answer_json import step_json
from ragvlc.core.errors import MissingExtra
from ragvlc.documents.text_limits import text_limit
from ragvlc.rerankers.cross_encoder import CrossEncoder
from ragvlc.results.cuts import cut_figures, text_cuts
from ragvlc.results.summary import metric_values
from ragvlc.sweep.plan import plan, remarks
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep
from ragvlc.sweep.windows import cut_remarks, cut_texts

MINILM = "packaged:all-minilm-l6-v2"


@pytest.fixture
def sweep(tmp_path):
    """Returns a function that writes a sweep over two documents of 600 and 40 words, with fields of its one route."""
    texts = {"long": "thing " * 599 + "zebra", "short": "thing " * 40}
    rows = [{"doc_id": name, "text": text} for name, text in texts.items()]
    asked = [
        {"question_id": f"q-{name}", "doc_ids": [name], "question": "What is the code word?", "answers": ["zebra"]}
        for name in texts
    ]
    (tmp_path / "data").mkdir()
    for name, lines in (("documents", rows), ("questions", asked)):
        (tmp_path / "data" / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")

    def write(embedder=None, axes=None, **route):
        pipeline = {
            "generators": {"main": {"kind": "scripted", "default": "zebra", "window": 100000}},
            "embedders": {
                "main": {"kind": "sentence_transformer", "model": MINILM, "device": "cpu", **(embedder or {})}
            },
            "routes": {
                "rag": {"kind": "retrieve", "retriever": "dense", "selector": {"kind": "top_k", "k": 1}, **route}
            },
        }
        facts = {
            "dataset": {"kind": "jsonl", "path": "data"},
            "pipelines": {"rag": pipeline},
            "axes": axes or {},
            "metrics": ["contains"],
            "tracker": "none",
            "cache": False,
        }
        (tmp_path / "windows.yaml").write_text(yaml.safe_dump(facts), "utf-8")
        return Sweep.load(tmp_path / "windows.yaml")

    return write


def planned(sweep):
    cells = plan(sweep)
    return cells, {cell.dataset.key: cell.dataset.load() for cell in cells}


TOKENS = {"kind": "tokens", "size": 300, "overlap": 0}


def test_chunks_beyond_the_window_are_counted_with_what_fits(sweep):
    [cut] = cut_texts(*planned(sweep(chunker=TOKENS)))
    # 600 words are two chunks of 300 words; with two special tokens, 302 each. The short document is one chunk.
    assert (cut.texts, cut.cut, cut.window, cut.longest, cut.dropped) == (3, 2, 256, 302, 2 * 46)
    assert cut.cells == ("rag",)
    assert "2 of 3 texts (67%) exceed the 256 tokens of embedder 'packaged:all-minilm-l6-v2'" in cut.sentence()
    assert "about size 254 fits" in cut.sentence()
    assert cut_texts(*planned(sweep(chunker={**TOKENS, "size": 254}))) == []


@pytest.mark.parametrize(
    "retriever",
    [
        "hybrid",
        {"kind": "long_units", "unit_tokens": 300},
        {"kind": "hybrid", "retrievers": ["bm25", {"kind": "long_units"}][:1] + ["dense"]},
    ],
)
def test_embedders_inside_other_retrievers_are_seen(sweep, retriever):
    [cut] = cut_texts(*planned(sweep(chunker=TOKENS, retriever=retriever)))
    assert (cut.texts, cut.cut) == (3, 2)


def test_long_units_that_are_embedded_whole_are_measured_whole(sweep):
    small = {**TOKENS, "size": 50}
    unit = {"kind": "long_units", "unit": "document", "pooling": "whole"}
    [cut] = cut_texts(*planned(sweep(chunker=small, retriever=unit)))
    assert (cut.texts, cut.cut, cut.longest) == (2, 1, 602)
    assert cut_texts(*planned(sweep(chunker=small, retriever={**unit, "pooling": "max"}))) == []


def test_a_plan_needs_no_search_library(sweep, monkeypatch):
    def missing():
        raise MissingExtra("dense", "faiss")

    monkeypatch.setattr("ragvlc.retrievers.dense.require", missing)
    [cut] = cut_texts(*planned(sweep(chunker=TOKENS)))
    assert (cut.texts, cut.cut) == (3, 2)


@pytest.mark.parametrize(
    ("embedder", "route"),
    [
        ({}, {"retriever": "bm25"}),
        ({"extension": "parallel_windows"}, {}),
        ({"max_length": 512}, {}),
        ({}, {"retriever": {"kind": "dense", "context": "document"}}),
        ({"max_length": 256}, {"chunker": "whole"}),  # cut on purpose
    ],
)
def test_no_warning_where_nothing_is_cut_or_all_on_purpose(sweep, embedder, route):
    assert cut_texts(*planned(sweep(embedder, **{"chunker": TOKENS, **route}))) == []


def test_a_stated_length_warns_for_chunks(sweep):
    [cut] = cut_texts(*planned(sweep({"max_length": 100}, chunker={**TOKENS, "size": 120})))
    assert (cut.window, cut.longest) == (100, 122)


def test_a_prompt_counts(sweep):
    whole = {**TOKENS, "size": 254}
    assert cut_texts(*planned(sweep({"passage_prompt": "passage: "}, chunker=whole)))[0].longest == 258


def test_rerankers_are_measured_with_the_question(sweep, monkeypatch):
    chunker = {**TOKENS, "size": 252}  # fits the embedder; the question does not fit beside it
    reranker = {"kind": "cross_encoder", "model": "cross-encoder/not-fetched"}
    assert cut_texts(*planned(sweep(chunker=chunker, reranker=reranker))) == []  # not known before it is fetched
    monkeypatch.setattr(CrossEncoder, "text_limit", lambda self: text_limit(MINILM, self.max_length))
    [cut] = cut_texts(*planned(sweep(chunker=chunker, reranker=reranker)))
    assert (cut.cut, cut.longest) == (2, 252 + 3 + 6)
    assert cut.model == "reranker 'cross-encoder/not-fetched'"


def test_cells_that_cut_alike_share_a_line(sweep):
    axes = {"routes.rag.selector.k": [1, 2, 3, 4], "routes.rag.chunker.size": [100, 300]}
    [cut] = cut_texts(*planned(sweep(axes=axes, chunker=TOKENS)))
    assert len(cut.cells) == 4
    assert "and 1 more" in cut.sentence()


def test_long_documents_are_measured_in_part_and_that_is_said(sweep, monkeypatch):
    monkeypatch.setattr("ragvlc.sweep.windows.MOST_CHARACTERS", 100)
    found = cut_remarks(*planned(sweep(chunker=TOKENS)))
    assert len(found) == 2
    assert "only a part of the documents" in found[1]


def test_check_says_it(sweep, tmp_path):
    sweep(chunker=TOKENS)
    [found] = check(tmp_path / "windows.yaml")
    assert any("exceed the 256 tokens" in remark for remark in found.remarks)


def test_a_run_shows_a_column_with_count_and_share(sweep, tmp_path):
    outcome = run_sweep(sweep(chunker=TOKENS), tmp_path / "runs")
    results = Results.load(outcome.folder)
    table = costs(results)
    column = table.heads.index("chunks cut\nby embedder")
    assert table.rows[0][1][column].text == "2 (67%)"
    assert "smaller chunks" in table.note
    assert metric_values(results.cells[0].summary)["totals/embedder_cut_chunks"] == 2
    whole = run_sweep(sweep(chunker={**TOKENS, "size": 100}), tmp_path / "others")
    assert "chunks cut\nby embedder" not in costs(Results.load(whole.folder)).heads


def test_indexes_count_once_and_passages_each_time():
    embed = Step("embed", {"chunks": 4, "embedder_cut_chunks": 1})
    index = Step("index", {"index": "a"}, steps=(embed, Step("index", {"index": "b"}, steps=(embed,))))
    rerank = Step("cross_encoder", {"passages": 10, "reranker_cut_passages": 5})
    other = Step("index", {"index": "c"}, steps=(Step("embed", {"chunks": 2, "embedder_cut_chunks": 2}),))
    traces = ((index, rerank), (index, rerank), (other,))
    figures = cut_figures(text_cuts([step_json(step) for step in trace]) for trace in traces)
    assert figures == {
        "embedder_cut_chunks": 4,
        "embedder_cut_share": 0.4,
        "reranker_cut_passages": 10,
        "reranker_cut_share": 0.5,
    }
    assert set(cut_figures([text_cuts([])]).values()) == {0}


@pytest.mark.parametrize("name", ["chunk_size", "quickstart", "retrieval_only", "search_long"])
def test_shipped_experiments_cut_nothing(name):
    assert name in config.shipped("experiments")
    cells, asked = planned(Sweep.load(name))
    assert cut_remarks(cells, asked) == []
    assert remarks(cells) == []
