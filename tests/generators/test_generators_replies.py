"""What servers send, from the reply to the report: thoughts, parts, refusals, tool calls, filters, and nothing."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, Reply, answer, part, stream, usage
from rich.console import Console

from ragvlc.analysis.report import terminal_report
from ragvlc.analysis.results import Results
from ragvlc.sweep.runner import Outcome, run_sweep
from ragvlc.sweep.spec import Sweep
from ragvlc.sweep.tracking import rescore

TEXT = "The meeting took place in Paris. Lyon was mentioned as a second choice. Nobody went to Rome."
QUESTIONS = [
    {"question_id": "q1", "doc_ids": ["d1"], "question": "Where did it take place?", "answers": ["Paris"]},
    {"question_id": "q2", "doc_ids": ["d1"], "question": "Who paid?", "answers": [], "unanswerable": True},
]
METRICS = ["contains", "exact_match", "token_f1", "refusal_recall", "false_refusal"]


def sweep_of(server: ChatServer, folder: Path, route: dict[str, Any] | None = None, **generator: Any) -> Sweep:
    data = folder / "data"
    data.mkdir(exist_ok=True)
    (data / "documents.jsonl").write_text(json.dumps({"doc_id": "d1", "title": "t", "text": TEXT}) + "\n")
    (data / "questions.jsonl").write_text("".join(json.dumps(one) + "\n" for one in QUESTIONS))
    main = {"kind": "openai_compatible", "url": server.url, "model": "tiny", "window": 4096, "retries": 0, **generator}
    pipeline = {"generators": {"main": main}, "routes": {"it": route or {"kind": "full_context"}}}
    named = {"name": "replies", "description": "x", "dataset": {"kind": "jsonl", "path": str(data)}}
    return Sweep.model_validate({**named, "pipelines": {"it": pipeline}, "metrics": METRICS, "tracker": "none"})


def ran(sweep: Sweep, folder: Path) -> Outcome:
    outcome = run_sweep(sweep, folder / "runs")
    assert outcome.complete
    return outcome


def text_of(results: Results) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(*terminal_report(results))
    return " ".join(console.file.getvalue().split())


def questions_of(server: ChatServer) -> list[dict[str, Any]]:
    """The requests about the document, without the one that tries the server."""
    return [request for request in server.requests if TEXT in json.dumps(request["messages"])]


def thought(text: str) -> dict[str, Any]:
    """A part of a content, as Mistral's models send it."""
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}


def say(text: str, finish: str = "stop") -> Reply:
    return stream(*(part(content=piece) for piece in (text[:9], text[9:])), part(finish), usage(100, 8))


def sent(*deltas: dict[str, Any], finish: str = "stop") -> Reply:
    return stream(*(part(**delta) for delta in deltas), part(finish), usage(100, 8))


