"""Failed questions grouped by cause, and cells grouped by common causes, for the terminal and the HTML report."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragvlc.core.answer import Failure, Prediction
from ragvlc.core.texts import one_line, printable
from ragvlc.results.unanswered import unanswered
from ragvlc.results.unanswered import words as no_answer_words

if TYPE_CHECKING:
    from ragvlc.results.loading import CellResult, SweepResults

__all__ = ["FailedCells", "Reason", "failed_cells", "failure_lines", "reasons", "said"]

MOST_REASONS = 3
MOST_NAMES = 4
LONGEST = 160
LONGEST_ANSWERING = 480  # a server's sentence, and the line of YAML that mends it

_QUOTED = re.compile(r"""(?<!\w)(?:'[^'\n]*'|"[^"\n]*"|`[^`\n]*`)(?!\w)""")
_WORD = re.compile(r"\w+(?:[.,:-]\w+)*")
_COMPARED = 2000  # characters of a message

Kind = tuple[str, str, bool, str]


@dataclass(frozen=True, slots=True)
class Reason:
    """A cause of failure, with the number of questions that failed for this cause.

    Attributes:
        failure: of the first of them.
        example: id of the first.
        count: of rows, over all cells that they come from.
    """

    failure: Failure
    example: str
    count: int

    def text(self, longest: int | None = None) -> str:
        """Returns type, stage and message of the failure as one line, shortened to `longest` characters."""
        most = LONGEST_ANSWERING if self.failure.stage == "generate" else LONGEST
        return one_line(_words(self.failure), longest or most)


@dataclass(frozen=True, slots=True)
class FailedCells:
    """Cells that failed for the same causes.

    Attributes:
        cells: in the order of the plan.
        status: `complete`, `stopped` (too many failures), or `not complete`.
        reasons: most frequent first; none if only a judge's verdicts are missing.
    """

    cells: tuple[CellResult, ...]
    status: str
    reasons: tuple[Reason, ...]

    @property
    def names(self) -> str:
        """The names of the cells as text, shortened if there are many."""
        names = [one_line(cell.name, LONGEST) for cell in self.cells]
        more = len(names) - MOST_NAMES
        return ", ".join(names[:MOST_NAMES]) + (f" and {_several(more, 'more cell')}" if more > 0 else "")

    @property
    def head(self) -> str:
        """The status of the cells and the number of failed questions, as a sentence."""
        if not self.reasons:
            return f"{self.status}, some questions could not be judged for now."
        failed, asked = sum(one.count for one in self.reasons), sum(len(cell.rows) for cell in self.cells)
        why = ", more than max_failures allows" if self.status == "stopped" else ""
        return f"{self.status}, {failed:,} of {_several(asked, 'question')} asked failed{why}."

    @property
    def advice(self) -> str:
        """The recommended next step for the user, as a sentence."""
        lasting = [one.failure.stage for one in self.reasons if not one.failure.transient]
        if not lasting:
            return "Transient: run the experiment again."
        if all(stage == "score" for stage in lasting):
            again = "score again with `ragvlc score`" if self.status == "complete" else "run the experiment again"
            return f"Fix the metric, then {again}; stored answers are used."
        if len(lasting) == len(self.reasons):
            return "Fix the cause, then run the experiment again with --retry failed."
        return "Run the experiment again for transient failures; for the others, fix the cause and add --retry failed."


def reasons(failed: Iterable[tuple[str, Failure]]) -> tuple[Reason, ...]:
    """Returns the causes of failure of these questions, most frequent first.

    Failures of one stage and type whose messages differ only in numbers, ids and quoted values are one reason.
    """
    found: dict[Kind, list[tuple[Failure, str]]] = {}
    for name, failure in failed:
        found.setdefault(_kind(failure), []).append((failure, name))
    return tuple(sorted((Reason(*alike[0], len(alike)) for alike in found.values()), key=lambda one: -one.count))


def failed_cells(results: SweepResults, status: Mapping[str, str] | None = None) -> list[FailedCells]:
    """Returns the cells with failures, grouped by status and causes.

    Args:
        results: with the rows.
        status: of each cell after a run, by key (`sweep.runner.Outcome`); by default that on disk.
    """
    groups: dict[tuple[str, frozenset[Kind]], list[CellResult]] = {}
    for cell in results.cells:
        ended = (status or {}).get(cell.facts["key"], "complete" if cell.complete else "")
        kinds = frozenset(_kind(failure) for _, failure in _failed(cell))
        if kinds or ended == "pending":
            word = ended if ended in ("complete", "stopped") else "not complete"
            groups.setdefault((word, kinds), []).append(cell)
    return [
        FailedCells(tuple(cells), word, reasons(one for cell in cells for one in _failed(cell)))
        for (word, _), cells in groups.items()
    ]


def _failed(cell: CellResult) -> list[tuple[str, Failure]]:
    columns = cell.columns
    return [(columns.ids[place], columns.failures[place]) for place in sorted(columns.failures)]


def failure_lines(results: SweepResults, status: Mapping[str, str] | None = None) -> list[str]:
    """Returns the report on failures for a terminal: status, causes and next step; see `failed_cells`."""
    return [line for one in failed_cells(results, status) for line in _lines(one, str(results.folder))]


def said(row: Prediction) -> str:
    """Returns an answer's text, and the full reason for a missing answer or score, in printable characters."""
    answer = row.answer
    words = [] if answer is None else [no_answer_words(answer) if unanswered(answer) else answer.text]
    if row.failure is not None:
        words.append(f"{'failed' if answer is None else 'not scored'}: {_words(row.failure)}")
    return printable("\n".join(words)) if words else "no answer"


def _lines(one: FailedCells, folder: str) -> Iterable[str]:
    yield f"{one.names}: {one.head}"
    for reason in one.reasons[:MOST_REASONS]:
        passing = "transient, " if reason.failure.transient else ""
        yield f"  {reason.count:,} x {reason.text()} ({passing}first: {one_line(reason.example, LONGEST)})"
    rest = one.reasons[MOST_REASONS:]
    if rest:
        count = _several(sum(reason.count for reason in rest), "question")
        yield f"  and {_several(len(rest), 'more kind')} ({count})"
    full = ""
    if one.reasons:
        example = one_line(one.reasons[0].example, LONGEST)
        full = f" In full: ragvlc show {shlex.quote(folder)} --question {shlex.quote(example)}"
    yield f"  {one.advice}{full}"


def _words(failure: Failure) -> str:
    return f"{failure.type} ({failure.stage}): {failure.message.strip() or 'no message'}"


def _kind(failure: Failure) -> Kind:
    """Returns a grouping key that is equal for failures with the same cause."""
    message = failure.message[:_COMPARED]
    folded = _QUOTED.sub("''", message)
    if not re.search(r"\w", folded):  # all of it is quoted, as in a KeyError
        folded = message
    folded = _WORD.sub(lambda word: "#" if re.search(r"\d", word[0]) else word[0], folded)
    return failure.stage, failure.type, failure.transient, " ".join(folded.split())


def _several(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
