"""A scripted expert from end to end: good questions all survive, each planted fault is dropped for its own reason."""

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from expert import FILLER, Expert, corpus, pool, spec

from ragvlc.core.data import Document
from ragvlc.core.errors import ConfigError, EngineError
from ragvlc.core.interruption import Interrupted
from ragvlc.datasets.jsonl import Jsonl
from ragvlc.questions.files import SetFiles, read_questions, write_questions
from ragvlc.questions.runner import MadeQuestions, counts, make_questions
from ragvlc.questions.spec import FILTERS, QuestionSpec


def make(folder: Path, given: QuestionSpec, reply: Callable[[str], str], out: str = "set.jsonl") -> MadeQuestions:
    with pool(folder, reply) as engines:
        return make_questions(given, folder / out, pool=engines)


def small(folder: Path, **settings: object) -> QuestionSpec:
    return spec(folder, corpus(12), **{"count": 12, "kinds": ["one_place", "numbers"], **settings})


def read(folder: Path, out: str = "set.jsonl") -> str:
    return (folder / out).read_text(encoding="utf-8")


def test_all_fifty_questions_of_an_expert_survive(tmp_path: Path) -> None:
    made = make(tmp_path, spec(tmp_path, count=50), Expert())
    assert made.status == "complete"
    assert counts(made)["kept"] == made.wanted
    assert sum(made.wanted.values()) == 50
    assert set(made.wanted) == {
        *("one_place", "numbers", "several_places", "across_documents", "comparison", "unanswerable", "summary")
    }
    assert not made.chosen.marks()
    assert made.chosen.reasons.total() == 0
    examples = Jsonl.build(made.files.dataset()).load()
    texts = {document.id: document.text for example in examples for document in example.documents}
    for example in examples:
        assert example.unanswerable or example.evidence
        quotes = " ".join(texts[span.document_id][span.start : span.end] for span in example.evidence)
        if example.task == "qa" and example.tags["kind"] != "comparison" and not example.unanswerable:
            assert all(part in quotes for part in example.references[0].split(" and "))
        assert example.tags["generated"] is True
    facts = made.files.read_facts()
    assert {example.tags["prompt"] for example in examples} <= set(facts["prompts"])


PLACE = "The {thing} of Quarrelton was finished in the year {year}. " + FILLER
PLANTED = {
    "wrong quote": (
        "A1",
        "QUESTION: Who built the silo of Quarrelton?\nANSWER: Ada\nQUOTE: Ada Lovelock built this silo.",
    ),
    "closed book": ("A2", "QUESTION: When was the Eiffel Tower of Paris finished?\nANSWER: 1889\nQUOTE: {quote}"),
    "ambiguous": ("A3", "QUESTION: When was the mill of Quarrelton finished?\nANSWER: 1903\nQUOTE: {quote}"),
    "duplicate": ("A4", "QUESTION: When was the kiln of Quarrelton finished?\nANSWER: 1904\nQUOTE: {quote}"),
    "in question": ("A5", "QUESTION: Was the barn of Quarrelton finished in 1905?\nANSWER: 1905\nQUOTE: {quote}"),
    "text above": (
        "A6",
        "QUESTION: According to the text above, when was the dam of Quarrelton finished?\nANSWER: 1906\nQUOTE: {quote}",
    ),
    "wrong passage": ("A7", "QUESTION: Which colour has the sky of Quarrelton?\nANSWER: Blue\nQUOTE: {quote}"),
    "not in evidence": ("A8", "QUESTION: When was the well of Quarrelton finished?\nANSWER: 1777\nQUOTE: {quote}"),
    "refused": ("A9", "I'm sorry, but I cannot help with that."),
    "short quote": ("B1", "QUESTION: When was the gate of Quarrelton finished?\nANSWER: 1911\nQUOTE: 1911"),
    "no form": ("B2", "The gate is old."),
    "good": ("B3", "QUESTION: When was the ferry of Quarrelton finished?\nANSWER: 1912\nQUOTE: {quote}"),
}
REASONS = {
    "wrong quote": "a quote is not in the text",
    "closed book": "right closed book",
    "ambiguous": "another place answers otherwise",
    "duplicate": "asks what another asks, in the same words",
    "in question": "the answer is in the question",
    "text above": "the question speaks of the text",
    "wrong passage": "right with a wrong passage",
    "not in evidence": "not right with the evidence alone",
    "refused": "the model refused",
    "short quote": "a quote is too short",
    "no form": "the reply was not in the form asked for",
}
THINGS = ("silo", "tower", "mill", "kiln", "barn", "dam", "sky", "well", "gate", "gate", "gate", "ferry")


