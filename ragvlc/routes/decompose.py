"""Decompose: a planner asks sub-questions, each is answered by retrieval, and the final answer uses those answers.

Source: MindSearch (Chen et al. 2024, "MindSearch: Mimicking Human Minds Elicits Deep AI Searcher", arXiv 2407.20183): a
planner grows a graph of atomic sub-questions, a searcher answers each from retrieval, and the planner goes on or ends.
Differences: the planner writes JSON in place of code, at most `rounds` times; sub-questions that need no other's answer
are answered together; the search is over the question's documents and not the web; the last step reads the passages for
the original question beside the findings, so that a planner without a plan leaves plain retrieval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, ClassVar

from pydantic import Field

from ragvlc.core.answer import Answer
from ragvlc.core.component import Role, part
from ragvlc.core.data import Document, Hit, Query, Span
from ragvlc.core.engines import Prompt, Request
from ragvlc.core.families import Order, Selector
from ragvlc.core.prompts import Template, filled
from ragvlc.core.run import Run
from ragvlc.reading.agents import SEAMS, InPieces
from ragvlc.reading.calls import ask_all, asked, beginning, fitted, shared
from ragvlc.reading.context import ContextBudget, FittedPrompt, fit
from ragvlc.reading.retrieving import Retrieving
from ragvlc.reading.subquestions import Subquestion, levels, new_questions, questions_in, resolved

PLAN = """A question is to be answered from documents that can be searched. Divide it into simpler questions, each of \
which one passage can answer.

Question: {question}

Found so far:
{findings}

Reply with a JSON list of at most {questions} new questions, in which #1 stands for the answer to question 1, such as
["Which workshop made the first model?", "In which year did #1 close?"]
Reply with [] if what was found suffices."""

SUB = """{document}

Answer this question from the text above, in a few words.

{question}"""

QUESTION = """{document}

Found out already:
{findings}

Based on the text and on what was found out, answer this question in a few words.{decline}

{question}"""

CHOICE = """{document}

Found out already:
{findings}

Based on the text and on what was found out, answer this multiple-choice question with the letter of the right \
option.{decline}

{question}
{choices}"""

SUMMARY = """{document}

Found out already:
{findings}

Based on the text and on what was found out, write a short summary that answers this request.{decline}

