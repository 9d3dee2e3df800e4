"""Steps of a few tokens that a GPU repeats by itself: recorded once as CUDA graphs, replayed for every text.

Rows behind those that are asked for fill a pass up to a recorded size: they see all that is before them, nothing sees
them, and what they leave in the cache is overwritten by what comes there; a text keeps `SPARE` columns for them.

A step reads from the device where the text's keys and values are, how far it goes, its last tokens and the random
number to draw with; it draws the next token and leaves it there for the next step. So drawing many tokens needs the
host once at the beginning and once at the end, and what was recorded for one text serves all others of the model.

`Steps` is the same without recording and in plain PyTorch, for devices without Triton.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ragvlc.engines.batching.sampling import Law, drawn
from ragvlc.engines.batching.shared_prefix import Trunk
from ragvlc.engines.cuda_graphs.fused_kernels import HEAD
from ragvlc.engines.cuda_graphs.fused_layers import MOST_ROWS, MOST_STACKED, FusedLayers, why_not_fused
from ragvlc.engines.cuda_graphs.llama_layers import Llama, llama_of, logits, why_not_llama
from ragvlc.engines.cuda_graphs.plain_layers import PlainLayers

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

__all__ = ["SPARE", "Drawn", "Replays", "Stepping", "Steps", "stepping_of"]

_DRAWS = 64
"""Tokens that are drawn without looking at the host."""
SPARE = MOST_ROWS
"""Columns behind a text that steps may write to."""
_RECORDINGS = 48
"""Kept of a model; each holds its results, and all share what they need in between."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Tokens, int64 [n], and what they were drawn from, float32 [n, width]. Both on the device."""

    tokens: torch.Tensor
    rows: torch.Tensor


class Stepping(Protocol):
    """Computes few tokens behind a text whose prompt is in a trunk. Who calls it counts the trunk's columns."""

    def serves(self, trunk: Trunk, n: int) -> bool:
        """Whether `n` tokens behind what the trunk holds can be computed here."""
        ...

    def logits(self, trunk: Trunk, ids: Sequence[int], keep: int) -> torch.Tensor:
        """Returns float32 logits [keep, vocabulary] of the last of the tokens `ids`."""
        ...

    def rows(self, trunk: Trunk, ids: Sequence[int], keep: int, law: Law) -> torch.Tensor:
        """Returns what the tokens behind the last `keep` of `ids` are drawn from, float32 [keep, width]."""
        ...

    def draw(self, trunk: Trunk, ids: Sequence[int], points: Sequence[float], law: Law) -> Drawn:
        """Draws a token behind `ids` and each further one behind it, at the given points from 0 to below 1."""
        ...


class Steps:
    """Steps in plain PyTorch, one by one.

    Args:
        llama: the model.
    """

    def __init__(self, llama: Llama) -> None:
        self._llama = llama

    def serves(self, trunk: Trunk, n: int) -> bool:
        """Whether `n` tokens behind what the trunk holds can be computed here."""
        return _fits(self._llama, trunk, n)

    def logits(self, trunk: Trunk, ids: Sequence[int], keep: int) -> torch.Tensor:
        """Returns float32 logits [keep, vocabulary] of the last of the tokens `ids`."""
        return self._logits(trunk, ids, trunk.used, keep)

    def rows(self, trunk: Trunk, ids: Sequence[int], keep: int, law: Law) -> torch.Tensor:
        """Returns what the tokens behind the last `keep` of `ids` are drawn from, float32 [keep, width]."""
        return law.rows(self.logits(trunk, ids, keep))

    def draw(self, trunk: Trunk, ids: Sequence[int], points: Sequence[float], law: Law) -> Drawn:
        """Draws a token behind `ids` and each further one behind it, at the given points from 0 to below 1."""
        import torch

        rows, tokens, at = [], [], trunk.used
        for point in points:
            rows.append(law.rows(self._logits(trunk, ids, at, 1)))
            tokens.append(drawn(rows[-1][0], point))
            at += len(ids)
            ids = [int(tokens[-1])]
        return Drawn(torch.cat(tokens), torch.cat(rows))

    def _logits(self, trunk: Trunk, ids: Sequence[int], at: int, keep: int) -> torch.Tensor:
        import torch

        device = self._llama.embedding.device
        positions = torch.arange(at, at + len(ids), device=device)
        return logits(
            self._llama, PlainLayers(self._llama, trunk, at), torch.tensor(ids, device=device), positions, keep
        )


