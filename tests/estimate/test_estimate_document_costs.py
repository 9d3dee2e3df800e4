"""Money by the number of questions about one document, counted without running a model."""

from __future__ import annotations

import json

import pytest

from ragvlc.estimate.document_costs import route_costs
from ragvlc.pipeline import Pipeline

PRICE = "{prompt: 3.0, completion: 15.0, cached: 0.3, cache_write: 3.75, lifetime: 300, batch_factor: 0.5}"
YAML = f"""
generators:
  main:
    kind: openai_compatible
    model: some-model
    window: 200000
    tokenizer_from: packaged:smollm2-135m-instruct
    url: http://localhost:1/v1
    price: {PRICE}
routes:
  full: {{kind: full_context}}
  rag: {{kind: retrieve, retriever: bm25}}
router: {{kind: random}}
"""


@pytest.fixture
def pipeline(tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text(YAML)
    return file


def test_full_context_shares_its_document_and_retrieval_nothing(pipeline, tmp_path):
    costs, missing = route_costs(Pipeline.load(pipeline), 5_000, tmp_path)
    assert not missing
    full, rag = costs
    assert (full.name, rag.name) == ("full", "rag")
    [reading], [passages] = full.readings, rag.readings
    assert reading.shared == pytest.approx(5_000, abs=100)
    assert reading.own < 200
    assert passages.shared < 100  # the words before the passages
    assert full.first() > 10 * full.further() / 2
    assert full.further(301) == pytest.approx(full.first())


def test_estimate_prints_and_draws_it(ragvlc, pipeline, tmp_path):
    figure = tmp_path / "money.svg"
    words = ("estimate", str(pipeline), "--context", "5000", "--questions", "40")
    said = ragvlc(*words, "--gap", "60", "--draw", str(figure))
    assert said.code == 0, said.err
    assert "Money by questions about one document, 60 s apart" in said.out
    assert "full, as a batch" in said.out
    assert "full costs no more than rag from 8 questions a document on." in said.out
    assert figure.read_text().startswith("<?xml")
    found = json.loads(ragvlc(*words, "--json").out)
    money = found["document_costs"]["money"]
    assert list(money["full"]) == ["1", "10", "40", "100"]
    assert found["document_costs"]["batch"]["rag"]["10"] == pytest.approx(money["rag"]["10"] / 2)


def test_a_gap_without_a_lifetime_is_said_to_change_nothing(ragvlc, pipeline):
    words = ("estimate", str(pipeline), "--context", "5000", "--gap", "4000")
    assert "lifetime" not in ragvlc(*words).out
    pipeline.write_text(YAML.replace("lifetime: 300", "storage: 0"))
    assert "--gap changes nothing for full: a price has no `lifetime`" in " ".join(ragvlc(*words).out.split())
    assert "lifetime" not in ragvlc(*words[:-2]).out


def test_a_route_without_a_price_is_named_with_what_to_add(ragvlc, pipeline):
    text = YAML.replace(
        "routes:", "  other: {kind: openai_compatible, model: o, window: 200000, url: http://localhost:1/v1}\nroutes:"
    )
    pipeline.write_text(text.replace("rag: {kind: retrieve,", "rag: {kind: retrieve, generator: other,"))
    said = ragvlc("estimate", str(pipeline), "--context", "5000")
    words = " ".join(said.out.split())
    assert (
        "Not in the money by questions: rag: no price of generators.other. Add `price: {prompt: ..., completion: ...}`"
        in words
    )
    assert "(cache-augmented generation, CAG)" in words


def test_options_in_vain_are_refused(ragvlc, pipeline, tmp_path):
    said = ragvlc("estimate", str(pipeline), "--context", "500", "--draw", str(tmp_path / "money.xyz"))
    assert (said.code, "money.xyz" in said.err) == (2, True)
    pipeline.write_text(YAML.replace(f"price: {PRICE}", "temperature: 0"))
    said = ragvlc("estimate", str(pipeline), "--context", "500", "--draw", str(tmp_path / "money.png"))
    assert (said.code, "--draw needs prices" in said.err) == (2, True)
    said = ragvlc("estimate", "quickstart", "--gap", "5")
    assert (said.code, "--gap is for pipelines" in said.err) == (2, True)
