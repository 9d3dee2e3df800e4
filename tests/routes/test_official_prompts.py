"""Benchmarks' own prompts: which routes use them, what is sent, and what the official cut leaves of the documents."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ragvlc.core.data import Document, Example, Query, Span
from ragvlc.core.engines import Prompt
from ragvlc.core.official import OfficialPrompt
from ragvlc.datasets.longbench_v2 import LongbenchV2
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer
from ragvlc.pipeline import Pipeline
from ragvlc.sweep.plan import plan, remarks
from ragvlc.sweep.spec import Sweep
from ragvlc.testing import FunctionEngine, ScriptedPool
from tests.released_files import LONGBENCH_V2, RELEASED

WORDS = " ".join(f"w{number}" for number in range(200))
OFFICIAL = OfficialPrompt("Read: {document} END {extra} {question}", fields={"extra": "x"}, max_tokens=7, stop=("\n",))


def asked(tmp_path, spec, query, documents, window=10_000):
    engine = FunctionEngine(lambda prompt: "A", window=window)
    with ScriptedPool(engine, tmp_path / "cache") as pool:
        pipeline = Pipeline.model_validate(
            {"generators": {"main": "scripted"}, "routes": {"r": spec}, "router": {"kind": "always", "route": "r"}}
        )
        answer = pipeline.answer(query, documents, pool=pool)
    return engine.requests[-1], answer


def facts(answer, name):
    return list(answer.facts(name))


DOCUMENTS = (Document("a", "One two.\n", title="T"), Document("b", "Three {question} four."))


def test_the_authors_prompt_is_sent_as_they_wrote_it(tmp_path):
    query = Query("q", "why?", official=replace(OFFICIAL, separator="", system="Be good.", lead="Answer:"))
    request, answer = asked(tmp_path, {"kind": "full_context"}, query, DOCUMENTS)
    assert request.prompt.text() == "Read: One two.\nThree {question} four. END x why?"
    assert (request.max_tokens, request.stop) == (7, ("\n",))
    assert (request.prompt.system, request.prompt.lead, request.prompt.raw) == ("Be good.", "Answer:", False)
    assert answer.context == (Span("a", 0, 9), Span("b", 0, 22))
    assert facts(answer, "prompts") == ["official"]


def test_passages_and_the_closed_book_have_their_own_templates(tmp_path):
    official = replace(
        OFFICIAL, passages="P: {document} {question}", closed="C: {question}", passage="[{number}] {text}"
    )
    query = Query("q", "three?", official=official)
    spec = {"kind": "retrieve", "chunker": {"kind": "tokens", "size": 3}, "selector": {"kind": "top_k", "k": 2}}
    request, _ = asked(tmp_path, spec, query, DOCUMENTS)
    assert request.prompt.text().startswith("P: [1] One two.")
    assert "\n\n[2] Three" in request.prompt.text()
    request, answer = asked(tmp_path, {"kind": "closed_book"}, query, DOCUMENTS)
    assert request.prompt.text() == "C: three?"
    assert facts(answer, "prompts") == ["official"]
    request, answer = asked(tmp_path, {"kind": "closed_book"}, replace(query, official=OFFICIAL), DOCUMENTS)
    assert request.prompt.text().startswith("Answer this question")
    assert (request.max_tokens, facts(answer, "prompts")) == (32, [])


@pytest.mark.parametrize(
    "spec", [{"kind": "full_context", "decline": "none"}, {"kind": "map_reduce"}, {"kind": "self_demo"}]
)
def test_other_routes_keep_their_own_prompts(tmp_path, spec):
    request, answer = asked(tmp_path, spec, Query("q", "why?", official=OFFICIAL), DOCUMENTS)
    assert "END x" not in request.prompt.text()
    assert facts(answer, "prompts") == []


@pytest.mark.parametrize("cut", ["middle", "left", "right", "words_right", "words_left"])
def test_the_whole_prompt_is_cut_as_the_authors_cut_it(tmp_path, cut):
    document = Document("d", WORDS)
    query = Query("q", "why?", official=replace(OFFICIAL, cut=cut))
    request, answer = asked(tmp_path, {"kind": "full_context"}, query, (document,), window=107)
    whole = WordTokenizer().spans(f"Read: {WORDS} END x why?")
    text, sent = f"Read: {WORDS} END x why?", request.prompt.text()
    if cut == "middle":
        assert sent == text[: whole[49][1]] + text[whole[len(whole) - 50][0] :]
    elif cut == "left":
        assert sent == text[whole[len(whole) - 100][0] :]
    elif cut == "right":
        assert sent == text[: whole[99][1]]
    else:
        assert sent.startswith("Read: ")
        assert sent.endswith(" END x why?")
    read = "".join(document.text[span.start : span.end] for span in answer.context)
    assert read == sent.removeprefix("Read:").removesuffix(" END x why?").lstrip() or cut in ("left", "right")
    assert all(span.document_id == "d" for span in answer.context)
    assert facts(answer, "cut") == [cut]
    [dropped] = facts(answer, "dropped_tokens")
    assert dropped == len(whole) - WordTokenizer().count(sent)
    assert WordTokenizer().count(sent) <= 100


def test_an_odd_limit_loses_a_token_or_gives_it_to_the_end(tmp_path):
    text = f"Read: {WORDS} END x why?"
    whole = WordTokenizer().spans(text)
    for cut, back in (("middle", 50), ("middle_odd", 51)):
        query = Query("q", "why?", official=replace(OFFICIAL, cut=cut))
        request, _ = asked(tmp_path, {"kind": "full_context"}, query, (Document("d", WORDS),), window=108)
        assert request.prompt.text() == text[: whole[49][1]] + text[whole[len(whole) - back][0] :]


def test_the_words_that_are_left_are_those_of_the_authors_loop(tmp_path):
    words = [f"w{number}-x" for number in range(2000)]  # three tokens each
    document = Document("d", " ".join(words))
    for cut, left in (("words_right", words[:256]), ("words_left", words[-256:])):
        query = Query("q", "why?", official=replace(OFFICIAL, cut=cut))
        request, _ = asked(tmp_path, {"kind": "full_context"}, query, (document,), window=1013)
        # 1,006 tokens are left for the prompt; as many words do not fit, nor do 756 and 506.
        assert request.prompt.text() == f"Read: {' '.join(left)} END x why?"


def test_where_the_authors_cut_nothing_a_long_prompt_fails(tmp_path):
    query = Query("q", "why?", official=replace(OFFICIAL, cut="refuse"))
    with pytest.raises(Exception, match="its authors cut nothing"):
        asked(tmp_path, {"kind": "full_context"}, query, (Document("d", WORDS),), window=107)


def test_the_cut_alone_keeps_the_prompt_of_the_route(tmp_path):
    query = Query("q", "why?", official=OfficialPrompt(cut="middle"))
    request, answer = asked(tmp_path, {"kind": "full_context"}, query, (Document("d", WORDS),), window=132)
    assert "Based on the text above" in request.prompt.text()
    assert len(answer.context) == 2
    assert (request.max_tokens, facts(answer, "prompts"), facts(answer, "cut")) == (32, [], ["middle"])


def test_keys_change_only_where_there_is_an_official_prompt():
    example = Example(Query("q", "why?"), DOCUMENTS)
    assert (
        example.key == "87d8d0cfe124e7c3fd08e4d4edf3c9642ac26363456d7586e177bc664cb5f5a9"
    )  # as before there were such prompts
    assert example.key != replace(example, query=Query("q", "why?", official=OFFICIAL)).key
    assert Prompt("a").digest() != Prompt("a", raw=True).digest() != Prompt("a", system="s").digest()


def test_longbench_v2_asks_as_published(tmp_path):
    settings = RELEASED["longbench_v2"](tmp_path)
    [one, other] = LongbenchV2(path=str(tmp_path), prompts="official", **settings).load()
    request, _ = asked(tmp_path, {"kind": "full_context"}, one.query, one.documents)
    assert request.prompt.text() == (
        "Please read the following text and answer the question below.\n\n<text>\n"
        f"{LONGBENCH_V2['context'].strip()}\n</text>\n\n"
        "What is the correct answer to this question: What does the keeper carry up the stairs?\nChoices:\n"
        "(A) A lamp\n(B) A rope\n(C) Oil\n(D) Nothing\n\n"
        'Format your response as follows: "The correct answer is (insert answer here)".'
    )
    assert request.max_tokens == 128
    assert (one.references, other.references) == (("Oil",), ("A lamp",))
    [easy] = LongbenchV2(path=str(tmp_path), subset="easy").load()
    assert (easy.id, easy.query.official) == ("b", None)


def test_the_plan_says_whose_prompts_are_used(tmp_path):
    RELEASED["longbench_v2"](tmp_path)
    settings = {"kind": "longbench_v2", "path": str(tmp_path), "prompts": "official", "cut": "official"}
    spec = {"dataset": settings, "pipelines": ["full_context", "self_route", "map_reduce"], "metrics": ["contains"]}
    path = tmp_path / "official.yaml"
    path.write_text(json.dumps(spec))
    cells = plan(Sweep.load(path))
    said = [one for one in remarks(cells) if "prompts of ragvlc" in one]
    assert [one.partition(" asks")[0] for one in said] == [
        "self_route: routes.self_route.first, routes.self_route.then",
        "map_reduce: routes.map_reduce",
    ]
    assert {cell.dataset.name for cell in cells} == {"longbench_v2, official prompts and cut"}
    RELEASED["longbench"](tmp_path)
    closed = {
        "dataset": {**settings, "kind": "longbench"},
        "pipelines": ["closed_book", "full_context"],
        "metrics": ["contains"],
    }
    path.write_text(json.dumps(closed))
    [said] = [one for one in remarks(plan(Sweep.load(path))) if "prompts of ragvlc" in one]
    assert said.startswith("closed_book: routes.closed_book asks with the prompts of ragvlc")
    assert said.endswith("they have none for a question without documents.")
    assert any("never tried on a real one" in one for one in remarks(cells))
    assert "longbench_v2: asked with its authors' prompts and answer lengths, not with those of the routes." in remarks(
        cells
    )
    assert "longbench_v2: what is too long is cut as its authors do: middle of the whole prompt." in remarks(cells)
