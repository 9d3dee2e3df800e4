"""Whether generated questions rank cells as people's questions do: tables, sentences and a figure of both sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ragvlc.analysis.drawing import blank, hover, label, look, mark, tie
from ragvlc.analysis.tables import Entry, Table, bounds, plain
from ragvlc.core.errors import ConfigError, nearest
from ragvlc.results.generated import generated_share
from ragvlc.statistics.few_clusters import FEW_CLUSTERS
from ragvlc.statistics.intervals import mean_interval
from ragvlc.statistics.rankings import ALIKE, RankAgreement, RankOutcome, ScoredSet, rank_agreement

if TYPE_CHECKING:
    from ragvlc.analysis.pictures import Picture
    from ragvlc.results.loading import CellResult, SweepResults

__all__ = ["CAPTION", "RankedSets", "draw", "rank_tables", "ranked_sets", "sentences"]

CAPTION = (
    "Mean score of each cell under both sets with its 95 % interval; points on a rising line are in the same order. In "
    "brackets the ranks: first set, second set."
)
SCORES = "Mean score of the questions that all cells have a score of, its 95 % interval, and the rank (1 is the best)."
PAIRS = (
    "Differences, question by question, with the 95 % interval of this comparison alone. Better: the cell that is "
    "settled to be better, after correction for all pairs and both sets (step-down maximum of sign flips by document); "
    "- where neither is."
)


@dataclass(frozen=True, eq=False)
class RankedSets:
    """Two sets of questions that the same cells answered.

    Attributes:
        names: of the sets, such as `people's questions`.
        cells: name and cells of both sets.
        metrics: labels that both have.
        left_out: sentences on cells and questions that do not count.
        alike: rank correlation above which the sets rank alike.
    """

    names: tuple[str, str]
    cells: Mapping[str, tuple[CellResult, CellResult]]
    metrics: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    alike: float = ALIKE

    def on(self, metric: str) -> RankAgreement:
        """Returns the agreement by one metric. Raises `ConfigError` if a set has no score."""
        if metric not in self.metrics:
            known = list(self.metrics)
            raise ConfigError(f"no metric '{metric}' in both. Known: {known}.{nearest(metric, known)}")
        return self._found(metric)

    def _found(self, metric: str) -> RankAgreement:
        if metric not in self._cache:
            try:
                self._cache[metric] = rank_agreement(self._set(0, metric), self._set(1, metric), alike=self.alike)
            except ValueError as error:
                raise ConfigError(f"{metric}: {error}") from None
        return self._cache[metric]

    @cached_property
    def _cache(self) -> dict[str, RankAgreement]:
        return {}

    def _set(self, which: int, metric: str) -> ScoredSet:
        own = {name: pair[which] for name, pair in self.cells.items()}
        first = next(iter(own.values()))
        sign = -1.0 if metric in first.facts.get("smaller_is_better", ()) else 1.0
        scores = {
            name: {one: None if score is None else sign * score for one, score in cell.scores(metric).items()}
            for name, cell in own.items()
        }
        return ScoredSet(scores, first.clusters)

    def missing(self, metric: str) -> tuple[int, int]:
        """Returns the number of questions of both sets that some cell has no score of."""
        found = self.on(metric)
        first, second = (len(next(iter(self.cells.values()))[which].examples) for which in (0, 1))
        return first - found.sets[0].questions, second - found.sets[1].questions


def ranked_sets(first: SweepResults, second: SweepResults | None = None, *, alike: float = ALIKE) -> RankedSets:
    """Returns two sets of questions that the same cells answered, of two sweeps or of one over two data sets.

    Args:
        first: people's questions, or a sweep over two data sets, of which one was generated.
        second: questions over the same documents, such as generated ones.
        alike: rank correlation above which the sets rank alike.

    Raises:
        ConfigError: fewer than two cells are in both, or there are not two sets.
    """
    if not 0 <= alike < 1:
        raise ConfigError(f"alike is {alike}; it must be 0 or more, and below 1.")
    sides = _sides(first, second)
    if _generated(sides[0]) and not _generated(sides[1]):
        if second is not None:
            raise ConfigError(
                f"{first.folder}: its questions were generated, and those of {second.folder} were not. Name the "
                "folder of people's questions first."
            )
        sides = sides[1], sides[0]
    asked = [{str(facts["key"]) for facts in side[0].examples.values()} for side in sides]
    if asked[0] == asked[1]:
        raise ConfigError(
            f"both sets have the same {len(asked[0]):,} questions: they rank alike by themselves. Name the results "
            "over people's questions, then those over other ones."
        )
    named = [{_way(cell): cell for cell in side if not cell.control} for side in sides]
    both = [way for way in named[0] if way in named[1]]
    if len(both) < 2:
        raise ConfigError(
            f"{len(both)} cells are in both; a ranking needs two or more with the same pipeline and settings. First: "
            f"{[cell.name for cell in sides[0]]}; second: {[cell.name for cell in sides[1]]}."
        )
    titles = [_title(named[0][way], [named[0][one] for one in both]) for way in both]
    if len(set(titles)) < len(titles):
        titles = [named[0][way].name for way in both]
    cells = {title: (named[0][way], named[1][way]) for title, way in zip(titles, both, strict=True)}
    if raced := [name for name, pair in cells.items() if any(one.raced is not None for one in pair)]:
        raise ConfigError(f"{raced}: a race asked fewer questions of some cells, so there is no ranking. Run all.")
    metrics = tuple(
        name for name in next(iter(cells.values()))[0].metrics if all(_has(pair, name) for pair in cells.values())
    )
    if not metrics:
        raise ConfigError("no metric is in both.")
    return RankedSets(_names(sides), cells, metrics, _left_out(sides, named, both), alike)


def _has(pair: tuple[CellResult, CellResult], metric: str) -> bool:
    return all(metric in cell.metrics for cell in pair)


def _sides(first: SweepResults, second: SweepResults | None) -> tuple[Sequence[CellResult], Sequence[CellResult]]:
    groups = [list(first.by_dataset().values()), [] if second is None else list(second.by_dataset().values())]
    if second is None and len(groups[0]) == 2:
        return groups[0][0], groups[0][1]
    if second is None or [len(one) for one in groups] != [1, 1]:
        numbers = ", ".join(f"{one.name} has {len(one.by_dataset())}" for one in (first, second) if one is not None)
        raise ConfigError(f"needs two folders with one data set each, or one folder with two; {numbers}.")
    return groups[0][0], groups[1][0]


def _way(cell: CellResult) -> tuple[object, ...]:
    """Returns what a cell is, apart from its questions."""
    settings = {path: value for path, value in cell.facts["settings"].items() if not path.startswith("dataset")}
    return cell.facts["pipeline"], repr(sorted(settings.items(), key=lambda item: item[0])), cell.facts["repeat"]


def _title(cell: CellResult, listed: Sequence[CellResult]) -> str:
    """Returns a cell's name with only the settings in which the cells differ."""
    values: dict[str, set[str]] = {}
    for one in listed:
        for path in {path for two in listed for path in two.facts["settings"]}:
            values.setdefault(path, set()).add(repr(one.facts["settings"].get(path)))
    varied = [path for path, found in values.items() if len(found) > 1 and not path.startswith("dataset")]
    named = [(path.rsplit(".", 1)[-1], cell.facts["settings"].get(path)) for path in sorted(varied)]
    kinds = [_short(value) for _, value in named if isinstance(value, str | Mapping)]
    words = [*kinds, *(f"{name}={value}" for name, value in named if not isinstance(value, str | Mapping))]
    pipelines = {one.facts["pipeline"] for one in listed}
    words = [*([cell.facts["pipeline"]] if len(pipelines) > 1 or not words else []), *words]
    return " ".join([*words, *([f"repeat {cell.facts['repeat'] + 1}"] if cell.facts["repeat"] else [])])


