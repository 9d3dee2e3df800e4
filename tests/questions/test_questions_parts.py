"""The parts of a set of questions: replies, quotes, passages, filters of words, shares, specifications."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from ragvlc import config
from ragvlc.core.component import known_kinds
from ragvlc.core.data import Document, Span
from ragvlc.core.engines import Generation
from ragvlc.core.errors import ConfigError
from ragvlc.core.families import Chunker, Generator, Retriever
from ragvlc.core.replies import Reply
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer
from ragvlc.questions.choosing import quotas
from ragvlc.questions.drawing import Drawer
from ragvlc.questions.examiner import Bench, Examiner
from ragvlc.questions.filters.answer_in_question import _within
from ragvlc.questions.filters.names_subject import NamesSubjectFilter
from ragvlc.questions.filters.refers_to_text import _TALK
from ragvlc.questions.item import GeneratedQuestion
from ragvlc.questions.kind import QuestionKind
from ragvlc.questions.making import no_answer
from ragvlc.questions.overlap import likeness, overlap
from ragvlc.questions.quoting import QuoteProblem, located
from ragvlc.questions.sources import model_of, spec_of
from ragvlc.questions.spec import FILTERS, KINDS, QuestionSpec
from ragvlc.questions.written import NoQuestion, WrittenQuestion, read_written
from ragvlc.roles import Models
from ragvlc.testing import FunctionEngine, ScriptedPool
from ragvlc.text.folding import fold
from ragvlc.text.generations import read_generation

WRITTEN = WrittenQuestion("Who built the mill of Reedwick?", "Ada Corbett", ("Ada Corbett was its builder.",))
Q, A, E = WRITTEN.question, WRITTEN.answer, WRITTEN.quotes[0]


@pytest.mark.parametrize(
    "text",
    [
        f"QUESTION: {Q}\nANSWER: {A}\nQUOTE: {E}",
        f"**Question:** {Q}\n**Answer:** {A}\n**Quote:** “{E}”",
        f"Sure! Here is one.\n\nQuestion: {Q}\n\nAnswer: {A}\n\nQuote:\n- {E}",
        f"1. QUESTION: {Q}\n2. ANSWER: {A}\n3. QUOTE: «{E}»",
        f'```json\n{{"question": "{Q}", "answer": "{A}", "quotes": ["{E}"]}}\n```',
        f"QUESTION: {Q}\nANSWER: {A}\nQUOTE: {E}\n\nQUESTION: And who burned it?\nANSWER: Bruno\nQUOTE: Bruno did.",
        f"<think>QUESTION: no, another?\nANSWER: x</think>QUESTION: {Q}\nANSWER: {A}\nEVIDENCE: {E}",
        f"QUESTION: {Q}\nANSWER: {A}\nQUOTE 1: {E}\nQUOTE 2: {E}",
    ],
)
def test_replies_are_read_in_any_dress(text: str) -> None:
    assert read_written(read_generation(Generation(text), "auto", WordTokenizer)) == WRITTEN


def reply(text: str = "", **sent: str) -> Generation:
    return read_generation(Generation(text, reply=Reply(text, **sent)), "auto", WordTokenizer)


@pytest.mark.parametrize(
    ("generation", "reason"),
    [
        (reply(), "the reply was empty"),
        (reply("<think>Let me see. QUESTION: Who?</think>"), "the reply was only a thought"),
        (reply("<think>Let me see", reason="length"), "the thought was cut off"),
        (reply(f"QUESTION: {Q}\nANSWER: {A}\nQUOTE: Ada", reason="length"), "the reply was cut off"),
        (reply(f"QUESTION: {Q}\nANSWER: {A}\nQUOTE: {E}", reason="error"), "the reply broke off"),
        (reply("", refusal="I will not."), "the model refused"),
        (reply("I’m sorry, but I can’t help with that."), "the model refused"),
        (reply("", reason="content_filter"), "the reply was filtered"),
        (reply("None."), "the model found no such question"),
        (reply("QUESTION: NONE"), "the model found no such question"),
        (reply(f"QUESTION: {Q}\nQUOTE: {E}"), "the answer was empty"),
        (reply("QUESTION: ...\nANSWER: x\nQUOTE: y"), "the question was empty"),
        (reply("What is a mill? It grinds."), "the reply was not in the form asked for"),
    ],
)
def test_replies_without_a_question_say_why(generation: Generation, reason: str) -> None:
    assert read_written(generation) == NoQuestion(reason)


TEXT = (
    "Chapter 1. The “ﬁnal” mill — built in 1874 — stood\nnear the inform-\nation office. It burned in 1901, they say."
)
DOCUMENTS = {"d": Document("d", TEXT)}
WHOLE = (Span("d", 11, len(TEXT)),)


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("It burned in 1901, they say.", "It burned in 1901, they say."),
        ("it burned in 1901!", "It burned in 1901"),
        ('The "final" mill - built in 1874', "The “ﬁnal” mill — built in 1874"),
        ("stood near the information office.", "stood\nnear the inform-\nation office."),
        ("The “final” mill [...] It burned in 1901", "The “ﬁnal” mill|It burned in 1901"),
    ],
)
def test_quotes_are_located_in_any_typography_at_their_places(quote: str, found: str) -> None:
    evidence = located([quote], WHOLE, DOCUMENTS, 8)
    assert not isinstance(evidence, QuoteProblem)
    assert [one.text for one in evidence] == found.split("|")
    assert all(TEXT[one.span.start : one.span.end] == one.text for one in evidence)


@pytest.mark.parametrize(
    ("quotes", "reason"),
    [
        ([], "no quote"),
        (["1874"], "a quote is too short"),
        (["The mill was built in 1875"], "a quote is not in the text"),
        (["It burned in 1901", "and never again"], "a quote is not in the text"),
        (["burned in 190"], "a quote is not in the text"),  # ends within a number
        (["Chapter 1. The"], "a quote is not in the text"),  # partly outside of the passage
    ],
)
def test_quotes_that_are_no_evidence(quotes: list[str], reason: str) -> None:
    found = located(quotes, WHOLE, DOCUMENTS, 8)
    assert isinstance(found, QuoteProblem)
    assert found.reason == reason


@pytest.mark.parametrize(
    "question",
    [
        "According to the text above, who built it?",
        "What does the passage say about mills?",
        "Which mill is described in this document?",
        "Who is mentioned above?",
        "What is the main idea of the excerpt?",
        "Based on the given information, when did it burn?",
        "Wer baute laut dem obigen Text die Mühle?",
        "Was wird in diesem Abschnitt beschrieben?",
        "Selon le texte, qui a construit le moulin ?",
        "¿Quién construyó el molino según el texto?",
        "Secondo il testo, chi costruì il mulino?",
        "Kto według tekstu zbudował młyn?",
        "根据文章,谁建造了磨坊?",
        "この文章によると、誰が水車小屋を建てましたか。",
    ],
)
def test_talk_of_the_text_is_found(question: str) -> None:
    assert _TALK.search(fold(question))


@pytest.mark.parametrize(
    "question",
    [
        "Who built the mill of Reedwick?",
        "In which context of the war was the treaty signed?",
        "What did the report of the Warren Commission conclude?",
        "What is the length of the text of the treaty of Reedwick?",
        "Which passage did Magellan discover?",
        "Wann wurde die Mühle von Reedwick gebaut?",
        "¿Quién construyó el molino de Reedwick?",
    ],
)
def test_other_questions_are_no_talk_of_the_text(question: str) -> None:
    assert not _TALK.search(fold(question))


SUBJECTS = [
    ("Who built the mill of Reedwick?", ""),
    ("Who built it?", "names nothing"),
    ("What is the answer to this question?", "speaks of itself"),
    ("What a delightful question!", "speaks of itself"),
    ("Wann wurde die Windmühle gebaut?", "names nothing"),
    ("谁建造了磨坊?", "names nothing"),
]


@pytest.mark.parametrize(("question", "fault"), SUBJECTS)
def test_questions_name_what_they_are_about(question: str, fault: str) -> None:
    text = "Ada Corbett was the builder of the mill of Reedwick."
    item = GeneratedQuestion(
        "q", "one_place", "passage", question, ("Ada",), ("d",), passages=(Span("d", 0, len(text)),)
    )
    bench = SimpleNamespace(documents={"d": Document("d", text)})
    examiner = Examiner(item, QuestionKind.build("one_place"), bench)  # type: ignore[arg-type]
    assert fault in NamesSubjectFilter().check(examiner).reason
    assert bool(fault) == bool(NamesSubjectFilter().check(examiner).reason)


REPLIES = [
    ("1874", "It was built in 1874.", "right"),
    ("1874", "It was built in 11874.", "unsure"),
    ("1874", "The mill of Reedwick was built in 1901.", "wrong"),
    ("The mill of Reedwick was built by Ada Corbett.", "The mill of Reedwick was built by Bruno Quayle.", "unsure"),
    ("The mill of Reedwick was built by Ada Corbett.", "Ada Corbett built it.", "unsure"),
    ("The mill of Reedwick was built by Ada Corbett.", "The mill was built by Ada Corbett.", "right"),
    ("1874", "The year is UNANSWERABLE.", "declined"),
    ("1874", "The text does not say.", "declined"),
    ("1874", "", "unsure"),
]


@pytest.mark.parametrize(("right", "said", "outcome"), REPLIES)
def test_replies_are_right_wrong_declined_or_unsure(tmp_path: Path, right: str, said: str, outcome: str) -> None:
    item = GeneratedQuestion("q", "one_place", "passage", "Who built the mill of Reedwick?", (right,), ("d",))
    documents = {"d": Document("d", "Some text about a mill.")}
    models = Models({"reader": Generator.build("scripted")}, {})
    with ScriptedPool(FunctionEngine(lambda _: said), tmp_path) as pool:
        bench = Bench(models, pool, documents, Chunker.build("whole"), Retriever.build("bm25"))
        asked = Examiner(item, QuestionKind.build("one_place"), bench).read([Span("d", 0, 4)], "reader")
    assert asked.outcome == outcome


@pytest.mark.parametrize(
    ("answer", "question", "inside"),
    [
        ("1905", "Was the barn finished in 1905?", True),
        ("5", "Was the barn finished in 1905?", False),
        ("yes", "Did yes win?", False),
        ("Ada Corbett", "Did ada corbett build it?", True),
        ("Ada", "Which Canadarm was it?", False),
        ("the old grey stone mill near Reedwick", "Where near Reedwick is the grey and old mill of stone?", True),
        ("磨坊", "磨坊在哪里?", True),
        (
            "The person who built the Reedwick mill in Holland is the person who built it",
            "Which person built the Reedwick mill in Holland?",
            True,
        ),
        ("The person who built the Reedwick mill is Ada Corbett", "Which person built the Reedwick mill?", False),
    ],
)
def test_answers_in_questions(answer: str, question: str, *, inside: bool) -> None:
    assert _within(answer, question) is inside


def test_an_answer_that_says_there_is_none_is_none() -> None:
    assert no_answer("The builder of the mill is unknown.")
    assert no_answer("The text does not say who built it.")
    assert not no_answer("the tomb of the unknown soldier")
    assert not no_answer("It is unknown to most that Ada built it.")


def test_overlap_counts_the_words_that_carry_meaning() -> None:
    assert overlap("When was the mill of Reedwick finished?", ["The mill of Reedwick was finished in 1874."]) == 1
    assert overlap("When did Reedwick complete its grinder?", ["The mill of Reedwick was finished."]) == pytest.approx(
        1 / 3
    )
    assert overlap("When?", ["The mill."]) is None
    assert likeness("Who built it?", "who built IT") == 1


def long_document(name: str, sentences: int) -> Document:
    return Document(name, " ".join(f"Sentence {n} of {name} says what it says." for n in range(sentences)))


def drawer(*documents: Document, seed: int = 0) -> Drawer:
    return Drawer({one.id: one for one in documents}, WordTokenizer(), seed, lambda _, __: [])


def test_passages_are_spread_over_documents_places_and_lengths() -> None:
    documents = [long_document(f"doc{n}", 200) for n in range(5)]
    kind = QuestionKind.build({"kind": "one_place", "lengths": [20, 60]})
    found = [drawer(*documents).draw(kind, n)[0] for n in range(50)]
    assert Counter(span.document_id for span in found) == dict.fromkeys((one.id for one in documents), 10)
    tenths = Counter(int(10 * span.start / len(documents[0].text)) for span in found)
    assert set(tenths) == set(range(10))
    assert max(tenths.values()) <= 9
    short = sum(len(span) < 240 for span in found)
    assert 20 <= short <= 30
    for span in found:
        text = next(one.text for one in documents if one.id == span.document_id)
        assert text[span.start : span.end].startswith("Sentence")
        assert text[span.start : span.end].endswith(".")
    again = drawer(*documents)
    assert [again.draw(kind, n)[0] for n in (7, 49, 0)] == [found[7], found[49], found[0]]
    assert drawer(*documents, seed=1).draw(kind, 0) != (found[0],)


def test_two_places_of_a_document_do_not_overlap() -> None:
    kind = QuestionKind.build("several_places")
    for n in range(20):
        first, second = drawer(long_document("a", 300)).draw(kind, n)
        assert first.end <= second.start
    assert drawer(Document("a", "Short.")).draw(kind, 0) == ()


def test_numbers_are_drawn_where_there_are_numbers() -> None:
    text = (
        "No figure is here at all, said the old miller. " * 40
        + "It took 12 years. "
        + "And then nothing was said. " * 5
    )
    kind = QuestionKind.build({"kind": "numbers", "lengths": [40]})
    found = [drawer(Document("a", text)).draw(kind, n) for n in range(8)]
    assert all("12" in text[one[0].start : one[0].end] for one in found if one)
    assert any(found)
    assert kind.objection("a long time") == "the answer is no number"
    assert not kind.objection("12 years")


def test_shares_become_whole_numbers_that_add_up() -> None:
    assert quotas({"a": 1, "b": 1, "c": 1}, 10) == {"a": 4, "b": 3, "c": 3}
    assert quotas({"a": 5, "b": 1}, 3) == {"a": 3, "b": 0} or sum(quotas({"a": 5, "b": 1}, 3).values()) == 3
    assert sum(quotas({str(one["kind"]): one["share"] for one in KINDS}, 50).values()) == 50


def test_every_kind_and_filter_is_there_by_default() -> None:
    assert {str(one["kind"]) for one in KINDS} == set(known_kinds("questions.kinds"))
    assert set(FILTERS) == set(known_kinds("questions.filters"))


def built(**fields: object) -> QuestionSpec:
    given = {"dataset": "toy", "generators": {"writer": "scripted"}, **fields}
    return config.build(QuestionSpec, given, "set.yaml")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"generators": {"wrighter": "scripted"}}, "needs a 'writer'.*Nearest: wrighter"),
        ({"kinds": ["one_plaice"]}, "is no kind of questions.kinds.*Nearest: one_place"),
        ({"filters": ["closed_bok"]}, "is no kind of questions.filters.*Nearest: closed_book"),
        ({"kinds": ["numbers", "numbers"]}, "kinds: numbers is there twice"),
        ({"filters": [{"kind": "closed_book", "generator": "judge"}]}, "no generator has the role 'judge'"),
        ({"kinds": [{"kind": "one_place", "prompt": "Write!"}]}, "prompt must contain {passages}"),
        ({"kinds": [{"kind": "one_place", "wrong": 0.7}]}, "must be below right"),
        ({"kinds": [{"kind": "one_place", "steps": ["{passages}"]}]}, "steps needs two prompts"),
        ({"count": 0}, "greater than or equal to 1"),
    ],
)
def test_what_is_wrong_with_a_specification_is_said(fields: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        built(**fields)


def test_more_questions_and_other_shares_leave_the_key_as_it_is() -> None:
    assert built().key == built(count=7, concurrency=1, attempts=9, budget={"calls": 3}).key
    assert built().key != built(seed=1).key
    assert built().key != built(filters=["closed_book"]).key


def test_models_and_options_of_the_command_line() -> None:
    assert model_of("packaged:x") == {"kind": "transformers", "model": "packaged:x"}
    assert model_of("{kind: scripted, default: a}") == {"kind": "scripted", "default": "a"}
    spec = spec_of(
        "toy", {"writer": "scripted"}, {"count": 3}, kinds={"numbers": 2}, without=("ambiguous",), max_overlap=0.5
    )
    assert (spec.count, [one.kind for one in spec.kinds]) == (3, ["numbers"])
    assert "ambiguous" not in {one.kind for one in spec.filters}
    assert next(one for one in spec.filters if one.kind == "shared_words").spec()["max_overlap"] == 0.5
    with pytest.raises(ConfigError, match="no such filter.*Nearest: ambiguous"):
        spec_of("toy", {"writer": "scripted"}, {}, without=("ambigous",))
