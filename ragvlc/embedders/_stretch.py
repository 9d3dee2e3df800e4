"""An extension put into a loaded model, by hooks and settings; the model's own code stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragvlc.core.errors import EngineError
from ragvlc.embedders._attention_hook import heed
from ragvlc.embedders._extension import ABSOLUTE, ROTARY, Extension, scale_of
from ragvlc.embedders._passes import Pass
from ragvlc.embedders._positions import Table, enlarge_buffers, mapped, table_of
from ragvlc.embedders._rotary import Rotations, rotations_of, slowing
from ragvlc.embedders._self_extend import far_of

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Stretch", "stretched"]


@dataclass(frozen=True)
class Stretch:
    """How one model's texts are read beyond its window.

    Attributes:
        extension: the settings.
        window: tokens that the model was trained for.
        table: its table of absolute positions, or None.
        rotations: what makes its rotations, or None. Neither: only `parallel_windows` works.
        heeds: whether its attention is ours.
    """

    extension: Extension
    window: int
    table: Table | None
    rotations: Rotations | None
    heeds: bool

    @property
    def parallel(self) -> bool:
        """Whether texts are cut into windows, and the model itself is left alone."""
        return self.extension.strategy == "parallel_windows"

    def over(self, lengths: Sequence[int], width: int, device: Any) -> Pass | None:  # noqa: ANN401 - torch's
        """Returns the pass of a padded batch, or None if the model reads these texts by itself."""
        if self.parallel or max(lengths, default=0) <= self.window:
            return None
        return self._pass(lengths, width, device)

    def _pass(self, lengths: Sequence[int], width: int, device: Any) -> Pass:  # noqa: ANN401 - torch's
        import torch

        made = Pass(tuple(lengths))
        spec, scales = self.extension, [scale_of(length, self.window) for length in lengths]
        if self.heeds and spec.attention_scaling:
            factors = [spec.attention_factor(length, self.window) for length in lengths]
            made.factors = torch.tensor(factors, device=device)
        if spec.strategy == "ntk":
            # A text within the window keeps its frequencies, whatever `factor` is.
            raised = [spec.ntk_factor(scale) if scale > 1 else 1.0 for scale in scales]
            made.slowing = slowing(torch.tensor(raised, device=device), len(self._frequencies))
        elif spec.strategy == "self_extend":
            shapes = [spec.near_and_group(scale, self.window) for scale in scales]
            made.far = far_of(lengths, width, shapes, self._frequencies)
        else:
            made.positions = mapped(spec.strategy, torch.tensor(lengths, device=device), width, self.window)
            made.between = spec.strategy == "interpolated"
        return made

    @property
    def _frequencies(self) -> Tensor:
        assert self.rotations is not None  # noqa: S101 - only rotary models get here
        return self.rotations.frequencies

    def probe(self, tokens: int, device: Any) -> Pass:  # noqa: ANN401 - torch's
        """Returns the pass of one short text, which must show in what the model does."""
        return self._pass([tokens], tokens, device)

    def check(self, shown: Pass, label: str) -> None:
        """Raises `EngineError` if a probe went through the model without being noticed."""
        seen = None if self.table is None else self.table.seen
        counted = seen is None or seen.flatten().tolist() == list(range(len(seen.flatten())))
        unnoticed = [
            self.table is not None and (seen is None or not counted),
            self.rotations is not None and not shown.rotated,
            self.heeds and not shown.scaled,
        ]
        if any(unnoticed):
            what = ("positions are counted", "rotations are made", "attention is computed")[unnoticed.index(True)]
            message = f"embedder '{label}': its {what} in a way that is not known. Use extension: parallel_windows."
            raise EngineError(message)


def stretched(model: Any, extension: Extension, limit: int | None, label: str) -> Stretch:  # noqa: ANN401
    """Returns the extension as put into the model.

    Args:
        model: a sentence-transformers model; changed.
        extension: the settings.
        limit: tokens of the longest text, or None for the default.
        label: what messages call the model.

    Raises:
        EngineError: the model's positions cannot be extended that way.
    """
    inner = model.transformers_model
    if inner is None or not hasattr(inner, "named_modules"):
        message = f"embedder '{label}': it is no transformer; there is no window to extend."
        raise EngineError(message)
    table = table_of(inner) if _absolute(inner.config) else None
    if extension.strategy == "parallel_windows":
        return Stretch(extension, _window(model, extension, table, label), None, None, heeds=False)
    rotations = None if table is not None else rotations_of(inner, label)
    _suits(extension, table, rotations, label)
    window = _window(model, extension, table, label)
    heeds = extension.attention_scaling or extension.strategy == "self_extend"
    if heeds:
        heed(inner, label)
    if rotations is not None:
        rotations.check(label)
        rotations.hook()
        _lift(inner.config, window, label)
    if table is not None:
        table.hook()
        enlarge_buffers(inner, table, max(limit or extension.reach(window), table.window), label)
    return Stretch(extension, window, table, rotations, heeds)


def _absolute(config: Any) -> bool:  # noqa: ANN401 - the library's class
    relative = getattr(config, "relative_attention", False)
    return getattr(config, "position_embedding_type", "absolute") in ("absolute", None) and not relative


def _suits(extension: Extension, table: Table | None, rotations: Rotations | None, label: str) -> None:
    if table is None and rotations is None:
        message = (
            f"embedder '{label}': it has neither a table of absolute positions nor rotary ones; of the extensions only "
            "parallel_windows works with it."
        )
        raise EngineError(message)
    kind, known = ("absolute", ABSOLUTE) if table is not None else ("rotary", ROTARY)
    if extension.strategy not in known:
        message = f"embedder '{label}': its positions are {kind}; {extension.strategy} is not for those. Known: "
        raise EngineError(message + ", ".join(known) + ".")


def _window(model: Any, extension: Extension, table: Table | None, label: str) -> int:  # noqa: ANN401
    """Returns the tokens that the model was trained for, as far as it says."""
    config = model.transformers_model.config
    told = table.window if table is not None else getattr(config, "max_position_embeddings", None)
    slide = None if getattr(config, "layer_types", None) else getattr(config, "sliding_window", None)
    if told is not None and slide is not None:
        told = min(told, slide)
    if extension.window is not None:
        if table is not None and extension.window > table.window:
            message = f"embedder '{label}': window {extension.window} exceeds its {table.window} positions."
            raise EngineError(message)
        return extension.window
    if told is None:
        message = f"embedder '{label}': it does not say how many tokens it reads; give the extension a window."
        raise EngineError(message)
    return int(told)


def _lift(config: Any, window: int, label: str) -> None:  # noqa: ANN401 - the library's class
    """Lets all layers attend to everything where all attend nearby only: within the window that changes nothing."""
    slide = getattr(config, "sliding_window", None)
    if slide is None or getattr(config, "layer_types", None):
        return
    if slide < window:
        message = f"embedder '{label}': its layers attend to {slide} tokens; the window cannot be {window}."
        raise EngineError(message)
    config.sliding_window = None
