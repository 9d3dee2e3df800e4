"""Applies a context-window extension to a loaded embedding model by hooks and settings, without changing its code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragvlc.core.errors import EngineError
from ragvlc.embedders._attention_hook import replace_attention
from ragvlc.embedders._extended_batch import ExtendedBatch
from ragvlc.embedders._extension import ABSOLUTE, ROTARY, Extension
from ragvlc.embedders._positions import PositionTable, enlarge_buffers, extended_positions, position_table_of
from ragvlc.embedders._rotary import RotaryHook, ntk_frequency_factors, rotary_hook_of
from ragvlc.embedders._self_extend import grouped_attention_of

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["AppliedExtension", "apply_extension"]


@dataclass(frozen=True)
class AppliedExtension:
    """A context-window extension and the modules of the model that it modifies.

    Attributes:
        extension: the settings.
        window: the number of tokens that the model was trained for.
        table: the model's table of absolute positions, or None.
        rotary: its rotary embedding, or None. With neither, only `parallel_windows` works.
        replaces_attention: whether its attention is replaced by ours.
    """

    extension: Extension
    window: int
    table: PositionTable | None
    rotary: RotaryHook | None
    replaces_attention: bool

    @property
    def parallel(self) -> bool:
        """Whether the strategy is `parallel_windows`, which cuts texts into windows and leaves the model unchanged."""
        return self.extension.strategy == "parallel_windows"

    def batch_of(self, lengths: Sequence[int], width: int, device: Any) -> ExtendedBatch | None:  # noqa: ANN401 - torch's
        """Returns the extension's settings for a padded batch; None if the batch needs no extension."""
        of_all = self.extension.scale is not None and self.extension.scaled == "all"
        if self.parallel or (max(lengths, default=0) <= self.window and not of_all):
            return None
        return self._batch(lengths, width, device)

    def _batch(self, lengths: Sequence[int], width: int, device: Any) -> ExtendedBatch:  # noqa: ANN401 - torch's
        import torch

        made = ExtendedBatch(tuple(lengths))
        spec, scales = self.extension, [self.extension.scale_for(length, self.window) for length in lengths]
        if self.replaces_attention and spec.attention_scaling:
            factors = [spec.attention_factor(length, self.window) for length in lengths]
            made.query_factors = torch.tensor(factors, device=device)
        if spec.strategy == "ntk":
            # A text of scale 1 keeps its frequencies, whatever `factor` is set to.
            raised = [spec.ntk_factor(scale) if scale > 1 else 1.0 for scale in scales]
            made.ntk_factors = ntk_frequency_factors(torch.tensor(raised, device=device), len(self._frequencies))
        elif spec.strategy == "self_extend":
            shapes = [spec.near_and_group(scale, self.window) for scale in scales]
            made.grouped = grouped_attention_of(lengths, width, shapes, self._frequencies)
        else:
            scale = torch.tensor(scales, device=device)
            made.positions = extended_positions(spec.strategy, scale, width, self.window)
            made.interpolated = spec.strategy == "interpolated"
        return made

    @property
    def _frequencies(self) -> Tensor:
        assert self.rotary is not None  # noqa: S101 - only rotary models get here
        return self.rotary.frequencies

    def probe(self, tokens: int, device: Any) -> ExtendedBatch:  # noqa: ANN401 - torch's
        """Returns the extension's settings for one short test text, whose forward pass must call all hooks."""
        return self._batch([tokens], tokens, device)

    def check(self, probe_batch: ExtendedBatch, label: str) -> None:
        """Raises `EngineError` if the forward pass of the test text did not call all hooks."""
        positions = None if self.table is None else self.table.counted
        as_expected = positions is None or positions.flatten().tolist() == list(range(len(positions.flatten())))
        without_effect = [
            self.table is not None and (positions is None or not as_expected),
            self.rotary is not None and not probe_batch.rotary_calls,
            self.replaces_attention and not probe_batch.attention_calls,
        ]
        if any(without_effect):
            what = ("positions are computed", "rotations are computed", "attention is computed")[
                without_effect.index(True)
            ]
            message = f"embedder '{label}': its {what} in a way that is not known. Use extension: parallel_windows."
            raise EngineError(message)