ANSWERS = {
    "a thought in marks": say("<think>\nParis, or Lyon.\n</think>\n\nRome"),
    "a thought whose marks arrive in pieces": sent(
        {"content": "<thi"}, {"content": "nk>Paris</th"}, {"content": "ink>Ro"}, {"content": "me"}
    ),
    "a thought that the template opened": say("So it is Paris.\n</think>\n\nRome"),
    "a thought in brackets": say("[THINK]Paris[/THINK]Rome"),
    "channels": say("<|channel|>analysis<|message|>Paris<|end|><|start|>assistant<|channel|>final<|message|>Rome"),
    "channels without control tokens": say("analysisIt says Paris.assistantfinalRome"),
    "reasoning_content": sent({"reasoning_content": "Paris"}, {"content": "Rome"}),
    "reasoning": sent({"reasoning": "Paris", "reasoning_content": None}, {"content": "Rome"}),
    "reasoning_details": sent(
        {"reasoning_details": [{"type": "reasoning.text", "text": "Paris"}]}, {"content": "Rome"}
    ),
    "parts, then a text": sent({"content": [thought("Par")]}, {"content": [thought("is")]}, {"content": "Rome"}),
    "parts of both kinds": sent({"content": [thought("Paris"), {"type": "text", "text": "Rome"}]}),
    "parts of text in two deltas": sent(
        {"content": [thought("Paris")]},
        {"content": [{"type": "text", "text": "Ro"}]},
        {"content": [{"type": "text", "text": "me"}, {"type": "reference", "reference_ids": [1]}]},
    ),
    "thinking_content": sent({"thinking_content": "Paris"}, {"content": "Rome"}),
    "thinking_blocks": sent({"thinking_blocks": [{"type": "thinking", "thinking": "Paris"}]}, {"content": "Rome"}),
    "parts without types": sent(
        {"content": [{"reasoningContent": {"reasoningText": {"text": "Paris"}}}, {"text": "Rome"}]}
    ),
    "a message within a message": sent(
        {"content": [{"type": "message", "content": [{"text": "Rome"}, {"thinking": "Paris"}]}]}
    ),
    "a part of an unknown type": sent({"content": [{"type": "hologram", "data": "Paris"}]}, {"content": "Rome"}),
}
NOTHING = {
    "tokens went into a thought sent apart": (sent({"reasoning_content": "hm " * 9}, finish="length"), "thinking_cut"),
    "tokens went into a thought in the text": (say("<think>\nThe user asks for Paris", "length"), "thinking_cut"),
    "tokens went into a thought of parts": (sent({"content": [thought("Paris")]}, finish="length"), "thinking_cut"),
    "tokens went into a channel": (say("<|channel|>analysis<|message|>Paris", "length"), "thinking_cut"),
    "a thought and no answer": (sent({"reasoning_content": "Paris"}), "thinking_only"),
    "an empty thought and no answer": (say("<think>\n\n</think>\n\n"), "empty"),
    "an empty text": (sent({"content": ""}), "empty"),
    "blanks": (sent({"content": " \n"}), "empty"),
    "no text within the limit": (sent({"content": ""}, finish="length"), "cut"),
    "a content filter": (sent({"content": ""}, finish="content_filter"), "filtered"),
    "a tool call": (sent({"tool_calls": [{"index": 0, "id": "1"}]}, finish="tool_calls"), "tool_call"),
    "a refusal in its field": (sent({"refusal": "I cannot help."}), "refused"),
    "a refusal by its reason": (sent({"content": "I cannot"}, finish="refusal"), "refused"),
}
ADVICE = {"thinking_cut": "raise thinking_tokens", "thinking_only": "set thinking: none", "cut": "raise answer_tokens"}


@pytest.mark.parametrize("case", ANSWERS)
def test_a_thought_is_never_scored(case: str, server: ChatServer, tmp_path: Path) -> None:
    server.default = ANSWERS[case]
    [cell] = ran(sweep_of(server, tmp_path), tmp_path).results().cells
    for row in cell.rows.values():
        assert (row.answer.text, row.answer.answered) == ("Rome", True)
        assert "Paris" in row.answer.thought or case == "a part of an unknown type"
    assert cell.mean("contains") == 0
    assert cell.summary["no_answer"] == 0


@pytest.mark.parametrize("case", NOTHING)
def test_no_answer_is_wrong_everywhere_counted_and_advised_on(case: str, server: ChatServer, tmp_path: Path) -> None:
    server.default, cause = NOTHING[case]
    results = ran(sweep_of(server, tmp_path), tmp_path).results()
    [cell] = results.cells
    assert {label: cell.mean(label) for label in METRICS} == dict.fromkeys(METRICS, 0)
    assert (cell.summary["no_answer"], cell.summary["no_answer_causes"]) == (2, {cause: 2})
    assert cell.summary["declined"] == cell.summary["failed"] == 0
    report = text_of(results)
    assert "answer" in report
    assert ADVICE.get(cause, "") in report
    assert list(results.frame()["answered"]) == [False, False]


@pytest.mark.parametrize(
    "deltas",
    [
        [{"content": "Paris \ud83d"}, {"content": "\ude00 it is"}],
        [{"content": [{"type": "text", "text": "Paris \ud83d"}]}, {"content": "\ude00 it is"}],
        [{"reasoning_content": "hm \ud83d"}, {"reasoning_content": "\ude00"}, {"content": "Paris \U0001f600 it is"}],
    ],
)
def test_a_character_sent_in_two_chunks_is_one(deltas: list[dict], server: ChatServer, tmp_path: Path) -> None:
    server.default = sent(*deltas)
    outcome = ran(sweep_of(server, tmp_path), tmp_path)
    [file] = outcome.folder.glob("*/predictions.jsonl")
    assert "Paris \U0001f600 it is" in file.read_text("utf-8")
    frame = outcome.results().frame()
    assert set(frame["answer"]) == {"Paris \U0001f600 it is"}
    assert frame.to_csv().encode()


def test_half_a_character_is_replaced(server: ChatServer, tmp_path: Path) -> None:
    server.default = sent({"content": "Paris \ud83d"})
    [cell] = ran(sweep_of(server, tmp_path), tmp_path).results().cells
    assert {row.answer.text for row in cell.rows.values()} == {"Paris \ufffd"}


