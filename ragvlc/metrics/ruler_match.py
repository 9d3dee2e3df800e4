"""RULER's match: references that occur in the reply, letter case aside.

Hsieh et al. (2024, arXiv 2404.06654), `scripts/eval`: the reply loses the white space around it, control characters
become newlines, and both sides are put in lower case; nothing else is normalised and no word boundary is asked for, so
that `12345678` contains 1234567. `match: all` is the share of references found (`string_match_all`: needles, variable
tracking, common and frequent words), `part` is 1 if any is (`string_match_part`: questions). An empty reference is
found in every reply. The figure is the mean times 100 to two digits for each task.

Differences: none in value.
"""

from __future__ import annotations

import re
from typing import ClassVar, Literal

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.metrics._published import PublishedMetric

_CONTROL = re.compile(r"[\x00-\x1f]")


class RulerMatch(PublishedMetric):
    """The share of references that occur in the reply, or whether any does.

    Attributes:
        match: `all` or `part`.
    """

    benchmark: ClassVar[str] = "RULER"
    match: Literal["all", "part"] = "all"

    @property
    def label(self) -> str:
        """The label, `ruler_match_all` or `ruler_match_part`."""
        return f"{self.kind}_{self.match}"

    def read(self, reply: str, example: Example) -> str:  # noqa: ARG002 - all replies alike
        """Returns the reply without control characters."""
        return _CONTROL.sub("\n", reply.strip()).strip()

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None without references."""
        reply = self.read(answer.text, example)
        found = [self.compare(reply, reference, example) for reference in example.references]
        if not found:
            return None
        return max(found) if self.match == "part" else sum(found) / len(found)

    def compare(self, reply: str, reference: str, example: Example) -> float:  # noqa: ARG002 - needs no more gold
        """Returns 1 if the reference occurs in the reply."""
        return float(reference.lower() in reply.lower())
