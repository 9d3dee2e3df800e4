"""One attempt at a question: passages are drawn, a model writes, quotes are located, filters examine."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ragvlc.core import interruption
from ragvlc.core.answer import Usage
from ragvlc.core.data import Query, Span, content_key
from ragvlc.core.engines import Generation, Request
from ragvlc.core.errors import WindowExceeded
from ragvlc.core.prompts import filled
from ragvlc.core.texts import first_line
from ragvlc.questions.drawing import Drawer
from ragvlc.questions.examiner import Bench, Examiner
from ragvlc.questions.filter import QuestionFilter
from ragvlc.questions.item import FilterFinding, GeneratedQuestion, QuotedEvidence
from ragvlc.questions.kind import QuestionKind
from ragvlc.questions.log import Attempt
from ragvlc.questions.overlap import overlap
from ragvlc.questions.quoting import QuoteProblem, located
from ragvlc.questions.spec import WRITER, QuestionSpec
from ragvlc.questions.written import NoQuestion, WrittenQuestion, first_line_of, read_written, unusable
from ragvlc.roles import Models
from ragvlc.run import LiveRun
from ragvlc.text.refusals import refuses

_UNKNOWN = re.compile(
    r"\b(?:is|are|remains?|stays?) (?:unknown|unclear|unspecified|not (?:known|given|specified))\W*\Z"
)

__all__ = ["Maker", "finding_of", "model_name", "no_answer", "prompt_hash", "prompt_text"]


def prompt_text(*templates: str) -> str:
    """Returns the prompt templates of a question as one text."""
    return "\n\n---\n\n".join(templates)


def prompt_hash(*templates: str) -> str:
    """Returns the hash under which the prompt templates of a question are stored with the set."""
    return content_key(prompt_text(*templates))[:16]


def model_name(models: Models, role: str) -> str:
    """Returns the name of the model in a role, as tables show it."""
    model = models.generators[role]
    spec = model.spec()
    return str(spec.get("model") or spec.get("chat_model") or model.kind)


@dataclass(frozen=True)
class Maker:
    """Makes the attempts of one set; `make` may be called from many threads.

    Attributes:
        spec: of the set.
        bench: what examinations share.
        drawer: of passages.
    """

    spec: QuestionSpec
    bench: Bench
    drawer: Drawer

    def make(self, kind: QuestionKind, number: int) -> Attempt:
        """Returns what became of an attempt; errors of models become reasons, and are transient where they may pass."""
        passages = self.drawer.draw(kind, number)
        if not passages:
            return Attempt(kind.kind, number, reason="no passage suits this kind")
        if self._in_steps(kind):
            passages = (self.drawer.sentence(passages[0], kind, number),)
        documents = [self.bench.documents[name] for name in dict.fromkeys(span.document_id for span in passages)]
        run = self.bench.run(Query(f"{kind.kind}/{number}", ""), documents)
        try:
            written, reply = self._written(kind, self._shown(passages), run)
        except Exception as error:  # noqa: BLE001 - whatever a model's library raises is a reason
            interruption.check()
            return _failed(kind.kind, number, error)
        answer = run.answer(reply)
        blank = Attempt(kind.kind, number, bills=dict(answer.bills), seconds=answer.timing.engine_seconds)
        found = self._item(kind, number, passages, written, reply)
        if isinstance(found, GeneratedQuestion):
            return self._examined(replace(blank, item=found), kind)
        reason, facts = found
        return replace(blank, reason=reason, facts=facts)

    def _written(self, kind: QuestionKind, shown: str, run: LiveRun) -> tuple[WrittenQuestion | NoQuestion, Generation]:
        """Returns what the model wrote, and its last reply."""
        if not self._in_steps(kind):
            reply = self._reply(kind.prompt, {"passages": shown}, run, "write")
            return read_written(reply, answered=kind.answered), reply
        texts: list[str] = []
        for template, step in zip(kind.steps, ("question", "answer"), strict=True):
            fields = {"passages": shown, "question": texts[0] if texts else ""}
            reply = self._reply(template, fields, run, step)
            if problem := unusable(reply):
                return NoQuestion(problem if step == "question" else f"{step}: {problem}"), reply
            texts.append(first_line_of(reply.text))
        return WrittenQuestion(texts[0], texts[1], ()), reply

    def _in_steps(self, kind: QuestionKind) -> bool:
        return self.spec.in_steps and bool(kind.steps)

    def _reply(self, template: str, fields: Mapping[str, str], run: LiveRun, step: str) -> Generation:
        request = Request(filled(template, fields), max_tokens=self.spec.question_tokens, seed=run.seed_for(step))
        [reply] = run.generator(WRITER).generate([request])
        return reply

    def _shown(self, passages: Sequence[Span]) -> str:
        """Returns the passages as the model is shown them, with the titles of their documents."""
        found = []
        for span in passages:
            document = self.bench.documents[span.document_id]
            title = document.title or document.id
            found.append(f"[{title}]\n{document.text[span.start : span.end]}")
        return "\n\n".join(found)

    def _item(
        self,
        kind: QuestionKind,
        number: int,
        passages: Sequence[Span],
        written: WrittenQuestion | NoQuestion,
        reply: Generation,
    ) -> GeneratedQuestion | tuple[str, dict[str, object]]:
        """Returns the written question with its quotes located; or why there is none, and facts about that."""
        if isinstance(written, NoQuestion):
            return written.reason, {"reply": reply.text[:500]}
        told: dict[str, object] = {"written": [written.question, written.answer, *written.quotes]}
        if kind.answered and (objection := no_answer(written.answer) or kind.objection(written.answer)):
            return objection, told
        if self._in_steps(kind):
            [span] = passages
            return self._built(kind, number, passages, written, (QuotedEvidence(span, self.drawer.text(span)),))
        quotes = located(written.quotes, passages, self.bench.documents, self.spec.quote_letters)
        if isinstance(quotes, QuoteProblem):
            return quotes.reason, told | {"quote": quotes.quote}
        if len(passages) > 1 and not all(_quoted(span, quotes) for span in passages):
            return "no quote from one of the places", told
        return self._built(kind, number, passages, written, quotes)

    def _built(
        self,
        kind: QuestionKind,
        number: int,
        passages: Sequence[Span],
        written: WrittenQuestion,
        quotes: tuple[QuotedEvidence, ...],
    ) -> GeneratedQuestion:
        answers = (written.answer,) if kind.answered else ()
        places = [[one.span.document_id, one.span.start, one.span.end] for one in quotes]
        name = content_key([self.spec.seed, kind.kind, number, written.question, list(answers), places])[:12]
        near = [{"doc_id": place[0], "start": place[1], "end": place[2]} for place in places]
        return GeneratedQuestion(
            id=f"q-{name}",
            kind=kind.kind,
            level=kind.level,
            question=written.question,
            answers=answers,
            documents=tuple(dict.fromkeys(span.document_id for span in passages)),
            evidence=quotes if kind.answered else (),
            unanswerable=not kind.answered,
            written_by=self._writer,
            prompt=prompt_hash(*(kind.steps if self._in_steps(kind) else (kind.prompt,))),
            seed=self.spec.seed,
            attempt=number,
            passages=tuple(passages),
            overlap=overlap(written.question, [one.text for one in quotes]) if kind.answered else None,
            findings=(
                FilterFinding("quotes", "skipped", "the sentence that was shown is the evidence")
                if self._in_steps(kind)
                else FilterFinding("quotes", "passed", facts={} if kind.answered else {"near": near}),
            ),
        )

    @cached_property
    def _writer(self) -> str:
        return model_name(self.bench.models, WRITER)

    def _examined(self, attempt: Attempt, kind: QuestionKind) -> Attempt:
        """Returns the attempt with the findings of all filters, up to the first that drops the question."""
        item = attempt.item
        if item is None:
            return attempt
        examiner = Examiner(item, kind, self.bench)
        findings = list(item.findings)
        for one in self.spec.filters:
            if not one.compares:
                findings.append(finding_of(one, examiner))
                if findings[-1].verdict == "dropped":
                    break
        bills = dict(attempt.bills)
        for role, usage in examiner.bills.items():
            bills[role] = bills.get(role, Usage()) + usage
        total = sum(bills.values(), Usage())
        examined = replace(item, findings=tuple(findings), usage=total)
        return replace(attempt, item=examined, bills=bills, seconds=attempt.seconds + examiner.seconds)


def finding_of(one: QuestionFilter, examiner: Examiner) -> FilterFinding:
    """Returns what a filter finds about a question; one that fails has judged nothing."""
    try:
        return one.check(examiner)
    except Exception as error:  # noqa: BLE001 - whatever a filter raises is stored with the question
        interruption.check()
        return FilterFinding(
            one.kind, "marked", f"the filter failed: {type(error).__name__}", {"error": first_line(error)}
        )


def no_answer(answer: str) -> str:
    """Returns that an answer says that there is none; empty for others."""
    return "the answer says that there is none" if refuses(answer) or _UNKNOWN.search(answer) else ""


def _failed(kind: str, number: int, error: Exception) -> Attempt:
    if isinstance(error, WindowExceeded):
        return Attempt(kind, number, reason="the passages do not fit the writer's window")
    transient = bool(getattr(error, "transient", False))
    facts = {"error": first_line(error)}
    return Attempt(kind, number, reason=f"the writer failed: {type(error).__name__}", facts=facts, transient=transient)


def _quoted(passage: Span, quotes: Sequence[QuotedEvidence]) -> bool:
    return any(
        one.span.document_id == passage.document_id and passage.start <= one.span.start and one.span.end <= passage.end
        for one in quotes
    )
