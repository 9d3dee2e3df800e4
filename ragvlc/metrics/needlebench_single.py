"""NeedleBench's score of one needle.

Li et al. (2024, arXiv 2407.11963), `NeedleBenchOriginEvaluator`. The keyword in the raw reply, letter case included,
scores 1. Else `rule: v2` scores 0, and `v1` a fifth of the similarity of reply and needle without white space: 1 minus
the edit distance divided by the longer length. `trim: true` first cuts the reply behind the needle's last character,
between 80 % and 120 % of the needle's length.

Where the metrics `needlebench_parallel` and `needlebench_reasoning` score questions of the same cell, the second figure
is the benchmark's overall score: 0.4 of this mean, 0.3 of each of theirs.

Reads `needle*keyword` as the reference, or `Example.scoring["keywords"]`, of which the first counts; does not apply
without either. Differences: none in value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Literal

from ragvlc.core.data import Example
from ragvlc.core.families import ScoredQuestion
from ragvlc.metrics._needlebench import NeedlebenchMetric, keywords_of

_SPACE = re.compile(r"\s+")
_WEIGHTS = {"needlebench_single": 0.4, "needlebench_parallel": 0.3, "needlebench_reasoning": 0.3}


class NeedlebenchSingle(NeedlebenchMetric):
    """1 if the reply has the keyword, else by `v1` a fifth of its similarity to the needle.

    Attributes:
        rule: that of version 1 or 2 of the benchmark.
        trim: whether the reply is cut near the needle's length before it is compared (`v1`).
    """

    rule: Literal["v1", "v2"] = "v2"
    trim: bool = False

    @property
    def label(self) -> str:
        """The label, `needlebench_single` or `needlebench_single_v1`."""
        return self.kind + "_v1" * (self.rule == "v1")

    def compare(self, reply: str, reference: str, example: Example) -> float | None:
        """Returns the score, or None if no keyword is known."""
        needle, mark, after = reference.partition("*")
        keywords = keywords_of(example)
        keyword = after.partition("*")[0] if mark else keywords[0] if keywords else None
        if keyword is None:
            return None
        if keyword in reply:
            return 1.0
        return 0.0 if self.rule == "v2" else 0.2 * likeness(reply, needle, trim=self.trim)

    def official(self, questions: Sequence[ScoredQuestion]) -> Mapping[str, float]:
        """Returns the mean times 100 and, with both other tasks in the cell, the overall score."""
        found = dict(super().official(questions))
        parts = {}
        for label in _WEIGHTS:
            name = self.label if label == self.kind else label
            scores = [score for one in questions if (score := one.scores.get(name)) is not None]
            parts[label] = 100 * fmean(scores) if scores else None
        if found and all(part is not None for part in parts.values()):
            found["overall"] = sum(weight * (parts[label] or 0.0) for label, weight in _WEIGHTS.items())
        return found


def likeness(reply: str, needle: str, *, trim: bool) -> float:
    """Returns 1 minus the edit distance divided by the longer length, of texts without white space."""
    from rapidfuzz.distance import Levenshtein

    given, right = _SPACE.sub("", reply), _SPACE.sub("", needle)
    given = _trimmed(given, right) if trim else given
    longest = max(len(given), len(right))
    return 1 - Levenshtein.distance(given, right) / longest if longest else 1.0


def _trimmed(reply: str, needle: str) -> str:
    shortest, cut = int(0.8 * len(needle)), reply[: int(1.2 * len(needle))]
    end = cut.find(needle[-1:], shortest)
    return cut if end == -1 else cut[: end + 1]
