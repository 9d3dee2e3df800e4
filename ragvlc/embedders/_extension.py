"""Settings for embedding texts longer than a model's training window, without further training.

Zhu, Wang, Yang, Song, Wu, Wei and Li 2024, "LongEmbed: Extending Embedding Models for Long Context Retrieval", EMNLP,
arXiv 2404.12096. SelfExtend is that of Jin et al. 2024, arXiv 2401.01325; NTK-aware scaling that of bloc97 (2023).

LongEmbed's own tables have one scale for all texts (`scale: 8` reads 4,096 tokens of a model of 512), which compresses
texts that would need less. Its code scales everything, questions too, in models that rotate; where a model has a table
of positions, batches within the window keep their own (`scaled: long`).

Differences: by default the scale is that of each text, never that of a batch's longest, so that a vector does not
depend on the rest of its batch; layers with local attention keep their positions, which stay within those they were
trained for; each of the parallel windows has the prompt and special tokens, and its vector is normalised before the
mean, so that all windows count alike (LongEmbed's code takes the mean of vectors as they are); rows after the last of
an interpolated table, for which the paper states no rule, repeat the last one; between the listed scales, NTK's factor
and SelfExtend's group and neighbours follow the rules that give the listed ones.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from ragvlc.core.component import Component

__all__ = ["ABSOLUTE", "ROTARY", "Extension", "ExtensionSetting", "Strategy", "scale_of"]

Strategy = Literal["parallel_windows", "grouped", "recurrent", "interpolated", "ntk", "self_extend"]

ABSOLUTE = ("parallel_windows", "grouped", "recurrent", "interpolated")
"""Strategies for models with a table of absolute positions."""
ROTARY = ("parallel_windows", "grouped", "interpolated", "ntk", "self_extend")
"""Strategies for models that rotate queries and keys."""
SCALED = ("interpolated", "ntk")
"""Strategies that a fixed scale can be set for."""
REACH = 8
"""Windows that an extended model reads by default: the largest number in the paper."""

_FACTORS = ((1, 1.0), (2, 3.0), (4, 5.0), (8, 10.0))  # the paper's, by scale


class Extension(Component):
    """Extension of an embedding model's context window.

    Texts up to `window` tokens are embedded as without an extension. For longer ones, with s the text's tokens divided
    by the window, rounded up: `parallel_windows` takes the mean of the normalised vectors of adjacent windows;
    `grouped` gives s neighbouring tokens one position; `recurrent` restarts the positions in every window;
    `interpolated` divides positions by s; `ntk` slows the rotations, the slowest most; `self_extend` keeps the
    distances of near tokens and groups those of far ones. Tables of absolute positions (BERT and its relatives) take
    the first four, rotary ones (ModernBERT, Nomic, Mistral) all but `recurrent`; `parallel_windows` works with any
    model.

    Attributes:
        strategy: one of those six.
        window: the number of tokens that the model was trained for, special ones included; None takes its table of
            positions (MiniLM: 512, of which it uses 256 without an extension) or its configuration.
        attention_scaling: multiply queries by log(tokens) / log(window) in texts beyond the window, as the paper does.
        factor: factor of the rotary base in `ntk`; None takes the paper's for each text: 3, 5 and 10 at 2, 4 and 8
            windows.
        group: tokens that share a far distance in `self_extend`; None takes s + 1.
        neighbours: distances below it are exact in `self_extend`; None takes window / s.
        scale: one s for all texts in `interpolated` and `ntk`, whatever their length; None takes each text's own.
        scaled: which texts a fixed `scale` is for: `all`, questions and short passages included, or `long`, those
            beyond the window.
    """

    later_fields: ClassVar[frozenset[str]] = frozenset({"scale", "scaled"})

    strategy: Strategy
    window: Annotated[int | None, Field(ge=8)] = None
    attention_scaling: bool = True
    factor: Annotated[float | None, Field(ge=1, allow_inf_nan=False)] = None
    group: Annotated[int | None, Field(ge=1)] = None
    neighbours: Annotated[int | None, Field(ge=1)] = None
    scale: Annotated[int | None, Field(ge=2)] = None
    scaled: Literal["all", "long"] = "all"

    @model_validator(mode="after")
    def _fits_the_strategy(self) -> Extension:
        owners = {"factor": "ntk", "group": "self_extend", "neighbours": "self_extend"}
        for name, owner in owners.items():
            if getattr(self, name) is not None and self.strategy != owner:
                raise ValueError(f"{name} is a setting of {owner}; {self.strategy} has none.")
        if self.scale is not None and self.strategy not in SCALED:
            raise ValueError(f"scale is a setting of {' and '.join(SCALED)}; {self.strategy} has none.")
        if self.scaled != "all" and self.scale is None:
            raise ValueError("scaled says which texts a fixed scale is for. Set scale, such as 8, or leave it out.")
        if self.window is not None and self.neighbours is not None and self.neighbours > self.window:
            raise ValueError(f"neighbours is {self.neighbours}, more than the window of {self.window} tokens.")
        return self

    def ntk_factor(self, scale: int) -> float:
        """Returns the factor that NTK scaling multiplies the rotary base by, for a text of `scale` windows."""
        if self.factor is not None:
            return self.factor
        for (low, below), (high, above) in pairwise(_FACTORS):
            if scale <= high:
                return below + (above - below) * (scale - low) / (high - low)
        return scale * _FACTORS[-1][1] / _FACTORS[-1][0]

    def near_and_group(self, scale: int, window: int) -> tuple[int, int]:
        """Returns SelfExtend's neighbour distance and group size, for a text of `scale` windows.

        Positions closer than the neighbour distance are exact; farther tokens share positions in groups. With the
        default of both, the largest distance is `window` at `scale * window` tokens.
        """
        near = max(1, window // scale) if self.neighbours is None else self.neighbours
        return min(near, window), scale + 1 if self.group is None else self.group

    def scale_for(self, tokens: int, window: int) -> int:
        """Returns s for a text of so many tokens: the fixed scale where it is for this text, else the text's own."""
        if self.scale is None or (self.scaled == "long" and tokens <= window):
            return scale_of(tokens, window)
        return self.scale

    def reach(self, window: int) -> int:
        """Returns the number of tokens that extended texts are truncated to by default."""
        return (self.scale or REACH) * window

    def attention_factor(self, tokens: int, window: int) -> float:
        """Returns the factor that attention queries are multiplied by, in a text of `tokens` tokens."""
        return max(1.0, math.log(max(tokens, 2)) / math.log(window)) if self.attention_scaling else 1.0


def scale_of(tokens: int, window: int) -> int:
    """Returns the number of windows that a text fills, rounded up; at least 1."""
    return max(1, -(-tokens // window))


def _mapping(value: object) -> object:
    return {"strategy": value} if isinstance(value, str) else value


ExtensionSetting = Annotated[
    Extension | None, BeforeValidator(_mapping, json_schema_input_type=Extension | Strategy | None)
]
"""Extension in YAML: a mapping, or the name of the strategy alone."""
