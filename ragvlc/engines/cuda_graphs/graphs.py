"""CUDA-graph decoding: forward passes over a few tokens, captured once as CUDA graphs and replayed for every text.

A pass is padded with further rows up to a captured size. Those rows see all tokens before them, no token sees them, and
the keys they leave in the cache are overwritten by the next tokens; a buffer keeps `SPARE_SLOTS` for them.

A graph reads from the device where the text's keys and values are, how long the text is, its last tokens, and the
random number to sample with; it samples the next token and leaves it there for the next replay. So sampling many tokens
needs the host once at the start and once at the end, and a graph captured for one text serves all others of the model.

`EagerDecoder` does the same without capturing, in plain PyTorch, for devices without Triton.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ragvlc.engines.batching.sampling import SamplingDistribution, sample_at
from ragvlc.engines.batching.shared_prefix import SharedPrefix
from ragvlc.engines.cuda_graphs.fused_kernels import STATE_HEADER
from ragvlc.engines.cuda_graphs.fused_layers import MAX_ROWS, MAX_STACKED, FusedLayers, why_not_fused
from ragvlc.engines.cuda_graphs.llama_layers import LlamaWeights, llama_logits, llama_weights, why_not_llama
from ragvlc.engines.cuda_graphs.plain_layers import PlainLayers

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

__all__ = ["SPARE_SLOTS", "EagerDecoder", "FastDecoder", "GraphDecoder", "SampledTokens", "build_decoder"]

_MAX_SAMPLES = 64
"""Tokens that are sampled without waiting for the host."""
SPARE_SLOTS = MAX_ROWS
"""Slots after a text that padding rows may write to."""
_MAX_GRAPHS = 48
"""Graphs of a model; each has its own output tensor, and all share one memory pool for what they need in between."""


@dataclass(frozen=True, slots=True)
class SampledTokens:
    """Sampled tokens, int64 [n], and their distributions, float32 [n, width], both on the device."""

    tokens: torch.Tensor
    probabilities: torch.Tensor


class FastDecoder(Protocol):
    """Runs a model on the next few tokens of a text whose KV cache is in a `SharedPrefix`.

    The caller advances `prefix.used`.
    """

    def supports(self, prefix: SharedPrefix, n: int) -> bool:
        """Whether this decoder can compute the next `n` tokens of the text."""
        ...

    def logits(self, prefix: SharedPrefix, ids: Sequence[int], keep: int) -> torch.Tensor:
        """Runs the model on `ids`; returns float32 logits at the last `keep` positions, [keep, vocabulary]."""
        ...

    def probabilities(
        self, prefix: SharedPrefix, ids: Sequence[int], keep: int, distribution: SamplingDistribution
    ) -> torch.Tensor:
        """Runs the model on `ids`; returns the next-token distributions at the last `keep` positions, [keep, width]."""
        ...

    def sample(
        self, prefix: SharedPrefix, ids: Sequence[int], points: Sequence[float], distribution: SamplingDistribution
    ) -> SampledTokens:
        """Runs the model on `ids`, then samples one token for each random number in `points`."""
        ...


class EagerDecoder:
    """A `FastDecoder` in plain PyTorch, one forward pass at a time.

    Args:
        llama: the model.
    """

    def __init__(self, llama: LlamaWeights) -> None:
        self._llama = llama

    def supports(self, prefix: SharedPrefix, n: int) -> bool:
        """Whether this decoder can compute the next `n` tokens of the text."""
        return _fits(self._llama, prefix, n)

    def logits(self, prefix: SharedPrefix, ids: Sequence[int], keep: int) -> torch.Tensor:
        """Runs the model on `ids`; returns float32 logits at the last `keep` positions, [keep, vocabulary]."""
        return self._logits(prefix, ids, prefix.used, keep)

    def probabilities(
        self, prefix: SharedPrefix, ids: Sequence[int], keep: int, distribution: SamplingDistribution
    ) -> torch.Tensor:
        """Runs the model on `ids`; returns the next-token distributions at the last `keep` positions, [keep, width]."""
        return distribution.probabilities(self.logits(prefix, ids, keep))

    def sample(
        self, prefix: SharedPrefix, ids: Sequence[int], points: Sequence[float], distribution: SamplingDistribution
    ) -> SampledTokens:
        """Runs the model on `ids`, then samples one token for each random number in `points`."""
        import torch

        rows, tokens, start = [], [], prefix.used
        for point in points:
            rows.append(distribution.probabilities(self._logits(prefix, ids, start, 1)))
            tokens.append(sample_at(rows[-1][0], point))
            start += len(ids)
            ids = [int(tokens[-1])]
        return SampledTokens(torch.cat(tokens), torch.cat(rows))

    def _logits(self, prefix: SharedPrefix, ids: Sequence[int], start: int, keep: int) -> torch.Tensor:
        import torch

        device = self._llama.embedding.device
        positions = torch.arange(start, start + len(ids), device=device)
        return llama_logits(
            self._llama, PlainLayers(self._llama, prefix, start), torch.tensor(ids, device=device), positions, keep
        )


class GraphDecoder:
    """A `FastDecoder` with CUDA graphs. Used by one thread at a time, inside `torch.inference_mode()`.

    A graph repeats the captured kernels with the captured addresses. So every tensor that changes between replays is
    allocated once, here, and written in place; nothing inside a graph may depend on a Python value that changes.

    Args:
        llama: the model, on a CUDA device.
    """

    def __init__(self, llama: LlamaWeights) -> None:
        import torch

        device, addresses = llama.embedding.device, 2 * len(llama.layers)
        # One buffer, so that one copy from the host sets everything: state, tokens, and points as bits of float64.
        self._inputs = torch.zeros(STATE_HEADER + addresses + MAX_ROWS + _MAX_SAMPLES, dtype=torch.int64, device=device)
        self._state, self._ids, points = torch.split(self._inputs, [STATE_HEADER + addresses, MAX_ROWS, _MAX_SAMPLES])
        self._points = points.view(torch.float64)
        self._tokens = torch.zeros(_MAX_SAMPLES, dtype=torch.int64, device=device)
        self._probabilities: dict[int, torch.Tensor] = {}  # by width
        self._llama = llama
        self._layers = FusedLayers(llama, self._state)
        self._graphs: OrderedDict[tuple[object, ...], _CapturedGraph] = OrderedDict()
        self._pool = torch.cuda.graph_pool_handle()

    def supports(self, prefix: SharedPrefix, n: int) -> bool:
        """Whether this decoder can compute the next `n` tokens of the text."""
        return _fits(self._llama, prefix, n)

    def logits(self, prefix: SharedPrefix, ids: Sequence[int], keep: int) -> torch.Tensor:
        """Runs the model on `ids`; returns float32 logits at the last `keep` positions, [keep, vocabulary]."""
        import torch

        with torch.cuda.device(self._inputs.device):  # Triton launches kernels on the current device
            logits = self._computed(self._packed_inputs(prefix, prefix.used, ids), len(ids))
            return logits[len(ids) - keep : len(ids)].clone()  # the next replay overwrites the graph's own output

    def probabilities(
        self, prefix: SharedPrefix, ids: Sequence[int], keep: int, distribution: SamplingDistribution
    ) -> torch.Tensor:
        """Runs the model on `ids`; returns the next-token distributions at the last `keep` positions, [keep, width]."""
        import torch

        with torch.cuda.device(self._inputs.device):
            logits = self._computed(self._packed_inputs(prefix, prefix.used, ids), len(ids))
            return distribution.probabilities(logits[len(ids) - keep : len(ids)])

    def sample(
        self, prefix: SharedPrefix, ids: Sequence[int], points: Sequence[float], distribution: SamplingDistribution
    ) -> SampledTokens:
        """Runs the model on `ids`, then samples one token for each random number in `points`."""
        import torch

        parts, at = [], prefix.used
        with torch.cuda.device(self._inputs.device):
            for start in range(0, len(points), _MAX_SAMPLES):
                part = points[start : start + _MAX_SAMPLES]
                inputs = self._packed_inputs(prefix, at, ids, part)
                parts.append(self._sampled(inputs, len(ids), len(part), distribution))
                at += len(ids) + len(part) - 1
                if start + _MAX_SAMPLES < len(points):
                    ids = parts[-1].tokens[-1:].tolist()
        return SampledTokens(torch.cat([one.tokens for one in parts]), torch.cat([one.probabilities for one in parts]))

    def _sampled(self, inputs: torch.Tensor, n: int, samples: int, distribution: SamplingDistribution) -> SampledTokens:
        """Runs the model on the `n` input tokens, then samples `samples` tokens one by one."""
        import torch

        if distribution.width not in self._probabilities:
            self._probabilities[distribution.width] = torch.zeros(
                (_MAX_SAMPLES, distribution.width), device=self._inputs.device
            )
        step = None
        if n == 1 or samples > 1:
            # Before the first token: capturing runs the step, which changes the state; below, the inputs are copied
            # anew.
            step = self._captured(
                ("sample", distribution), lambda: self._sample_next(self._forward(1), 1, distribution), inputs
            )
        if n > 1:
            self._sample_next(self._computed(inputs, n)[n - 1 : n], n, distribution)
        else:
            self._inputs.copy_(inputs, non_blocking=True)
        for _ in range(samples if n == 1 else samples - 1):
            if step is not None:
                step.graph.replay()
        return SampledTokens(self._tokens[:samples].clone(), self._probabilities[distribution.width][:samples].clone())

    def _computed(self, inputs: torch.Tensor, n: int) -> torch.Tensor:
        """Returns the logits of `n` tokens and padding rows, in a tensor that the graph's next replay overwrites."""
        rows = _padded_rows(n)
        captured = self._captured(("logits", rows), lambda: self._forward(rows), inputs)
        self._inputs.copy_(inputs, non_blocking=True)
        captured.graph.replay()
        return captured.output

    def _captured(
        self, key: tuple[object, ...], body: Callable[[], torch.Tensor], inputs: torch.Tensor
    ) -> _CapturedGraph:
        """Returns the CUDA graph of `body`, captured at its first use.

        Capturing leaves the KV cache correct.
        """
        import torch

        if key not in self._graphs:
            self._inputs.copy_(inputs)
            body()  # compiles kernels and lets libraries initialise, which must not happen while capturing
            graph = torch.cuda.CUDAGraph()
            # Other threads may allocate memory in the meantime, which the default mode would turn into an error here.
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                output = body()
            self._graphs[key] = _CapturedGraph(graph, output)
            if len(self._graphs) > _MAX_GRAPHS:
                self._graphs.popitem(last=False)
        self._graphs.move_to_end(key)
        return self._graphs[key]

    def _packed_inputs(
        self, prefix: SharedPrefix, start: int, ids: Sequence[int], points: Sequence[float] = ()
    ) -> torch.Tensor:
        """Returns the inputs to copy to the device: KV cache addresses, last tokens, and random points as bits."""
        import torch

        inputs = np.zeros(len(self._inputs), np.int64)
        state, tokens = len(self._state), len(self._state) + MAX_ROWS
        # A buffer that grew has new addresses and a new stride: both are sent with every call, never captured.
        inputs[:2] = start, prefix.capacity
        inputs[STATE_HEADER:state] = [one.data_ptr() for i in range(len(prefix.layers)) for one in prefix.layers[i]]
        inputs[state : state + len(ids)] = ids
        inputs[tokens : tokens + len(points)] = np.array(points, np.float64).view(np.int64)
        return torch.from_numpy(inputs)

    def _forward(self, n: int) -> torch.Tensor:
        import torch

        positions = self._state[:1] + torch.arange(n, device=self._state.device)
        return llama_logits(self._llama, self._layers, self._ids[:n], positions, n)

    def _sample_next(self, logits: torch.Tensor, n: int, distribution: SamplingDistribution) -> torch.Tensor:
        """Samples a token from logits [1, vocabulary], and stores it where the next replay reads its input."""
        # Only in-place operations on the device: this is captured, and each replay must find the state of the one
        # before.
        step = self._state[2:3]
        row = distribution.probabilities(logits)
        token = sample_at(row[0], self._points.index_select(0, step))
        self._probabilities[distribution.width].index_copy_(0, step, row)
        self._tokens.index_copy_(0, step, token)
        self._ids[:1].copy_(token)
        self._state[:1] += n
        step += 1
        return token


