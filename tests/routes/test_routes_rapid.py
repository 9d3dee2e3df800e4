"""RAPID's drafter: how much it reads, what of it, and what it may propose; the answer is the target's."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from ragvlc.core.data import Document, Query
from ragvlc.core.errors import WindowExceeded
from ragvlc.memo.disk import Cache
from ragvlc.pipeline import Pipeline
from ragvlc.pool import EnginePool
from ragvlc.routes.rapid import Rapid

SENTENCES = ["Cats are small animals. ", "Cows eat grass. ", "A cat sleeps a lot and purrs. ", "A cat drinks milk."]
TEXT = "".join(SENTENCES)
DOCUMENT = Document("d", TEXT)
ROUTE = {
    "kind": "rapid",
    "chunker": {"kind": "sentences", "size": 8},
    "retriever": "bm25",
    "floor": None,
    "minimum": 16,
}


@pytest.fixture
def ask(tmp_path):
    """Returns a function that asks with scripted models: replies of target and drafter."""

    def ask(target, draft="", question="Does a cat drink milk?", documents=(DOCUMENT,), window=8192, **settings):
        speaks = {"kind": "scripted", "window": window}
        pipeline = Pipeline(
            generators={"main": {**speaks, "default": target}, "draft": {**speaks, "default": draft or target}},
            routes={"it": {**ROUTE, **settings}},
        )
        query = Query("q", question) if isinstance(question, str) else question
        with EnginePool(Cache(tmp_path), reuse=False) as pool:
            return pipeline.answer(query, documents, pool=pool)

    return ask


def facts(answer, name):
    """Returns the facts of the step of that name."""
    [found] = [step.facts for root in answer.trace for step in root.walk() if step.name == name]
    return found


@pytest.fixture
def drafted(monkeypatch):
    """Returns the drafter's prompts, in order."""
    seen = []
    make = Rapid.draft_prompt

    def noting(self, query, text):
        prompt = make(self, query, text)
        seen.append(prompt.text())
        return prompt

    monkeypatch.setattr(Rapid, "draft_prompt", noting)
    return seen


# ---------------------------------------------------------------- how much


@pytest.mark.parametrize(
    ("tokens", "chunks"), [(2000, 4), (4096, 8), (50_000, 8), (98_304, 8), (98_305, 9), (120_000, 10), (131_072, 11)]
)
def test_how_many_passages_by_the_papers_rule(tokens, chunks):
    assert Rapid().passages(tokens, 512) == chunks


@pytest.mark.parametrize(
    ("settings", "tokens", "size", "chunks"),
    [
        ({"share": 1 / 32}, 163_840, 512, 10),
        ({"minimum": 0}, 12_288, 512, 1),
        ({"minimum": 0, "share": 1}, 700, 7, 100),
    ],
)
def test_how_many_passages_by_other_settings(settings, tokens, size, chunks):
    assert Rapid(**settings).passages(tokens, size) == chunks


def test_the_defaults_are_the_papers():
    spec = Rapid().spec()
    assert (spec["gamma"], spec["eta"], spec["tail_threshold"], spec["temperature"]) == (10, 10.0, 0.1, 1.0)
    assert (spec["floor"], spec["share"], spec["minimum"]) == (0.3, 1 / 24, 4096)
    assert (spec["chunker"]["kind"], spec["chunker"]["size"], spec["retriever"]["kind"]) == ("recursive", 512, "dense")
    assert (spec["mode"], spec["tail"], spec["confidence"]) == ("paper", "paper", 0.0)


# ---------------------------------------------------------------- what


def test_passages_stand_in_document_order_each_once(ask, drafted):
    answer = ask("milk", minimum=17)
    asked = facts(answer, "retrieve")
    assert (asked["chunks"], asked["wanted"], asked["selected"]) == (4, 3, 3)
    best = sorted(hit.chunk.start for hit in answer.ranking[:3])
    texts = [hit.chunk.text for start in best for hit in answer.ranking if hit.chunk.start == start]
    places = [drafted[-1].index(text.strip()) for text in texts]
    assert places == sorted(places)
    assert all(drafted[-1].count(text.strip()) == 1 for text in texts)
    assert [hit.chunk.start for hit in answer.ranking[:3]] != best  # the ranking is in another order
    assert facts(answer, "read")["draft_pieces"] == 3


def test_more_passages_wanted_than_there_are(ask, drafted):
    answer = ask("milk", minimum=4096)
    assert facts(answer, "retrieve")["selected"] == 4
    assert TEXT in drafted[-1]


def test_the_target_reads_everything(ask):
    answer = ask("milk", minimum=1, share=0.01)
    [span] = answer.context
    assert (span.start, span.end) == (0, len(TEXT))
    assert facts(answer, "retrieve")["selected"] == 1