def planted_corpus() -> tuple[list[Document], Expert]:
    documents, replies = [], {}
    for number, ((marker, reply), thing) in enumerate(zip(PLANTED.values(), THINGS, strict=True), 1):
        quote = PLACE.format(thing=thing, year=1900 + number).removesuffix(f" {FILLER}")
        text = f"Record {marker}. {quote} {FILLER * 12}"
        documents.append(Document(f"{marker}.md", text))
        replies[f"Record {marker}."] = reply.replace("{quote}", quote)
    documents.append(Document("other.md", PLACE.format(thing="mill", year=1950)))  # another answer to A3
    replies["1950"] = "NONE"
    kiln = documents[3].text.replace("Record A4.", "Record A44.")
    documents.append(Document("kiln2.md", kiln))
    replies["Record A44."] = replies["Record A4."]
    question = "Which colour has the sky of Quarrelton?"
    expert = Expert(replies, {"When was the Eiffel Tower of Paris finished?": "In 1889."}, {question: "Blue."})
    expert_answer = expert.answer

    def answer(asked: str, text: str) -> str:
        if asked.startswith("When was the Eiffel"):
            return "1889" if "1902" in text else "UNANSWERABLE"
        for thing in ("mill", "kiln", "well", "ferry"):
            if f"the {thing} of Quarrelton" in asked:
                years = [
                    str(1900 + n) if n < 50 else "1950"
                    for n in (*range(1, 13), 50)
                    if f"{thing} of Quarrelton was finished in the year {1900 + n}." in text
                ]
                return years[0] if years else "UNANSWERABLE"
        return expert_answer(asked, text)

    expert.answer = answer  # type: ignore[method-assign]
    return documents, expert


def test_each_planted_fault_is_dropped_for_its_own_reason(tmp_path: Path) -> None:
    documents, expert = planted_corpus()
    kind = {"kind": "one_place", "lengths": [1000]}
    given = spec(
        tmp_path, documents, kinds=[kind], count=len(documents), attempts=1, chunker={"kind": "tokens", "size": 40}
    )
    made = make(tmp_path, given, expert)
    assert made.status == "short"
    found = Counter(made.chosen.by_reason())
    assert found == Counter(REASONS.values()) + Counter(["the model found no such question"])
    assert sorted(item.answers for item in made.chosen.kept) == [("1904",), ("1912",)]
    assert not made.chosen.marks()
    reasons = {item.question: item.dropped.reason for item in read_questions(made.files.dropped) if item.dropped}
    assert reasons["When was the mill of Quarrelton finished?"] == REASONS["ambiguous"]
    assert reasons["When was the Eiffel Tower of Paris finished?"] == REASONS["closed book"]


@pytest.mark.parametrize("one", ["closed_book", "ambiguous", "refers_to_text", "answer_in_question", "wrong_passage"])
def test_a_filter_that_is_off_drops_nothing(tmp_path: Path, one: str) -> None:
    documents, expert = planted_corpus()
    given = spec(
        tmp_path,
        documents,
        kinds=[{"kind": "one_place", "lengths": [1000]}],
        filters=[name for name in FILTERS if name != one],
        count=len(documents),
        attempts=1,
        chunker={"kind": "tokens", "size": 40},
    )
    made = make(tmp_path, given, expert)
    reasons = {
        "closed_book": "right closed book",
        "ambiguous": REASONS["ambiguous"],
        "refers_to_text": REASONS["text above"],
        "answer_in_question": REASONS["in question"],
        "wrong_passage": REASONS["wrong passage"],
    }
    assert made.chosen.by_reason()[reasons[one]] == 0
    assert all(found.filter != one for item in made.chosen.kept for found in item.findings)


