"""KV caches of decode states, which grow with each forward pass and can be rewound.

`GraphKVCache` hands passes of few tokens to the decoder of `engines.cuda_graphs.graphs`; prompts are computed by the
library's own model in every class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ragvlc.core import interruption
from ragvlc.engines.batching.decoding import attention_kernels
from ragvlc.engines.batching.sampling import SamplingDistribution, sample_at
from ragvlc.engines.batching.shared_prefix import PackedSegment, SharedPrefix, mask_value
from ragvlc.engines.batching.support import why_not_batched
from ragvlc.engines.cuda_graphs.graphs import FastDecoder, SampledTokens

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

__all__ = [
    "GraphKVCache",
    "KVCache",
    "LibraryKVCache",
    "PreallocatedKVCache",
    "new_prefix",
    "prefill",
    "why_not_rewindable",
]

_PASS_TOKENS = 8192  # tokens of a forward pass, as in `engines.batching.packed`
_MASK_ENTRIES = 2**26  # of a mask, likewise
_EXPLICIT_MASK = 64  # tokens up to which attention takes a mask on every device: see `PackedSegment.attend`

StopDraft = Callable[[int, float], bool]
"""Whether a draft ends with this token, which had this probability."""


class KVCache(Protocol):
    """The attention keys and values of one text."""

    @property
    def length(self) -> int:
        """The number of tokens whose keys and values are in the cache."""
        ...

    @property
    def bytes(self) -> int:
        """The memory of keys and values, in bytes."""
        ...

    def forward(self, ids: torch.Tensor, keep: int) -> torch.Tensor:
        """Runs the model on `ids` [n]; returns float32 logits at the last `keep` positions, [keep, vocabulary]."""
        ...

    def rewind(self, n: int) -> None:
        """Removes the last `n` tokens."""
        ...

    def probabilities(self, ids: Sequence[int], keep: int, distribution: SamplingDistribution) -> torch.Tensor:
        """Runs the model on `ids`; returns the next-token distributions at the last `keep` positions, [keep, width]."""
        ...

    def sample(
        self, ids: Sequence[int], points: Sequence[float], distribution: SamplingDistribution, stop: StopDraft | None
    ) -> SampledTokens:
        """Runs the model on `ids`, then samples one token for each random number in `points`.

        It ends early with a token for which `stop` is true. None looks at no token before the end.
        """
        ...


class _TokenByToken:
    """Base class of KV caches that run one forward pass for each sampled token."""

    _model: PreTrainedModel

    def forward(self, ids: torch.Tensor, keep: int) -> torch.Tensor:
        raise NotImplementedError

    def probabilities(self, ids: Sequence[int], keep: int, distribution: SamplingDistribution) -> torch.Tensor:
        """Runs the model on `ids`; returns the next-token distributions at the last `keep` positions, [keep, width]."""
        import torch

        logits = self.forward(torch.tensor(ids, dtype=torch.int64, device=self._model.device), keep)
        return distribution.probabilities(logits)

    def sample(
        self, ids: Sequence[int], points: Sequence[float], distribution: SamplingDistribution, stop: StopDraft | None
    ) -> SampledTokens:
        """Runs the model on `ids`, then samples one token for each random number in `points`."""
        import torch

        tokens: list[torch.Tensor] = []
        rows: list[torch.Tensor] = []
        pending = torch.tensor(ids, dtype=torch.int64, device=self._model.device)
        for point in points:
            row = distribution.probabilities(self.forward(pending, 1))
            pending = sample_at(row[0], point)  # stays on the device: the host waits for it only where `stop` looks
            tokens.append(pending)
            rows.append(row)
            if stop is not None and stop(int(pending), float(row[0, int(pending)])):
                break
        return SampledTokens(torch.cat(tokens), torch.cat(rows))


class PreallocatedKVCache(_TokenByToken):
    """KV cache in a preallocated buffer, for models switched to packed attention.

    The buffer is never copied to grow.

    Args:
        model: switched to the attention `ragvlc_packed`.
        prefix: the buffer (see `engines.batching.shared_prefix`), of this state alone.
    """

    def __init__(self, model: PreTrainedModel, prefix: SharedPrefix) -> None:
        self._model = model
        self._prefix = prefix

    @property
    def length(self) -> int:
        """The number of tokens whose keys and values are in the cache."""
        return self._prefix.used

    @property
    def bytes(self) -> int:
        """The memory of keys and values, in bytes."""
        return self._prefix.bytes

    def forward(self, ids: torch.Tensor, keep: int) -> torch.Tensor:
        """Runs the model on `ids` [n]; returns float32 logits at the last `keep` positions, [keep, vocabulary]."""
        prefix, n, start = self._prefix, len(ids), self._prefix.used
        prefix.used = start + n
        try:
            logits = _logits(
                self._model,
                ids,
                start,
                keep,
                use_cache=False,
                ragvlc_segments=[PackedSegment(prefix, 0, n, start, _mask(start, n, self._model.dtype, ids.device))],
            )
        except BaseException:
            prefix.used = start
            raise
        prefix.drop_source()
        return logits

    def rewind(self, n: int) -> None:
        """Removes the last `n` tokens."""
        self._prefix.used -= n  # their keys stay in the buffer, unseen, until the next tokens overwrite them


class GraphKVCache(PreallocatedKVCache):
    """KV cache in a preallocated buffer that runs small forward passes as CUDA graphs.

    Other passes run on the model of `transformers`.

    Args:
        model: switched to the attention `ragvlc_packed`.
        prefix: the buffer, of this state alone.
        decoder: of the same model.
    """

    def __init__(self, model: PreTrainedModel, prefix: SharedPrefix, decoder: FastDecoder) -> None:
        super().__init__(model, prefix)
        self._decoder = decoder

    def probabilities(self, ids: Sequence[int], keep: int, distribution: SamplingDistribution) -> torch.Tensor:
        """Runs the model on `ids`; returns the next-token distributions at the last `keep` positions, [keep, width]."""
        if not self._decoder.supports(self._prefix, len(ids)):
            return super().probabilities(ids, keep, distribution)
        found = self._decoder.probabilities(self._prefix, ids, keep, distribution)
        self._prefix.used += len(ids)
        return found

    def sample(
        self, ids: Sequence[int], points: Sequence[float], distribution: SamplingDistribution, stop: StopDraft | None
    ) -> SampledTokens:
        """Runs the model on `ids`, then samples one token for each random number in `points`."""
        import torch

        if not self._decoder.supports(self._prefix, len(ids)):
            return super().sample(ids, points, distribution, stop)
        if stop is None:
            found = self._decoder.sample(self._prefix, ids, points, distribution)
            # The last sampled token is not computed: its keys come with the next call.
            self._prefix.used += len(ids) + len(points) - 1
            return found
        parts: list[SampledTokens] = []
        for point in points:
            parts.append(self._decoder.sample(self._prefix, ids, [point], distribution))
            self._prefix.used += len(ids)
            ids = parts[-1].tokens.tolist()
            if stop(ids[0], float(parts[-1].probabilities[0, ids[0]])):
                break
        return SampledTokens(torch.cat([one.tokens for one in parts]), torch.cat([one.probabilities for one in parts]))


class LibraryKVCache(_TokenByToken):
    """KV cache of the `transformers` library, for models that are not switched to packed attention.

    Args:
        model: one that `why_not_rewindable` accepts.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        from transformers import DynamicCache

        self._model = model
        self._cache = DynamicCache(config=model.config)
        self._length = 0

    @property
    def length(self) -> int:
        """The number of tokens whose keys and values are in the cache."""
        return self._length

    @property
    def bytes(self) -> int:
        """The memory of keys and values, in bytes."""
        layers: Any = self._cache.layers
        tensors = [one for layer in layers if layer.is_initialized for one in (layer.keys, layer.values)]
        return sum(one.numel() * one.element_size() for one in tensors)

    def forward(self, ids: torch.Tensor, keep: int) -> torch.Tensor:
        """Runs the model on `ids` [n]; returns float32 logits at the last `keep` positions, [keep, vocabulary]."""
        logits = _logits(self._model, ids, self._length, keep, use_cache=True, past_key_values=self._cache)
        self._length += len(ids)
        return logits

    def rewind(self, n: int) -> None:
        """Removes the last `n` tokens."""
        if n:
            self._cache.crop(-n)
            self._length -= n


