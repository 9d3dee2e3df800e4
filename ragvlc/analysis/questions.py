"""One question with the answers of every cell of a sweep, as text for a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ragvlc.analysis.failures import said
from ragvlc.analysis.listing import TextColumns
from ragvlc.analysis.passages import passages as found_passages
from ragvlc.analysis.question_filters import all_questions, best_score, scores_of
from ragvlc.analysis.tables import title
from ragvlc.core.answer import Answer, Prediction, Step
from ragvlc.core.data import Span
from ragvlc.core.errors import ConfigError, nearest
from ragvlc.core.replies import bounded
from ragvlc.core.texts import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ragvlc.results.loading import CellResult, SweepResults

__all__ = ["one_question", "question_list"]

_THOUGHT = 400  # characters shown of a thought


def question_list(results: SweepResults) -> list[RenderableType]:
    """Returns a table of all questions, with the first metric's mean over the cells."""
    metric = results.metrics[0]
    best = best_score(results, metric)
    columns = [scores_of(cell, metric) for cell in results.cells]
    rows = []
    for name in all_questions(results):
        known = [score for column in columns if (score := column.get(name)) is not None]
        mean = f"{sum(known) / len(known):.2f}" if known else "-"
        rows.append((*name, mean, f"{sum(score == best for score in known)}/{len(known)}"))
    return [TextColumns(("id", "question", f"mean {metric}", f"cells that score {best}"), rows)]


def one_question(
    results: SweepResults, question: str, *, passages: bool = False, texts: Mapping[str, str] | None = None
) -> list[RenderableType]:
    """Returns a question, its accepted answers, and the answer of every cell; likewise each that has the same id.

    Args:
        results: with the question.
        question: its id.
        passages: also show the passages and steps of each cell.
        texts: documents by id; without them, passages are shown by their positions.

    Raises:
        ConfigError: no such question.
    """
    known = [name for name, _ in all_questions(results)]
    if question not in known:
        raise ConfigError(f"{results.folder}: no question '{question}'.{nearest(question, known)}")
    parts: list[RenderableType] = []
    for (name, wording), facts in all_questions(results).items():
        if name == question:
            cells = [cell for cell in results.cells if _has(cell, question, wording)]
            parts += [_head(facts), _answers(cells, question, results.metrics)]
            read = [part for cell in cells if question in cell.rows for part in _read(cell, question, texts)]
            parts += read if passages else []
    return parts


def _has(cell: CellResult, question: str, wording: str) -> bool:
    return question in cell.examples and cell.examples[question]["question"] == wording


def _head(facts: Mapping[str, Any]) -> RenderableType:
    from rich.text import Text

    head = Text(f"{facts['question']}\n")
    for letter, choice in zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", facts["choices"], strict=False):
        head.append(f"  {letter}. {choice}\n")
    head.append(f"accepted: {' | '.join(facts['references']) or 'unanswerable'}\n")
    count = facts.get("document_count", len(facts["documents"]))
    more = f" and {count - len(facts['documents']):,} more" if count > len(facts["documents"]) else ""
    return head.append(f"over: {', '.join(facts['documents'])}{more}")


def _answers(cells: Sequence[CellResult], question: str, metrics: Sequence[str]) -> RenderableType:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("cell", "answer", *metrics, "prompt tokens"):
        table.add_column(column, overflow="fold")
    for cell in cells:
        if question in cell.rows:
            table.add_row(*_line(cell, cell.rows[question]))
        elif cell.raced is not None:
            table.add_row(cell.name, f"not asked: {cell.raced.mark}", *("-" for _ in metrics), "-")
    return table


def _read(cell: CellResult, question: str, texts: Mapping[str, str] | None) -> list[RenderableType]:
    """Returns the passages that a cell sent to its models, and its steps with tokens and seconds."""
    from rich.text import Text

    answer = cell.rows[question].answer
    head = Text(f"\n{title(cell)}", style="bold")
    if answer is None:
        return [head, Text("  no answer, no passages")]
    parts: list[RenderableType] = [head]
    for passage in found_passages(cell.examples[question], answer, texts):
        span = passage.span
        words = f"  [{span.document_id} {span.start}-{span.end}]"
        words += _ranks(answer, span)
        words += f" ({passage.evidence} characters of evidence)" if passage.evidence else ""
        text = Text(words)
        for piece in passage.pieces:
            text.append(" " if piece is passage.pieces[0] else "")
            text.append(re.sub(r"\s+", " ", piece.text), "reverse" if piece.evidence else "")
        parts.append(text)
    if not answer.context:
        parts.append(Text("  no passages"))
    if answer.thought:
        thought = re.sub(r"\s+", " ", printable(bounded(answer.thought, _THOUGHT)))
        parts.append(Text(f"  thought, no part of the answer: {thought}", style="dim"))
    for root in answer.trace:
        parts += [Text(line) for line in _steps(root, 1)]
    return parts


def _ranks(answer: Answer, span: Span) -> str:
    """Returns the ranks of the retrieved chunks in a passage as text; a passage may consist of several chunks."""
    found = [
        (rank, hit.score)
        for rank, hit in enumerate(answer.ranking, 1)
        if hit.chunk.document_id == span.document_id and span.start <= hit.chunk.start and hit.chunk.end <= span.end
    ]
    if len(found) == 1:
        return f" rank {found[0][0]}, score {found[0][1]:.3f}"
    return f" ranks {', '.join(str(rank) for rank, _ in found)}" if found else ""


def _steps(step: Step, depth: int) -> Iterator[str]:
    facts = ", ".join(f"{name}={value}" for name, value in step.facts.items())
    usage = f", {step.usage.prompt_tokens} + {step.usage.completion_tokens} tokens" if step.usage.calls else ""
    yield f"{'  ' * depth}{step.name}: {facts} ({step.seconds:.3f} s{usage})"
    for inner in step.steps:
        yield from _steps(inner, depth + 1)


def _line(cell: CellResult, row: Prediction) -> list[Any]:
    from rich.text import Text

    scores = ["-" if (score := row.scores.get(label)) is None else f"{score:.2f}" for label in cell.metrics]
    tokens = "-" if row.answer is None else str(row.answer.usage.prompt_tokens)
    return [cell.name, Text(said(row), style="red" if row.failure else ""), *scores, tokens]
