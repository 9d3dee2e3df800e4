"""Checks questions that a person has edited as new ones are checked: quotes are located, filters examine.

Filters that ask a model do so only if a model is given; without one, the question is marked, not judged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ragvlc import config
from ragvlc.core.data import Document, Span
from ragvlc.core.errors import ConfigError, nearest
from ragvlc.core.jobs import Setup
from ragvlc.pool import EnginePool
from ragvlc.questions.examiner import Bench, Examiner
from ragvlc.questions.files import SetFiles
from ragvlc.questions.filter import QuestionFilter
from ragvlc.questions.filters.duplicate import DuplicateFilter
from ragvlc.questions.item import FilterFinding, GeneratedQuestion, QuotedEvidence
from ragvlc.questions.kind import QuestionKind
from ragvlc.questions.making import finding_of, no_answer
from ragvlc.questions.overlap import overlap
from ragvlc.questions.quoting import QuoteProblem, located
from ragvlc.questions.review.decision import ReviewDecision
from ragvlc.questions.review.sheet import SEPARATOR, same
from ragvlc.questions.spec import READER, WRITER, QuestionSpec
from ragvlc.sweep.setups import check_trials
from ragvlc.trials import try_setups

__all__ = ["UNJUDGED", "EditCheck", "Fault", "unchanged"]

UNJUDGED = "not judged after the edit: no model was given"
BY_WORDS = "compared by words alone after the edit: no model was given"
_OTHERS = ("dataset", "budget", "cache", "count")


class Fault(Exception):
    """Why an edited question cannot be taken, in a sentence."""


@dataclass(frozen=True)
class EditCheck:
    """Checks edited questions of one set.

    Attributes:
        files: of the set.
        documents: of the set, by id.
        model: generator that answers for the filters, as a mapping; None marks what it would judge.
        without: filters to leave out.
        pool: of engines.
    """

    files: SetFiles
    documents: Mapping[str, Document]
    pool: EnginePool
    model: Mapping[str, Any] | None = None
    without: tuple[str, ...] = ()

    @cached_property
    def spec(self) -> QuestionSpec:
        """The settings that the set was made with, with the given model. Raises `ConfigError`."""
        settings = dict(self.files.read_facts().get("settings", {}))
        data = {name: value for name, value in settings.items() if name not in _OTHERS}
        data["dataset"] = self.files.dataset()
        if self.model is not None:
            data["generators"] = {**data.get("generators", {}), WRITER: self.model, READER: self.model}
        return config.build(QuestionSpec, data, str(self.files.facts), self.files.facts.parent)

    def refuse_unknown(self) -> None:
        """Raises `ConfigError` for a model that cannot be, or a filter that the set does not have."""
        names = [one.kind for one in self.spec.filters]
        for name in self.without:
            if name not in names:
                raise ConfigError(f"--without {name}: no such filter. Known: {', '.join(names)}.{nearest(name, names)}")

    @cached_property
    def _bench(self) -> Bench:
        spec = self.spec
        if self.model is not None:
            check_trials(try_setups(self.pool, [Setup(spec.models.generators[READER])], 0.0))
        return Bench(
            spec.models,
            self.pool,
            self.documents,
            spec.chunker,
            spec.retriever,
            answer_tokens=spec.answer_tokens,
            summary_tokens=spec.summary_tokens,
            decline=spec.decline,
            seed=spec.seed,
        )

    def edited(self, item: GeneratedQuestion, decision: ReviewDecision) -> GeneratedQuestion:
        """Returns the question with a reviewer's words, its quotes located. Raises `Fault`."""
        question = item.question if decision.question is None else decision.question.strip()
        answers = item.answers if decision.answers is None else decision.answers
        if not question:
            raise Fault("the question is empty: reject it instead")
        if item.unanswerable and (answers or decision.evidence):
            raise Fault("it is meant to be unanswerable, so answer and evidence stay empty: reject it instead")
        kind = self._kind(item)
        if not item.unanswerable:
            objection = "" if answers else "has no answer"
            objection = objection or next(filter(None, (no_answer(one) or kind.objection(one) for one in answers)), "")
            if objection:
                raise Fault(objection)
        evidence = item.evidence if item.unanswerable else self._evidence(item, decision)
        _check_places(kind, evidence)
        found = replace(item, question=question, answers=tuple(answers), evidence=evidence)
        texts = [one.text for one in evidence]
        return replace(found, overlap=None if item.unanswerable else overlap(question, texts))

    def examined(self, item: GeneratedQuestion, others: Sequence[GeneratedQuestion]) -> GeneratedQuestion:
        """Returns the edited question with the findings of all filters.

        Args:
            item: as `edited` returns it.
            others: the other questions of the set, as they are after all decisions.

        Raises:
            Fault: a filter finds one.
        """
        spans = dict.fromkeys((*item.passages, *(one.span for one in item.evidence)))
        shown = replace(item, passages=tuple(spans))
        examiner = Examiner(shown, self._kind(item), self._bench)
        findings = [FilterFinding("quotes", "passed", facts={"edited": True})]
        for one in self.spec.filters:
            if one.kind in self.without:
                continue
            findings.append(self._finding(one, examiner, others))
            if findings[-1].verdict == "dropped":
                reason = findings[-1].reason
                raise Fault(f"{reason} (if it is right all the same: --without {one.kind})")
        return replace(item, findings=tuple(findings))

    def _finding(self, one: QuestionFilter, examiner: Examiner, others: Sequence[GeneratedQuestion]) -> FilterFinding:
        if self.model is None and any(table == "generators" for table, _, _ in one.roles()):
            return FilterFinding(one.kind, "marked", UNJUDGED)
        if not one.compares:
            return finding_of(one, examiner)
        words_alone = self.model is None and isinstance(one, DuplicateFilter) and one.embedder is not None
        found = (one.model_copy(update={"embedder": None}) if words_alone else one).against(
            examiner.item, others, self.pool
        )
        return replace(found, verdict="marked", reason=BY_WORDS) if words_alone and found.verdict == "passed" else found

    def _kind(self, item: GeneratedQuestion) -> QuestionKind:
        return next((one for one in self.spec.kinds if one.kind == item.kind), None) or QuestionKind.build(item.kind)

    def _evidence(self, item: GeneratedQuestion, decision: ReviewDecision) -> tuple[QuotedEvidence, ...]:
        """Returns evidence that did not change as it is, and the place of each other quote."""
        if decision.evidence is None or unchanged(decision.evidence, [one.text for one in item.evidence]):
            return item.evidence
        whole = [Span(name, 0, len(self.documents[name].text)) for name in item.documents]
        near = [*(one.span for one in item.evidence), *item.passages, *whole]
        found: list[QuotedEvidence] = []
        for quote in decision.evidence:
            old = next((one for one in item.evidence if same(one.text, quote)), None)
            places = (old,) if old else located([quote], near, self.documents, self.spec.quote_letters)
            if isinstance(places, QuoteProblem):
                raise Fault(f"{places.reason}: {_brief(places.quote)}")
            found += [one for one in places if one.span not in {other.span for other in found}]
        if not found:
            raise Fault("no quote")
        return tuple(found)


def unchanged(parts: Sequence[str], before: Sequence[str]) -> bool:
    """Returns whether the parts of a cell say what they said before, also where a part has the separator in it."""
    return same(_cell(parts), _cell(before))


def _cell(parts: Sequence[str]) -> str:
    return re.sub(r"\s*\|\|\s*", SEPARATOR, SEPARATOR.join(parts))


def _check_places(kind: QuestionKind, evidence: Sequence[QuotedEvidence]) -> None:
    if kind.places == "same_document" and len(evidence) < 2:
        raise Fault("needs quotes from two places")
    if kind.places == "other_document" and len({one.span.document_id for one in evidence}) < 2:
        raise Fault("needs quotes from two documents")


def _brief(text: str) -> str:
    return f"'{text[:60]}...'" if len(text) > 60 else f"'{text}'"
