"""Pipelines: models by role, routes by name, and a router that chooses the route of a question."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, PrivateAttr, model_validator
from pydantic_core import PydanticCustomError

from ragvlc import config
from ragvlc.core.answer import Answer, Step
from ragvlc.core.component import Component, Execution, find_kind, known_kinds, part
from ragvlc.core.data import Document, Example, Query
from ragvlc.core.errors import nearest
from ragvlc.core.families import Embedder, Generator, Route, Router
from ragvlc.pool import EnginePool
from ragvlc.roles import Models
from ragvlc.run import LiveRun

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

__all__ = ["Pipeline"]

_POOLS = threading.Lock()


class Pipeline(Component):
    """A complete question-answering system with one value for each setting; experiments vary the settings.

    Attributes:
        description: one sentence.
        generators: language models by role.
        embedders: embedding models by role.
        routes: ways of answering, by name.
        router: chooses the route; not needed for a single route.
    """

    description: Annotated[str, Execution] = ""
    generators: dict[str, Generator]
    embedders: dict[str, Embedder] = Field(default_factory=dict)
    routes: Annotated[dict[str, Route], Field(min_length=1)]
    router: Router = part("always")
    _pool: EnginePool | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """Checks that every named role and route exists, and that each model offers the protocols required of it."""
        tables: dict[str, Mapping[str, Generator | Embedder]]
        tables = {"generators": self.generators, "embedders": self.embedders}
        wrong: list[str] = []
        users = [*((f"routes.{name}", route) for name, route in self.routes.items()), ("router", self.router)]
        for name, user in users:
            for table, role, needs in sorted(user.roles()):
                models = tables[table]
                if role not in models:
                    known = ", ".join(models) or "none"
                    wrong.append(f"{name}: needs {table}.{role}. Known: {known}.{nearest(role, models)}")
                elif needs not in models[role].offers:
                    able = ", ".join(_kinds_that_offer(table, needs)) or "none here"
                    wrong.append(f"{name}: needs a {needs}; {table}.{role} ({models[role].kind}) is none. Use: {able}.")
        wrong += self._wrong_targets()
        if wrong:
            raise PydanticCustomError("several", "{text}", {"text": " ".join(wrong), "each": tuple(wrong)})
        return self

    def _wrong_targets(self) -> list[str]:
        try:
            targets = self.router.targets(self.routes)
        except ValueError as error:
            return [str(error)]
        known = ", ".join(self.routes)
        return [
            f"router: names route '{target}'. Known: {known}.{nearest(target, self.routes)}"
            for target in sorted(targets - set(self.routes))
        ]

    @classmethod
    def load(cls, name: str | Path) -> Self:
        """Returns the pipeline in a YAML file, or the shipped pipeline of that name. Raises `ConfigError`."""
        path = config.find_file(str(name), "pipelines")
        return config.build(cls, config.read_yaml(path), str(path), path.parent)

    @property
    def controls(self) -> frozenset[str]:
        """Names of the routes that read the gold of an example."""
        return frozenset(name for name, route in self.routes.items() if route.uses_gold)

    def answer(
        self, query: Query | str, documents: Sequence[Document], *, seed: int = 0, pool: EnginePool | None = None
    ) -> Answer:
        """Returns the answer to a question over documents.

        Models open on first use and stay open until `close`; a given pool is used instead and left open.
        """
        asked = Query("question", query) if isinstance(query, str) else query
        return self.answer_example(Example(asked, tuple(documents)), seed=seed, pool=pool)

    def answer_example(
        self, example: Example, *, seed: int = 0, pool: EnginePool | None = None, cold: bool = False
    ) -> Answer:
        """Returns the answer to an example of a data set; only control routes see the example's gold.

        `cold` ranks and generates anew, without cached results, to measure time.
        """
        run = LiveRun(self._models, pool or self.own_pool(), example, seed=seed, cold=cold)
        return self.answer_in(run, example)

    def answer_in(self, run: LiveRun, example: Example) -> Answer:
        """Returns the answer to the example of `run`."""
        query, documents = example.query, example.documents
        choice = self.router.choose(query, documents, self.routes, run)
        route = self.routes[choice.route]
        run.gold_open = route.uses_gold
        answer = route.answer(query, documents, run)
        chosen = Step("route", {"route": choice.route, "reason": choice.reason, **choice.signals})
        return replace(answer, route=choice.route, trace=(chosen, *run.trace))

    def as_runnable(
        self, *, documents: Iterable[Any] | None = None, output: Literal["answer", "dict"] = "answer"
    ) -> Runnable[Any, Any]:
        """Returns the pipeline as a LangChain Runnable; see `ragvlc.langchain`."""
        from ragvlc.langchain.runnables import as_runnable

        return as_runnable(self, documents=documents, output=output)

    @cached_property
    def _models(self) -> Models:
        return Models(self.generators, self.embedders)

    def __getstate__(self) -> dict[Any, Any]:
        """Returns the state to pickle: the settings, without loaded models and cached keys."""
        state = super().__getstate__()
        own = {name: value for name, value in state["__dict__"].items() if name != "_models"}
        return {**state, "__dict__": own, "__pydantic_private__": {"_pool": None}}

    def close(self) -> None:
        """Frees the models loaded by `answer`."""
        if self._pool is not None:
            self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def own_pool(self) -> EnginePool:
        """Returns the pool of loaded models that `answer` uses by default; `close` closes the pool."""
        with _POOLS:  # two concurrent first calls must not open every model twice
            if self._pool is None:
                self._pool = EnginePool()
            return self._pool


def _kinds_that_offer(table: str, needs: str) -> list[str]:
    family: type[Generator | Embedder] = Generator if table == "generators" else Embedder
    return [f"kind: {kind}" for kind in known_kinds(table) if needs in find_kind(family, kind).offers]