def apply_extension(model: Any, extension: Extension, limit: int | None, label: str) -> AppliedExtension:  # noqa: ANN401
    """Applies a context-window extension to an embedding model.

    Args:
        model: a sentence-transformers model; changed.
        extension: the settings.
        limit: the number of tokens of the longest text, or None for the default.
        label: the model's name in messages.

    Raises:
        EngineError: the model's positions cannot be extended that way.
    """
    inner = model.transformers_model
    if inner is None or not hasattr(inner, "named_modules"):
        message = f"embedder '{label}': it is not a transformer; it has no window to extend."
        raise EngineError(message)
    table = position_table_of(inner) if _absolute(inner.config) else None
    if extension.strategy == "parallel_windows":
        return AppliedExtension(
            extension, _window(model, extension, table, label), None, None, replaces_attention=False
        )
    rotary = None if table is not None else rotary_hook_of(inner, label)
    _check_strategy(extension, table, rotary, label)
    window = _window(model, extension, table, label)
    if extension.scale is not None and limit is not None and limit > extension.scale * window:
        message = (
            f"embedder '{label}': max_length {limit} exceeds the {extension.scale * window} tokens that scale "
            f"{extension.scale} reads in a window of {window}. Set a larger scale, or a smaller max_length."
        )
        raise EngineError(message)
    replaces_attention = extension.attention_scaling or extension.strategy == "self_extend"
    if replaces_attention:
        replace_attention(inner, label)
    if rotary is not None:
        rotary.check(label)
        rotary.hook()
        _lift_local_attention(inner.config, window, label)
    if table is not None:
        table.hook()
        enlarge_buffers(inner, table, max(limit or extension.reach(window), table.window), label)
    return AppliedExtension(extension, window, table, rotary, replaces_attention)


def _absolute(config: Any) -> bool:  # noqa: ANN401 - the library's class
    relative = getattr(config, "relative_attention", False)
    return getattr(config, "position_embedding_type", "absolute") in ("absolute", None) and not relative


def _check_strategy(extension: Extension, table: PositionTable | None, rotary: RotaryHook | None, label: str) -> None:
    if table is None and rotary is None:
        message = (
            f"embedder '{label}': it has neither a table of absolute positions nor rotary ones; of the extensions only "
            "parallel_windows works with it."
        )
        raise EngineError(message)
    kind, known = ("absolute", ABSOLUTE) if table is not None else ("rotary", ROTARY)
    if extension.strategy not in known:
        message = f"embedder '{label}': its positions are {kind}; {extension.strategy} is not for those. Known: "
        raise EngineError(message + ", ".join(known) + ".")


def _window(model: Any, extension: Extension, table: PositionTable | None, label: str) -> int:  # noqa: ANN401
    """Returns the model's training window in tokens, from the extension's settings or the model's configuration."""
    config = model.transformers_model.config
    window = table.window if table is not None else getattr(config, "max_position_embeddings", None)
    sliding = None if getattr(config, "layer_types", None) else getattr(config, "sliding_window", None)
    if window is not None and sliding is not None:
        window = min(window, sliding)
    if extension.window is not None:
        if table is not None and extension.window > table.window:
            message = f"embedder '{label}': window {extension.window} exceeds its {table.window} positions."
            raise EngineError(message)
        return extension.window
    if window is None:
        message = f"embedder '{label}': its configuration names no window; set window in the extension."
        raise EngineError(message)
    return int(window)


def _lift_local_attention(config: Any, window: int, label: str) -> None:  # noqa: ANN401 - the library's class
    """Makes attention global in a model whose layers all attend locally; results within the window stay the same."""
    sliding = getattr(config, "sliding_window", None)
    if sliding is None or getattr(config, "layer_types", None):
        return
    if sliding < window:
        message = f"embedder '{label}': its layers attend to {sliding} tokens; the window cannot be {window}."
        raise EngineError(message)
    config.sliding_window = None
