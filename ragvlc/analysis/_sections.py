"""Contents of the sections of the HTML report, as plain values for the template, which escapes all texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from ragvlc.analysis.agents import agents
from ragvlc.analysis.breakdowns import Breakdown, by_position, by_tag, by_task, disagreements, tags
from ragvlc.analysis.by_length import length_tables
from ragvlc.analysis.failures import failed_cells, said
from ragvlc.analysis.length_words import effective_tables
from ragvlc.analysis.money_tables import money_tables
from ragvlc.analysis.official import official_table
from ragvlc.analysis.passages import Passage, passages
from ragvlc.analysis.reading import reading_cost
from ragvlc.analysis.routing import routing_reports, routing_tables
from ragvlc.analysis.speculation import speculation_tables
from ragvlc.analysis.tables import Entry, Table, latency, title
from ragvlc.analysis.verdict import DatasetVerdict, shown_cells

if TYPE_CHECKING:
    from ragvlc.core.answer import Prediction
    from ragvlc.results.loading import CellResult, SweepResults

__all__ = [
    "MOST_CELLS",
    "TableGroup",
    "breakdowns",
    "compared",
    "disputes",
    "failures",
    "incomplete",
    "losses",
    "notes",
    "remarks",
    "routing_verdicts",
    "skipped",
    "special_tables",
    "truncations",
]

MOST_CELLS = 8
"""The most cells whose answers are shown side by side."""
MOST_ROWS = 24
MOST_DISPUTES = 12
MOST_PASSAGES = 20
MOST_FAILURES = 40
LONGEST_MESSAGE = 400


@dataclass(frozen=True, slots=True)
class TableGroup:
    """Tables under one heading."""

    title: str
    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True)
class CellReply:
    """A cell's answer to a question, with its scores, tokens and passages."""

    cell: str
    text: str
    failed: bool
    scores: tuple[str, ...]
    tokens: str
    passages: tuple[Passage, ...] = ()
    more: int = 0


@dataclass(frozen=True, slots=True)
class Dispute:
    """A question on which cells disagree, with all their answers."""

    id: str
    question: str
    dataset: str
    metric: str
    low: str
    high: str
    choices: tuple[str, ...]
    accepted: str
    task: str
    documents: str
    evidence: str
    labels: tuple[str, ...]
    replies: tuple[CellReply, ...]


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Questions with the same failure, in cells with the same causes of failure."""

    cells: str
    count: int
    text: str
    example: str
    advice: str


@dataclass(frozen=True, slots=True)
class Truncated:
    """A cell's prompts that were truncated to the context window, and its scores with and without truncation."""

    cell: str
    count: int
    of: int
    mean: str
    most: str
    cut: str
    whole: str


def compared(results: SweepResults) -> str:
    """Returns a sentence that names the cells, questions and metrics of the comparison."""
    pipelines = list(dict.fromkeys(str(cell.facts["pipeline"]) for cell in results.cells))
    words = [
        f"{_several(len(results.cells), 'cell')} of {_several(len(pipelines), 'pipeline')} ({', '.join(pipelines)})"
    ]
    for name, cells in results.by_dataset().items():
        examples = cells[0].examples.values()
        clusters = len({facts["cluster"] or facts["id"] for facts in examples})
        words.append(f"over {name}: {_several(len(examples), 'question')} in {_several(clusters, 'cluster')}")
    return "; ".join([*words, f"scored by {', '.join(results.metrics)}"]) + "."


def incomplete(results: SweepResults) -> list[str]:
    """Returns one warning for each cell with unanswered questions."""
    return [
        f"{cell.name} is not complete: {len(cell.rows)} of {len(cell.examples)} questions. "
        + (f"{failed:,} failed: see Failures." if (failed := cell.summary["failed"]) else "Run the sweep again.")
        for cell in results.cells
        if not cell.complete and not (cell.raced is not None and cell.raced.ended is not None)
    ]


def special_tables(results: SweepResults) -> list[Table]:
    """Returns the tables that only some results have: official figures, money, cold latency, agents, lengths, routers.

    `ragvlc replay` shows the gain of routing for results without a router.
    """
    single = [table for make in (official_table, latency, agents, reading_cost) if (table := make(results)) is not None]
    routed = routing_tables(routing_reports(results, chosen=True))
    lengths = [*effective_tables(results), *length_tables(results)]
    return [*money_tables(results), *single, *speculation_tables(results), *lengths, *routed]


def routing_verdicts(results: SweepResults) -> list[DatasetVerdict]:
    """Returns the main result of a replay: the gain of routing for each model and data set, in sentences."""
    return [DatasetVerdict(one.group.title, one.group.best.name, one.sentences) for one in routing_reports(results)]


def breakdowns(results: SweepResults, texts: Mapping[str, str] | None) -> list[TableGroup]:
    """Returns tables of scores by task, by tag and by position of the evidence, for each data set."""
    first = results.metric()
    groups: list[TableGroup] = []
    datasets = results.by_dataset()
    for name, cells in datasets.items():
        shown = list(cells) if len(cells) <= MOST_ROWS else shown_cells(cells, first, MOST_ROWS)
        of = f" ({name})" if len(datasets) > 1 else ""
        found = {"task": by_task(shown, results.metrics)}
        found |= {tag: by_tag(shown, first, tag) for tag in tags(shown) if tag != "task"}
        found |= {
            "position of the evidence in the documents": by_position(shown, first, "document", texts),
            "position of the evidence in the context": by_position(shown, first, "context", texts),
        }
        groups += [TableGroup(f"By {by}{of}", tuple(map(_table, tables))) for by, tables in found.items() if tables]
    routed = routing_reports(results, chosen=True)
    return groups + [TableGroup(f"Routing: {one.group.title}", one.parts) for one in routed if one.parts]


