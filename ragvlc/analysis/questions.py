"""One question through every cell of a sweep, as text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ragvlc.core.answer import Prediction
from ragvlc.core.errors import ConfigError, nearest
from ragvlc.sweep.results import CellResult, Results

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["one_question", "question_list"]


def question_list(results: Results) -> list[RenderableType]:
    """Returns a table of all questions with the first metric's mean over the cells."""
    from rich import box
    from rich.table import Table

    metric = results.metrics[0]
    table = Table("id", "question", f"mean {metric}", "cells that score 1", box=box.SIMPLE_HEAD, pad_edge=False)
    for name, facts in _questions(results).items():
        rows = [cell.rows[name].scores.get(metric) for cell in results.cells if name in cell.rows]
        known = [score for score in rows if score is not None]
        mean = f"{sum(known) / len(known):.2f}" if known else "-"
        table.add_row(name, facts["question"], mean, f"{sum(score == 1 for score in known)}/{len(known)}")
    return [table]


def one_question(results: Results, question: str) -> list[RenderableType]:
    """Returns a question, its accepted answers, and what every cell made of it. Raises `ConfigError` if unknown."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    known = _questions(results)
    if question not in known:
        raise ConfigError(f"{results.folder}: no question '{question}'.{nearest(question, known)}")
    facts = known[question]
    head = Text(f"{facts['question']}\n")
    for letter, choice in zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", facts["choices"], strict=False):
        head.append(f"  {letter}. {choice}\n")
    head.append(f"accepted: {' | '.join(facts['references']) or 'unanswerable'}\n")
    head.append(f"over: {', '.join(facts['documents'])}")
    table = Table("cell", "answer", *results.metrics, "prompt tokens", box=box.SIMPLE_HEAD, pad_edge=False)
    for cell in results.cells:
        if question in cell.rows:
            table.add_row(*_line(cell, cell.rows[question]))
    return [head, table]


def _questions(results: Results) -> dict[str, Mapping[str, Any]]:
    return {name: facts for cell in results.cells for name, facts in cell.examples.items()}


def _line(cell: CellResult, row: Prediction) -> list[Any]:
    from rich.text import Text

    scores = ["-" if (score := row.scores.get(label)) is None else f"{score:.2f}" for label in cell.metrics]
    if row.answer is None:
        reason = row.failure.message if row.failure else "no answer"
        return [cell.name, Text(f"failed: {reason}", style="red"), *scores, "-"]
    return [cell.name, Text(row.answer.text), *scores, str(row.answer.usage.prompt_tokens)]
