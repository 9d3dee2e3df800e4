"""Rotary positions beyond the window: other positions or other frequencies for the rotations of a text.

A hook on the module that makes cosines and sines puts others in their place; the model's own code stays as it is. What
is known of that module (names, and that the halves of a head rotate against each other) is checked when a model is
opened, by comparing with what it returns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragvlc.core.errors import EngineError
from ragvlc.embedders._passes import current

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Rotations", "rotations_of", "slowing"]

_LOCAL = "sliding_attention"
_MOVING = ("dynamic", "longrope")


def slowing(factors: Tensor, frequencies: int) -> Tensor:
    """Returns what frequencies are multiplied by when the base is multiplied by `factors`.

    Rotation j of d/2 turns by base ** (-2j/d): the first keeps its speed, the later ones slow down the more.

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
class Rotations:
    """A module that makes cosines and sines, hooked so that a pass under way says which.

    Attributes:
        name: where in the model it stands.
        module: the module.
        layers: the kind of layers whose rotations are replaced, where the module tells kinds apart.
    """

    name: str
    module: Any
    layers: str | None

    @property
    def frequencies(self) -> Tensor:
        """Returns radians a position for each pair of a head, float, [d/2]."""
        found: Tensor = getattr(self.module, f"{self.layers}_inv_freq" if self.layers else "inv_freq")
        return found.float()

    @property
    def strength(self) -> float:
        """Returns what cosines and sines are multiplied by (YaRN)."""
        name = "attention_scaling"
        return float(getattr(self.module, f"{self.layers}_{name}" if self.layers else name, 1.0))

    def check(self, label: str) -> None:
        """Raises `EngineError` if the module rotates in another way than is known here."""
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
                f"embedder '{label}': its '{self.name}' makes rotations in a way that is not known{reason}. "
                "Use extension: parallel_windows."
            )
            raise EngineError(message)

    def hook(self) -> None:
        """Puts the hook in place."""
        self.module.register_forward_hook(self._after, with_kwargs=True)

    def _after(
        self, _module: object, inputs: tuple[Any, ...], named: Mapping[str, Any], output: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        import torch

        under_way = current()
        kind = named.get("layer_type", inputs[2] if len(inputs) > 2 else None)  # behind states and positions
        if under_way is None or kind != self.layers:
            return output
        under_way.rotated += 1
        cos, sin = output
        if under_way.far is not None:  # the attention rotates, for near and far tokens differently
            return torch.ones_like(cos), torch.zeros_like(sin)
        if under_way.positions is not None:
            return self._turned(under_way.positions, self.frequencies, cos.dtype)
        if under_way.slowing is not None:
            place = torch.arange(cos.shape[1], device=cos.device, dtype=torch.float32)[None, :]
            return self._turned(place, self.frequencies * under_way.slowing, cos.dtype)
        return output

    def _turned(self, positions: Tensor, frequencies: Tensor, dtype: Any) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        """Returns cosines and sines [texts, width, d], the two halves of d equal."""
        import torch

        angles = positions[..., None] * frequencies[..., None, :]
        whole = torch.cat((angles, angles), dim=-1)
        return (whole.cos() * self.strength).to(dtype), (whole.sin() * self.strength).to(dtype)


def rotations_of(model: Any, label: str) -> Rotations | None:  # noqa: ANN401 - the library's class
    """Returns the module that makes the model's rotations, if it has one.

    Raises:
        EngineError: there are several, or its frequencies change with the text's length by themselves.
    """
    found = [(name, module) for name, module in model.named_modules() if _rotates(module)]
    if not found:
        return None
    if len(found) > 1:
        message = (
            f"embedder '{label}': rotations are made in {len(found)} places ({found[0][0]}, {found[1][0]} ...), which "
            "is not known how to extend. Use extension: parallel_windows."
        )
        raise EngineError(message)
    name, module = found[0]
    kinds = sorted(set(getattr(model.config, "layer_types", None) or ()))
    told_apart = not hasattr(module, "inv_freq")
    if _LOCAL in kinds and (not told_apart or kinds == [_LOCAL]):
        message = (
            f"embedder '{label}': its layers attend nearby only, or share rotations with such layers; their positions "
            "cannot be extended. Use extension: parallel_windows."
        )
        raise EngineError(message)
    layers = "full_attention" if told_apart else None
    made = getattr(module, "rope_type", "default")
    made = made.get(layers, "default") if isinstance(made, Mapping) else made
    if made in _MOVING:
        message = (
            f"embedder '{label}': its rotations are '{made}' already, which changes with a text's length. "
            "Use extension: parallel_windows."
        )
        raise EngineError(message)
    return Rotations(name, module, layers)


def _rotates(module: Any) -> bool:  # noqa: ANN401 - torch's module
    names = dict(module.named_buffers(recurse=False))
    return "inv_freq" in names or "full_attention_inv_freq" in names
