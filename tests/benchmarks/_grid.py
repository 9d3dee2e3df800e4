"""What grid.py asks of every side, and how it counts what they do."""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ragvlc.families import Dataset
from ragvlc.reading.asking import QUESTION

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
Row = tuple[tuple[str, ...], str, bool]
Rows = dict[tuple[int, int, str, str], Row]
"""Passages in prompt order, reply, and whether it was right, by chunk size, number, order and question."""


@dataclass(frozen=True)
class Question:
    """A question about one document."""

    id: str
    document: str
    text: str
    answers: tuple[str, ...]
    evidence: int | None


@dataclass(frozen=True)
class Work:
    """The grid. Attributes: `model` is the embedder's folder, `batch_size` its batches on every side,
    `backend` that of our side; the others are float32."""

    documents: dict[str, str]
    questions: list[Question]
    sizes: tuple[int, ...]
    counts: tuple[int, ...]
    orders: tuple[str, ...]
    model: str
    template: str = QUESTION
    batch_size: int = 32
    backend: str = "torch"

    @property
    def rows(self) -> int:
        """Prompts that a grid without sharing builds."""
        return len(self.sizes) * len(self.counts) * len(self.orders) * len(self.questions)

    def write(self, path: Path, **more: Any) -> None:
        """Writes the work as JSON, for an interpreter without this package."""
        path.write_text(json.dumps(asdict(self) | more), encoding="utf-8")


def dataset_of(name: str, questions: int, folder: Path) -> dict[str, Any]:
    """Returns the spec of a shared data set with so many questions, or of made-up text where it is absent."""
    path = SHARED / name
    if not path.is_dir():
        path = folder / "made-up"
        _write_made_up(path, questions)
    return {"kind": "jsonl", "path": str(path), "limit": questions}


def _write_made_up(folder: Path, questions: int) -> None:
    folder.mkdir(exist_ok=True)
    chance = random.Random(0)
    words = re.findall(r"[a-z]{3,}", (random.__doc__ or "") + (re.__doc__ or "") + (json.__doc__ or ""))
    texts = [" ".join(chance.choices(words, k=5000)) for _ in range(10)]
    documents = [{"doc_id": f"d{n}", "title": f"Document {n}", "text": text} for n, text in enumerate(texts)]
    asked = []
    for n in range(questions):
        said = texts[n % 10].split()
        place = chance.randrange(len(said) - 8)
        row = {"question_id": f"q{n}", "doc_id": f"d{n % 10}", "doc_ids": [f"d{n % 10}"], "answers": [said[place + 6]]}
        asked.append(row | {"question": f"What follows '{' '.join(said[place : place + 6])}'?"})
    for name, rows in (("documents", documents), ("questions", asked)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def questions_of(dataset: Dataset) -> tuple[dict[str, str], list[Question]]:
    """Returns documents by id and the questions, each about one document."""
    documents, questions = {}, []
    for example in dataset.load():
        if len(example.documents) != 1:
            raise SystemExit(
                f"Question {example.id} is asked over {len(example.documents)} documents; take another set."
            )
        [document] = example.documents
        documents[document.id] = document.text
        place = example.evidence[0].start if example.evidence else None
        questions.append(Question(example.id, document.id, example.query.text, tuple(example.references), place))
    return documents, questions


@dataclass
class Tally:
    """What one side did: what it embedded (the loop by the library's `encode`, ragvlc by its engine) and what was read.

    Attributes:
        passages: texts embedded other than questions.
        questions: questions embedded.
        seconds: of embedding, by `passages` and `questions`.
        calls: of the embedder, likewise.
        prompts: read.
    """

    passages: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: {"passages": 0.0, "questions": 0.0})
    calls: dict[str, int] = field(default_factory=lambda: {"passages": 0, "questions": 0})
    prompts: list[str] = field(default_factory=list)

    @property
    def embedding(self) -> float:
        """Seconds of embedding."""
        return sum(self.seconds.values())


@contextmanager
def counted(work: Work) -> Iterator[Tally]:
    """Counts until the block ends. Every side runs in this process; MiniLM's engine never calls `encode`."""
    from sentence_transformers import SentenceTransformer

    from ragvlc.embedders._engine import SentenceTransformerEngine
    from ragvlc.generators.scripted import Scripted

    tally, lock = Tally(), threading.Lock()
    asked = {question.text for question in work.questions}
    reader: Any = type(Scripted().open())
    encode: Callable[..., Any] = SentenceTransformer.encode
    embed: Callable[..., Any] = SentenceTransformerEngine.embed
    generate: Callable[..., Any] = reader.generate

    def counting(function: Callable[..., Any]) -> Callable[..., Any]:
        def count(self: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            found = function(self, inputs, *args, **kwargs)
            seconds = time.perf_counter() - start
            texts = [inputs] if isinstance(inputs, str) else list(inputs)
            side = "questions" if all(text in asked for text in texts) else "passages"
            with lock:
                getattr(tally, side).extend(texts)
                tally.seconds[side] += seconds
                tally.calls[side] += 1
            return found

        return count

    def counting_generate(self: Any, requests: Any) -> Any:
        with lock:
            tally.prompts += [request.prompt.text() for request in requests]
        return generate(self, requests)

    SentenceTransformer.encode, SentenceTransformerEngine.embed = counting(encode), counting(embed)
    reader.generate = counting_generate
    try:
        yield tally
    finally:
        SentenceTransformer.encode, SentenceTransformerEngine.embed = encode, embed
        reader.generate = generate


def agreement(mine: Rows, theirs: Rows) -> dict[str, float]:
    """Returns the shares of rows whose passages are equal: as sets, and in order; and the mean overlap of the sets."""
    shared = sorted(mine.keys() & theirs.keys())
    if not shared:
        raise SystemExit("The sides have no row in common: the grids differ.")
    pairs = [(mine[key][0], theirs[key][0]) for key in shared]
    overlap = [len(set(one) & set(other)) / max(1, len(set(one) | set(other))) for one, other in pairs]
    return {
        "rows": len(shared),
        "equal sets": sum(set(one) == set(other) for one, other in pairs) / len(pairs),
        "equal order": sum(one == other for one, other in pairs) / len(pairs),
        "overlap": sum(overlap) / len(overlap),
    }