def _short(value: object) -> str:
    if isinstance(value, Mapping):
        kind, *others = [str(one) for one in value.values()]
        return f"{kind}({', '.join(others)})" if others else kind
    return str(value)


def _generated(cells: Sequence[CellResult]) -> bool:
    return generated_share(facts["tags"] for facts in cells[0].examples.values()) is not None


def _names(sides: tuple[Sequence[CellResult], Sequence[CellResult]]) -> tuple[str, str]:
    found = []
    for place, cells in enumerate(sides):
        share = generated_share(facts["tags"] for facts in cells[0].examples.values())
        who = ", ".join(share.writers) if share else ""
        found.append(f"generated by {who or 'a model'}" if share else "people's questions")
        if found[-1] in found[:place]:
            found = ["first set", "second set"]
    return found[0], found[1]


def _left_out(
    sides: tuple[Sequence[CellResult], Sequence[CellResult]],
    named: Sequence[Mapping[tuple[object, ...], CellResult]],
    both: Sequence[tuple[object, ...]],
) -> tuple[str, ...]:
    lines = []
    if controls := list(dict.fromkeys(cell.name for side in sides for cell in side if cell.control)):
        lines.append(f"Left out, as controls read the gold: {', '.join(controls)}.")
    for place, own in zip(("first", "second"), named, strict=True):
        if alone := [cell.name for way, cell in own.items() if way not in both]:
            lines.append(f"Left out, as only the {place} has them: {', '.join(alone)}.")
    for place, own in zip(("first", "second"), named, strict=True):
        if open_cells := [own[way].name for way in both if not own[way].complete]:
            lines.append(f"Not complete in the {place}: {', '.join(open_cells)}. Run it again to answer the rest.")
    questions, other_ones = ({facts["key"] for facts in side[0].examples.values()} for side in sides)
    if same := len(questions & other_ones):
        lines.append(f"{same:,} questions are in both sets, and rank alike by themselves.")
    own_clusters, others = ({facts["cluster"] for facts in side[0].examples.values()} for side in sides)
    if shared := len(own_clusters & others):
        if alone_in := len(own_clusters ^ others):
            lines.append(f"{shared} documents (clusters) are in both sets, {alone_in} in one alone.")
    else:
        lines.append("No document (cluster) is in both sets: other documents may rank otherwise by themselves.")
    return tuple(lines)


