"""Flat rows, of which one that is alone takes the fast steps of its model.

A batch reads the weights once for all its rows; a row alone reads them for itself, and there the steps of `_replays`
take what the memory takes: behind 131,072 tokens, an eighth of the library's time.
"""

from __future__ import annotations

import time

from ragvlc.generators._decoding import Ending, choose, take
from ragvlc.generators._flat import Flat
from ragvlc.generators._prefixes import Prefixes
from ragvlc.generators._steps_tried import TriedSteps
from ragvlc.generators._trunks import Branch

__all__ = ["FlatAlone"]


class FlatAlone(Flat):
    """`Flat`, with fast steps for a row that is alone at the model and on its trunk.

    Args:
        model: one that `ragvlc.generators._suitable` finds suitable, switched to the attention `ragvlc_flat`.
        ending: when an answer is over.
        prefixes: what is kept of earlier prompts.
        batch_tokens: columns of all active rows; one row alone may have more.
        steps: of the model.
    """

    def __init__(self, ending: Ending, prefixes: Prefixes, steps: TriedSteps, *, batch_tokens: int) -> None:
        super().__init__(steps.model, ending, prefixes, batch_tokens=batch_tokens)
        self._steps = steps

    def step(self) -> None:
        """Computes one token of every active row."""
        branch = self._alone()
        steps = None if branch is None else self._steps.find()
        if branch is None or steps is None or not steps.serves(branch.trunk, 1):
            super().step()
            return
        started, row, trunk = time.perf_counter(), branch.row, branch.trunk
        logits = steps.logits(trunk, row.tokens[-1:], 1)
        branch.columns.append(trunk.used)
        branch.owed -= 1
        trunk.used += 1
        take([row], choose(logits, [row]), self._ending)
        row.decode_seconds += time.perf_counter() - started
        self._settle()

    def _alone(self) -> Branch | None:
        """Returns the only branch, if all that stands in its trunk is its own text, in order."""
        if len(self._branches) != 1:
            return None
        branch = self._branches[0]
        trunk = branch.trunk
        own = branch.owner and trunk.branches == [branch] and trunk.used == branch.shared + len(branch.columns)
        return branch if own else None