def prefill(cache: KVCache, tokens: list[int], device: torch.device) -> None:
    """Computes the tokens of a prompt, in forward passes that each attend to all earlier tokens."""
    import torch

    limit = (
        _PASS_TOKENS
        if device.type == "cuda"
        else min(_PASS_TOKENS, max(256, _MASK_ENTRIES // max(1, cache.length + len(tokens))))
    )
    for start in range(0, len(tokens), limit):
        interruption.check()
        cache.forward(torch.tensor(tokens[start : start + limit], device=device), 1)


def why_not_rewindable(model: PreTrainedModel) -> str:
    """Returns the reason why this model cannot rewind text or verify several tokens at a time; empty if it can."""
    from transformers import DynamicCache

    problem = why_not_batched(model.config)
    if problem:
        return f"{problem}, so several tokens at once get other probabilities than one at a time"
    layers = getattr(DynamicCache(config=model.config), "layers", ())
    # A sliding window drops old keys and a recurrent state mixes them: removing tokens does not bring them back.
    strange = sorted({type(layer).__name__ for layer in layers} - {"DynamicLayer"})
    if strange or getattr(model, "_is_stateful", False):
        return f"its cache ({', '.join(strange) or 'a recurrent state'}) cannot be rewound"
    return ""


def _mask(start: int, n: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor | None:
    import torch

    if n == 1 or (n > _EXPLICIT_MASK and (start == 0 or device.type == "cuda")):
        return None
    return torch.full((n, start + n), mask_value(dtype), dtype=dtype, device=device).triu_(start + 1)


def _logits(model: PreTrainedModel, ids: torch.Tensor, start: int, keep: int, **settings: Any) -> torch.Tensor:  # noqa: ANN401
    import torch

    with attention_kernels(ids.device):
        out = model(
            input_ids=ids.unsqueeze(0),
            position_ids=torch.arange(start, start + len(ids), device=ids.device).unsqueeze(0),
            logits_to_keep=keep,
            **settings,
        )
    logits: torch.Tensor = out.logits[0, -keep:].float()
    return logits


def new_prefix(tokens: list[int], capacity: int, source: tuple[SharedPrefix, int] | None = None) -> SharedPrefix:
    """Returns a buffer for a decode state, with `capacity` slots for its prompt and all tokens after it."""
    return SharedPrefix(np.array(tokens, np.int64), capacity, source)
