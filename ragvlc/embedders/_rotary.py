"""Rotary positions beyond the window: replaces the positions or frequencies of a model's rotary embedding.

A hook on the module that computes cosines and sines replaces them; the model's own code is not changed. The assumptions
about that module (names, and that the halves of a head rotate together) are checked when a model is opened, by
comparing with its own output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragvlc.core.errors import EngineError
from ragvlc.embedders._extended_batch import current_batch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["RotaryHook", "ntk_frequency_factors", "rotary_hook_of"]

_LOCAL_LAYERS = "sliding_attention"
_LENGTH_DEPENDENT = ("dynamic", "longrope")


def ntk_frequency_factors(factors: Tensor, frequencies: int) -> Tensor:
    """Returns the factors to multiply rotary frequencies by if the rotary base is multiplied by `factors`.

    Rotation j of d/2 has the frequency base ** (-2j/d): the first stays, and later ones are slowed down the more.

    Args:
        factors: float, [texts].
        frequencies: d/2.

    Returns:
        Float, [texts, frequencies].
    """
    import torch

    share = torch.arange(frequencies, device=factors.device, dtype=torch.float64) / frequencies
    return (factors.double()[:, None] ** -share[None, :]).float()


@dataclass
class RotaryHook:
    """A model's rotary embedding, with a hook that computes the cosines and sines of the current batch.

    Attributes:
        name: its name in the model.
        module: the module.
        layers: the kind of layers whose rotations are replaced; None if the module has one kind for all.
    """

    name: str
    module: Any
    layers: str | None

    @property
    def frequencies(self) -> Tensor:
        """The rotation, in radians per position, of each pair of a head's dimensions: float, [d/2]."""
        found: Tensor = getattr(self.module, f"{self.layers}_inv_freq" if self.layers else "inv_freq")
        return found.float()

    @property
    def strength(self) -> float:
        """The factor that cosines and sines are multiplied by (attention scaling, as in YaRN)."""
        name = "attention_scaling"
        return float(getattr(self.module, f"{self.layers}_{name}" if self.layers else name, 1.0))

    def check(self, label: str) -> None:
        """Raises `EngineError` if the module's cosines and sines differ from those that this class computes."""
        import torch

        places = torch.tensor([[0, 1, 2, 7, 30]], device=self.frequencies.device)
        like = torch.zeros(1, 5, 1, device=places.device, dtype=torch.float32)
        extra = (self.layers,) if self.layers else ()
        try:
            got = self.module(like, places, *extra)
            want = self._turned(places.float(), self.frequencies, torch.float32)
            same = all(a.shape == b.shape and torch.allclose(a, b, atol=1e-4) for a, b in zip(got, want, strict=True))
        except (TypeError, ValueError, AttributeError, RuntimeError) as error:
            same, reason = False, f" ({error})"
        else:
            reason = ""
        if not same:
            message = (
                f"embedder '{label}': its '{self.name}' computes rotations in a way that is not known{reason}. "
                "Use extension: parallel_windows."
            )
            raise EngineError(message)

    def hook(self) -> None:
        """Registers the hook on the model's rotary embedding."""
        self.module.register_forward_hook(self._after, with_kwargs=True)

    def _after(
        self, _module: object, inputs: tuple[Any, ...], named: Mapping[str, Any], output: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        import torch

        batch = current_batch()
        kind = named.get(
            "layer_type", inputs[2] if len(inputs) > 2 else None
        )  # the argument after states and positions
        if batch is None or kind != self.layers:
            return output
        batch.rotary_calls += 1
        cos, sin = output
        if batch.grouped is not None:  # the attention rotates itself, near and far tokens differently: here, by nothing
            return torch.ones_like(cos), torch.zeros_like(sin)
        if batch.positions is not None:
            return self._turned(batch.positions, self.frequencies, cos.dtype)
        if batch.ntk_factors is not None:
            place = torch.arange(cos.shape[1], device=cos.device, dtype=torch.float32)[None, :]
            return self._turned(place, self.frequencies * batch.ntk_factors, cos.dtype)
        return output

    def _turned(self, positions: Tensor, frequencies: Tensor, dtype: Any) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        """Returns the rotary cosines and sines at `positions`, each [texts, tokens, d].

        Both halves of d are equal.
        """
        import torch

        angles = positions[..., None] * frequencies[..., None, :]
        whole = torch.cat((angles, angles), dim=-1)
        return (whole.cos() * self.strength).to(dtype), (whole.sin() * self.strength).to(dtype)


def rotary_hook_of(model: Any, label: str) -> RotaryHook | None:  # noqa: ANN401 - the library's class
    """Returns the hook of the model's rotary embedding; None if the model has no rotary embedding.

    Raises:
        EngineError: there are several, or its frequencies already change with the text's length.
    """
    found = [(name, module) for name, module in model.named_modules() if _rotates(module)]
    if not found:
        return None
    if len(found) > 1:
        message = (
            f"embedder '{label}': rotations are computed in {len(found)} places ({found[0][0]}, {found[1][0]} ...), "
            "which is not known how to extend. Use extension: parallel_windows."
        )
        raise EngineError(message)
    name, module = found[0]
    kinds = sorted(set(getattr(model.config, "layer_types", None) or ()))
    by_kind = not hasattr(module, "inv_freq")
    if _LOCAL_LAYERS in kinds and (not by_kind or kinds == [_LOCAL_LAYERS]):
        message = (
            f"embedder '{label}': its layers have local attention, or share rotations with such layers; their "
            "positions cannot be extended. Use extension: parallel_windows."
        )
        raise EngineError(message)
    layers = "full_attention" if by_kind else None
    made = getattr(module, "rope_type", "default")
    made = made.get(layers, "default") if isinstance(made, Mapping) else made
    if made in _LENGTH_DEPENDENT:
        message = (
            f"embedder '{label}': its rotations are '{made}' already, which change with a text's length. "
            "Use extension: parallel_windows."
        )
        raise EngineError(message)
    return RotaryHook(name, module, layers)


def _rotates(module: Any) -> bool:  # noqa: ANN401 - torch's module
    names = dict(module.named_buffers(recurse=False))
    return "inv_freq" in names or "full_attention_inv_freq" in names
