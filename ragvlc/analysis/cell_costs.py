"""What stored answers say about money by the number of questions about one document.

Of each answer the rows say how many tokens were read, found in a prefix cache and written, by role and by price. What
they do not say is which part of a prompt all questions about a document share, so that a provider's cache would hold
it. It is taken from, in this order:

- the cached tokens of answers to several questions about the same documents: their median, hits only. Where passages
  were retrieved, it is the least of them but one, for that is what all prompts but the first found; where the
  documents were sent from their start, hits of under half of these are left out if there are others, for they are
  misses that found the instructions only;
- in answers of one call, how much of what was sent is the documents from their start and in order: full context sends
  nothing else, retrieval sends other passages for each question. Questions about the same documents share the least
  of theirs; a single question counts only if nothing else was sent. In tokens, it is the prompt's by characters.

Of several calls without cached tokens it is not known, and nothing is taken to be shared. In an answer of several
models the one that read most has the shared part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import median
from typing import TYPE_CHECKING

from ragvlc.analysis.document_costs import DocumentCost, ModelCost
from ragvlc.core.answer import Usage
from ragvlc.core.prices import Price, priced_parts, prices_of

if TYPE_CHECKING:
    from ragvlc.results.loading import CellResult

__all__ = ["BASES", "SAME", "UNREPORTED", "CellCost", "cell_cost", "question_readings", "unpriced"]

BASES = {
    "measured": "cached tokens of the answers",
    "documents": "the documents in front of every prompt, by characters",
    "lengths": "prompts of nearly one length, in rows that do not say what was sent",
    "nothing": "other passages with every question",
    "unknown": "several calls without cached tokens, so that it is not known and taken as none",
}
"""How the shared prefix of a cell is known."""


UNREPORTED = (
    "Cache writes unreported: answers of models whose price has `cache_write`, while no reply says how many tokens it "
    "wrote. They are charged at `prompt`: if the server wrote them, the money is too low (docs/costs.md)."
)
SAME = 0.05
"""A route whose prompts over one document differ by less than this share reads the same text for every question."""


@dataclass(frozen=True, slots=True)
class CellCost:
    """Money of a cell by the number of questions about one document.

    Attributes:
        cost: in lines.
        basis: most frequent one of `BASES` among the answers.
        shared: mean prompt tokens that questions about one document share, of the answers that share some.
        sharing: share of the answers that do.
        long: share of the calls at the prices of long prompts.
        left_out: answers whose cost is not known.
    """

    cost: DocumentCost
    basis: str
    shared: float
    sharing: float
    long: float
    left_out: int


@dataclass(frozen=True, slots=True)
class _Answer:
    """The priced parts of an answer, and the part of its prompts that questions about its documents share."""

    parts: Sequence[ModelCost]
    basis: str


def unpriced(cell: CellResult) -> list[str]:
    """Returns the generators that were asked and have no price, in words; empty where no model was asked."""
    prices = cell.facts.get("prices") or {}
    columns = cell.columns
    if not prices:  # the rows' bills were not read
        return ["its generators"] if any(columns.of("calls")) else []
    roles = {role for role in columns.words["role"] if role} | {
        role for bills, _ in columns.bills.values() for role in bills
    }
    return [f"generators.{role}" for role in sorted(roles - prices.keys())]


def question_readings(cell: CellResult, *, by_length: bool = False) -> dict[str, tuple[ModelCost, ...]]:
    """Returns what each question had models read and write, by its id; without those of unknown cost.

    Args:
        cell: whose answers they are.
        by_length: whether prompts over one document of nearly the same length begin alike, in rows that do not say
            what was sent.
    """
    ids, answered = cell.columns.ids, cell.columns.marks["answered"]
    answers = _answers(cell, by_length=by_length)
    nothing: dict[str, tuple[ModelCost, ...]] = {name: () for name, done in zip(ids, answered, strict=True) if not done}
    return nothing | {ids[place]: tuple(one.parts) for place, one in answers.items() if one is not None}


@lru_cache(maxsize=64)
def cell_cost(cell: CellResult) -> CellCost | None:
    """Returns the money of a cell by the number of questions about one document, as a mean over its answers.

    Where a router or a wrapper chooses, documents are read whole for a share of the questions: the expected number of
    cache writes is then that of questions that fall to it by chance.

    Returns:
        None without prices, or where no answer has a known cost.
    """
    answers = _answers(cell)
    known = [one for one in answers.values() if one is not None]
    if not known:
        return None
    sharing: list[_Answer] = []
    apart: list[_Answer] = []
    for one in known:
        (sharing if any(part.caches for part in one.parts) else apart).append(one)
    chosen = len(set(cell.columns.named("taken"))) > 1
    share = len(sharing) / len(known)
    readings = [*_merged(apart, len(known))]
    if sharing:
        weight = len(sharing) if chosen else len(known)
        readings += [replace(one, share=share if chosen else 1.0) for one in _merged(sharing, weight)]
    bases = [one.basis for one in (sharing or known)]
    shared = sum(part.shared for one in sharing for part in one.parts) / len(sharing) if sharing else 0.0
    calls = [(one.long, one.weight * one.share * one.calls) for one in readings]
    return CellCost(
        DocumentCost(cell.name, tuple(readings)),
        max(BASES, key=bases.count),
        shared,
        share,
        sum(number for long, number in calls if long) / (sum(number for _, number in calls) or 1.0),
        len(answers) - len(known),
    )


def _merged(answers: Iterable[_Answer], of: int) -> Iterable[ModelCost]:
    """Yields the means of all parts with the same model, price tier and use of the cache, weighted by their number."""
    sums: dict[tuple[int, bool, bool], list[float]] = {}
    prices: dict[int, Price] = {}
    for one in answers:
        for part in one.parts:
            caches = part.caches
            key = id(part.price), part.long, caches
            prices[key[0]] = part.price
            shared = part.shared if caches else 0.0
            own = part.own + part.shared - shared
            total = sums.setdefault(key, [0.0] * 5)
            for place, value in enumerate((1.0, shared, own, part.completion, part.calls)):
                total[place] += value
    for (price, _, _), (count, *figures) in sums.items():
        shared, own, completion, calls = (value / count for value in figures)
        yield ModelCost(prices[price], shared, own, completion, calls, weight=count / of)


def _answers(cell: CellResult, *, by_length: bool = False) -> dict[int, _Answer | None]:
    """Returns the answers by place; None for one whose cost is not known. Empty without prices."""
    prices, columns = prices_of(cell.facts.get("prices")), cell.columns
    if not prices:
        return {}
    charged: dict[int, list[tuple[str, Usage]] | None] = {}
    for place, answered in enumerate(columns.marks["answered"]):
        if answered and (bill := columns.bill(place)):
            long = columns.bills[place][1] if place in columns.bills else {}
            parts = priced_parts(bill, long, prices)
            charged[place] = None if parts is None else [(role, usage) for role, _, usage in parts]
    prefixes = _prefixes(cell, [place for place, parts in charged.items() if parts is not None], by_length)
    return {
        place: None if parts is None else _answer(parts, prices, *prefixes[place]) for place, parts in charged.items()
    }


def _answer(parts: Sequence[tuple[str, Usage]], prices: Mapping[str, Price], shared: float, basis: str) -> _Answer:
    read: dict[str, int] = {}
    for role, usage in parts:
        read[role] = read.get(role, 0) + usage.prompt_tokens
    reader = max(read, key=read.__getitem__)
    share = min(1.0, shared / read[reader]) if read[reader] else 0.0
    found = []
    for role, usage in parts:
        common = share * usage.prompt_tokens if role == reader else 0.0
        own = usage.prompt_tokens - common
        found.append(ModelCost(prices[role], common, own, usage.completion_tokens, usage.calls))
    return _Answer(found, basis)


def _prefixes(cell: CellResult, places: Sequence[int], by_length: bool) -> dict[int, tuple[float, str]]:
    """Returns the prompt tokens that questions about the same documents share, by place, and how that is known."""
    columns = cell.columns
    groups: dict[tuple[str, str], list[int]] = {}
    for place in places:
        facts = cell.examples[columns.ids[place]]
        groups.setdefault((str(facts.get("group", facts["id"])), columns.words["taken"][place]), []).append(place)
    found: dict[int, tuple[float, str]] = {}
    for own in groups.values():
        shared, basis = _prefix(cell, own, by_length)
        found |= dict.fromkeys(own, (shared, basis))
    return found


def _prefix(cell: CellResult, places: Sequence[int], by_length: bool) -> tuple[float, str]:
    numbers = cell.columns.numbers
    hits = sorted(cached for place in places if (cached := numbers["cached_tokens"][place]))
    several = any(numbers["calls"][place] > 1 for place in places)
    least = 0.0 if several else min(_from_start(cell, place, alone=len(places) == 1) for place in places)
    if len(places) > 1 and hits:
        if not least and not several and any(numbers["sent_characters"][place] for place in places):
            return hits[:2][-1], "measured"
        return median([hit for hit in hits if hit >= least / 2] or hits), "measured"
    if several:
        return 0.0, "unknown"
    if by_length and not any(numbers["sent_characters"][place] for place in places):
        tokens = [numbers["prompt_tokens"][place] for place in places]
        return (min(tokens), "lengths") if max(tokens) - min(tokens) <= SAME * max(tokens) else (0.0, "nothing")
    return least, "documents" if least else "nothing"


def _from_start(cell: CellResult, place: int, *, alone: bool) -> float:
    """Returns the tokens of a prompt up to where it stops reading the documents in order, by characters."""
    columns, numbers = cell.columns, cell.columns.numbers
    sent, lead = numbers["sent_characters"][place], numbers["lead_characters"][place]
    if not lead or (alone and lead < sent):
        return 0.0
    question = len(cell.examples[columns.ids[place]]["question"])
    return numbers["prompt_tokens"][place] * lead / (sent + question)
