"""Pieces of documents as one text, and cut to the window: only document text is ever cut."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragvlc.core.data import Document, Span
from ragvlc.core.engines import Prompt
from ragvlc.core.errors import WindowExceeded
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer
from ragvlc.reading.context import OMISSION, ContextBudget, fit, lay_out

WORDS = WordTokenizer()
QUESTION = "why is it"
TEMPLATES = {
    "question last": "Read this.\n\n{document}\n\nQ: {question}",
    "question first": "Q: {question}\n\n{document}\n\nAnswer now:",
    "question twice": "{question}\n\n{document}\n\n{question}",
}


@dataclass(frozen=True)
class Reader:
    window: int
    tokenizer: Any = WORDS


def numbered(count, name="w"):
    """Returns a text of `count` words, each different, each one token of `WordTokenizer`."""
    return " ".join(f"{name}{number}" for number in range(count))


def numbers(text, name="w"):
    return [int(found) for found in re.findall(rf"\b{name}(\d+)\b", text)]


def make(template):
    return lambda text: Prompt(template, {"document": text, "question": QUESTION})


def fitted(documents, window, *, template="{document}\n\nQ: {question}", max_tokens=5, spans=None, **how):
    spans = [Span(document.id, 0, len(document.text)) for document in documents] if spans is None else spans
    return fit(spans, documents, Reader(window), make(template), ContextBudget(max_tokens, **how))


def size(prompt):
    return len(WORDS.render(prompt))


# ---------------------------------------------------------------- laying out

A = Document("a", "one two three four five six", "First")
B = Document("b", "seven eight")


@pytest.mark.parametrize(
    ("spans", "text"),
    [
        ([], ""),
        ([Span("a", 0, 7)], "one two"),
        ([Span("a", 0, 7), Span("a", 7, 13)], "one two three"),  # neighbours
        ([Span("a", 0, 7), Span("a", 4, 13)], "one two three"),  # overlap, read once
        ([Span("a", 0, 13), Span("a", 4, 7)], "one two three"),  # inside the one before
        ([Span("a", 0, 13), Span("a", 4, 7), Span("a", 8, 18)], "one two three four"),
        ([Span("a", 0, 3), Span("a", 8, 13)], "one\n\nthree"),
        ([Span("a", 8, 13), Span("a", 4, 8)], "three\n\ntwo "),  # earlier text is never glued behind later
        ([Span("a", 8, 13), Span("a", 4, 13)], "three\n\ntwo three"),
    ],
)
def test_pieces_of_one_document(spans, text):
    assert lay_out(spans, [A]) == text


def test_a_change_of_document_is_announced_when_there_are_several():
    spans = [Span("a", 0, 3), Span("b", 0, 5), Span("b", 5, 11), Span("a", 4, 7)]
    assert lay_out(spans, [A, B]) == "Title: First\none\n\nTitle: b\nseven eight\n\nTitle: First\ntwo"
    assert lay_out([Span("b", 0, 5)], [A, B]) == "Title: b\nseven"


@pytest.mark.parametrize(
    ("spans", "cuts", "text"),
    [
        ([Span("a", 0, 3), Span("a", 24, 27)], {("a", 3), ("a", 24)}, f"one{OMISSION}six"),
        ([Span("a", 0, 3)], {("a", 3)}, f"one{OMISSION}"),
        ([Span("a", 24, 27)], {("a", 24)}, f"{OMISSION}six"),
        ([Span("a", 24, 27), Span("a", 4, 7)], {("a", 4)}, f"six{OMISSION}two"),
        ([Span("a", 0, 3), Span("a", 3, 7)], {("a", 3)}, "one two"),  # nothing is missing there after all
    ],
)
def test_an_omission_is_marked_where_a_cut_left_something_out(spans, cuts, text):
    assert lay_out(spans, [A], cuts) == text


def test_omissions_beside_titles():
    spans = [Span("a", 0, 3), Span("b", 6, 11)]
    expected = f"Title: First\none{OMISSION}Title: b\n{OMISSION}eight"
    assert lay_out(spans, [A, B], {("a", 3), ("b", 6)}) == expected


# ---------------------------------------------------------------- F1: what is cut, to the token


@pytest.mark.parametrize(
    ("window", "kept"),
    # 5 tokens for the answer, 5 of template and question, 5 of the omission mark (its line breaks join neighbours)
    [(30, 15), (31, 16), (114, 99)],
)
def test_middle_keeps_the_first_larger_half_and_the_last_smaller_half(window, kept):
    document = Document("d", numbered(100) + " " + numbered(20))
    found = fitted([document], window)
    front, back = -(-kept // 2), kept // 2
    words = document.text.split()
    assert found.prompt.fields["document"] == " ".join(words[:front]) + OMISSION + " " + " ".join(words[-back:])
    assert size(found.prompt) + 5 == window
    assert found.dropped_tokens == 120 - kept
    assert found.prompt.fields["question"] == QUESTION


@pytest.mark.parametrize("window", [30, 31, 57])
def test_head_cuts_the_head_and_tail_cuts_the_tail(window):
    document = Document("d", numbered(100))
    kept = window - 15
    head = fitted([document], window, truncation="head")
    tail = fitted([document], window, truncation="tail")
    assert numbers(head.prompt.text()) == list(range(100 - kept, 100))
    assert numbers(tail.prompt.text()) == list(range(kept))
    assert head.prompt.fields["document"].startswith(OMISSION)
    assert tail.prompt.fields["document"].endswith(OMISSION)
    assert size(head.prompt) + 5 == size(tail.prompt) + 5 == window


def test_refuse_fails_with_the_numbers():
    with pytest.raises(WindowExceeded, match="80 tokens too long for a window of 30 with 5 for the answer"):
        fitted([Document("d", numbered(100))], 30, truncation="refuse")
    with pytest.raises(WindowExceeded, match="90 tokens too long .* at most 10 of documents"):
        fitted([Document("d", numbered(100))], 1000, truncation="refuse", limit=10)
    assert fitted([Document("d", numbered(20))], 30, truncation="refuse").dropped_tokens == 0


def test_instructions_alone_too_long():
    with pytest.raises(WindowExceeded, match="leave no room for document text in a window of 9"):
        fitted([Document("d", numbered(100))], 9)
    with pytest.raises(WindowExceeded, match="a window of 9"):
        fitted([], 9)


def test_a_prompt_without_any_of_its_documents_is_no_answer_from_them():
    with pytest.raises(WindowExceeded, match="a window of 15"):  # room for the mark alone
        fitted([Document("d", numbered(100))], 15)
    with pytest.raises(WindowExceeded, match="a limit of 3 document tokens"):
        fitted([Document("d", numbered(100))], 1000, limit=3)
    assert numbers(fitted([Document("d", numbered(100))], 16).prompt.text()) == [0]


# ---------------------------------------------------------------- F2, F3


@pytest.mark.parametrize("truncation", ["middle", "head", "tail", "refuse"])
@pytest.mark.parametrize("slack", [0, 1, 1000])
def test_nothing_changes_where_everything_fits(truncation, slack):
    document = Document("d", numbered(100))
    found = fitted([document], 110 + slack, truncation=truncation)
    assert found.prompt.fields["document"] == document.text
    assert found.context == (Span("d", 0, len(document.text)),)
    assert found.dropped_tokens == 0


def test_one_token_too_many_is_cut():
    assert fitted([Document("d", numbered(100))], 109).dropped_tokens > 0


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
@pytest.mark.parametrize("truncation", ["middle", "head", "tail"])
def test_the_question_and_the_instruction_stay_wherever_they_stand(template, truncation):
    found = fitted([Document("d", numbered(300))], 60, template=template, truncation=truncation)
    text = found.prompt.text()
    before, after = template.replace("{question}", QUESTION).split("{document}")
    assert text.startswith(before)
    assert text.endswith(after)
    assert size(found.prompt) + 5 == 60


def test_a_limit_on_document_tokens_counts_the_mark():
    document = Document("d", numbered(100))
    for limit in (20, 21):
        found = fitted([document], 1000, limit=limit)
        assert WORDS.count(found.prompt.fields["document"]) == limit
    assert fitted([document], 1000, limit=100).dropped_tokens == 0


# ---------------------------------------------------------------- several pieces


def test_the_longest_piece_is_cut_and_the_others_stay():
    short, long = Document("s", numbered(20, "s")), Document("l", numbered(60, "l"))
    found = fitted([short, long], 75)
    text = found.prompt.text()
    assert numbers(text, "s") == list(range(20))
    assert 0 < len(numbers(text, "l")) < 60
    assert [span.document_id for span in found.context] == ["s", "l", "l"]
    assert size(found.prompt) + 5 == 75


def test_then_the_next_longest():
    short, long = Document("s", numbered(20, "s")), Document("l", numbered(60, "l"))
    found = fitted([short, long], 30)
    text = found.prompt.text()
    assert numbers(text, "l") == []
    assert 0 < len(numbers(text, "s")) < 20
    assert found.dropped_tokens == 80 - len(numbers(text, "s"))


def test_each_document_keeps_its_title_line():
    documents = [Document("x", numbered(50, "x"), "The X"), Document("y", numbered(10, "y"))]
    text = fitted(documents, 60).prompt.text()
    assert text.count("Title: The X\n") == text.count("Title: y\n") == 1


# ---------------------------------------------------------------- properties


@st.composite
def readings(draw):
    """Documents of distinct words, pieces of them at word boundaries in any order, overlapping or not."""
    counts = draw(st.lists(st.integers(1, 60), min_size=1, max_size=4))
    documents = [Document(f"d{i}", numbered(count, f"d{i}w"), f"Text {i}") for i, count in enumerate(counts)]
    spans = []
    for _ in range(draw(st.integers(1, 6))):
        document = draw(st.sampled_from(documents))
        places = [match.span() for match in re.finditer(r"\S+", document.text)]
        first = draw(st.integers(0, len(places) - 1))
        last = draw(st.integers(first, len(places) - 1))
        spans.append(Span(document.id, places[first][0], places[last][1]))
    return documents, spans


@settings(deadline=None)
@given(
    readings(),
    st.integers(10, 150),
    st.sampled_from(["middle", "head", "tail", "refuse"]),
    st.none() | st.integers(1, 120),
    st.sampled_from(list(TEMPLATES.values())),
)
def test_what_is_sent_fits_and_is_what_the_context_says(reading, window, truncation, limit, template):
    documents, spans = reading
    how = {"template": template, "spans": spans, "truncation": truncation, "limit": limit}
    whole = make(template)(lay_out(spans, documents))
    document_tokens = WORDS.count(whole.fields["document"])
    fits = size(whole) + 5 <= window and (limit is None or document_tokens <= limit)
    try:
        found = fitted(documents, window, **how)
    except WindowExceeded:
        assert not fits
        return
    assert size(found.prompt) + 5 <= window
    assert limit is None or WORDS.count(found.prompt.fields["document"]) <= limit
    assert found.prompt.template == template
    assert found.prompt.fields["question"] == QUESTION
    assert (found.dropped_tokens == 0) == fits
    if fits:
        assert found.prompt == whole
    texts = {document.id: document.text for document in documents}
    sent = found.prompt.text()
    pieces = [texts[span.document_id][span.start : span.end] for span in found.context]
    assert all(pieces)
    assert all(piece in sent for piece in pieces)
    assert set(re.findall(r"\bd\dw\d+\b", sent)) == {word for piece in pieces for word in piece.split()}
    for span in found.context:
        assert any(
            whole_span.document_id == span.document_id and whole_span.start <= span.start and span.end <= whole_span.end
            for whole_span in spans
        )


def test_the_real_tokenizer_and_its_chat_template(language_model):
    from ragvlc.generators.transformers import TransformersGenerator

    tokenizer = TransformersGenerator(model=str(language_model)).tokenizer()
    pieces = st.sampled_from(
        ["茶", "馆", "。", "🫖", "👩‍🚀", "e\u0301", "<|im_end|>", " the", "\n\n", "[", ".", "7", "ﬁ"]
    )

    @settings(max_examples=40, deadline=None)
    @given(
        st.lists(st.lists(pieces, min_size=1, max_size=200).map("".join), max_size=3),
        st.integers(130, 250),
        st.sampled_from(["middle", "head", "tail"]),
    )
    def holds(texts, window, truncation):
        documents = [Document(str(i), text) for i, text in enumerate(texts)]
        spans = [Span(document.id, 0, len(document.text)) for document in documents]
        reader = Reader(window, tokenizer)
        template = make(TEMPLATES["question twice"])
        found = fit(spans, documents, reader, template, ContextBudget(20, truncation))
        assert len(tokenizer.render(found.prompt)) + 20 <= window
        sent = found.prompt.text()
        assert sent.startswith(QUESTION)
        assert sent.endswith(QUESTION)
        for span in found.context:
            assert documents[int(span.document_id)].text[span.start : span.end] in sent

    holds()