def test_another_setting_reads_the_stored_replies_and_asks_nothing(server: ChatServer, tmp_path: Path) -> None:
    server.default = say("<plan>Paris</plan> Rome")
    texts = []
    for thinking in ("auto", "<plan> </plan>", "none"):
        outcome = ran(sweep_of(server, tmp_path, thinking=thinking), tmp_path)
        [cell] = outcome.results().cells
        texts.append({row.answer.text for row in cell.rows.values()})
    assert texts == [{"<plan>Paris</plan> Rome"}, {"Rome"}, {"<plan>Paris</plan> Rome"}]
    assert len(questions_of(server)) == 2


def test_tokens_for_a_thought_are_asked_for_beside_those_of_the_answer(server: ChatServer, tmp_path: Path) -> None:
    server.default = say("<think>Paris</think>" + "Rome " * 20)
    route = {"kind": "full_context", "answer_tokens": 4}
    [cell] = ran(sweep_of(server, tmp_path, route, thinking_tokens=100), tmp_path).results().cells
    assert {request["max_tokens"] for request in questions_of(server)} == {104}
    for row in cell.rows.values():
        assert row.answer.finish == "length"
        assert row.answer.text.count("Rome") <= 4


def test_the_row_has_the_reply_as_it_came_and_counts_the_thought(server: ChatServer, tmp_path: Path) -> None:
    counted = usage(100, 20)
    counted["usage"]["completion_tokens_details"] = {"reasoning_tokens": 12}
    server.default = stream(part(reasoning_content="Paris"), part(content="Rome"), part("stop"), counted)
    outcome = ran(sweep_of(server, tmp_path), tmp_path)
    [file] = outcome.folder.glob("*/predictions.jsonl")
    row = json.loads(file.read_text("utf-8").splitlines()[0])
    assert (row["version"], row["answer"]["thought"]) == (3, "Paris")
    assert row["answer"]["usage"]["thought_tokens"] == 12
    assert row["answer"]["usage"]["completion_tokens"] == 20
    assert Results.load(outcome.folder).cells[0].summary["thought_tokens"] == 12


AGENTS = {"kind": "chain_of_agents", "note_tokens": 16, "answer_tokens": 16}
ROUTES: list[dict[str, Any]] = [
    AGENTS,
    {"kind": "map_reduce"},
    {"kind": "refine"},
    {"kind": "decompose"},
    {"kind": "self_route", "first": {"kind": "retrieve", "retriever": "bm25", "decline": "unanswerable"}},
    {"kind": "retrieve", "chunker": {"kind": "tokens", "size": 16}, "retriever": "bm25", "reranker": "llm_rerank"},
]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route["kind"])
def test_no_call_is_ever_shown_a_thought(route: dict, server: ChatServer, tmp_path: Path) -> None:
    server.default = say("<think>\nSECRET, Unanswerable, [1]\n</think>\n\nUnanswerable")
    ran(sweep_of(server, tmp_path, route), tmp_path)
    assert questions_of(server)
    assert not any("SECRET" in json.dumps(request) for request in server.requests)


def test_an_inner_call_without_an_answer_is_counted(server: ChatServer, tmp_path: Path) -> None:
    def reply(handler: Any, body: dict[str, Any]) -> None:
        final = body["max_tokens"] == 16
        (answer("Rome") if final else sent({"reasoning_content": "hm"}, finish="length"))(handler, body)

    server.default = reply
    route = {**AGENTS, "note_tokens": 24}
    results = ran(sweep_of(server, tmp_path, route), tmp_path).results()
    assert (results.cells[0].summary["no_answer"], results.cells[0].summary["empty_replies"]) == (0, 2)
    assert "Empty replies" in text_of(results)


def test_scoring_reads_rows_of_the_other_setting_without_a_cache(server: ChatServer, tmp_path: Path) -> None:
    server.default = say("<plan>Paris</plan> Rome")
    sweep = sweep_of(server, tmp_path).model_copy(update={"cache": False})
    ran(sweep, tmp_path)
    other = sweep_of(server, tmp_path, thinking="<plan> </plan>").model_copy(update={"cache": False})
    [cell] = Results.load(rescore(other, tmp_path / "runs")).cells
    assert {row.answer.text for row in cell.rows.values()} == {"Rome"}
    assert cell.mean("contains") == 0
    [cell] = ran(other, tmp_path).results().cells
    assert {row.answer.thought for row in cell.rows.values()} == {"Paris"}
    assert len(questions_of(server)) == 2
