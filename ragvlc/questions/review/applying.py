"""Applies a reviewer's decisions to a set: all of a file or none of it, with the history stored in each row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ragvlc.core.errors import ConfigError, nearest
from ragvlc.questions.item import GeneratedQuestion
from ragvlc.questions.review.checking import EditCheck, Fault, unchanged
from ragvlc.questions.review.decision import DONE, ReviewDecision, reviewed_words, set_of, version_of
from ragvlc.questions.review.sheet import Sheet, same

__all__ = ["Applied", "applied"]


@dataclass(frozen=True)
class Applied:
    """A set after a review.

    Attributes:
        items: all questions, rejected ones too.
        counts: number of decisions by what was done: accepted, edited, rejected, applied before.
        not_judged: number of edited questions that each filter could not judge.
        remarks: a sentence each about what to know.
    """

    items: tuple[GeneratedQuestion, ...]
    counts: Counter[str] = field(default_factory=Counter)
    not_judged: Counter[str] = field(default_factory=Counter)
    remarks: tuple[str, ...] = ()


def applied(
    items: Sequence[GeneratedQuestion], sheet: Sheet, check: EditCheck, *, reviewer: str, date: str, source: str
) -> Applied:
    """Returns the set with the decisions of a sheet.

    Args:
        items: of the set.
        sheet: decisions.
        check: of edits.
        reviewer: who decided, where the sheet does not say.
        date: when they are applied, as it is stored.
        source: name of the sheet's file, for errors.

    Raises:
        ConfigError: with a sentence for every decision that cannot be applied; then none is.
    """
    refuse_other_set(items, sheet, source)
    applying = _Applying(items, check, reviewer, date, source)
    applying.refuse_changes(sheet)
    if not sheet.decisions:
        raise ConfigError(f"{source}: none of its {len(sheet.undecided)} rows has a decision.")
    return applying.run(sheet)


def refuse_other_set(items: Sequence[GeneratedQuestion], sheet: Sheet, source: str) -> None:
    """Raises `ConfigError` for decisions about questions that the set does not have."""
    ids = {item.id for item in items}
    unknown = [one for one in sheet.decisions if one.id not in ids]
    if unknown and sheet.set and sheet.set != set_of(items):
        raise ConfigError(
            f"{source}: is of another set ({sheet.set}, and this one is {set_of(items)}): {len(unknown)} of its "
            f"{len(sheet.decisions)} decided questions are not here."
        )
    if unknown:
        raise ConfigError(
            [f"{source}: {one.place}: no question has the id '{one.id}'.{nearest(one.id, ids)}" for one in unknown]
        )


class _Applying:
    """One application of a sheet."""

    def __init__(
        self, items: Sequence[GeneratedQuestion], check: EditCheck, reviewer: str, date: str, source: str
    ) -> None:
        self._items = {item.id: item for item in items}
        self._check = check
        self._reviewer = reviewer
        self._date = date
        self._source = source
        self._faults: list[str] = []
        self._counts: Counter[str] = Counter()
        self._changed_but_rejected = 0

    def refuse_changes(self, sheet: Sheet) -> None:
        """Raises `ConfigError` for rows that were changed and have no decision."""
        for one in sheet.undecided:
            item = self._items.get(one.id)
            if item is None or (one.version and one.version != version_of(item)):
                continue
            if changed := _differences(item, one):
                self._complain(
                    one, f"has another {' and '.join(changed)} than the set, and no decision: write edit, or undo that"
                )
        if self._faults:
            raise ConfigError(self._faults)

    def run(self, sheet: Sheet) -> Applied:
        """Returns the set with the decisions of a sheet."""
        edited: dict[str, ReviewDecision] = {}
        for one in sheet.decisions:
            decision = self._named(one)
            before = self._items[one.id]
            if decision is None or self._is_done(before, decision):
                self._counts["applied before"] += decision is not None
                continue
            try:
                self._items[one.id] = self._decided(before, decision)
            except Fault as fault:
                self._complain(decision, str(fault))
                continue
            self._counts[DONE[decision.word]] += 1
            if decision.word == "edit":
                edited[one.id] = decision
        not_judged = self._examine(edited)
        if self._faults:
            raise ConfigError(self._faults)
        return Applied(tuple(self._items.values()), self._counts, not_judged, tuple(self._remarks(sheet)))

    def _named(self, one: ReviewDecision) -> ReviewDecision | None:
        if one.reviewer and self._reviewer and one.reviewer != self._reviewer:
            self._complain(one, f"is of the reviewer '{one.reviewer}', and --reviewer says '{self._reviewer}'")
            return None
        return replace(one, reviewer=one.reviewer or self._reviewer)

    def _is_done(self, item: GeneratedQuestion, one: ReviewDecision) -> bool:
        """Returns whether the decision was applied before, so that a file may be applied twice."""
        review = item.review
        told = (DONE[one.word], one.reviewer, one.note)
        return (
            (review.get("decision"), review.get("reviewer", ""), review.get("note", "")) == told
            and (not one.version or one.version in (version_of(item), review.get("version")))
            and (one.word != "edit" or not _differences(item, one))
        )

    def _decided(self, item: GeneratedQuestion, one: ReviewDecision) -> GeneratedQuestion:
        if one.version and one.version != version_of(item):
            raise Fault(
                f"the question was changed since this file was made ({reviewed_words(item) or 'not by a review'}): "
                "write the page and the table anew, or remove the row"
            )
        changed = _differences(item, one)
        if one.word == "accept" and changed:
            raise Fault(f"says accept, but has another {' and '.join(changed)} than the set: write edit, or undo that")
        if one.word == "edit" and not changed:
            raise Fault("says edit, but changes neither question nor answer nor evidence: write accept")
        self._changed_but_rejected += one.word == "reject" and bool(changed)
        found = self._check.edited(item, one) if one.word == "edit" else item
        return replace(found, review=self._review(item, one))

    def _review(self, item: GeneratedQuestion, one: ReviewDecision) -> dict[str, Any]:
        """Returns the decision with what came before it: earlier decisions, and the text before an edit."""
        last = {name: value for name, value in item.review.items() if name != "earlier"}
        before = item.review.get("earlier", [])
        earlier = [*(before if isinstance(before, list) else [before]), *([last] if last else [])]
        return {
            "decision": DONE[one.word],
            **({"reviewer": one.reviewer} if one.reviewer else {}),
            "date": self._date,
            **({"note": one.note} if one.note else {}),
            "version": version_of(item),
            **({"before": _texts(item)} if one.word == "edit" else {}),
            **({"earlier": earlier} if earlier else {}),
        }

    def _examine(self, edited: Mapping[str, ReviewDecision]) -> Counter[str]:
        """Examines edited questions beside all others as they are now; returns what could not be judged."""
        not_judged: Counter[str] = Counter()
        for name, decision in edited.items():
            asked = [one for one in self._items.values() if one.review.get("decision") != "rejected" and one.id != name]
            try:
                self._items[name] = self._check.examined(self._items[name], asked)
            except Fault as fault:
                self._complain(decision, str(fault))
            not_judged.update(self._items[name].marked)
        return not_judged

    def _remarks(self, sheet: Sheet) -> list[str]:
        lines = list(sheet.notes)
        if sheet.set and sheet.set != set_of(self._items.values()):
            lines.append("The file was made before the set had all of its questions.")
        if self._changed_but_rejected:
            lines.append(
                f"{self._changed_but_rejected} rejected questions had been changed too: the change is left out."
            )
        if noted := sum(bool(one.note) for one in sheet.undecided):
            lines.append(f"{noted} notes are left out: their questions have no decision.")
        if any(not one.reviewer for one in sheet.decisions) and not self._reviewer:
            lines.append("Nobody is named as the reviewer: --reviewer NAME.")
        return lines

    def _complain(self, one: ReviewDecision, sentence: str) -> None:
        self._faults.append(f"{self._source}: {one.place} ({one.id}): {sentence}.")


def _differences(item: GeneratedQuestion, one: ReviewDecision) -> list[str]:
    found = []
    if one.question is not None and not same(one.question, item.question):
        found.append("question")
    if one.answers is not None and not unchanged(one.answers, item.answers):
        found.append("answer")
    if one.evidence is not None and not unchanged(one.evidence, [piece.text for piece in item.evidence]):
        found.append("evidence")
    return found


def _texts(item: GeneratedQuestion) -> dict[str, Any]:
    places = [
        {"doc_id": one.span.document_id, "start": one.span.start, "end": one.span.end, "text": one.text}
        for one in item.evidence
    ]
    return {"question": item.question, "answers": list(item.answers), "evidence": places}
