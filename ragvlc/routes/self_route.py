"""Self-Route: answer from retrieved passages; if the model says that they lack the answer, read everything.

Paper: Li, Li, Zhang, Mei, Bendersky, "Retrieval Augmented Generation or Long-Context LLMs? A Comprehensive Study and
Hybrid Approach", EMNLP 2024, arXiv 2407.16833. There is no code of its authors.

Differences from the paper:

- The second call may decline as well. In the paper it may not, which turns the right answer to a question that the
  document does not answer, a refusal, into a wrong one. `then: {decline: null}` is the paper's way. That both declined
  is noted in the trace as `outcome: both_declined`.
- A reply declines when its first sentence says so in any of several languages and wordings (see
  `ragvlc.text.refusals`), not when a fixed word stands anywhere in it: models often word it otherwise than asked.
- Passages are read in the order of the text, as everywhere here; `first.order: relevance` shows them by score, the best
  first, as retrieval gives them.
- Five chunks of 256 tokens found by BM25, where the paper has five of 300 words found by Contriever or Dragon; both
  routes can be any others.

Weak models seldom decline: look at the share of `escalate` before judging the method.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.data import content_key
from ragvlc.core.families import Route
from ragvlc.reading.asking import Asking
from ragvlc.reading.escalation import Verdict, Wrapper, held, setting_of
from ragvlc.text.refusals import PHRASES, REPLIES, Phrases, refuses

_WORD = "unanswerable"


class SelfRoute(Wrapper):
    """Uses the first route's answer unless the model declined to answer.

    Attributes:
        first: must offer a way to decline: its `decline` is the word that the model is to reply with.
        then: what is asked where the first declined; its own `decline` is kept.
        phrases: what the first sentence of a reply holds that declines, in the signs that `text.refusals` explains;
            None takes the lists there, in nine languages. The decline word of `first` counts as well.
        replies: whole replies that decline, in the same signs; None takes the lists there.
    """

    version: ClassVar[int] = 1
    first: Route = held("retrieve", decline=_WORD, selector={"kind": "top_k", "k": 5})
    then: Route = held("full_context", decline=_WORD)
    phrases: Phrases = None
    replies: Phrases = None

    def identity(self) -> Mapping[str, Any]:
        """Returns a hash of the default pattern lists if no lists are given."""
        return {"lists": content_key([PHRASES, REPLIES])}

    def objections(self) -> list[str]:
        """Returns an error message if the first route offers no way to decline."""
        if isinstance(self.first, Asking) and not self.first.decline:
            return [f"first.decline: needs the word to decline with, such as '{_WORD}': without it none is offered."]
        return []

    def verdict(self, answer: Answer) -> Verdict:
        """Returns whether the first answer declines, so that the second route is asked."""
        declined = self.declines(answer, self.first)
        return Verdict(declined, "declined" if declined else "answered", {"declined": declined})

    def both_declined(self, verdict: Verdict, then: Answer | None) -> bool:
        """Returns whether the second answer declines too."""
        return verdict.escalate and then is not None and self.declines(then, self.then)

    def declines(self, answer: Answer, route: Route) -> bool:
        """Returns whether an answer of `route` says that its text does not answer the question."""
        phrases = PHRASES if self.phrases is None else self.phrases
        replies = REPLIES if self.replies is None else self.replies
        word = setting_of(route, "decline")
        if isinstance(word, str) and word.strip():
            # Alone, or as a whole first sentence: a word such as `none` also begins answers.
            phrases = (*phrases, f"^{' '.join(word.replace('/', ' ').strip(' .').split())}.")
        return answer.finish == "declined" or refuses(answer.text, phrases=phrases, replies=replies)
