"""LLM judge: whether the reply agrees with the reference, as judged by a language model.

The protocol of LaRA (Li et al. 2025, arXiv 2502.09977): the judge reads question, reference and reply and says True or
False; for questions that the text does not answer a second prompt asks whether the reply says so. Agreement with people
has to be checked for every judge: keep a sample that was read by hand.

Differences: the prompts are our own. The first word True or False decides, in either case, thoughts left
out; LaRA counts whatever contains `true`, so `untrue` too. A reply of the judge without either word, or a call
that fails, is no verdict: the row has no score, is flagged `unjudged`, and is asked again when it is scored again. (A
judge that cannot be opened at all makes the row fail.) LaRA drops failed calls, but takes a verdict it cannot read for
False. A declined reply is not sent: it is wrong, and right where the text does not answer. A reply without an answer is
not sent either, and always wrong; `empty: refusal` treats it as declined. The second prompt
shows no reference, since many data sets have none there. Options of a multiple-choice question are shown with letters.

`protocol` asks the judge of a published benchmark to the letter and reads its reply as the authors do (`lara`: True if
the reply contains `true`; `longmemeval`: five texts, by type of question, right if it contains `yes`; `loogle`: the
reply must be `True` or `False`, others are no verdict). Replies are then sent as they are, empty ones too, `empty` has
no part, and the authors' figures are shown beside the mean. `Example.scoring["question_type"]` chooses LongMemEval's
text; `tags["said_instead"]` is the reference of questions that the text does not answer. Differences there:
thoughts are left out, and `judge_tokens` holds (LongMemEval and LooGLE have 10).

LaRA's script lets the evaluated model judge itself; here a sweep refuses that by default, since models
favour their own answers (Panickssery et al. 2024, arXiv 2404.13076).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from ragvlc.core.answer import Answer
from ragvlc.core.component import Execution
from ragvlc.core.data import Example
from ragvlc.core.engines import Generation, Prompt, Request
from ragvlc.core.errors import EngineError
from ragvlc.core.families import Generator, Metric, Score, ScoredQuestion
from ragvlc.core.prompts import Template, filled
from ragvlc.core.run import Engines
from ragvlc.metrics._judge_protocols import PROTOCOLS, Protocol, lara_figures, longmemeval_figures
from ragvlc.metrics._references import Empty, as_counted, reply_text
from ragvlc.text.generations import read_generation, with_thinking_tokens
from ragvlc.text.thoughts import read_text

log = logging.getLogger("ragvlc")

JUDGE = """You check answers to questions about a text. The reference is what is known to be right.

Question:
{question}

Reference ({rule}):
{reference}

Answer to check:
{answer}

The answer is right if it tells what the question asks for and agrees with the reference, in whatever words and at \
whatever length. It is wrong if it contradicts the reference, leaves out what is asked for, or says that the text does \
not tell.

Reply with one word: True if the answer is right, False if it is wrong."""

JUDGE_UNANSWERABLE = """You check answers to questions about a text. The text does not answer the question below, so \
an answer is right only if it says so.

Question:
{question}

Answer to check:
{answer}

The answer is right if it says that the text does not mention or does not tell what is asked, or that what the \
question takes for granted is not in the text. It is wrong if it answers the question as if the text did.