def disputes(results: SweepResults, texts: Mapping[str, str] | None) -> list[Dispute]:
    """Returns the questions on which the scores of cells over one data set differ most."""
    found = []
    datasets = results.by_dataset()
    for name, cells in datasets.items():
        shown = shown_cells(cells, results.metric(), MOST_CELLS)
        limit = max(3, MOST_DISPUTES // len(datasets))
        for one in disagreements(shown, results.metrics, limit):
            facts = shown[0].examples[one.question]
            rows = [(cell, cell.rows[one.question]) for cell in shown if one.question in cell.rows]
            scores = [score for _, row in rows if (score := row.scores.get(one.metric)) is not None]
            labels = tuple(
                label for label in results.metrics if any(row.scores.get(label) is not None for _, row in rows)
            )
            found.append(
                Dispute(
                    id=one.question,
                    question=facts["question"],
                    dataset=name if len(datasets) > 1 else "",
                    metric=one.metric,
                    low=f"{min(scores):.2f}",
                    high=f"{max(scores):.2f}",
                    choices=tuple(facts["choices"]),
                    accepted=" | ".join(facts["references"]) or "unanswerable",
                    task=facts["task"],
                    documents=_listed(facts["documents"]),
                    evidence=_listed([f"{document} {start}-{end}" for document, start, end in facts["evidence"]]),
                    labels=labels,
                    replies=tuple(_reply(cell, row, facts, labels, texts) for cell, row in rows),
                )
            )
    return found


def failures(results: SweepResults) -> list[FailureGroup]:
    """Returns the failures grouped by cells and cause, most frequent first."""
    found = [
        FailureGroup(one.names, reason.count, reason.text(LONGEST_MESSAGE), reason.example, one.advice)
        for one in failed_cells(results)
        for reason in one.reasons
    ]
    return sorted(found, key=lambda one: -one.count)[:MOST_FAILURES]


def truncations(results: SweepResults) -> list[Truncated]:
    """Returns the truncated tokens of each cell, and its mean scores with and without truncation."""
    metric = results.metric()
    found = []
    for cell in results.cells:
        dropped = dict(cell.columns.numbered("dropped_tokens"))
        lost = {name: int(tokens) for name, tokens in dropped.items() if tokens}
        if lost:
            scores = cell.scores(metric)
            cut = _mean([scores[name] for name in lost])
            whole = _mean([scores[name] for name in dropped if name not in lost])
            mean, most = f"{fmean(lost.values()):,.0f}", f"{max(lost.values()):,}"
            found.append(Truncated(cell.name, len(lost), len(dropped), mean, most, cut, whole))
    return found


def skipped(results: SweepResults) -> str:
    """Returns a text that says how many questions the data sets left out, by reason."""
    datasets = results.by_dataset()
    words = []
    for name, cells in datasets.items():
        reasons = (cells[0].facts.get("skipped") or {}).items()
        of = f" of {name}" if len(datasets) > 1 else ""
        words += [f"{count:,} {reason}{of}" for reason, count in reasons if count]
    return "; ".join(words)


def losses(results: SweepResults) -> list[str]:
    """Returns a sentence for each file that was read only in part or with a guessed encoding."""
    stored = (one for cells in results.by_dataset().values() for one in cells[0].facts.get("losses") or ())
    return list(dict.fromkeys(one["said"] for one in stored))


def remarks(results: SweepResults) -> list[str]:
    """Returns a sentence for each model that runs code of its own or whose prompts have the date of the day."""
    return list(dict.fromkeys(str(one) for cell in results.cells for one in cell.facts.get("remarks") or ()))


def notes(results: SweepResults) -> list[str]:
    """Returns a sentence for each column of a table of questions, and for what was found in it."""
    stored = (one for cells in results.by_dataset().values() for one in cells[0].facts.get("notes") or ())
    return list(dict.fromkeys(map(str, stored)))


def _table(one: Breakdown) -> Table:
    counts = [max(row[place].n for _, row in one.rows) for place in range(len(one.parts))]
    heads = tuple(f"{part}\nn = {count}" for part, count in zip(one.parts, counts, strict=True))
    rows = tuple(
        (title(cell), tuple(Entry(found.mean, found.low, found.high, 2) for found in row)) for cell, row in one.rows
    )
    return Table(one.metric, heads, rows, "")


def _reply(
    cell: CellResult,
    row: Prediction,
    facts: Mapping[str, Any],
    labels: Sequence[str],
    texts: Mapping[str, str] | None,
) -> CellReply:
    scores = tuple("-" if (score := row.scores.get(label)) is None else f"{score:.2f}" for label in labels)
    if row.answer is None:
        return CellReply(title(cell), said(row), failed=True, scores=scores, tokens="-")
    read = passages(facts, row.answer, texts)
    tokens = f"{row.answer.usage.prompt_tokens:,}"
    more = max(0, len(read) - MOST_PASSAGES)
    return CellReply(title(cell), row.answer.text, False, scores, tokens, read[:MOST_PASSAGES], more)


def _mean(scores: Sequence[float | None]) -> str:
    known = [score for score in scores if score is not None]
    return f"{fmean(known):.2f}" if known else "-"


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words[:6]) + (f" and {len(words) - 6} more" if len(words) > 6 else "")


def _several(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
