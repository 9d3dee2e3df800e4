"""Contains: 1 if a reference occurs in the reply, after normalisation.

The normalised reference is a substring of the normalised reply; no word boundaries are asked for, so that `12345678`
contains `1234567`. Where all references are required, the share that occurs. The rule is akin to those of HELMET (Yen
et al. 2025, arXiv 2410.02694) and RULER (Hsieh et al. 2024, arXiv 2404.06654), which `helmet_substring` and
`ruler_match` compute to the letter, for figures that are compared with theirs.

A reference that is empty after normalisation is skipped rather than contained in everything, typography is folded on
both sides (`ragvlc.text.folding`: `don’t` contains `don't`), and Chinese and Japanese follow `normalising`. A declined
reply contains nothing. Does not apply to unanswerable examples: no reply could contain what is not there.
"""

from __future__ import annotations

from typing import ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric
from ragvlc.metrics._references import Script, by_character, reply_text, share_found, sought
from ragvlc.text.matching import normalise


class Contains(Metric):
    """1 if the normalised reply contains any reference, else 0; the share contained if all are required.

    Attributes:
        script: `cjk` compares Chinese and Japanese by character, `latin` compares by word; `auto` takes `cjk` where a
            reference or the question is mostly Chinese or Japanese.
    """

    version: ClassVar[int] = 2

    script: Script = "auto"

    needs: ClassVar[frozenset[str]] = frozenset({"answer"})

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None for unanswerable examples and references without words."""
        cjk = by_character(self.script, example)
        reply = normalise(reply_text(answer), cjk=cjk)
        return share_found([reference.strip() in reply for reference in sought(example, cjk=cjk)], example)
