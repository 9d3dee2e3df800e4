"""Keys and values of one session: they grow by a forward pass and can be taken back.

`StaticKeys` hands passes of few tokens to the steps of `engines.cuda_graphs.graphs`; prompts are computed by the
library's own model in every class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ragvlc.engines.batching.decoding import kernels
from ragvlc.engines.batching.sampling import Law, drawn
from ragvlc.engines.batching.shared_prefix import Part, Trunk, hidden
from ragvlc.engines.batching.support import why_one_by_one
from ragvlc.engines.cuda_graphs.graphs import Drawn, Stepping

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

__all__ = ["Keys", "LibraryKeys", "StaticKeys", "TrunkKeys", "first_line", "new_trunk", "read", "why_no_sessions"]

_PIECE = 8192  # tokens of a forward pass, as in `engines.batching.packed`
_MASK = 2**26  # entries of a mask
_FOLDED = 64  # tokens up to which attention wants a mask on every device: see `Part.attend`

Over = Callable[[int, float], bool]
"""Whether a draft ends behind a token with such a probability."""


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

    def rows(self, ids: Sequence[int], keep: int, law: Law) -> torch.Tensor:
        """Computes `ids`; returns what the tokens behind the last `keep` of them are drawn from [keep, width]."""
        ...

    def draw(self, ids: Sequence[int], points: Sequence[float], law: Law, over: Over | None) -> Drawn:
        """Computes `ids` and draws a token behind them, computes that and draws the next, for each of the points.

        It ends early behind a token for which `over`, told the token and its probability, is true. None does not look.
        """
        ...


class _OneByOne:
    """Keys whose rows are those of `forward`, one pass a token."""

    _model: PreTrainedModel

    def forward(self, ids: torch.Tensor, keep: int) -> torch.Tensor:
        raise NotImplementedError

    def rows(self, ids: Sequence[int], keep: int, law: Law) -> torch.Tensor:
        """Computes `ids`; returns what the tokens behind the last `keep` of them are drawn from [keep, width]."""
        import torch

        return law.rows(self.forward(torch.tensor(ids, dtype=torch.int64, device=self._model.device), keep))

    def draw(self, ids: Sequence[int], points: Sequence[float], law: Law, over: Over | None) -> Drawn:
        """Computes `ids` and draws a token behind them, computes that and draws the next, for each of the points."""
        import torch

        tokens: list[torch.Tensor] = []
        rows: list[torch.Tensor] = []
        owed = torch.tensor(ids, dtype=torch.int64, device=self._model.device)
        for point in points:
            row = law.rows(self.forward(owed, 1))
            owed = drawn(row[0], point)
            tokens.append(owed)
            rows.append(row)
            if over is not None and over(int(owed), float(row[0, int(owed)])):
                break
        return Drawn(torch.cat(tokens), torch.cat(rows))


class TrunkKeys(_OneByOne):
    """In a trunk (see `engines.batching.shared_prefix`), for models switched to flat attention: nothing is moved when
    the text grows.

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


class StaticKeys(TrunkKeys):
    """In a trunk, with steps that know it: what they do not serve is computed by the library's model.

    Args:
        model: switched to the attention `ragvlc_flat`.
        trunk: of this session alone.
        steps: of the same model.
    """

    def __init__(self, model: PreTrainedModel, trunk: Trunk, steps: Stepping) -> None:
        super().__init__(model, trunk)
        self._steps = steps

    def rows(self, ids: Sequence[int], keep: int, law: Law) -> torch.Tensor:
        """Computes `ids`; returns what the tokens behind the last `keep` of them are drawn from [keep, width]."""
        if not self._steps.serves(self._trunk, len(ids)):
            return super().rows(ids, keep, law)
        found = self._steps.rows(self._trunk, ids, keep, law)
        self._trunk.used += len(ids)
        return found

    def draw(self, ids: Sequence[int], points: Sequence[float], law: Law, over: Over | None) -> Drawn:
        """Computes `ids` and draws a token behind them, computes that and draws the next, for each of the points."""
        import torch

        if not self._steps.serves(self._trunk, len(ids)):
            return super().draw(ids, points, law, over)
        if over is None:
            found = self._steps.draw(self._trunk, ids, points, law)
            self._trunk.used += len(ids) + len(points) - 1
            return found
        parts: list[Drawn] = []
        for point in points:
            parts.append(self._steps.draw(self._trunk, ids, [point], law))
            self._trunk.used += len(ids)
            ids = parts[-1].tokens.tolist()
            if over(ids[0], float(parts[-1].rows[0, ids[0]])):
                break
        return Drawn(torch.cat([one.tokens for one in parts]), torch.cat([one.rows for one in parts]))


class LibraryKeys(_OneByOne):
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


def first_line(error: Exception) -> str:
    """Returns what an error says, in a line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
