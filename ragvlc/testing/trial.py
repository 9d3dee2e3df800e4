"""A component under test: how it is built, which questions it gets, and the error that a broken clause raises."""

from __future__ import annotations

import copy
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self
from zlib import crc32

from pydantic import ValidationError

from ragvlc import config
from ragvlc.core.answer import Answer, Step, Timing, Usage
from ragvlc.core.component import Component, kind_of
from ragvlc.core.data import Example
from ragvlc.core.families import Route, Router
from ragvlc.datasets.toy import Toy
from ragvlc.generators.scripted import Scripted
from ragvlc.pipeline import Pipeline
from ragvlc.roles import Models
from ragvlc.run import LiveRun
from ragvlc.testing.engines import FunctionEngine, ScriptedPool

__all__ = ["Broken", "Trial", "TrialAnswer", "pipeline_of", "reply", "require", "said", "toy"]

EMBEDDER = "sentence_transformer"


class Broken(AssertionError):
    """The way in which a component breaks its contract, and how to fix it, in one or two sentences."""


def require(condition: object, sentence: str) -> None:
    """Raises `Broken` with `sentence` unless the condition holds."""
    if not condition:
        raise Broken(sentence)


def toy() -> tuple[Example, ...]:
    """Returns copies of the toy set's examples, so that a component's changes to one do not affect the next clause."""
    return tuple(copy.deepcopy(example) for example in Toy().load())


def reply(prompt: str) -> str:
    """Returns a reply computed from the prompt, so that different prompts get different replies."""
    return f"reply {crc32(prompt.encode('utf-8', 'surrogatepass'))}"


@dataclass(frozen=True)
class TrialAnswer:
    """An answer, and the engine that received the requests.

    Attributes:
        answer: of the pipeline.
        engine: with every request.
        gold: the number of times that the example's gold was read.
    """

    answer: Answer
    engine: FunctionEngine
    gold: int = 0

    @property
    def prompts(self) -> list[str]:
        """The messages that were sent, in order."""
        return [request.prompt.text() for request in self.engine.requests]


class _Watched(LiveRun):
    """A run that lets any route read the gold, and counts how often it is read."""

    reads = 0

    @property
    def gold(self) -> Example:
        """The example with its gold, counting each access."""
        self.reads += 1
        return self._example


@dataclass
class Trial:
    """One component, the settings for testing it, and a temporary folder for its files.

    Attributes:
        part: the class under test.
        settings: what it is built with.
        folder: deleted when the trial ends.
        notes: what could not be tried, a sentence each.
    """

    part: type[Component]
    settings: Mapping[str, Any]
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="ragvlc-check-")))
    notes: list[str] = field(default_factory=list)
    _folders: int = 0
    _pools: list[ScriptedPool] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for pool in self._pools:
            pool.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def kind(self) -> str:
        """The component's name in YAML."""
        return kind_of(self.part)

    @property
    def shipped(self) -> bool:
        """Whether the component is a file of the ragvlc package."""
        return ":" not in self.kind

    def build(self, **changes: Any) -> Any:  # noqa: ANN401 - of the family under test
        """Returns the component, with some settings changed."""
        return self.part.model_validate({**self.settings, **changes})

    def new_folder(self) -> Path:
        """Returns an unused path in the trial's folder."""
        self._folders += 1
        return self.folder / str(self._folders)

    def ask(
        self, pipeline: Pipeline, example: Example, *, window: int = 8192, folder: Path | None = None
    ) -> TrialAnswer:
        """Returns the answer to an example, from a pool with empty caches."""
        engine = FunctionEngine(reply, window)
        with ScriptedPool(engine, folder or self.new_folder()) as pool:
            return TrialAnswer(pipeline.answer_example(example, pool=pool), engine)

    def ask_with_gold(self, pipeline: Pipeline, example: Example) -> TrialAnswer:
        """Returns the answer to an example whose gold any route can read; accesses to the gold are counted."""
        engine = FunctionEngine(reply)
        with ScriptedPool(engine, self.new_folder()) as pool:
            run = _Watched(Models(pipeline.generators, pipeline.embedders), pool, example)
            answer = pipeline.answer_in(run, example)
            return TrialAnswer(answer, engine, run.reads)

    def run_over(self, part: Component, engine: FunctionEngine) -> LiveRun:
        """Returns a run that has every model that a retriever or reranker needs."""
        tables = {(table, role) for table, role, _ in part.roles()} | {("generators", "main")}
        models = Models(
            {role: Scripted() for table, role in tables if table == "generators"},
            {role: self._embedder for table, role in tables if table == "embedders"},
        )
        self._pools.append(ScriptedPool(engine, self.new_folder()))
        return LiveRun(models, self._pools[-1], toy()[0])

    @cached_property
    def _embedder(self) -> Any:  # noqa: ANN401 - an Embedder
        from ragvlc.core.families import Embedder

        return Embedder.build(EMBEDDER)


def pipeline_of(routes: Mapping[str, Route], router: Router | str = "always") -> Pipeline:
    """Returns a pipeline that has every role that its routes need."""
    parts: list[Component] = [*routes.values(), *([router] if isinstance(router, Router) else [])]
    roles = {(table, role) for part in parts for table, role, _ in part.roles()} | {("generators", "main")}
    fields: dict[str, Any] = {
        "generators": {role: "scripted" for table, role in roles if table == "generators"},
        "embedders": {role: EMBEDDER for table, role in roles if table == "embedders"},
        "routes": routes,
        "router": router,
    }
    try:
        return Pipeline.model_validate(fields)
    except ValidationError as error:
        names, problems = " and ".join(routes), " ".join(config.problems(error, Pipeline, "pipeline"))
        raise Broken(
            f"a pipeline with the routes {names} cannot hold it: {problems} Try it with settings that name those."
        ) from None


def said(answer: Answer) -> tuple[Answer, list[tuple[str, int, Usage]]]:
    """Returns the parts of an answer that must not change between runs: all but seconds and the trace's facts."""
    steps = [(step.name, len(step.steps), step.usage) for step in _walk(answer.trace)]
    return replace(answer, timing=Timing(), trace=()), steps


def _walk(trace: tuple[Step, ...]) -> list[Step]:
    return [step for root in trace for step in root.walk()]