def sentences(sets: RankedSets, metric: str) -> list[str]:
    """Returns the outcome by one metric in sentences, the verdict first."""
    found = sets.on(metric)
    lines = [f"{metric}: {_verdict(found)}"]
    if found.kendall is None or found.spearman is None:
        lines.append("A set scores all cells the same, so there is no rank correlation.")
    else:
        kendall, spearman = bounds(*found.kendall_bounds), bounds(*found.spearman_bounds)
        lines.append(
            f"Rank correlation of {len(found.ways)} cells: Kendall {plain(found.kendall, 2, '+')} {kendall}, Spearman "
            f"{plain(found.spearman, 2, '+')} {spearman}: the range over all orders that both sets leave open."
        )
    counts = {what: sum(pair.verdict == what for pair in found.pairs) for what in ("same", "opposite")}
    alone = [
        sum(pair.verdict == f"settled by the {place} alone" for pair in found.pairs) for place in ("first", "second")
    ]
    lines.append(
        f"Of {len(found.pairs)} pairs of cells: settled alike by both sets {counts['same']}, the other way round "
        f"{counts['opposite']}; by {sets.names[0]} alone {alone[0]}, by {sets.names[1]} alone {alone[1]}; by neither "
        f"{len(found.pairs) - sum(counts.values()) - sum(alone)}."
    )
    lines.append(_best(sets, found))
    if metric in next(iter(sets.cells.values()))[0].facts.get("smaller_is_better", ()):
        lines.append(f"Of {metric} smaller is better: its scores have a minus sign here.")
    lines += [
        f"{number} of {sets.names[which]} have no {metric} in some cell, and do not count."
        for which, number in enumerate(sets.missing(metric))
        if number
    ]
    return lines


def _verdict(found: RankAgreement) -> str:
    counts = " and ".join(f"{one.questions:,} questions on {one.documents:,} documents" for one in found.sets)
    if found.outcome is RankOutcome.ALIKE:
        return (
            f"the second set ranks as the first does (Kendall above {found.alike:g} with 95 % confidence), by {counts}."
        )
    if found.outcome is RankOutcome.DIFFERENT:
        return f"the second set ranks otherwise (Kendall at most {found.alike:g} with 95 % confidence), by {counts}."
    turned = [f"{pair.a} and {pair.b}" for pair in found.pairs if pair.verdict == "opposite"]
    text = f"not settled, by {counts}."
    if turned:
        number = "1 pair is" if len(turned) == 1 else f"{len(turned)} pairs are"
        text += f" But {number} settled the other way round: {'; '.join(turned)}."
    for place, one in zip(("first", "second"), found.sets, strict=True):
        if one.questions < found.least:
            text += f" The {place} needs {found.least} questions with a score: {found.least - one.questions} more."
        if one.documents < FEW_CLUSTERS:
            text += f" The {place} needs {FEW_CLUSTERS} documents: {FEW_CLUSTERS - one.documents} more."
    if found.enough:
        needed = found.needed()
        text += (
            " No number of questions in the second set would settle it: the first leaves too many pairs open."
            if needed is None
            else f" About {needed - found.sets[1].questions:,} more in the second set, over as many times more "
            "documents, would settle it if the differences stay."
        )
    return text