class Replays:
    """Steps recorded as CUDA graphs. Used by one thread at a time, inside `torch.inference_mode()`.

    Args:
        llama: the model, on a CUDA device.
    """

    def __init__(self, llama: Llama) -> None:
        import torch

        device, addresses = llama.embedding.device, 2 * len(llama.layers)
        # One buffer, so that one copy from the host sets everything: state, tokens, and points as bits of float64.
        self._sent = torch.zeros(HEAD + addresses + MOST_ROWS + _DRAWS, dtype=torch.int64, device=device)
        self._state, self._ids, points = torch.split(self._sent, [HEAD + addresses, MOST_ROWS, _DRAWS])
        self._points = points.view(torch.float64)
        self._tokens = torch.zeros(_DRAWS, dtype=torch.int64, device=device)
        self._drawn_from: dict[int, torch.Tensor] = {}
        self._llama = llama
        self._layers = FusedLayers(llama, self._state)
        self._recordings: OrderedDict[tuple[object, ...], _Recording] = OrderedDict()
        self._pool = torch.cuda.graph_pool_handle()

    def serves(self, trunk: Trunk, n: int) -> bool:
        """Whether `n` tokens behind what the trunk holds can be computed here."""
        return _fits(self._llama, trunk, n)

    def logits(self, trunk: Trunk, ids: Sequence[int], keep: int) -> torch.Tensor:
        """Returns float32 logits [keep, vocabulary] of the last of the tokens `ids`."""
        import torch

        with torch.cuda.device(self._sent.device):  # programs run on the current one
            return self._computed(self._told(trunk, trunk.used, ids), len(ids))[len(ids) - keep : len(ids)].clone()

    def rows(self, trunk: Trunk, ids: Sequence[int], keep: int, law: Law) -> torch.Tensor:
        """Returns what the tokens behind the last `keep` of `ids` are drawn from, float32 [keep, width]."""
        import torch

        with torch.cuda.device(self._sent.device):
            return law.rows(self._computed(self._told(trunk, trunk.used, ids), len(ids))[len(ids) - keep : len(ids)])

    def draw(self, trunk: Trunk, ids: Sequence[int], points: Sequence[float], law: Law) -> Drawn:
        """Draws a token behind `ids` and each further one behind it, at the given points from 0 to below 1."""
        import torch

        parts, at = [], trunk.used
        with torch.cuda.device(self._sent.device):
            for start in range(0, len(points), _DRAWS):
                part = points[start : start + _DRAWS]
                parts.append(self._drawn(self._told(trunk, at, ids, part), len(ids), len(part), law))
                at += len(ids) + len(part) - 1
                if start + _DRAWS < len(points):
                    ids = parts[-1].tokens[-1:].tolist()
        return Drawn(torch.cat([one.tokens for one in parts]), torch.cat([one.rows for one in parts]))

    def _drawn(self, told: torch.Tensor, n: int, draws: int, law: Law) -> Drawn:
        """Draws the first token behind `n` others and the rest behind one each."""
        import torch

        if law.width not in self._drawn_from:
            self._drawn_from[law.width] = torch.zeros((_DRAWS, law.width), device=self._sent.device)
        step = None
        if n == 1 or draws > 1:
            step = self._recorded(("draw", law), lambda: self._take(self._forward(1), 1, law), told)
        if n > 1:
            self._take(self._computed(told, n)[n - 1 : n], n, law)
        else:
            self._sent.copy_(told, non_blocking=True)
        for _ in range(draws if n == 1 else draws - 1):
            if step is not None:
                step.graph.replay()
        return Drawn(self._tokens[:draws].clone(), self._drawn_from[law.width][:draws].clone())

    def _computed(self, told: torch.Tensor, n: int) -> torch.Tensor:
        """Returns logits of `n` tokens and of some that do not count; they stand where the next replay puts its own."""
        rows = _recorded_rows(n)
        recording = self._recorded(("logits", rows), lambda: self._forward(rows), told)
        self._sent.copy_(told, non_blocking=True)
        recording.graph.replay()
        return recording.found

    def _recorded(self, key: tuple[object, ...], body: Callable[[], torch.Tensor], sent: torch.Tensor) -> _Recording:
        """Returns the recording of `body`; what it computes behind the text of `sent` is what belongs there."""
        import torch

        if key not in self._recordings:
            self._sent.copy_(sent)
            body()  # compiles, and settles what a recording must not
            graph = torch.cuda.CUDAGraph()
            # Other threads may ask for memory meanwhile.
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                found = body()
            self._recordings[key] = _Recording(graph, found)
            if len(self._recordings) > _RECORDINGS:
                self._recordings.popitem(last=False)
        self._recordings.move_to_end(key)
        return self._recordings[key]

    def _told(self, trunk: Trunk, at: int, ids: Sequence[int], points: Sequence[float] = ()) -> torch.Tensor:
        """Returns what is sent to the device: where the text is, its last tokens, and points as bits."""
        import torch

        told = np.zeros(len(self._sent), np.int64)
        state, tokens = len(self._state), len(self._state) + MOST_ROWS
        told[:2] = at, trunk.columns
        told[HEAD:state] = [one.data_ptr() for i in range(len(trunk.layers)) for one in trunk.layers[i]]
        told[state : state + len(ids)] = ids
        told[tokens : tokens + len(points)] = np.array(points, np.float64).view(np.int64)
        return torch.from_numpy(told)

    def _forward(self, n: int) -> torch.Tensor:
        import torch

        positions = self._state[:1] + torch.arange(n, device=self._state.device)
        return logits(self._llama, self._layers, self._ids[:n], positions, n)

    def _take(self, found: torch.Tensor, n: int, law: Law) -> torch.Tensor:
        """Draws a token by logits [1, vocabulary] behind `n` others, and leaves it where the next step looks for it."""
        step = self._state[2:3]
        row = law.rows(found)
        token = drawn(row[0], self._points.index_select(0, step))
        self._drawn_from[law.width].index_copy_(0, step, row)
        self._tokens.index_copy_(0, step, token)
        self._ids[:1].copy_(token)
        self._state[:1] += n
        step += 1
        return token


