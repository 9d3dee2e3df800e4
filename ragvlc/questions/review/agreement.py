"""Agreement of two reviewers: Cohen's kappa of accept, edit and reject, with an interval, and what they disagree on.

Kappa (Cohen 1960) is the agreement beyond chance, as a share of what is possible beyond chance. The interval is the
percentile bootstrap over questions. Where both used one and the same decision, chance agreement is 1 and kappa is
undefined: so are such resamples, which are counted and left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragvlc.questions.review.decision import WORDS, ReviewDecision

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Agreement", "agreement", "kappa"]

RESAMPLES = 2000
_MOST_UNDEFINED = 0.05
"""Share of resamples without a kappa from which no interval is given."""


@dataclass(frozen=True)
class Agreement:
    """The agreement of two reviewers on the questions that both decided.

    Attributes:
        both: the decisions on each such question, first and second reviewer.
        alone: number of questions that only the first, and only the second decided.
        kappa: Cohen's kappa; None where it is undefined.
        interval: of kappa, 95 %; None where there is none.
        undefined: number of resamples without a kappa.
    """

    both: tuple[tuple[ReviewDecision, ReviewDecision], ...]
    alone: tuple[int, int]
    kappa: float | None
    interval: tuple[float, float] | None
    undefined: int = 0

    @property
    def equal(self) -> int:
        """The number of questions with the same decision."""
        return sum(one.word == other.word for one, other in self.both)

    @property
    def table(self) -> Counter[tuple[str, str]]:
        """The number of questions by the decisions of the first and the second reviewer."""
        return Counter((one.word, other.word) for one, other in self.both)

    @property
    def disagreements(self) -> list[tuple[ReviewDecision, ReviewDecision]]:
        """Decisions that differ."""
        return [(one, other) for one, other in self.both if one.word != other.word]

    @property
    def other_edits(self) -> list[tuple[ReviewDecision, ReviewDecision]]:
        """Questions that both edited, to different texts."""
        return [
            (one, other)
            for one, other in self.both
            if one.word == other.word == "edit" and _texts(one) != _texts(other)
        ]


def agreement(first: Sequence[ReviewDecision], second: Sequence[ReviewDecision], *, seed: int = 0) -> Agreement:
    """Returns the agreement of two reviewers."""
    import numpy as np

    ours, theirs = ({one.id: one for one in own} for own in (first, second))
    both = tuple((one, theirs[name]) for name, one in ours.items() if name in theirs)
    alone = (len(ours) - len(both), len(theirs) - len(both))
    table = np.zeros((len(WORDS), len(WORDS)))
    for one, other in both:
        table[WORDS.index(one.word), WORDS.index(other.word)] += 1
    value = kappa(table)
    if value is None:
        return Agreement(both, alone, None, None)
    draws = np.random.default_rng(seed).multinomial(len(both), (table / table.sum()).ravel(), size=RESAMPLES)
    found = [kappa(one.reshape(table.shape)) for one in draws]
    defined = [one for one in found if one is not None]
    undefined = len(found) - len(defined)
    interval = None
    if undefined <= _MOST_UNDEFINED * RESAMPLES:
        low, high = np.quantile(defined, (0.025, 0.975))
        interval = (float(low), float(high))
    return Agreement(both, alone, value, interval, undefined)


def kappa(table: NDArray[np.float64]) -> float | None:
    """Returns Cohen's kappa of a table of counts; None if it is undefined."""
    total = float(table.sum())
    if not total:
        return None
    observed = float(table.trace()) / total
    chance = float((table.sum(0) * table.sum(1)).sum()) / total**2
    return None if chance >= 1 else (observed - chance) / (1 - chance)


def _texts(one: ReviewDecision) -> list[str]:
    return " ".join((one.question or "", "||", *(one.answers or ()), "||", *(one.evidence or ()))).split()
