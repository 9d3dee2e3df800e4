"""Choices of routers in a replay: each router sees the real question and documents, as in a pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Never, TypeVar, cast

from ragvlc.core.answer import Answer, Step, Timing, Usage
from ragvlc.core.data import Document, Example, Query
from ragvlc.core.engines import Generation, Prompt, TextEngine, Tokenizer
from ragvlc.core.errors import ConfigError, EngineError
from ragvlc.core.families import Choice, Generator, Route, Router
from ragvlc.core.run import Run
from ragvlc.engines.remote.estimated_tokenizer import EstimatedTokenizer
from ragvlc.engines.scripted.engine import ScriptedCall, ScriptedEngine, ScriptedReply
from ragvlc.pool import EnginePool
from ragvlc.replay.spec import Replay
from ragvlc.roles import Models
from ragvlc.run import LiveRun

__all__ = ["Decider", "Decision", "StoredRoute", "TokenCounts"]

MadeT = TypeVar("MadeT")


class TokenCounts(Generator):
    """A generator that only estimates token counts, for replays that name no generator.

    Attributes:
        tokens: of the window; None: not known.
        characters: of a token, where texts are only counted; None: by the estimate of servers without a tokenizer.
    """

    tokens: int | None = None
    characters: float | None = None

    @property
    def lasting(self) -> bool:
        """Whether anything of it is worth storing: there is no model, and perhaps no window."""
        return False

    def tokenizer(self) -> Tokenizer:
        """Returns the tokenizer that estimates counts for servers, or one that counts characters."""
        return EstimatedTokenizer() if self.characters is None else _Even(self.characters)

    def open(self) -> TextEngine:
        """Returns an engine that counts tokens and raises `EngineError` when asked to generate."""
        return ScriptedEngine(_refuse, self._window, self.tokenizer(), checks_window=False)

    def _window(self) -> int:
        if self.tokens is None:
            raise EngineError(
                "a router goes by the model's window, which stored answers do not tell. Give it: `window: N`."
            )
        return self.tokens


def _refuse(call: ScriptedCall) -> ScriptedReply:  # noqa: ARG001 - none is answered
    raise EngineError("a router asks a model, and this replay names none. Give it `generators: {main: {...}}`.")


class _Even(EstimatedTokenizer):
    """Counts a fixed number of characters as one token; truncates texts with the estimated tokenizer."""

    def __init__(self, characters: float) -> None:
        self._characters = characters  # first: the parent counts
        super().__init__()
        self.id = f"characters:{characters:g}"

    def count(self, text: str) -> int:
        """Returns the number of tokens in a text."""
        return ceil(len(text) / self._characters)

    def render(self, prompt: Prompt) -> list[int]:
        """Returns one placeholder id for each token of the message and its chat template."""
        return [0] * (self._frame + self.count(self.control.neutralize(prompt).text))


class StoredRoute(Route):
    """A route whose answers are stored and cannot be generated."""

    def answer(self, query: Query, documents: Sequence[Document], run: Run) -> Never:  # noqa: ARG002
        """Raises `EngineError`, since a replay generates no answers."""
        raise EngineError("a replay generates nothing: the router answered where it should have chosen.")


@dataclass(frozen=True, slots=True)
class Decision:
    """A router's choice for one question, and the cost of choosing.

    Attributes:
        choice: of the router.
        bills: tokens by the role of the model that was asked.
        timing: of searching and asking.
        steps: of the trace.
        long_prompts: as in `Answer`.
    """

    choice: Choice
    bills: Mapping[str, Usage] = field(default_factory=dict)
    timing: Timing = field(default_factory=Timing)
    steps: tuple[Step, ...] = ()
    long_prompts: Mapping[str, Usage] = field(default_factory=dict)

    @property
    def usage(self) -> Usage:
        """The tokens of all models that the router asked."""
        return sum(self.bills.values(), Usage())

    def applied(self, answer: Answer) -> Answer:
        """Returns the stored answer of the chosen route as the answer of a pipeline with this router."""
        chosen = Step("route", {"route": self.choice.route, "reason": self.choice.reason, **self.choice.signals})
        return Answer(
            text=answer.text,
            route=self.choice.route,
            ranking=answer.ranking,
            context=answer.context,
            usage=answer.usage + self.usage,
            timing=self.timing + answer.timing,
            trace=(chosen, *self.steps, *answer.trace),
            finish=answer.finish,
            reused=answer.reused,
            bills={**answer.bills, **{f"router.{role}": usage for role, usage in self.bills.items()}},
            long_prompts={**answer.long_prompts, **{f"router.{key}": one for key, one in self.long_prompts.items()}},
        )


class Decider:
    """Asks each distinct router once per question, even if its choices are applied to several models.

    Args:
        replay: with the models that routers need.
        routes: names to choose between.
        pool: opened models; rankings are found on disk if they were made before.
    """

    def __init__(self, replay: Replay, routes: Sequence[str], pool: EnginePool) -> None:
        self.pool = pool
        self.routes: dict[str, Route] = {name: replay.routes.get(name) or StoredRoute() for name in routes}
        users = [*replay.routers.values(), *replay.routes.values()]
        asked = {role for user in users for table, role, _ in user.roles() if table == "generators"}
        counts = TokenCounts(tokens=replay.window, characters=replay.answers.characters_per_token)
        generators = dict.fromkeys([*sorted(asked), "main"], counts) | dict(replay.generators)
        self.models = Models(generators, replay.embedders)
        self._seed = replay.seed
        self._made: dict[tuple[str, str], Any] = {}

    def check(self, name: str, router: Router) -> None:
        """Raises `ConfigError` if the router may choose a route without stored answers."""
        try:
            targets = router.targets(self.routes)
        except ValueError as error:
            raise ConfigError(f"routers.{name}: {error}") from error
        if missing := sorted(targets - set(self.routes)):
            raise ConfigError(
                f"routers.{name}: may take '{missing[0]}', of which no answers are stored. "
                f"Known: {', '.join(self.routes)}. Name routes in answers.routes, or in the router's settings."
            )

    def decide(self, router: Router, example: Example) -> Decision:
        """Returns a router's decision for a question; the router sees neither gold nor answers."""

        def choose() -> Decision:
            run = self.run(example)
            choice = router.choose(example.query, example.documents, self.routes, run)
            cost = run.answer(Generation(""))
            return Decision(choice, dict(cost.bills), cost.timing, run.trace, cost.long_prompts)

        return self.remembered((router.key, example.key), choose)

    def remembered(self, place: tuple[str, str], make: Callable[[], MadeT]) -> MadeT:
        """Returns the cached value for these keys; `make` computes the value on the first request."""
        if place not in self._made:
            self._made[place] = make()
        return cast("MadeT", self._made[place])

    def run(self, example: Example) -> LiveRun:
        """Returns a run for one question, with the models of the replay."""
        return LiveRun(self.models, self.pool, example, seed=self._seed)

    def tokens(self, text: str) -> int:
        """Returns the number of tokens in a text, by the tokenizer of generator `main`."""
        return self.pool.tokenizer(self.models.generators["main"]).count(text)
