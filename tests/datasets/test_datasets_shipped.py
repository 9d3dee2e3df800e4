"""The data of the shipped experiments about context length and one's own documents."""

from __future__ import annotations

import pytest

from ragvlc.documents.tokenizing import data_tokenizer
from ragvlc.sweep.plan import plan
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep
from ragvlc.testing import FunctionEngine, ScriptedPool


def datasets_of(sweep):
    return list({cell.dataset.key: cell.dataset for cell in plan(sweep)}.values())


def test_every_length_asks_the_same_questions(word_model):
    tokenizer = data_tokenizer(word_model)
    found = datasets_of(Sweep.load("context_length", overrides={"dataset.pad_tokenizer": word_model}))
    assert [data.pad_to_tokens for data in found] == [1000, 2000, 4000, 7000]
    asked = []
    for data in found:
        examples = data.load()
        assert not examples.skipped
        for example in examples:
            size = sum(tokenizer.count(document.text) for document in example.documents)
            assert 0.98 * data.pad_to_tokens <= size <= data.pad_to_tokens
            assert example.evidence or example.unanswerable
        asked.append([(example.id, example.gold_key) for example in examples])
    assert all(one == asked[0] for one in asked)
    assert len(asked[0]) == 12


def test_the_shipped_lengths_in_the_readers_own_tokens(language_model):
    tokenizer = data_tokenizer(str(language_model))
    for data in datasets_of(Sweep.load("context_length")):
        sizes = [example.tags["context_tokens"] for example in data.load()]
        assert all(0.98 * data.pad_to_tokens <= size <= data.pad_to_tokens for size in sizes)
        assert tokenizer.count("<|im_end|>") > 1


def test_ones_own_documents_run_from_a_folder(tmp_path, write_pdf):
    (tmp_path / "pond.md").write_text("# Pond\n\nThe pond holds forty carp.\n")
    write_pdf(tmp_path / "mill.pdf", "The mill grinds rye.", title="Mill")
    (tmp_path / "questions.csv").write_text(
        "question,answers,documents,evidence\nHow many carp?,forty,pond.md,forty carp\nWhat is ground?,rye,,rye\n"
    )
    settings = {"dataset.path": str(tmp_path), "tracker": "none"}
    sweep = Sweep.load("own_documents", overrides=settings)
    with ScriptedPool(FunctionEngine(lambda prompt: "forty"), tmp_path / "cache") as pool:
        outcome = run_sweep(sweep, tmp_path / "runs", pool=pool)
    assert outcome.complete
    for cell in outcome.results().cells:
        assert [len(facts["documents"]) for facts in cell.examples.values()] == [1, 2]
        assert cell.summary["metrics"]["contains"]["mean"] == pytest.approx(0.5)
