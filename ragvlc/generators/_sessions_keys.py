"""Keys and values of one session: they grow by a forward pass and can be taken back.

`Keys` is the seam for faster steps: a cache of fixed size whose one-token step is replayed as a CUDA graph, or a
verification whose attention splits the keys, is another class with these methods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ragvlc.generators._decoding import kernels
from ragvlc.generators._suitable import why_one_by_one
from ragvlc.generators._trunks import Part, Trunk, hidden

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

__all__ = ["Keys", "LibraryKeys", "TrunkKeys", "new_trunk", "read", "why_no_sessions"]

_PIECE = 8192  # tokens of a forward pass, as in `_flat`
_MASK = 2**26  # entries of a mask
_FOLDED = 64  # tokens up to which attention wants a mask on every device: see `Part.attend`


class Keys(Protocol):
    """What the model remembers of a text."""

    @property
    def length(self) -> int:
        """Tokens computed."""
        ...

    @property
    def bytes(self) -> int:
        """Memory held."""
        ...

    def forward(self, ids: torch.Tensor, keep: int) -> torch.Tensor:
        """Computes the tokens `ids` [n] behind the others; returns float32 logits [keep, vocabulary] of the last."""
        ...

    def rewind(self, n: int) -> None:
        """Forgets the last `n` tokens."""
        ...


class TrunkKeys:
    """In a trunk (see `_trunks`), for models switched to flat attention: nothing is moved when the text grows.

    Args:
        model: switched to the attention `ragvlc_flat`.
        trunk: of this session alone.
    """

    def __init__(self, model: PreTrainedModel, trunk: Trunk) -> None:
        self._model = model
        self._trunk = trunk

    @property
    def length(self) -> int:
        """Tokens computed."""
        return self._trunk.used

    @property
    def bytes(self) -> int:
        """Memory held."""
        return self._trunk.bytes

    def forward(self, ids: torch.Tensor, keep: int) -> torch.Tensor:
        """Computes the tokens `ids` [n] behind the others; returns float32 logits [keep, vocabulary] of the last."""
        trunk, n, at = self._trunk, len(ids), self._trunk.used
        trunk.used = at + n
        try:
            logits = _logits(
                self._model,
                ids,
                at,
                keep,
                use_cache=False,
                ragvlc_parts=[Part(trunk, 0, n, at, _mask(at, n, self._model.dtype, ids.device))],
            )
        except BaseException:
            trunk.used = at
            raise
        trunk.forget_source()
        return logits

    def rewind(self, n: int) -> None:
        """Forgets the last `n` tokens."""
        self._trunk.used -= n


class LibraryKeys:
    """In a cache of the library, for models that are computed in its own way.

    Args:
        model: one for which `why_no_sessions` has nothing to say.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        from transformers import DynamicCache

        self._model = model
        self._cache = DynamicCache(config=model.config)
        self._length = 0

    @property
    def length(self) -> int:
        """Tokens computed."""
        return self._length

    @property
    def bytes(self) -> int:
        """Memory held."""
        layers: Any = self._cache.layers
        tensors = [one for layer in layers if layer.is_initialized for one in (layer.keys, layer.values)]
        return sum(one.numel() * one.element_size() for one in tensors)

    def forward(self, ids: torch.Tensor, keep: int) -> torch.Tensor:
        """Computes the tokens `ids` [n] behind the others; returns float32 logits [keep, vocabulary] of the last."""
        logits = _logits(self._model, ids, self._length, keep, use_cache=True, past_key_values=self._cache)
        self._length += len(ids)
        return logits

    def rewind(self, n: int) -> None:
        """Forgets the last `n` tokens."""
        if n:
            self._cache.crop(-n)
            self._length -= n


def read(keys: Keys, tokens: list[int], device: torch.device) -> None:
    """Computes the tokens of a prompt in pieces, each of which may see all before it."""
    import torch

    room = _PIECE if device.type == "cuda" else min(_PIECE, max(256, _MASK // max(1, keys.length + len(tokens))))
    for start in range(0, len(tokens), room):
        keys.forward(torch.tensor(tokens[start : start + room], device=device), 1)


def why_no_sessions(model: PreTrainedModel) -> str:
    """Returns why this model's text cannot be taken back, or checked many tokens at a time; nothing if it can."""
    from transformers import DynamicCache

    problem = why_one_by_one(model.config)
    if problem:
        return f"{problem}, so several tokens at once get other probabilities than one at a time"
    layers = getattr(DynamicCache(config=model.config), "layers", ())
    strange = sorted({type(layer).__name__ for layer in layers} - {"DynamicLayer"})
    if strange or getattr(model, "_is_stateful", False):
        return f"its cache ({', '.join(strange) or 'a recurrent state'}) cannot be taken back"
    return ""


def _mask(at: int, n: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor | None:
    import torch

    if n == 1 or (n > _FOLDED and (at == 0 or device.type == "cuda")):
        return None
    return torch.full((n, at + n), hidden(dtype), dtype=dtype, device=device).triu_(at + 1)


def _logits(model: PreTrainedModel, ids: torch.Tensor, at: int, keep: int, **settings: Any) -> torch.Tensor:  # noqa: ANN401
    import torch

    with kernels(ids.device):
        out = model(
            input_ids=ids.unsqueeze(0),
            position_ids=torch.arange(at, at + len(ids), device=ids.device).unsqueeze(0),
            logits_to_keep=keep,
            **settings,
        )
    logits: torch.Tensor = out.logits[0, -keep:].float()
    return logits


def new_trunk(tokens: list[int], columns: int, source: tuple[Trunk, int] | None = None) -> Trunk:
    """Returns a trunk for a session: `columns` for its prompt and all that may come behind it."""
    return Trunk(np.array(tokens, np.int64), columns, source)
