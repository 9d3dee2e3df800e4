"""Information loss: by how much the best intermediate note's score exceeds the final answer's score.

Chain of Agents (Zhang et al. 2024, arXiv 2406.02818): max(0, max_i score(CU_i) - score(answer)) over the communication
units CU_i. Above 0 a worker knew something that the answer lost; 0 for routes that write no notes. With a metric
such as `token_f1`, which counts against a note every word beyond the answer, a small loss is the rule: `contains` asks
only whether the answer was in a note.
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


class InformationLoss(Metric):
    """The drop in score from the best note to the final answer; lower is better.

    Attributes:
        of: the metric that scores notes and answer.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"answer", "notes"})
    version: ClassVar[int] = 1
    smaller_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = 1.0

    of: Metric = part("token_f1")

    @property
    def label(self) -> str:
        """The label `information_loss`, with the inner metric's label if that is not `token_f1`."""
        return self.kind if self.of.label == "token_f1" else f"{self.kind}_{self.of.label}"

    def assess(self, answer: Answer, example: Example, engines: Engines) -> Score:
        """Returns the loss, from 0 to 1; no value if the inner metric does not apply."""
        own = self.of.assess(answer, example, engines)
        if own.value is None:
            return Score(None, missing=own.missing, usage=own.usage)
        units = [
            self.of.assess(replace(answer, text=text, finish="stop"), example, engines)
            for text in texts_of(answer, "unit")
        ]
        best = highest([own, *units])
        value = None if best.value is None else max(0.0, best.value - own.value)
        return Score(value, missing=best.missing, usage=best.usage)

    def applies(self, example: Example) -> bool:
        """Returns whether the inner metric applies to the example."""
        return self.of.applies(example)

    def objection(self, candidates: Sequence[Generator]) -> str | None:
        """Returns the inner metric's objection to the generators being scored, or None."""
        return self.of.objection(candidates)
