"""Figures of a comparison by name, as matplotlib figures that notebooks display, for reports and trackers too.

quality_tokens, quality_seconds, quality_money    score against what a question costs
money_questions                                   money against the number of questions about one document
over_<setting>                                    score over a setting that takes several numbers
heat_<setting>_<setting>                          score over two such settings that are crossed
speculation                                       acceptance by place in the draft, speed-up
reading_cost                                      attention pairs, calls and seconds over the length of contexts
effective_length                                  score by length, with the margin of `effective_length`
by_length                                         score by the length of documents
routing_tokens, routing_deferral                  routers and oracles against tokens, and by the share deferred
position_document, position_context               score by position of the evidence

Which there are depends on the results: money needs prices, positions need located evidence. Nothing here touches
matplotlib's global state, so figures can be made in any thread that no other thread draws in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ragvlc.analysis._routing_drawing import routing_drawers
from ragvlc.analysis.axes import Axis, Line, axes, axis
from ragvlc.analysis.breakdowns import Breakdown, by_position
from ragvlc.analysis.by_length import draw as draw_lengths
from ragvlc.analysis.by_length import long_tasks
from ragvlc.analysis.drawing import (
    FRONTIER,
    INK,
    bars,
    early,
    hover,
    label,
    legend,
    line,
    look,
    mark,
    numbers,
    panels,
    place_names,
    spoken,
    svg,
    tie,
    within,
)
from ragvlc.analysis.front import FrontCell, front, mean_cost
from ragvlc.analysis.heat import heat_drawers
from ragvlc.analysis.length_words import draw_lengths as draw_effective
from ragvlc.analysis.length_words import lengths_to_draw
from ragvlc.analysis.money_tables import money_drawers
from ragvlc.analysis.reading import curves, draw
from ragvlc.analysis.speculation import draw as draw_speculation
from ragvlc.analysis.speculation import speculating
from ragvlc.analysis.tables import marked
from ragvlc.analysis.verdict import shown_cells
from ragvlc.core.errors import ConfigError, nearest
from ragvlc.results.costs import question_costs
from ragvlc.statistics.intervals import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ragvlc.analysis.pictures import Picture
    from ragvlc.core.decision import Cost
    from ragvlc.results.loading import CellResult, SweepResults

__all__ = ["drawers", "figure", "figures", "svg"]

COSTS: dict[str, tuple[Cost, float, str]] = {
    "quality_tokens": ("tokens", 1.0, "tokens of a question, read and written (mean)"),
    "quality_seconds": ("seconds", 1.0, "seconds of search and models for a question (mean)"),
    "quality_money": ("money", 1000.0, "money for 1,000 questions"),
}
DOMINATED = 0.35
"""Opacity of cells that another cell dominates with confidence."""
POSITIONS = ("document", "context")
MOST_PANELS = 6
MOST_LINES = 8
SHADED = 3
"""The most lines whose intervals are shaded too."""
EARLY = " (stopped early)"
NAMED_CELLS = 12
"""The most cells named in a legend; with more, it names their pipelines."""


def figures(results: SweepResults, metric: str | None = None) -> dict[str, Picture]:
    """Returns every figure available for these results, by name, for the given metric or the first one."""
    return {name: draw() for name, draw in drawers(results, metric).items()}


def figure(results: SweepResults, name: str, metric: str | None = None) -> Picture:
    """Returns the figure with this name. Raises `ConfigError` if these results have no such figure."""
    known = drawers(results, metric)
    if name not in known:
        raise ConfigError(f"{results.name} has no figure '{name}'. Known: {list(known)}.{nearest(name, known)}")
    return known[name]()


def drawers(
    results: SweepResults, metric: str | None = None, texts: Mapping[str, str] | None = None
) -> dict[str, Callable[[], Picture]]:
    """Returns the drawing function of each figure, by name, so that callers draw only the figures they need.

    Args:
        results: to draw.
        metric: label; the first by default.
        texts: documents by id, for their lengths where the results folder does not have them.
    """
    chosen = results.metric(metric)
    scored = [cell for cell in results.cells if cell.mean(chosen) is not None]
    datasets = {name: [cell for cell in cells if cell in scored] for name, cells in results.by_dataset().items()}
    datasets = {name: cells for name, cells in datasets.items() if cells}
    shown = dict(list(datasets.items())[:MOST_PANELS])
    found: dict[str, Callable[[], Picture]] = {}
    for name, (cost, *_) in COSTS.items():
        if len(scored) > 1 and any(value for cell in scored for value in question_costs(cell, cost).values()):
            found[name] = partial(_quality, name, shown, chosen)
    for one in axes(scored, chosen):
        found[f"over_{one.name}"] = partial(_over, one.path, scored, chosen)
    found |= heat_drawers(scored, chosen)
    found |= money_drawers(results, chosen)
    if drafts := [one for one in speculating(results) if one[1].by_place]:
        found["speculation"] = partial(draw_speculation, drafts)
    if lengths := curves(results.cells):
        found["reading_cost"] = partial(draw, lengths)
    if held := lengths_to_draw(results, chosen):
        found["effective_length"] = partial(draw_effective, held)
    if long := long_tasks(results):
        found["by_length"] = partial(draw_lengths, long, chosen)
        found.pop("over_length", None)  # the same, less well
    if chosen == results.metric():  # routers are judged by the first metric
        found |= routing_drawers(results, chosen)
    for where in POSITIONS:
        broken = {name: _positions(cells, chosen, where, texts) for name, cells in shown.items()}
        kept = {name: one[0] for name, one in broken.items() if one and len(one[0].parts) > 1}
        if kept:
            names = [cell.name for cell in scored] if len(scored) <= NAMED_CELLS else []
            found[f"position_{where}"] = partial(_position, where, kept, chosen, names)
    return found


def _positions(
    cells: Sequence[CellResult], metric: str, where: str, texts: Mapping[str, str] | None
) -> list[Breakdown]:
    rivals = [cell for cell in cells if not cell.control]
    return by_position(
        shown_cells(rivals, metric, MOST_LINES), metric, "document" if where == "document" else "context", texts
    )


def _quality(name: str, datasets: Mapping[str, Sequence[CellResult]], metric: str) -> Picture:
    cost, times, words = COSTS[name]
    pipelines = list(dict.fromkeys(cell.facts["pipeline"] for cells in datasets.values() for cell in cells))
    names = list(dict.fromkeys(cell.name for cells in datasets.values() for cell in cells))
    single = len(datasets) == 1 and len(names) <= NAMED_CELLS
    with look():
        drawn, places = panels(list(datasets), f"{metric} against {cost}")
        for place, cells in zip(places, datasets.values(), strict=True):
            spent = {cell.name: mean_cost(cell, cost) for cell in cells}
            paid = [cell for cell in cells if spent[cell.name].mean is not None]
            placed = front(paid, metric, cost)
            dominated = {one.cell.name for one in placed if one.dominated_by}
            where = {one.cell.name: one.words for one in placed}
            for cell in paid:
                of = names.index(cell.name) if single else pipelines.index(cell.facts["pipeline"])
                name_of = marked(cell) if single else cell.facts["pipeline"] + EARLY * (cell.raced is not None)
                opacity = DOMINATED if cell.name in dominated else 0.9
                facts = (spoken(spent[cell.name], words.partition(" (")[0], times), where.get(cell.name, ""))
                _point(place, cell, metric, _times(spent[cell.name], times), (of, name_of, opacity), names, facts)
            numbers(place, [(spent[cell.name].mean or 0.0) * times for cell in paid], few=False)
            place.set_ylabel(label(f"{metric} (mean)"))
            place.set_xlabel(words)
            within(place)
            _frontier(place, [one for one in placed if one.on_front], metric, times)
        legend(drawn, places, tied=single)
        for place, cells in [] if single else list(zip(places, datasets.values(), strict=True)):
            _name_front(place, cells, metric, cost, times)
    return drawn


def _over(path: str, cells: Sequence[CellResult], metric: str) -> Picture:
    found = axis(cells, path, metric)
    if found is None:
        raise ConfigError(f"no two cells differ in '{path}' alone")
    words = found.words.split(" (")[0].split(";")[0]
    with look():
        drawn, [place] = panels([""], f"{metric} over {words}")
        for at, one in enumerate(found.lines):
            whole = [(value, score) for value, score in one.points if value not in one.stopped]
            points = [(value, score, (f"{words}: {value:,.10g}", spoken(score, metric))) for value, score in one.points]
            name = one.label + (" (control)" if one.control else "")
            line(place, at, name, points, hollow=one.control, apart=one.stopped)
            _stopped(place, at, one)
            known = [(value, score.low or 0.0, score.high) for value, score in whole if score.high is not None]
            if len(found.lines) <= SHADED and len(known) > 1:
                shade = place.fill_between(
                    [x for x, _, _ in known], [low for _, low, _ in known], [high for _, _, high in known],
                    color=mark(at)[0], alpha=0.13, linewidth=0,
                )  # fmt: skip
                tie(at, shade)
        _references(place, cells, found, metric)
        numbers(place, [value for one in found.lines for value, _ in one.points], few=True)
        place.set_xlabel(label(found.words))
        place.set_ylabel(label(f"{metric} (mean)"))
        within(place)
        legend(drawn, [place])
    return drawn


def _stopped(place: Axes, at: int, one: Line) -> None:
    """Draws the points of a line that a race stopped early, hollow and with broken bars."""
    colour, marker = mark(at)
    for value, score in one.points:
        if value in one.stopped:
            drawn = place.errorbar(
                [value], [score.mean or 0.0], yerr=bars(score), color=colour, marker=marker, markersize=5,
                elinewidth=1, linestyle="none", markerfacecolor="none",
                label=label(f"{one.label}, stopped early: sequential bounds"),
            )  # fmt: skip
            early(drawn)
            tie(at, drawn)


def _position(where: str, broken: Mapping[str, Breakdown], metric: str, names: Sequence[str]) -> Picture:
    title = "in the documents" if where == "document" else "in what was sent"
    with look():
        drawn, places = panels(list(broken), f"{metric} by position of the evidence {title}")
        for place, one in zip(places, broken.values(), strict=True):
            for at, (cell, intervals) in enumerate(one.rows):
                points = [
                    (float(x), found, (str(part), spoken(found, metric)))
                    for x, (part, found) in enumerate(zip(one.parts, intervals, strict=True))
                ]
                raced = cell.raced is not None
                number = names.index(cell.name) if names else at  # as in the figures of costs
                line(place, number, marked(cell), points, hollow=raced, style="dashed" if raced else "-")
            counts = [[row[x].n for _, row in one.rows] for x in range(len(one.parts))]
            spans = [f"{min(n)}" if min(n) == max(n) else f"{min(n)}-{max(n)}" for n in counts]
            place.set_xticks(
                range(len(one.parts)), [f"{part}\nn = {n}" for part, n in zip(one.parts, spans, strict=True)]
            )
            place.set_xlim(-0.4, len(one.parts) - 0.6)
            if len(one.parts) > 6:
                place.tick_params(axis="x", labelsize=7, labelrotation=45)
            place.set_xlabel(f"position of the evidence {title} (share of their characters)")
            place.set_ylabel(label(f"{metric} (mean)"))
            within(place)
        legend(drawn, places)
    return drawn


def _point(
    place: Axes,
    cell: CellResult,
    metric: str,
    cost: Interval,
    drawn: tuple[int, str, float],
    names: Sequence[str],
    facts: Sequence[str],
) -> None:
    """Draws a cell with the intervals of its score and cost; `drawn` is its place in the legend, title and opacity."""
    score, series = _score(cell, metric), names.index(cell.name)
    of, words, opacity = drawn
    colour, marker = mark(of)
    drawn_bars = place.errorbar(
        [cost.mean or 0.0], [score.mean or 0.0], xerr=bars(cost), yerr=bars(score),
        color=colour, marker=marker, markersize=7, linestyle="none", elinewidth=1, alpha=opacity,
        markerfacecolor="none" if cell.control or cell.raced is not None else colour,
        label=label(words + (" (control)" if cell.control else "")),
    )  # fmt: skip
    tie(series, drawn_bars)
    hover(
        place, (cost.mean or 0.0, score.mean or 0.0), marked(cell) + (" (control)" if cell.control else ""),
        spoken(score, metric), *facts, series=series,
    )  # fmt: skip
    if cell.raced is not None:
        early(drawn_bars)


def _score(cell: CellResult, metric: str) -> Interval:
    figures = cell.summary["metrics"][metric]
    return Interval(figures["mean"], figures["low"], figures["high"], figures["n"], figures["clusters"])


def _times(one: Interval, factor: float) -> Interval:
    mean, low, high = (None if value is None else value * factor for value in (one.mean, one.low, one.high))
    return Interval(mean, low, high, one.n, one.clusters)


def _frontier(place: Axes, kept: Sequence[FrontCell], metric: str, times: float) -> None:
    """Draws the cost-quality frontier: the cells that no cheaper cell beats."""
    if len(kept) > 1:
        place.plot(
            [(one.cost.mean or 0.0) * times for one in kept], [one.cell.mean(metric) or 0.0 for one in kept],
            color=INK, linestyle=(0, (4, 3)), linewidth=1, zorder=1, label=FRONTIER,
        )  # fmt: skip


def _name_front(place: Axes, cells: Sequence[CellResult], metric: str, cost: Cost, times: float) -> None:
    """Writes the names of the cells on the frontier, the best first, where the legend names pipelines only."""
    ends = {cell: mean_cost(cell, cost).mean for cell in cells}
    points = {cell.name: (end * times, cell.mean(metric) or 0.0) for cell, end in ends.items() if end is not None}
    best = [one.cell.name for one in reversed(front(list(cells), metric, cost)) if one.on_front]
    place_names(place, [(*points[name], name) for name in best], list(points.values()))


def _references(place: Axes, cells: Sequence[CellResult], found: Axis, metric: str) -> None:
    """Draws cells that lack the setting of the axis as horizontal lines, if all cells share one data set."""
    if len({cell.facts["examples"] for cell in cells}) > 1:
        return
    on_axis = {line.pipeline for line in found.lines}
    others = [cell for cell in cells if cell.facts["pipeline"] not in on_axis]
    for at, cell in enumerate(shown_cells(others, metric, 4)):
        number = len(found.lines) + at
        title = cell.name + (" (control)" if cell.control else "")
        drawn = place.axhline(
            cell.mean(metric) or 0.0, color=mark(number)[0], linestyle=(0, (6, 3)), linewidth=1.2, label=label(title)
        )
        tie(number, drawn)
        right = place.get_xlim()[1]
        hover(place, (right, cell.mean(metric) or 0.0), title, spoken(_score(cell, metric), metric), series=number)