@dataclass(frozen=True, slots=True)
class _CapturedGraph:
    """A CUDA graph, and the tensor that it writes its output to."""

    graph: torch.cuda.CUDAGraph
    output: torch.Tensor


def _fits(llama: LlamaWeights, prefix: SharedPrefix, n: int) -> bool:
    """Whether the prompt has been computed, and `n` tokens with their padding rows fit the kernels and the buffer."""
    if not 0 < n <= MAX_ROWS or len(prefix.layers) != len(llama.layers):
        return False
    rows = _padded_rows(n)
    return rows * llama.heads <= MAX_STACKED * llama.kv_heads and prefix.used + rows <= prefix.capacity


def _padded_rows(n: int) -> int:
    """Returns `n` rounded up to a power of two, so that a few captured graphs serve every number of tokens."""
    return 1 << (n - 1).bit_length()


def build_decoder(model: PreTrainedModel, *, anywhere: bool = False) -> tuple[FastDecoder | None, str]:
    """Returns the fast decoder of `model` and an empty string, or None and the reason why there is none.

    Args:
        model: switched to the attention `ragvlc_packed`.
        anywhere: also on a CPU, where it is no faster.
    """
    import torch

    problem = why_not_llama(model)
    device = model.device
    if not problem and device.type != "cuda" and not anywhere:
        problem = f"the device is {device.type}"
    if problem:
        return None, problem
    # The caller is in inference mode, but tensors made there do not work with autograd, and the library's modules keep
    # views of these.
    with torch.inference_mode(mode=False), torch.no_grad():
        llama = llama_weights(model)
    fused = not why_not_fused(device)
    return (GraphDecoder(llama) if fused else EagerDecoder(llama)), ""
