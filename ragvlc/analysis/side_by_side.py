"""Two cells side by side as one page: a list of questions, and of each the answers and the passages read."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragvlc.analysis.breakdowns import disagreements
from ragvlc.analysis.embedded import EmbeddedPage
from ragvlc.analysis.failures import said
from ragvlc.analysis.passages import passages
from ragvlc.analysis.verdict import shown_cells
from ragvlc.core.errors import ConfigError

if TYPE_CHECKING:
    from ragvlc.results.loading import CellResult, SweepResults

__all__ = ["side_by_side"]

TEMPLATE, SCRIPT = (Path(__file__).with_name(f"side_by_side.{kind}") for kind in ("html", "js"))
MOST_CELLS = 12
MOST_QUESTIONS = 60
MOST_PASSAGES = 8


def side_by_side(
    results: SweepResults,
    a: str | None = None,
    b: str | None = None,
    metric: str | None = None,
    texts: Mapping[str, str] | None = None,
) -> EmbeddedPage:
    """Returns a page on which two cells can be chosen and the questions read on which they differ.

    Args:
        results: of a sweep.
        a: name of the cell to begin with on the left; the best one by default.
        b: on the right; by default the baseline or the next best.
        metric: label; the first by default.
        texts: documents by id, for the passages; their positions without them.
    """
    import jinja2
    from markupsafe import Markup

    label = results.metric(metric)
    named = [results.cell(name) for name in (a, b) if name is not None]
    group = next((cells for cells in results.by_dataset().values() if not named or named[0] in cells), ())
    if any(cell not in group for cell in named):
        raise ConfigError(f"'{a}' and '{b}' are over different data sets: their questions are not the same.")
    first = [*named, *_first_two(results, group, label, named)]
    cells = list(dict.fromkeys([*first, *shown_cells(group, label, MOST_CELLS)]))[:MOST_CELLS]
    if len(cells) < 2:
        raise ConfigError(f"{results.name} has fewer than two cells with scores over one data set to put side by side.")
    ids = _questions(cells, results.metrics)
    data = _data(results.metrics, label, cells, ids, texts)
    script = SCRIPT.read_text(encoding="utf-8")
    page = {
        "name": results.name,
        "limits": _limits(len(ids), len(cells[0].examples), len(cells), len(group)),
        "hash": b64encode(sha256(script.encode()).digest()).decode(),
        # No text of a document or model can end the element, whatever it contains.
        "data": Markup(json.dumps(data, ensure_ascii=True).replace("<", "\\u003c")),  # noqa: S704
        "script": Markup(script),  # noqa: S704 - a file of ours
    }
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    html = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(page=page)
    return EmbeddedPage(html, f"{results.name}: {cells[0].name} and {cells[1].name} side by side", 640)


def _first_two(
    results: SweepResults, group: Sequence[CellResult], metric: str, named: Sequence[CellResult]
) -> list[CellResult]:
    """Returns the best cell, the baseline, and the next best, without those named."""
    ranked = [cell for cell in group if not cell.control and cell.merit(metric) is not None and cell not in named]
    ranked.sort(key=lambda cell: -(cell.merit(metric) or 0.0))
    bases = [base for _, base in results.pairs() if base in ranked]
    return list(dict.fromkeys([*ranked[:1], *bases[:1], *ranked[1:2]]))[: 2 - len(named)]


def _questions(cells: Sequence[CellResult], metrics: Sequence[str]) -> list[str]:
    """Returns the questions to show: those on which the two cells differ, then all cells, then the others in order."""
    found = [one.question for pair in (cells[:2], cells) for one in disagreements(pair, metrics, MOST_QUESTIONS)]
    return list(dict.fromkeys([*found, *cells[0].examples]))[:MOST_QUESTIONS]


def _limits(questions: int, of: int, cells: int, among: int) -> str:
    """Returns a sentence on what is left out; empty if nothing is."""
    left = [f"{questions} of {of:,} questions"] if questions < of else []
    left += [f"{cells} of {among:,} cells"] if cells < among else []
    words = f"This page has {' and '.join(left)}: those that differ most, and the best." if left else ""
    return f"{words} results.flips(a, b) has all." if words else ""


def _data(
    metrics: Sequence[str],
    metric: str,
    cells: Sequence[CellResult],
    ids: Sequence[str],
    texts: Mapping[str, str] | None,
) -> dict[str, Any]:
    questions = []
    blocks: dict[str, int] = {}  # many cells read the same passages: each is in the page once
    for name in ids:
        facts = cells[0].examples[name]
        replies = [_reply(cell, name, metrics, texts, blocks) if name in cell.rows else None for cell in cells]
        accepted = " | ".join(facts["references"]) or "unanswerable"
        shown = {"id": name, "question": facts["question"], "accepted": accepted, "choices": list(facts["choices"])}
        questions.append(shown | {"replies": replies})
    return {
        "cells": [cell.name for cell in cells],
        "metrics": list(metrics),
        "metric": list(metrics).index(metric),
        "smaller": [label in cells[0].facts.get("smaller_is_better", ()) for label in metrics],
        "chosen": [0, 1],
        "questions": questions,
        "passages": [json.loads(one) for one in blocks],
    }


def _reply(
    cell: CellResult,
    name: str,
    metrics: Sequence[str],
    texts: Mapping[str, str] | None,
    blocks: dict[str, int],
) -> dict[str, Any]:
    """Returns a reply, whose passages are numbers of `blocks`; new ones are added there."""
    row = cell.rows[name]
    scores = [row.scores.get(label) for label in metrics]
    if row.answer is None:
        return {"text": said(row), "scores": scores, "facts": "failed", "passages": [], "more": 0}
    read = passages(cell.examples[name], row.answer, texts)
    places = []
    for one in read[:MOST_PASSAGES]:
        evidence = f", {one.evidence} characters of evidence" if one.evidence else ""
        where = f"{one.span.document_id} {one.span.start}-{one.span.end}{evidence}"
        block = json.dumps({"where": where, "pieces": [[piece.text, piece.evidence] for piece in one.pieces]})
        places.append(blocks.setdefault(block, len(blocks)))
    facts = f"{row.answer.usage.prompt_tokens:,} prompt tokens, {row.answer.timing.engine_seconds:.2f} s"
    more = max(0, len(read) - MOST_PASSAGES)
    return {"text": row.answer.text, "scores": scores, "facts": facts, "passages": places, "more": more}
