"""Base class of metrics that compute what a benchmark's own script computes.

The reply is scored as it is, whether the model declined or not: a reply without text is the empty string that the
script would see. The best reference counts, unless a metric says otherwise. An example without references, or without
the gold in `Example.scoring` that the script reads, is none of the benchmark's: the metric does not apply.

`official` gives the mean in the benchmark's units for each of its sets (`tags["dataset"]`), and the mean of the sets
where a cell has several; a failed call counts as the worst score there unless the metric's head says otherwise.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric, ScoredQuestion

__all__ = ["PublishedMetric", "by_set", "set_of", "token_f1"]


class PublishedMetric(Metric):
    """A metric by the rules of a published benchmark.

    Attributes:
        benchmark: the name of its figure.
        digits: to which the script rounds it; None if it does not.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"answer"})
    benchmark: ClassVar[str]
    digits: ClassVar[int | None] = 2

    @abstractmethod
    def compare(self, reply: str, reference: str, example: Example) -> float | None:
        """Returns the score of a reply against one reference; None if the example lacks gold that the script reads."""

    def read(self, reply: str, example: Example) -> str:  # noqa: ARG002 - most read all
        """Returns the part of the reply that counts."""
        return reply

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns the score by the best reference, from 0 to 1, or None if the example is none of the benchmark's."""
        reply = self.read(answer.text, example)
        found = [self.compare(reply, reference, example) for reference in example.references]
        return max((float(value) for value in found if value is not None), default=None)

    def official(self, questions: Sequence[ScoredQuestion]) -> Mapping[str, float]:
        """Returns 100 times the mean of each set, rounded as the script rounds it, and the mean of several sets."""
        sets = by_set(questions)
        if len(sets) == 1:
            return {self.benchmark: self.figure(next(iter(sets.values())))}
        found = {name or "other": self.figure(own) for name, own in sets.items()}
        return {**found, f"{self.benchmark} mean of sets": fmean(found.values())} if found else {}

    def figure(self, questions: Sequence[ScoredQuestion]) -> float:
        """Returns the figure of one set."""
        mean = 100 * sum(one.score for one in questions if one.score is not None) / len(questions)
        return mean if self.digits is None else round(mean, self.digits)


def by_set(questions: Sequence[ScoredQuestion]) -> dict[str, list[ScoredQuestion]]:
    """Returns the questions with a score by the set of the benchmark that they are from."""
    found: dict[str, list[ScoredQuestion]] = {}
    for one in questions:
        if one.score is not None:
            found.setdefault(set_of(one.tags), []).append(one)
    return found


def set_of(tags: Mapping[str, Any]) -> str:
    """Returns the benchmark's name of the set that an example is from, such as `trec`; empty if it is not known."""
    return str(tags.get("dataset") or "")


def token_f1(reply: Sequence[str], reference: Sequence[str]) -> float:
    """Returns F1 of tokens counted with their multiplicity; 0 without a common one, so that two empty texts score 0."""
    common = (Counter(reply) & Counter(reference)).total()
    if not common:
        return 0.0
    precision, recall = common / len(reply), common / len(reference)
    return 2 * precision * recall / (precision + recall)
