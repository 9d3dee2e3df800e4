"""Base of routes with speculative decoding: two prompts, two decode states, and their statistics in the trace."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from ragvlc.core.answer import Answer
from ragvlc.core.component import Role
from ragvlc.core.data import Document, Hit, Query
from ragvlc.core.decode_state import DecodeState
from ragvlc.core.engines import Reader, Request
from ragvlc.core.errors import EngineError
from ragvlc.core.run import Run
from ragvlc.reading.acceptance_rules import AcceptanceRule
from ragvlc.reading.asking import Reading, whole
from ragvlc.reading.context import ContextBudget, FittedPrompt, fit
from ragvlc.reading.speculation_rounds import Limits, Rounds, speculate

__all__ = ["Read", "Speculating"]


@dataclass(frozen=True, slots=True)
class Read:
    """The prompts that target and drafter read.

    Attributes:
        target: the prompt of the model that answers.
        draft: that of the one that proposes.
        ranking: retrieved hits, best first.
    """

    target: FittedPrompt
    draft: FittedPrompt
    ranking: Sequence[Hit] = field(default=())


class Speculating(Reading):
    """A route in which a drafter proposes tokens and the target checks several at a time.

    The drafter may be the same model (`draft: main`, or an equal spec: its weights are loaded once), a smaller or a
    larger one; it must have the target's tokens. The answer's trace tells rounds, drafted and accepted tokens, these
    by place in the draft (`tried_at`, `judged_at`, `accepted_at`), and seconds; usage counts the drafter's tokens under
    its own role.

    Attributes:
        generator: role of the target, whose answer it is.
        draft: role of the drafter.
        gamma: tokens drafted at a time.
        confidence: a draft ends early with a token that the drafter gave less probability; 0 never does.
        temperature: of both models, whatever theirs is; 0 is greedy.
        top_p: nucleus of both, whatever theirs is.
        max_context_tokens: at most so many document tokens for the target, whatever its window allows; None for all
            that fit.
        measure_plain: also measure plain decoding of as many tokens after the same prompt, for the speedup in the
            trace. It is no part of the answer's usage and seconds.
    """

    generator: Annotated[str, Role("generators", "TokenEngine")] = "main"
    draft: Annotated[str, Role("generators", "TokenEngine")] = "draft"
    gamma: Annotated[int, Field(ge=1)] = 10
    confidence: Annotated[float, Field(ge=0, lt=1)] = 0.0
    temperature: Annotated[float, Field(ge=0)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    max_context_tokens: Annotated[int | None, Field(ge=1)] = None
    measure_plain: bool = False

    @abstractmethod
    def draft_reads(self, tokens: int) -> int:
        """Returns the number of document tokens that the drafter reads if the target reads `tokens`."""

    @property
    def random(self) -> bool:
        """Whether the answer depends on the seed: sampling does, greedy decoding does not."""
        return self.temperature > 0 or super().random

    def read_whole(self, query: Query, documents: Sequence[Document], run: Run) -> FittedPrompt:
        """Returns the target's prompt with all documents, cut if they do not fit."""
        budget = ContextBudget(self.max_tokens(query), self.truncation, self.max_context_tokens)
        target = run.generator(self.generator)
        return fit(whole(documents), documents, target, lambda text: self.prompt(query, text), budget)

    def decode(self, read: Read, rule: AcceptanceRule, query: Query, run: Run) -> Answer:
        """Returns the target's answer, decoded speculatively.

        Raises:
            EngineError: drafter and target have different tokens.
        """
        import torch

        target, draft = run.generator(self.generator), run.generator(self.draft)
        self._check_vocabulary(target, draft)
        request = self._request(read.target, query, run, "answer")
        points = torch.Generator().manual_seed(run.seed_for("accept"))
        limits = Limits(request.max_tokens, self.gamma, self.confidence)
        facts = {"pieces": len(read.target.context), "dropped_tokens": read.target.dropped_tokens}
        with (
            run.step("read", **facts, draft_pieces=len(read.draft.context)) as told,
            run.step("answer", generator=self.generator, draft=self.draft, eta=rule.eta) as noted,
        ):
            told["draft_dropped_tokens"] = read.draft.dropped_tokens
            with (
                target.start(request) as checks,
                draft.start(self._request(read.draft, query, run, "draft"), width=checks.width) as proposes,
            ):
                found = speculate(checks, proposes, rule, limits, points)
                noted.update(_facts(found, checks, proposes))
                if self.measure_plain:
                    noted.update(_against_plain(found, checks, noted))
                tokens = found.tokens[:-1] if found.ended else found.tokens
                text = checks.text(tokens)
            generation = target.read(text, "stop" if found.ended else "length")
            noted.update(generation.notes, finish=generation.finish)
        return run.answer(
            generation,
            ranking=read.ranking,
            context=read.target.context,
            finish="declined" if self.declines(generation.text) else None,
        )

    def _request(self, fitted: FittedPrompt, query: Query, run: Run, step: str) -> Request:
        return Request(
            fitted.prompt,
            max_tokens=self.max_tokens(query),
            temperature=self.temperature,
            top_p=self.top_p,
            seed=run.seed_for(step),
        )

    def _check_vocabulary(self, target: Reader, draft: Reader) -> None:
        if self.draft != self.generator and target.vocabulary != draft.vocabulary:
            raise EngineError(
                f"generators.{self.draft} has other tokens than generators.{self.generator}, so what one drafts means "
                "nothing to the other. Take a drafter of the same model family, or the same model."
            )


def _facts(found: Rounds, checks: DecodeState, proposes: DecodeState) -> dict[str, Any]:
    """Returns the statistics of the rounds that the trace records."""
    drafted, accepted = sum(found.tried), sum(found.accepted)
    target, draft = checks.timing, proposes.timing
    drafting, checking = draft.phases.get("draft", 0.0), target.phases.get("verify", 0.0)
    seconds = drafting + checking
    return {
        "rounds": found.rounds,
        "tokens": len(found.tokens),
        "drafted": drafted,
        "accepted": accepted,
        "acceptance": accepted / drafted if drafted else None,
        "target_prompt": checks.usage.prompt_tokens,
        "draft_prompt": proposes.usage.prompt_tokens,
        "tried_at": " ".join(map(str, found.tried)),
        "judged_at": " ".join(map(str, found.judged)),
        "accepted_at": " ".join(map(str, found.accepted)),
        "prefill_seconds": target.phases.get("prefill", 0.0),
        "draft_prefill_seconds": draft.phases.get("prefill", 0.0),
        "draft_seconds": drafting,
        "verify_seconds": checking,
        "tokens_a_second": len(found.tokens) / seconds if seconds else None,
    }


def _against_plain(found: Rounds, target: DecodeState, noted: Mapping[str, Any]) -> dict[str, Any]:
    plain = target.plain_seconds(len(found.tokens))
    taken = (noted["draft_seconds"] + noted["verify_seconds"]) / len(found.tokens)
    return {
        "plain_seconds": plain * len(found.tokens),
        "plain_tokens_a_second": 1 / plain if plain else None,
        "speedup": plain / taken if taken else None,
    }
