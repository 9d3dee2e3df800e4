"""One page for one question to settle by eye: the answers of several pipelines side by side, with what they read.

It is a page of its own beside the report: no scripts, no requests, all texts escaped, in the report's style.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragvlc.analysis import _sections as sections
from ragvlc.analysis import tables
from ragvlc.analysis.export.comparison import comparison_table, paper_columns
from ragvlc.analysis.page import TEMPLATE
from ragvlc.analysis.passages import Passage, passages
from ragvlc.analysis.verdict import answer_sentence
from ragvlc.core.data import covered
from ragvlc.results.costs import question_costs
from ragvlc.results.unanswered import unanswered
from ragvlc.results.unanswered import words as unanswered_words
from ragvlc.text.normalising import normalise

if TYPE_CHECKING:
    from ragvlc.analysis.tables import Table
    from ragvlc.core.answer import Answer, Prediction
    from ragvlc.results.loading import CellResult, SweepResults

__all__ = ["AskedReply", "asked_page", "asked_replies", "asked_sentences", "asked_table", "scored"]

PAGE = TEMPLATE.with_name("asked.html")
QUESTIONS = (
    "Intervals are for other questions about these documents, taken as if each had been thought of alone: of other "
    "documents they say nothing."
)
MOST_PASSAGES = 30
MOST_DOCUMENTS = 12
LONGEST_MARK = 200
"""The most characters of an answer that is looked for in the passages."""
_MARKS = 20


@dataclass(frozen=True, slots=True)
class AskedReply:
    """One pipeline's reply to one question.

    Attributes:
        cell: name of the pipeline.
        text: of the answer; the error of one that failed.
        failed: whether there is no answer.
        figures: tokens, seconds, money and the route, in words.
        scores: label and score of each metric that applies.
        remarks: what was cut, dropped, thought or not answered.
        thought: of the model.
        passages: that it read, in the order of the prompt.
        more: number of passages that are not shown.
        tokens: read and written.
        seconds: of search and models.
        money: at the prices given; None without.
    """

    cell: str
    text: str
    failed: bool
    figures: tuple[str, ...] = ()
    scores: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()
    thought: str = ""
    passages: tuple[Passage, ...] = ()
    more: int = 0
    tokens: float | None = None
    seconds: float | None = None
    money: float | None = None


def asked_page(results: SweepResults, texts: Mapping[str, str], title: str) -> str:
    """Returns the page as text.

    Args:
        results: of all pipelines on the questions.
        texts: documents by id.
        title: of the page, such as the document's name.
    """
    import jinja2
    from markupsafe import Markup

    shared = TEMPLATE.read_text(encoding="utf-8")
    macros = shared.partition("<!doctype")[0]
    style = shared.partition("<style>")[2].partition("</style>")[0]
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    template = environment.from_string(macros + PAGE.read_text(encoding="utf-8"))
    names = list(texts)
    page = {
        "title": title,
        "style": Markup(style),  # noqa: S704 - the report's own
        "documents": [(name, f"{len(texts[name]):,}") for name in names[:MOST_DOCUMENTS]],
        "more_documents": len(names) - MOST_DOCUMENTS,
        "counts": f"{_count(len(names), 'document')}, {_count(len(_questions(results)), 'question')}, "
        f"{_count(len(results.cells), 'pipeline')}",
        "sentences": asked_sentences(results),
        "tables": [asked_table(results), tables.costs(results, tables.MORE_COLUMNS)],
        "questions": [_question(results, name, texts) for name in _questions(results)],
        "failures": sections.failures(results),
        "skipped": sections.skipped(results),
        "losses": sections.losses(results),
        "notes": sections.notes(results),
        "remarks": sections.remarks(results),
    }
    return template.render(page=page)


def scored(results: SweepResults) -> tuple[str, ...]:
    """Returns the metrics that apply to some question."""
    return tuple(
        label for label in results.metrics if any(cell.summary["metrics"][label]["n"] for cell in results.cells)
    )


def asked_table(results: SweepResults) -> Table:
    """Returns the table of the pipelines: scores and differences where there are references, tokens, seconds, money."""
    labels = scored(results)
    columns = [*labels]
    columns += [f"difference:{labels[0]}"] if labels and len(results.cells) > 1 else []
    columns += ["prompt_tokens", "completion_tokens", "engine_seconds"]
    columns += ["cost"] if any(cell.summary.get("cost") for cell in results.cells) else []
    known = paper_columns(results, columns)
    table = comparison_table(results, known)
    note = f"{table.note} {QUESTIONS}" if labels else table.note
    return tables.Table("Pipelines", table.heads, table.rows, note)


def asked_sentences(results: SweepResults) -> list[str]:
    """Returns what the comparison says, in sentences: scores where there are any, agreement, tokens and seconds."""
    found = []
    if scored(results) and len(results.cells) > 1:
        found.append(answer_sentence(results, results.comparisons()))
    if len(results.cells) > 1:
        names = _questions(results)
        alike = sum(_alike([cell.rows.get(name) for cell in results.cells]) for name in names)
        every = "both pipelines" if len(results.cells) == 2 else f"all {len(results.cells)} pipelines"
        found.append(
            f"In the same words, case and punctuation aside, {every} answer {alike} of {len(names)} questions."
        )
        found += _ratio(results)
    return [one for one in found if one]


def asked_replies(results: SweepResults, name: str, texts: Mapping[str, str] | None = None) -> list[AskedReply]:
    """Returns every pipeline's reply to a question, in the order of the pipelines."""
    return [_reply(cell, name, scored(results), texts or {}) for cell in results.cells]