def test_the_set_does_not_depend_on_concurrency_or_order(tmp_path: Path) -> None:
    sets = []
    for n in (1, 3, 16):
        given = small(tmp_path, concurrency=n)
        make(tmp_path, given, Expert(), f"set{n}.jsonl")
        sets.append(read(tmp_path, f"set{n}.jsonl"))
    assert sets[0] == sets[1] == sets[2]
    assert len(sets[0].splitlines()) == 12
    make(tmp_path, small(tmp_path, seed=1), Expert(), "other.jsonl")
    assert read(tmp_path, "other.jsonl") != sets[0]


def test_a_second_run_asks_nothing_and_a_larger_set_only_what_is_missing(tmp_path: Path) -> None:
    make(tmp_path, small(tmp_path), Expert())
    first, again = read(tmp_path), Expert()
    make(tmp_path, small(tmp_path), again)
    assert (again.prompts, read(tmp_path)) == ([], first)
    more = Expert()
    made = make(tmp_path, small(tmp_path, count=16), more)
    assert len(made.chosen.kept) == 16
    assert sum("Reply in exactly this form" in prompt for prompt in more.prompts) == 4
    assert {json.loads(line)["question_id"] for line in first.splitlines()} <= {one.id for one in made.chosen.kept}


def test_twenty_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    """Kills by the signal that no process can catch, each at a random moment of a run of its own."""
    given = small(tmp_path)
    make(tmp_path, given, Expert(), "whole.jsonl")
    expert, rng, killed = Expert(), random.Random(4), 0

    def slow(prompt: str) -> str:
        time.sleep(0.02)  # long enough for every kill to come before the end, on any machine
        return expert(prompt)

    log = tmp_path / "set.attempts.jsonl"
    stored: list[bytes] = []
    for _ in range(20):
        child = os.fork()
        if child == 0:
            try:
                make(tmp_path, given, slow)
            finally:
                os._exit(0)
        time.sleep(rng.uniform(0.0, 0.12))
        os.kill(child, signal.SIGKILL)
        killed += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        lines = log.read_bytes().split(b"\n")[:-1] if log.exists() else []
        assert lines[: len(stored)] == stored  # nothing that was stored is lost
        stored = lines
        if rng.random() < 0.3:  # a line that the disk took a part of
            with log.open("ab") as file:
                file.write(b'{"key": "torn')
    assert killed >= 10
    made = make(tmp_path, given, Expert())
    assert made.status == "complete"
    assert read(tmp_path) == read(tmp_path, "whole.jsonl")
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert max(Counter((row["kind"], row["number"]) for row in rows).values()) == 1


def test_an_interruption_stores_what_has_ended(tmp_path: Path) -> None:
    expert = Expert()

    def interrupted(prompt: str) -> str:
        if len(expert.prompts) > 20:
            raise KeyboardInterrupt
        return expert(prompt)

    given = small(tmp_path, concurrency=1)
    with pytest.raises((KeyboardInterrupt, Interrupted)):
        make(tmp_path, given, interrupted)
    stored = len((tmp_path / "set.attempts.jsonl").read_text().splitlines())
    assert 0 < stored < 12
    rest = Expert()
    make(tmp_path, given, rest)
    assert sum("Reply in exactly this form" in prompt for prompt in rest.prompts) == 12 - stored


def test_a_budget_ends_the_set_and_a_larger_one_continues_it(tmp_path: Path) -> None:
    whole = Expert()
    make(tmp_path, small(tmp_path), whole, "whole.jsonl")
    made = make(tmp_path, small(tmp_path, budget={"calls": 20}, concurrency=1), Expert())
    assert made.status == "budget"
    assert made.failures == ("calls 20 of 20",) or made.failures[0].startswith("calls 2")
    assert sum(usage.calls for usage in made.bills.values()) < 20 + 8
    make(tmp_path, small(tmp_path), Expert())
    assert read(tmp_path) == read(tmp_path, "whole.jsonl")
    with pytest.raises(ConfigError, match="price of each generator"):
        make(tmp_path, small(tmp_path, budget={"money": 1}), Expert(), "money.jsonl")