@pytest.mark.parametrize("eta", [0.0, 10.0])
def test_all_below_the_floor(ask, drafted, eta):
    answer = ask("It drinks warm milk.", "no idea", floor=1e6, eta=eta)
    assert facts(answer, "retrieve")["selected"] == 0
    assert not any(sentence.strip() in drafted[-1] for sentence in SENTENCES)
    assert answer.text == "It drinks warm milk."
    assert len(answer.ranking) == 4


@pytest.mark.parametrize("documents", [[], [Document("a", "")]])
def test_nothing_to_read(ask, documents):
    answer = ask("a reply", documents=documents)
    assert (answer.text, answer.context, answer.ranking) == ("a reply", (), ())


def test_the_drafter_is_told_that_it_reads_passages(ask, drafted):
    ask("milk")
    assert "Based on the retrieved text chunks above, answer" in drafted[-1]
    ask("milk", draft_wording={"a few words": "one word"})
    assert "Based on the text above, answer this question in one word." in drafted[-1]
    ask("A", question=Query("q", "Which?", ("milk", "grass")))
    assert "Based on the retrieved text chunks above, answer this multiple-choice" in drafted[-1]


def test_each_prompt_fits_its_window(ask):
    long = Document("l", " ".join(f"w{number}." for number in range(400)))
    answer = ask("w5", documents=[long], window=150, question="w5 w210 w301", minimum=200)
    read = facts(answer, "read")
    assert read["dropped_tokens"] > 0
    assert read["draft_dropped_tokens"] > 0
    assert answer.dropped_tokens == read["dropped_tokens"]
    with pytest.raises(WindowExceeded):
        ask("w5", documents=[long], window=30)
    assert ask("w5", documents=[long], max_context_tokens=50).dropped_tokens > 300


# ---------------------------------------------------------------- the answer


def test_the_answer_is_the_targets(ask):
    answer = ask("It drinks warm milk every day.", "It drinks cold milk every day.", gamma=4)
    assert (answer.text, answer.finish) == ("It drinks warm milk every day.", "stop")
    told = facts(answer, "answer")
    # Draft 1: It drinks [cold]; warm instead. Draft 2: milk every day . and one token more of the target's: the end.
    assert (told["rounds"], told["drafted"], told["accepted"]) == (2, 8, 6)
    assert (told["tried_at"], told["judged_at"], told["accepted_at"]) == ("2 2 2 2", "2 2 2 1", "2 2 1 1")
    assert told["tokens"] == 8  # with the end
    prompts = [answer.bills[role].prompt_tokens for role in ("main", "draft")]
    assert [told["target_prompt"], told["draft_prompt"]] == prompts
    assert answer.bills["draft"].drafted == answer.bills["draft"].completion_tokens == 8
    assert (answer.usage.drafted, answer.usage.accepted) == (8, 6)
    assert answer.bills["main"].completion_tokens == 8  # with the end
    assert answer.usage.calls == 2


def test_an_end_that_is_accepted_ends_the_answer(ask):
    answer = ask("warm milk", gamma=10)
    assert (answer.text, answer.finish) == ("warm milk", "stop")
    assert (facts(answer, "answer")["rounds"], answer.usage.drafted, answer.usage.accepted) == (1, 3, 3)


@pytest.mark.parametrize("gamma", [1, 2, 3, 10])
def test_it_is_no_longer_than_asked(ask, gamma):
    answer = ask("one two three four five six seven", gamma=gamma, answer_tokens=5)
    assert (answer.text, answer.finish) == ("one two three four five", "length")
    assert answer.bills["main"].completion_tokens == 5


def test_summaries_have_their_own_length_and_declining_is_seen(ask):
    query = Query("q", "Summarise.", form="summary")
    assert ask("one two three", question=query, answer_tokens=1, summary_tokens=2).text == "one two"
    assert ask("Unanswerable.", decline="unanswerable").finish == "declined"


def test_greedy_decoding_with_transfer_is_refused():
    with pytest.raises(ValidationError, match="eta: 0 for lossless greedy decoding"):
        Rapid(temperature=0)
    assert Rapid(temperature=0, eta=0).random is False
    assert Rapid(eta=0).random is True


def test_a_model_without_sessions_is_refused_when_the_pipeline_loads():
    server = {"kind": "openai_compatible", "url": "http://127.0.0.1:1/v1", "model": "m"}
    with pytest.raises(ValidationError, match=r"generators.draft \(openai_compatible\) is none. Use: .*transformers"):
        Pipeline(generators={"main": "scripted", "draft": server}, routes={"it": ROUTE})