def _questions(results: SweepResults) -> list[str]:
    return list(dict.fromkeys(name for cell in results.cells for name in cell.examples))


def _question(results: SweepResults, name: str, texts: Mapping[str, str]) -> dict[str, Any]:
    facts = results.cells[0].examples[name]
    accepted = [str(one) for one in facts["references"]]
    return {
        "text": facts["question"],
        "choices": facts["choices"],
        "accepted": accepted,
        "unanswerable": facts["unanswerable"],
        "evidence": bool(facts["evidence"]),
        "replies": asked_replies(results, name, texts),
    }


def _reply(cell: CellResult, name: str, labels: Sequence[str], texts: Mapping[str, str]) -> AskedReply:
    row = cell.rows.get(name)
    if row is None:
        return AskedReply(cell.name, "not asked", failed=True)
    scores = tuple((label, f"{score:.2f}") for label in labels if (score := row.scores.get(label)) is not None)
    if row.answer is None:
        return AskedReply(cell.name, row.failure.message if row.failure else "failed", failed=True, scores=scores)
    answer = row.answer
    costs = {kind: question_costs(cell, kind).get(name) for kind in ("tokens", "seconds", "money")}
    known = passages(_marked(cell.examples[name], answer, texts), answer, texts)
    empty = unanswered(answer)
    text = unanswered_words(answer) if empty else answer.text
    ranks_only = not answer.text and not answer.usage.calls
    return AskedReply(
        cell=cell.name,
        text=f"ranks {len(answer.ranking)} passages, and answers nothing" if ranks_only else text,
        failed=empty,
        figures=_figures(answer, costs["seconds"], costs["money"]),
        scores=scores,
        remarks=_remarks(answer, row.flags),
        thought=answer.thought,
        passages=known[:MOST_PASSAGES],
        more=max(0, len(known) - MOST_PASSAGES),
        tokens=costs["tokens"],
        seconds=costs["seconds"],
        money=costs["money"],
    )


def _figures(answer: Answer, seconds: float | None, money: float | None) -> tuple[str, ...]:
    usage = answer.usage
    found = [f"{usage.prompt_tokens:,} prompt + {usage.completion_tokens:,} new tokens"]
    found += [f"{seconds:.2f} s"] if seconds is not None else []
    found += [f"money {money:.3g}"] if money is not None else []
    return (*found, f"route {answer.route}")


def _remarks(answer: Answer, flags: Sequence[str]) -> tuple[str, ...]:
    found = []
    if answer.dropped_tokens:
        found.append(f"{answer.dropped_tokens:,} tokens of the documents did not fit the window and were not read")
    if answer.unread_tokens:
        found.append(f"the server cut {answer.unread_tokens:,} prompt tokens off: start it with a larger window")
    if answer.finish == "length":
        found.append("ends early: the answer's limit of tokens is reached")
    if answer.finish == "declined":
        found.append("declined: the text does not say")
    if answer.usage.thought_tokens:
        found.append(f"{answer.usage.thought_tokens:,} of the new tokens are thoughts")
    found += [flag.replace("_", " ") for flag in flags]
    return tuple(found)


def _marked(facts: Mapping[str, Any], answer: Answer, texts: Mapping[str, str]) -> Mapping[str, Any]:
    """Returns the facts with something to mark: the known evidence, or the answer's words in the passages."""
    wanted = answer.text.strip().rstrip(".").casefold()
    if facts["evidence"] or not 1 < len(wanted) <= LONGEST_MARK:
        return facts
    found: list[list[Any]] = []
    for span in covered(answer.context):
        text = texts.get(span.document_id, "")[span.start : span.end]
        folded = text.casefold()
        at = folded.find(wanted) if len(folded) == len(text) else -1  # of equal length, positions are the same
        while at >= 0 and len(found) < _MARKS:
            found.append([span.document_id, span.start + at, span.start + at + len(wanted)])
            at = folded.find(wanted, at + len(wanted))
    return {**facts, "evidence": found}


def _alike(rows: Sequence[Prediction | None]) -> bool:
    """Returns whether all pipelines gave the same answer, after normalisation."""
    texts = {normalise(row.answer.text) if row and row.answer and row.answer.answered else None for row in rows}
    return len(texts) == 1 and None not in texts


def _ratio(results: SweepResults) -> list[str]:
    """Returns a sentence on which pipeline reads most, and how much less the others read."""
    read = {cell.name: cell.summary["prompt_tokens"] or 0.0 for cell in results.cells}
    most = max(read, key=lambda name: read[name])
    least = min(read, key=lambda name: read[name])
    if not read[least] or read[most] / read[least] < 1.05:
        return []
    times = f"{read[most] / read[least]:.1f} times as many"
    return [f"{most} reads {read[most]:,.0f} tokens a question, {least} {read[least]:,.0f}: {times}."]


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