def test_a_server_that_is_down_leaves_attempts_for_the_next_run(tmp_path: Path) -> None:
    expert, down = Expert(), EngineError("the server is down", transient=True)

    def reply(prompt: str) -> str:
        if "Reply in exactly this form" in prompt and len(expert.prompts) > 10:
            raise down
        return expert(prompt)

    made = make(tmp_path, small(tmp_path, concurrency=1), reply)
    assert made.status == "pending"
    assert made.failures == ("the server is down",)
    assert make(tmp_path, small(tmp_path), Expert()).status == "complete"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "no answer: empty"),
        ("<think>It was built in 1874, I am sure of it.</think>", "no answer: thinking_only"),
        (EngineError("broken"), "the model failed: EngineError"),
    ],
)
def test_where_a_reader_fails_the_item_is_marked_not_judged(tmp_path: Path, said: str | Exception, why: str) -> None:
    expert = Expert()

    def reply(prompt: str) -> str:
        if prompt.startswith("Answer this question"):
            if isinstance(said, Exception):
                raise said
            return said
        return expert(prompt)

    made = make(tmp_path, small(tmp_path), reply)
    assert made.status == "complete"
    assert made.chosen.marks() == {f"closed_book: {why}": 12}
    assert all(json.loads(line)["meta"]["marked"] == "closed_book" for line in read(tmp_path).splitlines())


def test_in_steps_the_sentence_shown_is_the_evidence(tmp_path: Path) -> None:
    expert = Expert()

    def reply(prompt: str) -> str:
        if "Reply with the question only" in prompt:
            return "**Question:** " + expert.write(prompt).splitlines()[0].removeprefix("QUESTION: ")
        return expert(prompt)

    kinds = [{"kind": "numbers", "lengths": [40]}]
    made = make(tmp_path, small(tmp_path, in_steps=True, kinds=kinds), reply)
    assert made.status == "complete"
    for item in made.chosen.kept:
        [evidence] = item.evidence
        assert evidence.text.endswith(".")
        assert item.answers[0] in evidence.text
        assert len(evidence.text) < 120
    assert made.chosen.skips()["quotes: the sentence that was shown is the evidence"] == 12


def test_reviewed_questions_are_not_overwritten(tmp_path: Path) -> None:
    made = make(tmp_path, small(tmp_path), Expert())
    items = read_questions(made.files.questions)
    write_questions(made.files.questions, [replace(items[0], review={"decision": "accepted"}), *items[1:]])
    with pytest.raises(ConfigError, match="1 of its questions were reviewed"):
        make(tmp_path, small(tmp_path), Expert())


def test_files_of_another_origin_are_not_replaced(tmp_path: Path) -> None:
    given = small(tmp_path)
    before = (tmp_path / "corpus" / "documents.jsonl").read_bytes()
    with pytest.raises(ConfigError, match="not of a set of generated questions"):
        make(tmp_path, given, Expert(), "corpus")
    (tmp_path / "own.jsonl").write_text('{"question": "Mine?"}\n')
    with pytest.raises(ConfigError, match="own.jsonl: there already"):
        make(tmp_path, given, Expert(), "own.jsonl")
    with pytest.raises(ConfigError, match="plain JSON"):
        make(tmp_path, given, Expert(), "set.jsonl.gz")
    assert (tmp_path / "corpus" / "documents.jsonl").read_bytes() == before


def test_attempts_of_other_settings_are_counted_and_not_used(tmp_path: Path) -> None:
    make(tmp_path, small(tmp_path), Expert())
    made = make(tmp_path, small(tmp_path, seed=5), Expert())
    assert (made.others, len(made.chosen.kept)) == (12, 12)


def test_one_document_has_no_questions_across_documents(tmp_path: Path) -> None:
    given = spec(tmp_path, corpus(1), count=6, kinds=["one_place", "comparison"], attempts=1)
    made = make(tmp_path, given, Expert())
    assert made.left_out == {"comparison": "needs two documents with text"}
    assert made.wanted == {"one_place": 6}


def test_a_set_inside_the_folder_of_its_documents_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.md").write_text(corpus(1)[0].text)
    given = small(tmp_path, dataset={"kind": "folder", "path": str(tmp_path / "notes")})
    with pytest.raises(ConfigError, match="lies in the folder of the documents"):
        make(tmp_path, given, Expert(), "notes/set.jsonl")
    assert SetFiles.at(tmp_path / "notes").questions.exists() is False
