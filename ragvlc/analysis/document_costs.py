"""Money for a number of questions about one document, with and without the provider's prefix cache.

Full context sends the whole document with every question. With a prefix cache, the first question writes it and
further questions read it, as long as they come within the cache's lifetime; this is also called cache-augmented
generation (CAG). Retrieval sends other passages with every question, and has nothing to find in a cache. So the money
for N questions is a straight line for each route, and two lines cross at the break-even: the first question of full
context costs more, and each further one may cost less.
"""

from __future__ import annotations

from dataclasses import dataclass

from ragvlc.core.prices import Price

__all__ = ["DocumentCost", "break_even"]


@dataclass(frozen=True, slots=True)
class DocumentCost:
    """What a route's questions about one document read, write and cost.

    Attributes:
        name: of the route or cell.
        price: of its model.
        shared: prompt tokens with which every question about the document begins.
        own: further prompt tokens of a question.
        completion: new tokens of a question.
        once: money for the document itself, such as embedding its chunks.
        cached: whether the shared tokens are put into the provider's prefix cache.
    """

    name: str
    price: Price
    shared: float
    own: float
    completion: float
    once: float = 0.0
    cached: bool = True

    def first(self) -> float:
        """Returns the money of the first question, with what the document costs once."""
        held = (self.price.lifetime or 0.0) if self._stored else 0.0
        return self.once + self._question(written=self.shared if self.cached else 0.0) + self._storage(held)

    def further(self, gap: float = 0.0) -> float:
        """Returns the money of each further question, `gap` seconds after the one before it."""
        if not self.cached:
            return self._question()
        lifetime = self.price.lifetime
        if lifetime is not None and gap > lifetime:
            return self._question(written=self.shared) + self._storage(lifetime)
        return self._question(read=self.shared) + self._storage(gap)

    def money(self, questions: int, gap: float = 0.0, *, batch: bool = False) -> float:
        """Returns the money of all questions.

        Args:
            questions: number about the document.
            gap: seconds between two questions.
            batch: whether they are sent as a batch.
        """
        found = self.first() + (questions - 1) * self.further(gap)
        return found * self.price.batch_factor if batch else found

    @property
    def _stored(self) -> bool:
        return self.cached and self.shared > 0 and self.price.storage > 0

    def _storage(self, seconds: float) -> float:
        return self.shared / 1e6 * self.price.storage * seconds / 3600 if self._stored else 0.0

    def _question(self, *, written: float = 0.0, read: float = 0.0) -> float:
        prompt = self.shared + self.own
        rates = self.price.rates(prompt)
        return rates.charge(prompt - read - written, self.completion, read=read, written=written)


def break_even(dear: DocumentCost, cheap: DocumentCost, gap: float = 0.0) -> float | None:
    """Returns the number of questions from which on `dear`, whose first question costs more, costs no more in all.

    1 where its first question costs no more; None where it never pays.
    """
    more = dear.first() - cheap.first()
    if more <= 0:
        return 1.0
    less = cheap.further(gap) - dear.further(gap)
    return 1 + more / less if less > 0 else None
