"""A results folder over two data sets with axes, a control, prices, failures and hostile texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sweep_folders as made
from sweep_folders import cell, example, failed, row

from ragvlc.analysis.results import Results
from ragvlc.core.answer import Timing, Usage
from ragvlc.core.data import Chunk, Hit, Span
from ragvlc.results.store import SweepStore

HOSTILE = "</pre><script>alert('x')</script><img src=x onerror=alert(1)>"
QUESTIONS = tuple(f"q{n}" for n in range(12))
LENGTH = 1000
TEXTS = {f"d{n}": f"<script>d{n}</script>".ljust(LENGTH, ".") for n in range(4)}
PRICES = {"main": {"prompt": 2.0, "completion": 10.0}}


def questions() -> list[dict[str, Any]]:
    """Returns questions over four documents, with evidence that moves from the start to the end."""
    return [
        example(
            name,
            f"c{n % 4}",
            question=f"What of {n} {HOSTILE}?",
            documents=[f"d{n % 4}"],
            evidence=[[f"d{n % 4}", n * 80, n * 80 + 40]],
            references=[f"right {HOSTILE}"],
            task="lookup" if n % 2 else "reasoning",
            tags={"level": "hard" if n < 6 else "easy", "number": n, "source": "same"},
        )
        for n, name in enumerate(QUESTIONS)
    ]


def answers(right: int, tokens: int, context: tuple[int, int] = (0, LENGTH), **facts: Any) -> list[Any]:
    """Returns rows of which the first `right` are right, after reading the same stretch of each document."""
    found = []
    for n, name in enumerate(QUESTIONS):
        span = Span(f"d{n % 4}", *context)
        given = {
            "text": f"reply {HOSTILE}",
            "usage": Usage(tokens, 0, 10, 1),
            "bills": {"main": Usage(tokens, 0, 10, 1)},
            "timing": Timing(engine_seconds=tokens / 100, first_token_seconds=0.5),
            "context": (span,),
            "ranking": (Hit(Chunk(span.document_id, 0, span.start, span.end, ""), 0.9),),
        }
        found.append(row(name, {"m": float(n < right), "other": 0.25}, **(given | facts)))
    return found


def hostile(folder: Path, *, prices: bool = True) -> Results:
    """Writes the folder and returns it loaded."""
    priced = {"prices": PRICES if prices else {}}
    broken = failed("q11", {"m": 0.0, "other": 0.0}, f"boom {HOSTILE}")
    cells = [
        cell(f"full {HOSTILE}", [*answers(6, 1000, trace=made.dropping(7))[:-1], broken], pipeline="full", **priced)
        | {"skipped": {"too long": 3}},
        *(
            cell(
                f"rag k={k} size={size}",
                answers(2 + k, 10 * k + size, (0, 100 * k)),
                settings={"routes.rag.selector": {"kind": "top_k", "k": k}, "routes.rag.chunker.size": size},
                **priced,
            )
            for k in (2, 4, 6)
            for size in (64, 128)
        ),
        cell("oracle", made.as_control(answers(12, 40)), control=True, **priced),
    ]
    return made.write(folder, questions(), cells, metrics=("m", "other"), baseline="full")


def long_and_short(folder: Path) -> Results:
    """Writes cells over two lengths of one data set, whose questions share their ids."""
    folder.mkdir(parents=True, exist_ok=True)
    file = SweepStore(folder).write_examples("1" * 16, questions())
    cells = [
        cell(
            f"{name} pad_to_tokens={tokens}",
            answers(right, tokens // cheaper),
            settings={"dataset.pad_to_tokens": tokens},
            **({"examples": file} if tokens == 8000 else {}),
        )
        for name, tokens, right, cheaper in (
            ("full", 2000, 10, 1),
            ("full", 8000, 3, 1),
            ("rag", 2000, 6, 10),
            ("rag", 8000, 7, 10),
        )
    ]
    return made.write(folder, questions(), cells)