@dataclass(frozen=True, slots=True)
class _Recording:
    """A graph, and where it leaves what it finds."""

    graph: torch.cuda.CUDAGraph
    found: torch.Tensor


def _fits(llama: Llama, trunk: Trunk, n: int) -> bool:
    if not 0 < n <= MOST_ROWS or len(trunk.layers) != len(llama.layers):
        return False
    rows = _recorded_rows(n)
    return rows * llama.heads <= MOST_STACKED * llama.shared and trunk.used + rows <= trunk.columns


def _recorded_rows(n: int) -> int:
    """Returns the next power of two: what is recorded for a few numbers of rows serves all; reading weights counts."""
    return 1 << (n - 1).bit_length()


def stepping_of(model: PreTrainedModel, *, anywhere: bool = False) -> tuple[Stepping | None, str]:
    """Returns the fast steps of `model`, or None and why it has none.

    Args:
        model: switched to the attention `ragvlc_flat`.
        anywhere: also on a CPU, where they are no faster.
    """
    import torch

    problem = why_not_llama(model)
    device = model.device
    if not problem and device.type != "cuda" and not anywhere:
        problem = f"the device is {device.type}"
    if problem:
        return None, problem
    with torch.inference_mode(mode=False), torch.no_grad():
        llama = llama_of(model)
    fused = not why_not_fused(device)
    return (Replays(llama) if fused else Steps(llama)), ""
