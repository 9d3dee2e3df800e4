"""Best path: the score of the best of several answers, as an upper bound that only an oracle could reach.

The `oracle` of Chain of Agents' multi-path study (Zhang et al. 2024, arXiv 2406.02818): the gold answer picks among the
answers of all reading orders or samples. Compared with the score of the answer given, it says what better voting or
judging could win. The answer given counts as one of them, so that the ceiling is never below it; routes with a single
path score the same as under the metric itself. Paths that end with a note and no answer (`combine: judge`) count with
their note.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.component import part
from ragvlc.core.data import Example
from ragvlc.core.families import Generator, Metric, Score
from ragvlc.core.run import Engines
from ragvlc.metrics._parts import highest, texts_of


class BestPath(Metric):
    """The highest score among the answers of all reading paths.

    Attributes:
        of: the metric that scores each answer.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"answer"})
    version: ClassVar[int] = 1

    of: Metric = part("token_f1")

    @property
    def label(self) -> str:
        """The label `best_path`, with the inner metric's label if that is not `token_f1`."""
        return self.kind if self.of.label == "token_f1" else f"{self.kind}_{self.of.label}"

    def assess(self, answer: Answer, example: Example, engines: Engines) -> Score:
        """Returns the best path's score; no value if the inner metric does not apply."""
        own = self.of.assess(answer, example, engines)
        others = [
            self.of.assess(replace(answer, text=text, finish="stop"), example, engines)
            for text in texts_of(answer, "path_answer")
        ]
        return highest([own, *others])

    def applies(self, example: Example) -> bool:
        """Returns whether the inner metric applies to the example."""
        return self.of.applies(example)

    def objection(self, candidates: Sequence[Generator]) -> str | None:
        """Returns the inner metric's objection to the generators being scored, or None."""
        return self.of.objection(candidates)
