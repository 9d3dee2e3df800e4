"""What a sweep makes of servers that sample at their own temperature, and of those that cut prompts in silence."""

from __future__ import annotations

import json
from pathlib import Path

from chat_server import ChatServer, Handler, chunk, stream, usage
from tiny_chat import make_tokenizer

from ragvlc import config
from ragvlc.analysis.tables import costs
from ragvlc.core.answer import Answer, Step
from ragvlc.results.loading import CellResult, SweepResults
from ragvlc.sweep.plan import plan
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep

METRICS = ["contains", "evidence_recall", "evidence_hit", "context_precision", "answer_in_context", "supporting_facts"]
TEXT = "The code word is zebra. " + "Nothing is told in this sentence. " * 100


def sweep(folder: Path, server: ChatServer, *, name: str = "s", repeats: int = 1, **generator: object) -> Sweep:
    data = folder / "data"
    data.mkdir(exist_ok=True)
    (data / "documents.jsonl").write_text(json.dumps({"doc_id": "d", "text": TEXT}) + "\n")
    evidence = [{"doc_id": "d", "start": 0, "end": 23}]
    asked = {
        "question_id": "q",
        "doc_ids": ["d"],
        "question": "Which word?",
        "answers": ["zebra"],
        "evidence": evidence,
    }
    (data / "questions.jsonl").write_text(json.dumps(asked) + "\n")
    main = {"kind": "openai_compatible", "url": server.url, "model": "tiny", "window": 32768, **generator}
    return config.build(
        Sweep,
        {
            "name": name,
            "dataset": {"kind": "jsonl", "path": str(data)},
            "pipelines": {"full": {"generators": {"main": main}, "routes": {"full": "full_context"}}},
            "metrics": METRICS,
            "repeats": repeats,
            "tracker": "none",
        },
        "s",
    )


def cells(folder: Path, asked: Sweep) -> tuple[CellResult, ...]:
    run_sweep(asked, folder / "runs")
    return SweepResults.load(folder / "runs" / asked.name).cells


def questions(server: ChatServer) -> list[dict]:
    """The requests but for those that try the server before the first question."""
    return [body for body in server.requests if "Which word?" in body["messages"][-1]["content"]]


def test_an_answer_of_a_cut_prompt_is_flagged_counted_and_not_stored(server: ChatServer, tmp_path: Path) -> None:
    make_tokenizer().save_pretrained(tmp_path / "tokenizer")
    exact = {"tokenizer_from": str(tmp_path / "tokenizer")}
    server.default = stream(chunk("zebra"), chunk(finish="stop"), usage(500, 2))
    [cell] = cells(tmp_path, sweep(tmp_path, server, **exact))
    [row] = cell.rows.values()
    assert row.answer is not None
    assert row.answer.unread_tokens > 500
    assert row.flags == ("prompt_cut",)
    assert row.scores == {"contains": 1.0, **dict.fromkeys(cell.metrics[1:])}
    table = costs(SweepResults.load(tmp_path / "runs" / "s"))
    assert table.heads[-1] == "prompt\ncut"
    assert "Ollama: num_ctx" in table.note

    def whole(handler: Handler, body: dict) -> None:
        found = make_tokenizer().apply_chat_template(body["messages"], add_generation_prompt=True, return_dict=True)
        stream(chunk("zebra"), chunk(finish="stop"), usage(len(found["input_ids"]), 2))(handler, body)

    server.default = whole
    [cell] = cells(tmp_path, sweep(tmp_path, server, name="again", **exact))
    [row] = cell.rows.values()
    assert len(questions(server)) == 2  # the cut answer was not found on disk
    assert row.flags == ()
    assert row.scores["evidence_recall"] == 1.0
    assert "Prompt cut" not in costs(SweepResults.load(tmp_path / "runs" / "again")).note
    cells(tmp_path, sweep(tmp_path, server, name="third", **exact))
    assert len(questions(server)) == 2  # and the whole one was


def test_answers_at_a_servers_own_temperature_are_samples(server: ChatServer, tmp_path: Path) -> None:
    server.default = stream(chunk("zebra"), chunk(finish="stop"), usage(900, 2))
    unsent = sweep(tmp_path, server, repeats=3, send={"temperature": None})
    assert len(plan(unsent)) == 3
    found = cells(tmp_path, unsent)
    assert len(questions(server)) == 3  # each repeat is asked anew
    assert len({body["seed"] for body in questions(server)}) == 3
    assert all("temperature" not in body for body in questions(server))
    assert [cell.summary["sampled_by_server"] for cell in found] == [1, 1, 1]
    note = costs(SweepResults.load(tmp_path / "runs" / "s")).note
    assert "Sampled: 3 answers came from a server to which no temperature is sent" in note
    cells(tmp_path, sweep(tmp_path, server, name="again", repeats=3, send={"temperature": None}))
    assert len(questions(server)) == 6  # none was found on disk
    greedy = sweep(tmp_path, server, name="greedy", repeats=3)
    assert len(plan(greedy)) == 1
    cells(tmp_path, greedy)
    assert "Sampled" not in costs(SweepResults.load(tmp_path / "runs" / "greedy")).note


def test_facts_of_all_calls_count() -> None:
    calls = tuple(Step("call", {"unread_tokens": n}) for n in (100, 50))
    answer = Answer("x", trace=(Step("read", steps=(*calls, Step("call", {"temperature_unsent": True}))),))
    assert (answer.unread_tokens, answer.sampled_by_server, answer.flags) == (150, True, ("prompt_cut",))
    assert (Answer("x").unread_tokens, Answer("x").sampled_by_server, Answer("x").flags) == (0, False, ())