{question}"""


@dataclass(frozen=True, slots=True)
class _Passages:
    """Retrieved passages: the ranking, the spans to read in order, and the indexes of the spans to drop first."""

    ranking: Sequence[Hit]
    spans: Sequence[Span]
    least: Sequence[int]


class Decompose(Retrieving, InPieces):
    """Answers sub-questions by retrieval before the question itself.

    Attributes:
        generator: role of the model that answers the question.
        worker: role of the model that answers sub-questions.
        answer_tokens: at most so many tokens for an answer, and a third of the window.
        summary_tokens: at most so many tokens for a summary, and a third of the window.
        planner: role of the model that asks them.
        selector: decides how many passages are read for each question.
        order: decides in which order.
        rounds: the planner is asked at most so often.
        questions: at most so many sub-questions a round.
        plan_tokens: at most so many tokens for a plan, and a third of the window.
        finding_tokens: at most so many for the answer to a sub-question; findings share an eighth of a window.
        plan_prompt: asks for sub-questions; `{findings}` are those answered so far.
        sub_prompt: asks a sub-question.
        question_prompt: for open questions; `{findings}` are sub-questions and their answers.
    """

    gives: ClassVar[frozenset[str]] = frozenset({"answer", "context", "ranking"})
    version: ClassVar[int] = 1
    answer_fields: ClassVar[frozenset[str]] = frozenset({"question", "document", "findings"})

    planner: Annotated[str, Role("generators")] = "main"
    selector: Selector = part("top_k")
    order: Order = part("document")
    rounds: Annotated[int, Field(ge=1)] = 2
    questions: Annotated[int, Field(ge=1)] = 4
    plan_tokens: Annotated[int, Field(ge=1)] = 192
    finding_tokens: Annotated[int, Field(ge=1)] = 48
    plan_prompt: Annotated[str, Template({"question", "findings"}, knows={"questions"})] = PLAN
    sub_prompt: Annotated[str, Template({"question", "document"})] = SUB
    question_prompt: str = QUESTION
    choice_prompt: str = CHOICE
    summary_prompt: str = SUMMARY

    def answer(self, query: Query, documents: Sequence[Document], run: Run) -> Answer:
        """Returns the answer from the sub-answers and from passages retrieved for the question itself."""
        findings: list[Subquestion] = []
        context: list[Span] = []
        for place in range(self.rounds):
            planned = self._planned(query, findings, run, place)
            if not planned:
                break
            for level in levels(planned):
                context += self._found(level, findings, documents, run)
        limit = self.answer_limit(query, run.generator(self.generator), 3)
        told = self._told(findings, self.generator, run)
        passages = self._searched(query, documents, run, self.generator)
        read = self._fitted(
            passages, documents, run, lambda text: self.message(query, document=text, findings=told), limit
        )
        request = Request(read.prompt, max_tokens=limit, seed=run.seed_for("answer"))
        facts = {"findings": len(findings), "dropped_tokens": read.dropped_tokens}
        [reply] = ask_all(run, self.generator, [request], step="answer", notes=[facts])
        spans = [*context, *read.context]
        return run.answer(reply, ranking=passages.ranking, context=spans, finish=self.finish_of(reply))

    def _planned(self, query: Query, findings: Sequence[Subquestion], run: Run, place: int) -> list[Subquestion]:
        """Returns new sub-questions; empty if the planner has no more or its plan cannot be parsed."""
        planner = run.generator(self.planner)
        limit = self.limit(self.plan_tokens, planner, 3)
        told = self._told(findings, self.planner, run) or "nothing"

        around = {"question": asked(query), "questions": str(self.questions)}
        prompt = fitted(
            lambda text: filled(self.plan_prompt, {"findings": text, **around}),
            told,
            planner,
            window=self.window_of(planner),
            max_tokens=limit,
        )
        request = Request(prompt, max_tokens=limit, seed=run.seed_for("plan", place))
        [reply] = ask_all(run, self.planner, [request], step="plan", notes=[{"round": place + 1}], keep="said")
        barred = [query.text, *questions_in(self.plan_prompt)]  # small models repeat question and example
        planned = new_questions(reply.text, findings, self.questions, barred)
        with run.step("planned", questions=len(planned)):
            return planned

    def _found(
        self, level: Sequence[Subquestion], findings: list[Subquestion], documents: Sequence[Document], run: Run
    ) -> list[Span]:
        """Answers one group of sub-questions, adds the answers to `findings`, and returns the spans that were read."""
        worker = run.generator(self.worker)
        limit = self.limit(self.finding_tokens, worker, 4)
        asking = [resolved(one, findings) for one in level]
        requests, facts, spans = [], [], list[Span]()
        for one in asking:
            sub = Query(f"sub {one.number}", one.question)
            passages = self._searched(sub, documents, run, self.worker)
            read = self._fitted(passages, documents, run, partial(self._sub_message, one.question), limit, self.worker)
            requests.append(Request(read.prompt, max_tokens=limit, seed=run.seed_for("sub", one.number)))
            facts.append({"number": one.number, "question": one.question, "dropped_tokens": read.dropped_tokens})
            spans += read.context
        replies = ask_all(run, self.worker, requests, step="sub_questions", notes=facts, keep="said")
        for one, reply in zip(asking, replies, strict=True):
            text = beginning(" ".join(reply.text.split()), limit, worker.tokenizer)
            findings.append(replace(one, answer=text))
        return spans

    def _searched(self, query: Query, documents: Sequence[Document], run: Run, role: str) -> _Passages:
        """Returns the retrieved passages to read for a question."""
        with run.step("retrieve") as facts:
            chunks, ranking = self.find(query, documents, run, role=self.generator)
            selected = self.selector.select(ranking, run.generator(role).tokenizer)
            arranged = self.order.arrange(selected, run.seed_for(f"order {query.id}"))
            facts |= {"chunks": len(chunks), "ranked": len(ranking), "selected": len(selected)}
        rank = {hit.chunk.span: place for place, hit in enumerate(selected)}
        spans = [hit.chunk.span for hit in arranged]
        return _Passages(ranking, spans, sorted(range(len(spans)), key=lambda i: -rank[spans[i]]))

    def _fitted(
        self,
        passages: _Passages,
        documents: Sequence[Document],
        run: Run,
        make: Callable[[str], Prompt],
        limit: int,
        role: str = "",
    ) -> FittedPrompt:
        reader = run.generator(role or self.generator)
        kept = max(0, reader.window - self.window_of(reader))  # what a smaller `window` takes away
        budget = ContextBudget(limit + kept, least=passages.least)
        return fit(passages.spans, documents, reader, make, budget)

    def _told(self, findings: Sequence[Subquestion], role: str, run: Run) -> str:
        """Returns the answered sub-questions as lines of text, cut to one eighth of the window in total."""
        reader = run.generator(role)
        lines = [f"{one.number}. {one.question} {one.answer}" for one in findings]
        room = self.window_of(reader) // 8 - SEAMS * len(lines)
        return "\n".join(shared(lines, max(0, room), reader.tokenizer))

    def _sub_message(self, question: str, text: str) -> Prompt:
        return filled(self.sub_prompt, {"document": text, "question": question})
