"""Chooses the questions of a set among its attempts: comparison with those before, and the shares of the kinds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ragvlc.core.run import Engines
from ragvlc.questions.filter import QuestionFilter
from ragvlc.questions.item import GeneratedQuestion
from ragvlc.questions.log import Attempt

__all__ = ["Chosen", "choose", "quotas"]


def quotas(shares: Mapping[str, float], count: int) -> dict[str, int]:
    """Returns how many questions of each kind a set has: whole numbers in these shares, largest remainders first."""
    total = sum(shares.values())
    exact = {kind: count * share / total for kind, share in shares.items()}
    found = {kind: int(value) for kind, value in exact.items()}
    order = sorted(exact, key=lambda kind: (found[kind] - exact[kind], list(shares).index(kind)))
    for kind in order[: count - sum(found.values())]:
        found[kind] += 1
    return found


@dataclass
class Chosen:
    """The questions of a set, and what became of the other attempts.

    Attributes:
        kept: the questions, in the order of attempts.
        dropped: questions that a filter dropped.
        spare: questions beyond the number wanted of their kind.
        attempts: their number by kind.
        reasons: number of attempts that left nothing, by kind and reason.
    """

    kept: list[GeneratedQuestion] = field(default_factory=list)
    dropped: list[GeneratedQuestion] = field(default_factory=list)
    spare: int = 0
    attempts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)

    def kept_of(self, kind: str) -> int:
        """Returns the number of questions of a kind."""
        return sum(item.kind == kind for item in self.kept)

    def marked_of(self, kind: str) -> int:
        """Returns the number of chosen questions of a kind that a filter could not judge."""
        return sum(item.kind == kind and bool(item.marked) for item in self.kept)

    def unjudged(self) -> int:
        """Returns the number of chosen questions of which no filter with a model could judge anything."""
        judged = ("evidence_alone", "closed_book", "wrong_passage", "ambiguous", "unanswered")
        verdicts = [{one.verdict for one in item.findings if one.filter in judged} for item in self.kept]
        return sum("marked" in found and "passed" not in found for found in verdicts)

    def by_reason(self) -> Counter[str]:
        """Returns the number of attempts that left nothing, by reason over all kinds."""
        found: Counter[str] = Counter()
        for (_, reason), number in self.reasons.items():
            found[reason] += number
        return found

    def marks(self) -> Counter[str]:
        """Returns the number of chosen questions that each filter could not judge, with its reason."""
        return self._findings("marked")

    def skips(self) -> Counter[str]:
        """Returns the number of chosen questions that filters do not apply to, with the reason."""
        return self._findings("skipped")

    def _findings(self, verdict: str) -> Counter[str]:
        found = (one for item in self.kept for one in item.findings if one.verdict == verdict)
        return Counter(f"{one.filter}: {one.reason}" for one in found)


def choose(
    attempts: Iterable[Attempt], wanted: Mapping[str, int], filters: Sequence[QuestionFilter], engines: Engines
) -> Chosen:
    """Returns the questions of a set: depends on the attempts alone, not on the order in which they ended."""
    order = {kind: place for place, kind in enumerate(wanted)}
    chosen, taken = Chosen(), Counter[str]()
    for attempt in sorted(attempts, key=lambda one: (one.number, order[one.kind])):
        chosen.attempts[attempt.kind] += 1
        item = attempt.item
        if item is not None and item.dropped is None:
            item = _compared(item, chosen.kept, filters, engines)
        if item is None or item.dropped is not None:
            fault = item.dropped.reason if item is not None and item.dropped else attempt.reason
            chosen.reasons[attempt.kind, fault] += 1
            chosen.dropped += [item] if item is not None else []
        elif taken[item.kind] < wanted[item.kind]:
            taken[item.kind] += 1
            chosen.kept.append(item)
        else:
            chosen.spare += 1
    return chosen


def _compared(
    item: GeneratedQuestion, others: Sequence[GeneratedQuestion], filters: Sequence[QuestionFilter], engines: Engines
) -> GeneratedQuestion:
    findings = list(item.findings)
    for one in filters:
        if one.compares:
            findings.append(one.against(item, others, engines))
            if findings[-1].verdict == "dropped":
                break
    return replace(item, findings=tuple(findings))
