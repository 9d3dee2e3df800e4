"""A folder with one valid file of every kind that the command line reads; fuzz targets damage copies of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from tests.fuzz.command import run_command

__all__ = ["EXPERIMENT", "OWN", "PIPELINE", "REPLAY", "SET", "build", "router"]

_TEXTS = {
    "mill": "The mill by the lower weir was built in 1702. Its wheel turned two pairs of stones for rye. Ünïcödé 茶.",
    "salt": "Salt came up the river in flat boats and was weighed at the east gate. A clerk wrote each sack down.",
    "guild": "The guild had a chest with three locks. Every baker of the town knew the measures by heart.",
}
_QUESTIONS = [
    ("q1", "mill", "When was the mill built?", "1702"),
    ("q2", "mill", "What was ground?", "rye"),
    ("q3", "salt", "Where was salt weighed?", "at the east gate"),
    ("q4", "salt", "Who wrote?", "A clerk"),
    ("q5", "guild", "How many locks?", "three"),
    ("q6", "guild", "Who knew the measures?", "Every baker"),
]
_RETRIEVE = {
    "kind": "retrieve",
    "chunker": {"kind": "tokens", "size": 9, "overlap": 2},
    "retriever": "bm25",
    "selector": {"kind": "top_k", "k": 2},
    "order": "relevance",
}
_SCRIPTED = {"main": {"kind": "scripted", "default": "in 1702 at the east gate"}}
PIPELINE: dict[str, Any] = {
    "generators": _SCRIPTED,
    "routes": {
        "full": {"kind": "full_context", "answer_tokens": 20},
        "rag": _RETRIEVE,
        "both": {"kind": "self_route", "then": {"kind": "full_context", "decline": None}},
    },
    "router": {"kind": "by_length", "limit": 40, "full": "full", "rag": "rag"},
}
EXPERIMENT: dict[str, Any] = {
    "description": "what is compared",
    "dataset": {"kind": "jsonl", "path": "data", "limit": 6},
    "pipelines": {
        "full": {"generators": _SCRIPTED, "routes": {"full": "full_context"}},
        "rag": {"generators": _SCRIPTED, "routes": {"rag": _RETRIEVE}},
    },
    "axes": {"routes.rag.chunker.size": [9, 12]},
    "metrics": ["contains", "token_f1", "evidence_recall"],
    "baseline": "full",
    "seed": 1,
    "max_failures": 0.5,
    "tracker": "none",
}
OWN = EXPERIMENT | {"dataset": {"kind": "folder", "path": "own", "questions": "questions.csv"}}
REPLAY: dict[str, Any] = {
    "answers": {
        "file": "answers.jsonl",
        "columns": {"question": "qid", "model": "who", "route": "how", "text": "said", "prompt_tokens": "tokens"},
        "routes": {"pieces": "rag", "whole": "full"},
        "characters_per_token": 4,
    },
    "questions": "data",
    "groups": ["level"],
    "breakdowns": {"place": {"tag": "place", "thirds": True}},
    "routers": {"random": "random", "by_length": {"kind": "by_length", "unit": "words", "limit": 18}},
    "wrappers": {"self_route": {"rule": "self_route", "first": "rag", "then": "full"}},
    "metrics": ["token_f1", "contains"],
    "prices": {"small": {"prompt": 0.5, "completion": 1}},
}

SET: dict[str, Any] = {
    "dataset": {"kind": "jsonl", "path": "data"},
    "generators": {
        "writer": {"kind": "scripted", "default": "QUESTION: When was it built?\nANSWER: 1702\nQUOTE: in 1702"}
    },
    "count": 2,
    "attempts": 2,
    "kinds": [{"kind": "one_place", "share": 2}, {"kind": "unanswerable", "share": 1}],
}


def router() -> dict[str, Any]:
    """Returns a learned router as its file has it."""
    return {
        "format": "ragvlc learned router",
        "features_version": 1,
        "routes": ["rag", "full"],
        "features": ["coverage", "log_document_words"],
        "means": [0.5, 4.0],
        "scales": [0.25, 2.0],
        "coefficients": [-1.0, 0.5],
        "intercept": 0.25,
        "threshold": 0.5,
        "chunker": {"kind": "tokens", "size": 64, "overlap": 0},
        "retriever": {"kind": "bm25"},
        "made": {"by": "hand"},
    }


def build(folder: Path) -> None:
    """Writes everything into an empty folder, stored results included."""
    for name in ("data", "own"):
        (folder / name).mkdir(parents=True)
    _data(folder / "data")
    _own(folder / "own")
    files = {"exp": EXPERIMENT, "own": OWN, "pipe": PIPELINE, "replay": REPLAY, "set": SET}
    routed = PIPELINE | {"router": {"kind": "learned", "model": "router.json"}, "routes": _two()}
    for name, tree in (files | {"routed": routed}).items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    (folder / "router.json").write_text(json.dumps(router()), encoding="utf-8")
    answers = [
        {"qid": name, "who": who, "how": how, "said": answer if how == "whole" else "no idea", "tokens": 40}
        for name, _, _, answer in _QUESTIONS
        for who in ("small", "large")
        for how in ("pieces", "whole")
    ]
    (folder / "answers.jsonl").write_text(_lines(answers), encoding="utf-8")
    done = run_command(["run", "exp.yaml"], folder, {"RAGVLC_STORE": str(folder / "store")})
    if done.code != 0:
        raise RuntimeError(f"the valid experiment does not run: {done}")
    run_command(["questions", "set.yaml", "--out", "made"], folder, {"RAGVLC_STORE": str(folder / "store")})


def _two() -> dict[str, Any]:
    return {name: PIPELINE["routes"][name] for name in ("full", "rag")}


def _data(folder: Path) -> None:
    documents = [
        {"doc_id": name, "text": text, "title": name.title(), "meta": {"year": 1700 + place, "shelf": "a"}}
        for place, (name, text) in enumerate(_TEXTS.items())
    ]
    questions = []
    for place, (name, document, question, answer) in enumerate(_QUESTIONS):
        start = _TEXTS[document].index(answer)
        one = {"question_id": name, "doc_id": document, "question": question, "answers": [answer]}
        one |= {"evidence": [{"doc_id": document, "start": start, "end": start + len(answer), "text": answer}]}
        one |= {"meta": {"level": "easy" if place % 2 else "hard", "place": place}, "task": "qa"}
        questions.append(one)
    questions[0] |= {"choices": ["1601", "1702"], "answer_index": 1, "answers": ["1702"]}
    questions[5] |= {"answers": [], "unanswerable": True, "evidence": []}
    (folder / "documents.jsonl").write_text(_lines(documents), encoding="utf-8")
    (folder / "questions.jsonl").write_text(_lines(questions), encoding="utf-8")


def _own(folder: Path) -> None:
    for (name, text), ending in zip(_TEXTS.items(), ("txt", "md", "html"), strict=True):
        (folder / f"{name}.{ending}").write_text(text, encoding="utf-8")
    rows = ["id,question,answers,documents,evidence,year"]
    for name, document, question, answer in _QUESTIONS:
        ending = {"mill": "txt", "salt": "md", "guild": "html"}[document]
        rows.append(f'{name},{question},"[""{answer}""]",{document}.{ending},{answer},17{name[1]}0')
    (folder / "questions.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def _lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
