"""Money by the number of questions about one document, from stored answers: a table, break-evens and a figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import ceil, floor
from typing import TYPE_CHECKING

from ragvlc.analysis.cell_costs import BASES, CellCost, cell_cost, unpriced
from ragvlc.analysis.document_costs import NO_LIFETIME, PRICE_ADVICE, DocumentCost, ModelCost, break_even, draw_money
from ragvlc.analysis.tables import Entry, Table, title
from ragvlc.analysis.verdict import shown_cells

if TYPE_CHECKING:
    from ragvlc.analysis.pictures import Picture
    from ragvlc.core.prices import Rates
    from ragvlc.results.loading import CellResult, SweepResults

__all__ = ["ASKED", "CAPTION", "money_drawers", "money_tables"]

ASKED = (1, 10, 100)
MOST_LINES = 8
MOST_RIVALS = 6
CAPTION = (
    "At the prices given, without embedding, indexing and scoring. Circles: break-evens, the number of questions from "
    "which on the line that starts higher costs no more in all; of more than three lines, where the cheapest changes."
)
NOTE = (
    "Money of the cell for so many questions about one document, at the prices given, as if its provider's prefix "
    "cache held what all prompts about a document share (cache-augmented generation, CAG): the first question writes "
    "it, further ones read it. Means over the answers; without embedding and indexing, which have no price, or "
    "scoring. Shared: tokens that questions about one document share; under 1,024 a call are not cached."
)
EVEN = (
    "Questions about one document from which on the row costs no more than the column, or up to which it does; always "
    "or never for any number."
)


def money_tables(results: SweepResults) -> list[Table]:
    """Returns the tables of money by the number of questions about one document; none without prices."""
    found = []
    by_dataset = _costs(results)
    for name, own in by_dataset.items():
        gap = _gap([cell for cell, _ in own])
        of = (f", {name}" if len(by_dataset) > 1 else "") + (f", {gap:g} s apart" if gap else "")
        found.append(_table(f"Money by questions about one document{of}", own, results.by_dataset()[name]))
        if even := _break_evens(f"Break-even in questions about one document{of}", own, results.metrics):
            found.append(even)
    return found


def money_drawers(results: SweepResults, metric: str) -> dict[str, Callable[[], Picture]]:
    """Returns the function that draws money by the number of questions about one document; none without prices."""
    shown = {}
    for name, own in _costs(results).items():
        cells = shown_cells([cell for cell, _ in own], metric, MOST_LINES)
        shown[name] = [found.cost for cell, found in own if cell in cells]
    shown = dict(list(shown.items())[:MOST_LINES])
    return {"money_questions": partial(draw_money, shown, max(ASKED), _gap(results.cells))} if shown else {}


def _costs(results: SweepResults) -> dict[str, list[tuple[CellResult, CellCost]]]:
    """Returns the cells with known costs, by data set."""
    found = {}
    for name, cells in results.by_dataset().items():
        known = [(cell, cost) for cell in cells if (cost := cell_cost(cell)) is not None]
        if known:
            found[name] = known
    return found


def _gap(cells: Sequence[CellResult]) -> float:
    """Returns the seconds between two questions about a document that the report is asked for."""
    return float(cells[0].facts.get("gap", 0.0)) if cells else 0.0


def _table(head: str, own: Sequence[tuple[CellResult, CellCost]], cells: Sequence[CellResult]) -> Table:
    gap = _gap(cells)
    columns: dict[str, Callable[[CellCost], str]] = {
        f"{n:,}\n{'question' if n == 1 else 'questions'}": partial(_money_of, questions=n, gap=gap) for n in ASKED
    }
    columns |= {"shared\ntokens": _shared, "shared\nby": _sharing, "known\nby": lambda one: one.basis}
    columns |= {"long\nprompts": lambda one: f"{one.long:.0%}" if one.long else ""}
    rules = {head: partial(_price, of=of) for head, of in _PRICES.items()}
    entries = {head: [of(cost) for _, cost in own] for head, of in (columns | rules).items()}
    same = [head for head in rules if len(set(entries[head])) == 1]
    heads = [head for head, words in entries.items() if any(words) and head not in same]
    prices = [f"{entries[head][0]} {_PRICE_WORDS[head]}" for head in same if entries[head][0]]
    rows = tuple(
        (title(cell), tuple(Entry(word=entries[head][place] or "-") for head in heads))
        for place, (cell, _) in enumerate(own)
    )
    note = _note(own, cells, gap)
    note += f" Prices of all, by million tokens: {', '.join(prices)}." if prices else ""
    return Table(head, tuple(heads), rows, note)


def _money_of(one: CellCost, questions: int, gap: float) -> str:
    return money_words(one.cost.money(questions, gap))


def money_words(value: float) -> str:
    """Returns an amount of money with three digits or more."""
    return f"{value:,.2f}" if value >= 1 or value == 0 else f"{value:.3g}" if value >= 1e-4 else f"{value:.2e}"


def _shared(one: CellCost) -> str:
    return f"{one.shared:,.0f}" if one.shared else ""


def _sharing(one: CellCost) -> str:
    return f"{one.sharing:.0%}" if 0 < one.sharing < 1 else ""


def _reader(one: CellCost) -> ModelCost:
    """Returns the reading whose price rules are shown: what shares the most, else what reads the most."""
    return max(one.cost.readings, key=lambda part: (part.caches, part.shared + part.own))


_PRICES: dict[str, Callable[[Rates], float | None]] = {
    "prompt\nat": lambda rates: rates.prompt,
    "new\nat": lambda rates: rates.completion,
    "cache\nread at": lambda rates: rates.cached,
    "cache\nwrite at": lambda rates: rates.cache_write,
}
_PRICE_WORDS = dict(zip(_PRICES, ("prompt", "new", "read from the cache", "written to it"), strict=True))


def _price(one: CellCost, of: Callable[[Rates], float | None]) -> str:
    value = of(_reader(one).rates)
    return "" if value is None else f"{value:,.10g}"


def _note(own: Sequence[tuple[CellResult, CellCost]], cells: Sequence[CellResult], gap: float) -> str:
    words = [NOTE]
    words += [f"{basis.capitalize()}: {BASES[basis]}." for basis in BASES if any(one.basis == basis for _, one in own)]
    words += [_rules(own, gap)]
    if left := [f"{cell.name} ({one.left_out:,})" for cell, one in own if one.left_out]:
        words.append(f"Left out, since it is not known which of their calls were long: answers of {', '.join(left)}.")
    there = {cell.name for cell, _ in own}
    lacking: dict[str, list[str]] = {}
    for cell in cells:
        if cell.name not in there and (roles := unpriced(cell)):
            lacking.setdefault(PRICE_ADVICE.format(role=" and ".join(roles)), []).append(cell.name)
    for advice, names in lacking.items():
        words.append(f"Not in the table: {', '.join(names)}. {advice} and run again: nothing is asked again.")
    return " ".join(word for word in words if word)


def _rules(own: Sequence[tuple[CellResult, CellCost]], gap: float) -> str:
    """Returns sentences on expiry, storage and prices that make no difference, of the cells that share a prefix."""
    readers = [_reader(one) for _, one in own if one.shared]
    words = []
    lifetimes = sorted({part.price.lifetime for part in readers if part.price.lifetime is not None})
    if lifetimes and max(lifetimes) >= gap:
        seconds = " or ".join(f"{one:,.10g}" for one in lifetimes if one >= gap)
        dear = [(cell.name, one.cost.further(max(lifetimes) + 1)) for cell, one in own if one.shared]
        each = ", ".join(f"{name} {money_words(money)}" for name, money in dear[:MOST_RIVALS])
        words.append(
            f"Questions more than {seconds} s apart (--gap) find nothing in the cache, each then costs: {each}."
        )
    elif lifetimes:
        words.append(f"At {gap:g} s apart the cache has expired: every question writes it anew.")
    if gap and any(part.price.lifetime is None for part in readers):
        words.append(f"Of {gap:g} s apart (--gap) not all is counted: {NO_LIFETIME}")
    if any(part.price.storage for part in readers):
        amounts = " or ".join(f"{one:,.10g}" for one in sorted({part.price.storage for part in readers}))
        words.append(f"Storage: {amounts} for a million cached tokens and hour, from one question to the next.")
    if any(part.rates.cached is None for part in readers):
        words.append("A price without `cached` charges cache reads as `prompt`: sharing then saves nothing.")
    return " ".join(words)


def _break_evens(head: str, own: Sequence[tuple[CellResult, CellCost]], metrics: Sequence[str]) -> Table | None:
    """Returns the break-evens of cells against each other; None of a single cell."""
    if len(own) < 2:
        return None
    gap = _gap([cell for cell, _ in own])
    rivals = shown_cells([cell for cell, _ in own], metrics[0], MOST_RIVALS)
    costs = [one.cost for cell, one in own if cell in rivals]
    rows = tuple(
        (title(cell), tuple(Entry(word=_against(one.cost, other, gap)) for other in costs)) for cell, one in own
    )
    cut = "" if len(costs) == len(own) else f" Columns: the best {len(costs)} of {len(own)} cells, each pipeline first."
    return Table(head, tuple(one.name for one in costs), rows, EVEN + cut)


def _against(row: DocumentCost, column: DocumentCost, gap: float) -> str:
    if row is column:
        return "-"
    if row.first() > column.first():
        level = break_even(row, column, gap)
        return "never" if level is None else f"from {ceil(level):,}"
    level = break_even(column, row, gap)
    return "always" if level is None or level <= 1 else f"to {floor(level):,}"
