"""Grids: the cells and questions of one data set, as a strategy sees them, and what a strategy asks of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Ended", "Entrant", "Grid", "Look", "QuestionCluster"]


@dataclass(frozen=True, slots=True)
class Entrant:
    """A cell that takes part in a race or search; controls take no part.

    Attributes:
        key: of the cell.
        name: of the cell.
        pipeline: name in the sweep.
        settings: by the path of the axis.
    """

    key: str
    name: str
    pipeline: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QuestionCluster:
    """Questions that share documents, and are asked together.

    Attributes:
        name: unique among the clusters of a grid.
        ids: of its questions.
        size: the number of its questions that the metric applies to.
    """

    name: str
    ids: tuple[str, ...]
    size: int


@dataclass(frozen=True)
class Grid:
    """The cells and questions of one data set, with whatever is stored of them.

    Attributes:
        entries: the cells that take part, in the order of the plan.
        clusters: of all questions, in random order.
        merits: returns the stored scores of a cell by question, from 0 to 1, larger is better; None where there is no
            score.
        costs: returns what the stored answers of a cell cost, by question.
        controls: keys of cells that read the gold: they are asked like the cells left, and win and lose nothing.
        axes: paths that vary together, for each axis.
        margin: difference of merits that is acceptable for a lower cost; 0 for none.
    """

    entries: tuple[Entrant, ...]
    clusters: tuple[QuestionCluster, ...]
    merits: Callable[[str], Mapping[str, float | None]]
    costs: Callable[[str], Mapping[str, float | None]] = lambda key: {}  # noqa: ARG005 - the field's signature
    controls: tuple[str, ...] = ()
    axes: tuple[frozenset[str], ...] = ()
    margin: float = 0.0


@dataclass(frozen=True, slots=True)
class Ended:
    """A cell that gets no more questions.

    Attributes:
        status: `pruned` (ruled out), `settled` (left when the verdict was reached), or `withdrawn` (it stopped because
            too many of its questions failed).
        block: at whose end that was.
        clusters: asked of it by then.
        reason: in words.
        ahead: name of the cell that is ahead of it; empty where there is none.
    """

    status: str
    block: int
    clusters: int
    reason: str
    ahead: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """What a strategy asks next, and what it knows by now.

    Attributes:
        ask: ids of questions that must have a row before the next look, by cell; empty in the last look.
        block: the number of blocks judged so far.
        clusters: judged so far.
        ended: cells that get no more questions, by key.
        verdict: why nothing more is asked, in words; empty until then.
        winner: key of the cell that the verdict names; empty if it names none.
        measured: clusters, by index, on which the winner of a search was measured again.
        left_out: questions without a score in some cell, which no cell was judged by.
    """

    ask: Mapping[str, Sequence[str]]
    block: int
    clusters: int
    ended: Mapping[str, Ended] = field(default_factory=dict)
    verdict: str = ""
    winner: str = ""
    measured: Sequence[int] = ()
    left_out: int = 0
