"""Cascade: a cheap route answers; if the model was unsure of the answer, an expensive route answers instead.

Paper: Gupta, Narasimhan, Jitkrittum, Rawat, Menon, Kumar, "Language Model Cascades: Token-level Uncertainty and
Beyond", ICLR 2024, arXiv 2404.10136. The score of an answer is a quantile of its tokens' log-probabilities.

Differences from the paper: there the two are a small model and a large one, here two routes, which may use the same
model; the paper's learned rule over all quantiles is left out; the threshold is a log-probability, one for all
questions, and has no sensible default for all models: `ragvlc fit-router --cascade` shows the whole curve of cost
against quality on earlier answers, and which threshold belongs to a budget. Choose it on other questions than those it
is judged on.

An answer without a token is not kept.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from ragvlc.core.answer import Answer
from ragvlc.core.errors import EngineError
from ragvlc.core.families import Route
from ragvlc.reading.confidence import FACT, at_quantile, deciles_of
from ragvlc.reading.escalation import Verdict, Wrapper, held, setting_of


class Cascade(Wrapper):
    """Uses the first route's answer unless the model was unsure of it.

    Attributes:
        first: must note how sure the model was: `logprobs: true`.
        then: what is asked where the model was unsure.
        quantile: of the token log-probabilities; 0 looks at the least sure token, 0.5 at the middle one.
        threshold: the first answer is kept from this log-probability on; 0 keeps none but the certain, a very low one
            keeps all. The default is a probability of about one half.
    """

    version: ClassVar[int] = 1
    first: Route = held("retrieve", logprobs=True)
    then: Route = held("full_context")
    quantile: Annotated[float, Field(ge=0, le=1)] = 0.0
    threshold: Annotated[float, Field(le=0)] = -0.7

    def objections(self) -> list[str]:
        """Returns a sentence for each route that does not record how sure the model was."""
        return [
            f"{place}.logprobs: must be true: the cascade decides on log-probabilities."
            if "logprobs" in type(route).model_fields
            else f"{place}: {route.kind} notes no log-probabilities. Use: retrieve, full_context, closed_book."
            for place, route in _answering("first", self.first)
            if setting_of(route, "logprobs") is not True
        ]

    def verdict(self, answer: Answer) -> Verdict:
        """Returns whether the model was unsure of the answer, so that the second route is asked.

        Raises:
            EngineError: if the answer came without log-probabilities.
        """
        found = deciles_of(answer)
        if found is None:
            raise EngineError(
                f"The answer has no {FACT}: its generator gives no log-probabilities, or it was made without "
                "`logprobs: true`. Take a generator that has them, such as transformers, or answer again."
            )
        if not found:
            return Verdict(True, "an answer without tokens", {"score": None, "logprob": None})
        found_at = at_quantile(found, self.quantile)
        sure = found_at >= self.threshold
        return Verdict(
            not sure, "sure" if sure else "unsure", {"score": -round(found_at, 5), "logprob": round(found_at, 5)}
        )


def _answering(place: str, route: Route) -> list[tuple[str, Route]]:
    """Returns the routes that may write the answer of `route`, with their dotted paths."""
    if isinstance(route, Wrapper):
        return [*_answering(f"{place}.first", route.first), *_answering(f"{place}.then", route.then)]
    return [(place, route)]