def _best(sets: RankedSets, found: RankAgreement) -> str:
    one, other = found.best(0), found.best(1)
    text = f"Best cell: {one} by {sets.names[0]}, {other} by {sets.names[1]}"
    if one == other:
        text += ", the same"
    else:
        loss = found.loss()
        interval = "" if loss.low is None or loss.high is None else f" {bounds(loss.low, loss.high)}"
        text += f"; taking the latter costs {plain(loss.mean or 0.0, 3, '+')}{interval} by {sets.names[0]}"
    leading = [len(found.leading(which)) for which in (0, 1)]
    return f"{text}. Not settled to be worse than any: {leading[0]} and {leading[1]} cells."


def rank_tables(sets: RankedSets, metric: str) -> list[Table]:
    """Returns the table of scores and ranks under both sets, and that of all pairs of cells."""
    found = sets.on(metric)
    rows = []
    for place, way in enumerate(found.ways):
        entries: list[Entry] = []
        for which, one in enumerate(found.sets):
            names = list(one.clusters)
            interval = mean_interval([one.scores[way][name] for name in names], [one.clusters[name] for name in names])
            rank = found.ranks[which][place]
            best = way == found.best(which)
            entries += [
                Entry(interval.mean, interval.low, interval.high, digits=3, score=True, best=best),
                Entry(rank, digits=0 if rank == int(rank) else 1),
            ]
        rows.append((way, tuple(entries)))
    heads = (sets.names[0], "rank", sets.names[1], "rank ")
    pairs = []
    for pair in found.pairs:
        entries = []
        for gap, sign in zip(pair.differences, pair.signs, strict=True):
            entries.append(Entry(gap.mean, gap.low, gap.high, digits=3, sign="+", score=True))
            entries.append(Entry(word={1: pair.a, -1: pair.b, 0: "-"}[sign]))
        pairs.append((f"{pair.a} - {pair.b}", (*entries, Entry(word=pair.verdict))))
    return [
        Table(f"{metric}: scores and ranks", heads, tuple(rows), SCORES),
        Table(
            f"{metric}: pairs of cells", (sets.names[0], "better", sets.names[1], "better ", "together"), tuple(pairs),
            PAIRS,
        ),
    ]  # fmt: skip


def draw(sets: RankedSets, metric: str) -> Picture:
    """Returns the figure of all cells' scores under both sets, with intervals and ranks."""
    found = sets.on(metric)
    with look():
        figure = blank(6.4, 4.6)
        axes = figure.add_subplot()
        axes.set_title(label(f"{metric}: cells under both sets"))
        for place, way in enumerate(found.ways):
            colour, marker = mark(place)
            middle, ends = [], []
            for one in found.sets:
                names = list(one.clusters)
                given = mean_interval([one.scores[way][name] for name in names], [one.clusters[name] for name in names])
                mean = given.mean or 0.0
                middle.append(mean)
                ends.append([[mean - (given.low or mean)], [(given.high or mean) - mean]])
            ranks = ", ".join(plain(one[place], 0 if one[place] == int(one[place]) else 1) for one in found.ranks)
            tie(place, axes.errorbar(
                middle[0], middle[1], xerr=ends[0], yerr=ends[1], color=colour, marker=marker, capsize=2, linewidth=1,
                label=label(f"{way} ({ranks})"), linestyle="none",
            ))  # fmt: skip
            facts = [f"{name}: {mean:.3f}" for name, mean in zip(sets.names, middle, strict=True)]
            hover(axes, (middle[0], middle[1]), way, *facts, f"ranks {ranks}", series=place)
        axes.set_xlabel(label(sets.names[0]))
        axes.set_ylabel(label(sets.names[1]))
        figure.legend(loc="outside lower left", ncols=2, frameon=False)
    return figure
