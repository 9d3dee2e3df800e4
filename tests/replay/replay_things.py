"""A small set of questions with stored answers of two models in two routes."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ragvlc.replay.folders import read_stored
from ragvlc.replay.replaying import Replayed, replay_answers
from ragvlc.replay.spec import Replay

__all__ = ["RECORDS", "folder_with", "records", "replayed", "spec"]

WORDS = {f"d{n:02}": (30 + n if n < 9 else 800 + 10 * n) for n in range(1, 17)}
ANSWERS = ("red", "green", "blue")


def documents() -> list[dict[str, Any]]:
    """Sixteen documents, eight short and eight long."""
    return [
        {"doc_id": name, "text": " ".join(f"word{n}" for n in range(count)), "meta": {"shelf": int(name[1:]) % 2}}
        for name, count in WORDS.items()
    ]


def questions() -> list[dict[str, Any]]:
    """Three questions a document; the last has no answer in its text."""
    found = []
    for name in WORDS:
        for n, answer in enumerate(ANSWERS):
            found.append(
                {
                    "question_id": f"{name}-{n}",
                    "doc_id": name,
                    "question": f"Compare word{n} and word{n + 1}?" if n == 1 else f"Where is word{n}?",
                    "answers": [] if n == 2 else [answer],
                    "unanswerable": n == 2,
                    "meta": {
                        "level": ("look", "compare", "none")[n],
                        "place": n,
                        "size": "short" if name < "d09" else "long",
                    },
                }
            )
    return found


def records() -> list[dict[str, Any]]:
    """Both models' answers: `whole` is right on short documents, `pieces` on long ones, and says when there is none."""
    found = []
    for model in ("small", "large"):
        for one in questions():
            for route in ("whole", "pieces"):
                short = one["meta"]["size"] == "short"
                right = short == (route == "whole") or model == "large"
                text = (one["answers"] or ["Not mentioned."])[0] if right else "The answer is yellow"
                found.append({"qid": one["question_id"], "who": model, "how": route, "said": text})
    return found


RECORDS = tuple(records())
NAMES = {"question": "qid", "model": "who", "route": "how", "text": "said"}


def lines(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def folder_with(folder: Path, rows: Iterable[Mapping[str, Any]] = RECORDS, name: str = "answers.jsonl") -> Path:
    """Writes questions, documents and a file of answers; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "documents.jsonl").write_text(lines(documents()))
    (folder / "questions.jsonl").write_text(lines(questions()))
    rows = list(rows)
    if ".csv" in name or ".tsv" in name:
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, list(rows[0]), delimiter="\t" if ".tsv" in name else ",")
        writer.writeheader()
        writer.writerows(rows)
        text = buffer.getvalue()
    else:
        text = json.dumps(rows) if ".jsonl" not in name else lines(rows)
    data = text.encode()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return folder


def spec(folder: Path, **more: Any) -> Replay:
    """Returns a replay of that folder's answers."""
    answers = {
        "file": "answers.jsonl",
        "columns": NAMES,
        "routes": {"pieces": "rag", "whole": "full"},
        "reads": {"rag": 20, "full": "document"},
        "characters_per_token": 5,
        "frame": 10,
        **more.pop("answers", {}),
    }
    return Replay.model_validate({"name": "tried", "answers": answers, "questions": str(folder), **more})


def replayed(folder: Path, **more: Any) -> Replayed:
    """Returns the replay of that folder's answers."""
    given = spec(folder, **more)
    return replay_answers(given, read_stored(given))