Reply with one word: True if the answer is right, False if it is wrong."""

_ANY, _ALL = "any one of these lines will do", "all of these lines are required"
_VERDICT = re.compile(r"(?<![a-z])(?:(true)|false)(?![a-z])", re.IGNORECASE)


class LlmJudge(Metric):
    """1 if the judge says True, 0 if it says False.

    Attributes:
        judge: the model that judges, greedily wherever it can; required. It must not be one of the answering models.
        prompt: for questions with references; `{rule}` says whether any or all of them are required.
        unanswerable_prompt: for questions that the text does not answer.
        judge_tokens: the most tokens of a verdict; reasoning judges need hundreds.
        allow_same_model: let a model judge its own answers.
        name: added to the label, for sweeps with several judges.
        empty: what a reply without an answer counts as: `no_answer`, wrong on every question, or `refusal`.
        protocol: whose prompts and rule for a verdict: `ragvlc`, `lara`, `longmemeval` or `loogle`.
    """

    later_fields: ClassVar[frozenset[str]] = frozenset({"empty", "protocol"})
    needs: ClassVar[frozenset[str]] = frozenset({"answer"})
    score_flags: ClassVar[frozenset[str]] = frozenset({"judge_sampled"})
    judge: Generator
    prompt: Annotated[str, Template({"question", "answer", "reference"}, knows={"rule"})] = JUDGE
    unanswerable_prompt: Annotated[str, Template({"question", "answer"})] = JUDGE_UNANSWERABLE
    judge_tokens: Annotated[int, Field(ge=1)] = 16
    allow_same_model: Annotated[bool, Execution] = False
    name: Annotated[str, Field(pattern=r"^[\w-]*$"), Execution] = ""
    empty: Empty = "no_answer"
    protocol: Protocol = "ragvlc"

    @model_validator(mode="after")
    def _has_one_prompt(self) -> Self:
        if self.protocol != "ragvlc" and (self.prompt, self.unanswerable_prompt) != (JUDGE, JUDGE_UNANSWERABLE):
            raise PydanticCustomError(
                "protocol",
                "the protocol {protocol} has prompts of its own. Leave out prompt and unanswerable_prompt.",
                {"protocol": self.protocol},
            )
        return self

    @property
    def label(self) -> str:
        """The label `llm_judge`, with the protocol if it is another's and the judge's given name if there is one."""
        protocol = [self.protocol] if self.protocol != "ragvlc" else []
        return "_".join([self.kind, *protocol, *([self.name] if self.name else [])])

    def assess(self, answer: Answer, example: Example, engines: Engines) -> Score:
        """Returns 0 or 1; no value if the right answer is not known; a missing score if the judge gave no verdict."""
        if not self.applies(example):
            return Score(None)
        reply = answer.text
        if self.protocol == "ragvlc":
            answer = as_counted(answer, self.empty)
            if not answer.answered:
                return Score(0.0)
            reply = answer.text if example.query.choices else reply_text(answer)
            if not reply.strip():
                return Score(float(example.unanswerable))
        caching_judge = engines.opened(self, lambda: _CachingJudge(self, engines))
        request = Request(self.prompt_for(reply, example), max_tokens=self.judge_tokens, temperature=0.0, top_p=1.0)
        try:
            generation = caching_judge.ask(request)
        except EngineError as error:
            log.debug("the judge failed on %s: %s", example.id, error)
            return Score(None, ("unjudged",), missing=True)
        verdict = self.verdict(generation.text)
        if verdict is None:
            return Score(None, ("unjudged",), missing=True, usage=generation.usage)
        return Score(float(verdict), () if self.judge.greedy else ("judge_sampled",), usage=generation.usage)

    def applies(self, example: Example) -> bool:
        """Returns whether the example's right answer is known, and the protocol has a prompt for it."""
        if self.protocol != "ragvlc":
            return PROTOCOLS[self.protocol].applies(example)
        return bool(example.references) or example.unanswerable

    def verdict(self, reply: str) -> bool | None:
        """Returns the verdict in a judge's reply, or None if it has none."""
        if self.protocol == "ragvlc":
            return verdict_of(reply, self.judge.thinking)
        return PROTOCOLS[self.protocol].verdict(read_text(reply, self.judge.thinking).answer.strip())

    def official(self, questions: Sequence[ScoredQuestion]) -> Mapping[str, float]:
        """Returns the figures of the protocol's authors."""
        if self.protocol == "longmemeval":
            return longmemeval_figures(questions)
        return lara_figures(questions) if self.protocol == "lara" else {}

    @property
    def has_official(self) -> bool:
        """Whether the protocol's authors compute other figures than the mean."""
        return self.protocol in ("lara", "longmemeval")

    def objection(self, candidates: Sequence[Generator]) -> str | None:
        """Returns an objection if the judge is one of the generators that it would judge, else None."""
        if self.allow_same_model or not any(_same_model(self.judge, candidate) for candidate in candidates):
            return None
        return (
            "the judge is a model that answers, and models favour their own answers. Name another judge, or set "
            "allow_same_model: true."
        )

    def prompt_for(self, reply: str, example: Example) -> Prompt:
        """Returns the judge's prompt about `reply`."""
        letters = {choice: f"{chr(ord('A') + place)}. {choice}" for place, choice in enumerate(example.query.choices)}
        question = "\n".join((example.query.text, *letters.values()))
        if self.protocol != "ragvlc":
            return PROTOCOLS[self.protocol].prompt(reply, question, example)
        template = self.unanswerable_prompt if example.unanswerable else self.prompt
        fields = {
            "question": question,
            "reference": "\n".join(letters.get(reference, reference) for reference in example.references),
            "rule": _ALL if example.answer_mode == "all" else _ANY,
            "answer": reply,
        }
        return filled(template, fields)


def verdict_of(reply: str, thinking: str = "auto") -> bool | None:
    """Returns the verdict in a judge's reply, or None if the reply has no True or False outside its thoughts."""
    found = _VERDICT.search(read_text(reply, thinking).answer)
    return found and bool(found[1])


def _same_model(judge: Generator, candidate: Generator) -> bool:
    """Returns whether two generators run the same model: equal settings, or the same model name or files."""
    return judge.key == candidate.key or bool(_models(judge) & _models(candidate))


def _models(generator: Generator) -> set[str]:
    found = generator.spec().get("model"), generator.identity().get("model")
    return {str(model) for model in found if model}


class _CachingJudge:
    """A loaded judge with a cache of its verdicts, because cells of a sweep often give equal answers."""

    def __init__(self, metric: LlmJudge, engines: Engines) -> None:
        self._metric = metric
        self._judge = metric.judge
        self._engine = engines.text(metric.judge)
        self._tokenizer = lambda: engines.tokenizer(metric.judge)
        self._ruled: dict[str, Generation] = {}

    def ask(self, request: Request) -> Generation:
        """Returns the judge's reply; replies without a verdict are not cached."""
        text = request.prompt.text()  # one protocol: its system message is the same for equal texts
        found = self._ruled.get(text)
        if found is None:
            judge = self._judge
            [sent] = self._engine.generate([with_thinking_tokens(request, judge.thinking_tokens)])
            found = read_generation(sent, judge.thinking, self._tokenizer)
            if self._metric.verdict(found.text) is not None:
                self._ruled[text] = found
        return found

    def close(self) -> None:
        """Clears the cache of verdicts; the pool closes the engine."""
        self._ruled.clear()
