"""Flat rows that take the fast steps of their model, one after the other, while that is faster than a pass over all.

A pass of the library reads the weights once for all its rows, and launches some thirty programs a layer, each from
Python: on an H200 25 to 30 ms for a model of 30 layers, whatever its size. A step of `engines.cuda_graphs.graphs` takes
what the memory takes, .7 ms for SmolLM2; behind 131,072 tokens, an eighth of the library's time for an 8B model. So a
few rows get their next tokens sooner in turn than together; how many is measured (see `TriedSteps.rows_in_turn`).
"""

from __future__ import annotations

import time

from ragvlc.engines.batching.decoding import Ending, choose, take
from ragvlc.engines.batching.packed import Flat
from ragvlc.engines.batching.prefix_cache import Prefixes
from ragvlc.engines.batching.shared_prefix import Branch
from ragvlc.engines.cuda_graphs.graphs import Stepping
from ragvlc.engines.cuda_graphs.self_test import TriedSteps

__all__ = ["FastFlat"]


class FastFlat(Flat):
    """`Flat`, with fast steps for few rows.

    Such a step knows one text, in order. A row that shares the beginning of another's is therefore copied into a trunk
    of its own, if the memory for prefixes has room for that.

    Args:
        ending: when an answer is over.
        prefixes: what is kept of earlier prompts.
        steps: of a model that `batching.support` finds suitable, switched to the attention `ragvlc_flat`.
        batch_tokens: columns of all active rows; one row alone may have more.
    """

    def __init__(self, ending: Ending, prefixes: Prefixes, steps: TriedSteps, *, batch_tokens: int) -> None:
        super().__init__(steps.model, ending, prefixes, batch_tokens=batch_tokens)
        self._steps = steps

    def step(self) -> None:
        """Computes one token of every active row."""
        steps = self._steps.find()
        if steps is None or len(self._branches) > self._steps.rows_in_turn or not self._apart(steps):
            super().step()
            return
        try:
            for branch in self._branches:
                self._take_turn(branch, steps)
        finally:  # rows that had their turn before a failure may be over
            self._settle()

    def _take_turn(self, branch: Branch, steps: Stepping) -> None:
        started, row, trunk = time.perf_counter(), branch.row, branch.trunk
        logits = steps.logits(trunk, row.tokens[-1:], 1)
        branch.columns.append(trunk.used)
        branch.owed -= 1
        trunk.used += 1
        take([row], choose(logits, [row]), self._ending)
        row.decode_seconds += time.perf_counter() - started

    def _apart(self, steps: Stepping) -> bool:
        """Gives every row a trunk that the steps can work on, if there is room for it; whether each has one."""
        sharing = [branch for branch in self._branches if not branch.owner]
        if sharing:
            copies = sum(branch.trunk.bytes * branch.parted_columns // branch.trunk.columns for branch in sharing)
            own = {id(one.trunk): one.trunk.bytes for one in self._branches if not self._prefixes.holds(one.trunk)}
            if not self._prefixes.trim(copies + sum(own.values())):
                return False
        for branch in sharing:
            branch.trunk.part(branch)
        for branch in self._branches:
            if not branch.alone:
                branch.trunk.compact()  # others have left their columns in it
        return all(branch.alone and steps.serves(branch.trunk, 1) for branch in self._branches)
