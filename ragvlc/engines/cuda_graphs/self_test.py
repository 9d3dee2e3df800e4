"""Whether a model has fast steps: looked for once, tried before they are trusted."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ragvlc.engines.batching.sampling import Law
from ragvlc.engines.cuda_graphs.graphs import SPARE, Stepping, stepping_of
from ragvlc.engines.decode_state.kv_cache import TrunkKeys, first_line, new_trunk, read

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

__all__ = ["TriedSteps"]

log = logging.getLogger("ragvlc")

_SAME = 1e-3
"""Relative error of logits in float32; formats of 16 bits may be at `_ROUNDED`."""
_ROUNDED = 0.1
_READ = 18
_TRIED = (1, 2, 3, 5, 11)
_TIMED = 5
"""Passes of which the fastest counts."""


class TriedSteps:
    """The steps of one model (see `engines.cuda_graphs.graphs`), if it has any that say what its own forward pass says.

    Args:
        model: switched to the attention `ragvlc_flat`.
        owner: the model's name, for the log.
        anywhere: also on a CPU, where they are no faster.

    Attributes:
        model: the same.
        rows_in_turn: so many steps, one after the other, take no longer than one pass of the library's model. Measured
            on a GPU by `find`; 1 on a CPU.
    """

    def __init__(self, model: PreTrainedModel, owner: str, *, anywhere: bool = False) -> None:
        self.model = model
        self.rows_in_turn = 1
        self._owner = owner
        self._anywhere = anywhere
        self._looked = False
        self._steps: Stepping | None = None

    def find(self) -> Stepping | None:
        """Returns the steps. To be called in the model's turn, inside `torch.inference_mode()`."""
        if not self._looked:
            self._looked = True
            self._steps, problem = self._tried()
            if problem and self.model.device.type == "cuda":
                log.info("'%s' has no recorded steps: %s", self._owner, problem)
        return self._steps

    def _tried(self) -> tuple[Stepping | None, str]:
        try:
            steps, problem = stepping_of(self.model, anywhere=self._anywhere)
            away = 0.0 if steps is None else self._distance(steps)
            if steps is not None and self.model.device.type == "cuda":
                self.rows_in_turn = self._rows_in_turn(steps)
        except Exception as error:  # noqa: BLE001 - whatever a compiler, a driver or a strange model raises
            return None, f"they failed ({first_line(error)})"
        if not away <= self._tolerated():
            return None, f"they say something else (logits differ by {away:.2g})"
        return steps, problem

    def _tolerated(self) -> float:
        import torch

        return _SAME if self.model.dtype == torch.float32 else _ROUNDED

    def _distance(self, steps: Stepping) -> float:
        """Returns how far passes of 1 to 16 rows, and drawing, are from the model's own; recorded from here on."""
        import torch

        size, device = self.model.config.get_text_config().vocab_size, self.model.device
        ids = [(11 * i + 5) % size for i in range(_READ + sum(_TRIED))]
        plain, trunk = TrunkKeys(self.model, new_trunk([0], len(ids) + 2)), new_trunk([0], len(ids) + SPARE)
        read(TrunkKeys(self.model, trunk), ids[:_READ], device)
        expected = plain.forward(torch.tensor(ids, device=device), sum(_TRIED))
        found: list[torch.Tensor] = []
        for n in _TRIED:
            found.append(steps.logits(trunk, ids[trunk.used : trunk.used + n], n))
            trunk.used += n
        law = Law(1.0, 1.0, int(self.model.get_output_embeddings().weight.shape[0]))
        drawn = steps.draw(trunk, ids[:2], [0.3, 0.6, 0.9], law)
        behind = _away(_logs(plain.rows(ids[:2], 1, law)), _logs(drawn.rows[:1]))
        return max(behind, _away(expected, torch.cat(found)))

    def _rows_in_turn(self, steps: Stepping) -> int:
        """Returns how many steps of one row take as long as a pass of the library's model, whatever its rows."""
        import torch

        ids = torch.ones(_READ, dtype=torch.int64, device=self.model.device)
        trunk = new_trunk([0], _READ + _TIMED + SPARE)
        keys = TrunkKeys(self.model, trunk)
        keys.forward(ids, 1)
        whole = _fastest(lambda: float(keys.forward(ids[:1], 1)[0, 0]))
        one = _fastest(lambda: float(steps.logits(trunk, [1], 1)[0, 0]))
        return max(1, int(whole / one))


def _fastest(work: Callable[[], float]) -> float:
    """Returns seconds; `work` waits for the device."""
    seconds = []
    for _ in range(_TIMED):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def _logs(rows: torch.Tensor) -> torch.Tensor:
    """Returns the logarithms of probabilities, but for a constant the logits that they are of."""
    return rows.clamp(min=1e-30).log()


def _away(expected: torch.Tensor, found: torch.Tensor) -> float:
    """Returns the distance of logits, against how far they are from each other; a constant in a row does not count."""
    one, other = (rows - rows.mean(dim=-1, keepdim=True) for rows in (expected, found))
    return float((one - other).norm() / one.norm())
