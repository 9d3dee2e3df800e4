"""HELMET's substring match: a reference occurs in the reply, or in the part of it behind `Answer:`.

Yen et al. (2025, arXiv 2410.02694), `utils.py` and `data.py`: 1 if a reference occurs in the reply after SQuAD's
normalisation of both, without word boundaries; a reference that normalises to nothing always does. The better of two
readings counts: the whole reply, and the line behind the first `Answer:` (letter case aside; without one, the first
line). The figure is the mean times 100.

`prefix` is what HELMET's tasks put in place of `Answer:` (`corresponding value:` in key-value recall). Differences:
none in value. Since a part of a text contains no more than the whole, the second reading can differ only where the
normalisation of the line joins what that of the whole does not.
"""

from __future__ import annotations

import re
from typing import ClassVar

from ragvlc.core.data import Example
from ragvlc.metrics._published import PublishedMetric
from ragvlc.text.normalising import normalise

__all__ = ["HelmetSubstring", "parsed"]


class HelmetSubstring(PublishedMetric):
    """1 if a reference occurs in the reply, or in the answer that is parsed from it.

    Attributes:
        prefix: what the answer in the reply comes behind.
    """

    benchmark: ClassVar[str] = "HELMET"
    digits: ClassVar[int | None] = None
    prefix: str = "Answer:"

    def compare(self, reply: str, reference: str, example: Example) -> float:  # noqa: ARG002 - needs no more gold
        """Returns 1 if the reference occurs in either reading of the reply."""
        right = normalise(reference)
        return float(any(right in normalise(text) for text in (reply, parsed(reply, self.prefix))))


def parsed(reply: str, prefix: str) -> str:
    """Returns the rest of the line behind the first prefix, or the first line; a prefix said twice goes, too."""
    found = re.search(re.escape(prefix), reply, re.IGNORECASE)
    line = reply[found.end() if found else 0 :].partition("\n")[0].strip()
    again = re.match(re.escape(prefix), line, re.IGNORECASE)
    return line[again.end() if again else 0 :].strip()
