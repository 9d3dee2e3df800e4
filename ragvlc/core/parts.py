"""The abstract components that do not use a run: chunkers, selectors, orders, embedders and generators."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field

from ragvlc.core.component import Component, Execution
from ragvlc.core.data import Chunk, Document, Hit, content_key
from ragvlc.core.engines import TextEngine, TextLimit, Tokenizer, VectorEngine
from ragvlc.core.errors import nearest
from ragvlc.core.prices import Price
from ragvlc.core.replies import THINKING

__all__ = ["Chunker", "Embedder", "Generator", "Order", "Price", "Selector"]

Temperature = Annotated[float, Field(ge=0)]
Probability = Annotated[float, Field(gt=0, le=1)]


class Chunker(Component):
    """Cuts documents into chunks. All sizes are in tokens of the given tokenizer."""

    family: ClassVar[str] = "chunkers"

    @abstractmethod
    def split(self, document: Document, tokenizer: Tokenizer) -> list[Chunk]:
        """Returns the document's chunks in order, exact pieces of its text that together cover all of its content."""


class Selector(Component):
    """Decides how many of the ranked chunks are read."""

    family: ClassVar[str] = "selectors"

    @abstractmethod
    def select(self, hits: Sequence[Hit], tokenizer: Tokenizer) -> list[Hit]:
        """Returns the hits to read, best first: a subset of `hits`, which are sorted best first."""


class Order(Component):
    """Decides the order of the selected chunks in the prompt."""

    family: ClassVar[str] = "orders"

    @abstractmethod
    def arrange(self, hits: Sequence[Hit], seed: int) -> list[Hit]:
        """Returns all of `hits`, which are sorted best first, in the order in which the model reads them."""


class Embedder(Component):
    """Specifies an embedding model."""

    family: ClassVar[str] = "embedders"
    offers: ClassVar[frozenset[str]] = frozenset({"VectorEngine"})
    """Engine protocols that `open` returns."""

    @abstractmethod
    def open(self) -> VectorEngine:
        """Returns the loaded model. Raises `EngineError` if it cannot be loaded."""

    def text_limit(self) -> TextLimit | None:
        """Returns how many tokens of a text the model reads, or None where only the loaded model knows."""
        return None


def _format_of_thoughts(name: str) -> str:
    if name in THINKING or len(name.split()) == 2:
        return name
    raise ValueError(
        f"'{name}' is no format of thoughts. Known: {', '.join(THINKING)}, or an opening and a closing mark such as "
        f"'<plan> </plan>'.{nearest(name, THINKING)}"
    )


class Generator(Component):
    """Specifies a language model and its decoding settings.

    Attributes:
        temperature: 0 is greedy; a request may ask for another.
        top_p: nucleus sampling, for temperatures above 0.
        price: money per million tokens, for the costs in reports.
        thinking: how thoughts are marked in the text of a reply: `auto` for every known format, `none` for a model that
            never thinks, `opened` where the chat template is known to open a thought, the name of a format (`think`,
            `brackets`, `harmony`...), or an opening and a closing mark of your own (`<plan> </plan>`). Replies are
            stored as they came, so another setting asks nothing again.
        thinking_tokens: new tokens allowed for a thought, in addition to those of the answer.
    """

    family: ClassVar[str] = "generators"
    later_fields: ClassVar[frozenset[str]] = frozenset({"thinking", "thinking_tokens"})
    offers: ClassVar[frozenset[str]] = frozenset({"TextEngine"})
    """Engine protocols that `open` returns."""
    temperature: Temperature = 0.0
    top_p: Probability = 1.0
    price: Annotated[Price | None, Execution] = None
    thinking: Annotated[str, AfterValidator(_format_of_thoughts)] = Field("auto", examples=["none"])
    thinking_tokens: Annotated[int, Field(ge=0)] = 0

    @property
    def random(self) -> bool:
        """Whether answers are sampled: at a temperature above 0, or where the model cannot decode greedily."""
        return self.temperature > 0 or not self.greedy

    @property
    def greedy(self) -> bool:
        """Whether a request at temperature 0 is decoded greedily. False where no temperature is sent to a server."""
        return True

    @property
    def lasting(self) -> bool:
        """Whether equal requests at temperature 0 get equal answers in later runs."""
        return super().lasting and self.greedy and not self.dated

    @property
    def dated(self) -> bool:
        """Whether prompts have the date of the day: answers are then not cached for later runs."""
        return False

    @cached_property
    def reply_key(self) -> str:
        """Hash of everything that can change the replies as they came: the key without the reading of thoughts."""
        facts = self.key_facts()
        facts["fields"].pop("thinking", None)
        return content_key(facts)

    def trial(self, seconds: float) -> Self | None:  # noqa: ARG002 - most need no question
        """Returns a copy that is asked one short question before a sweep, or None where opening the model is enough.

        Models of servers have one: it does not retry, and gives up after `seconds`.
        """
        return None

    @abstractmethod
    def tokenizer(self) -> Tokenizer:
        """Returns the model's tokenizer; loads no model weights."""

    @abstractmethod
    def open(self) -> TextEngine:
        """Returns the loaded model. Raises `EngineError` if it cannot be loaded."""
