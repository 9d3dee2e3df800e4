"""Every route of several calls, over random documents and windows: what is sent fits, whatever models say."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reading_engines import read

from ragvlc.core.data import Document, Query
from ragvlc.core.errors import WindowExceeded
from ragvlc.generators.transformers import TransformersGenerator
from ragvlc.reading.pieces import pieces_of

ROUTES = (
    "chain_of_agents",
    "map_reduce",
    "refine",
    "merge_vote",
    "hierarchical_agents",
    "retrieve_then_reason",
    "decompose",
    "clarify",
    "self_demo",
)
texts = st.lists(
    st.sampled_from(["The cat sat. ", "Dr. Who? ", "\n\n", "茶馆。", "word " * 30, "a ", "🫖🫖", "No! ", "\u0301é "]),
    max_size=80,
).map("".join)
replies = st.sampled_from(
    [
        "talk " * 400,
        "x",
        "",
        '["Who?", "Where is #1?"]',
        "- The cat sat.\n- made up altogether",
        "[1] [3]",
        "1. Who? 2. Where?",
    ]
)
queries = st.sampled_from(
    [Query("q", "Who sat?"), Query("q", "Who sat?", ("the cat", "nobody")), Query("q", "Sum it up.", form="summary")]
)


@pytest.mark.parametrize("kind", ROUTES)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(several=st.lists(texts, min_size=1, max_size=3), query=queries, reply=replies, window=st.integers(40, 700))
def test_no_prompt_exceeds_the_window(tmp_path, kind, several, query, reply, window):
    """The engine asserts the length of every prompt; what is read is in some prompt, as it stands."""
    documents = [Document(f"d{place}", text) for place, text in enumerate(several)]
    try:
        asked = read(kind, query, documents, lambda prompt: reply, tmp_path, window=window)
    except WindowExceeded:
        assert window < 300
        return
    named = {document.id: document.text for document in documents}
    for span in asked.answer.context:
        assert any(named[span.document_id][span.start : span.end] in prompt for prompt in asked.prompts)
    assert all(
        len(str(fact)) < 2500 for root in asked.answer.trace for step in root.walk() for fact in step.facts.values()
    )


@settings(max_examples=30, deadline=None)
@given(text=texts, room=st.integers(4, 60))
def test_pieces_fit_in_the_tokens_of_a_real_vocabulary_too(text, room):
    """There a character may take several tokens, and a sentence's tokens are not those that it has in its text."""
    tokenizer = TransformersGenerator(model="packaged:smollm2-135m-instruct").tokenizer()
    try:
        pieces = pieces_of([Document("d", text)], tokenizer, room)
    except WindowExceeded:
        assert room < 8
        return
    assert all(tokenizer.count(piece.text) <= room for piece in pieces)
    said = "".join(text[span.start : span.end] for piece in pieces for span in piece.spans)
    assert "".join(said.split()) == "".join(text.split())
