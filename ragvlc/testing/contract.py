"""The contract of a component: every clause of its family, checked one by one, and a report of broken clauses."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ragvlc import config
from ragvlc.core.component import Component, kind_of
from ragvlc.core.errors import RagvlcError, raised_at
from ragvlc.core.outside import file_of
from ragvlc.families import find
from ragvlc.testing.clauses import chunks, datasets, metrics, models, parts, rankings, routes, sweeps
from ragvlc.testing.trial import Broken, Trial

__all__ = ["Clause", "ContractBroken", "Report", "Result", "check", "clauses_of", "report_on", "results", "tried"]

Clause = Callable[[Trial], None]

_OF_FAMILY: dict[str, tuple[Clause, ...]] = {
    "chunkers": chunks.CHUNKER_CLAUSES,
    "datasets": datasets.CLAUSES,
    "embedders": models.EMBEDDER_CLAUSES,
    "executors": (),
    "generators": models.GENERATOR_CLAUSES,
    "metrics": metrics.CLAUSES,
    "orders": chunks.ORDER_CLAUSES,
    "rerankers": rankings.RERANKER_CLAUSES,
    "retrievers": rankings.RETRIEVER_CLAUSES,
    "routers": routes.ROUTER_CLAUSES,
    "routes": routes.ROUTE_CLAUSES,
    "selectors": chunks.SELECTOR_CLAUSES,
    "strategies": sweeps.STRATEGY_CLAUSES,
    "trackers": (),
}
_OPENED: dict[str, tuple[Clause, ...]] = {
    "embedders": models.OPENED_EMBEDDER_CLAUSES,
    "executors": sweeps.EXECUTOR_CLAUSES,
    "generators": models.OPENED_GENERATOR_CLAUSES,
    "trackers": sweeps.TRACKER_CLAUSES,
}
"""Clauses that open a model, a cluster or a store."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of checking one clause.

    Attributes:
        clause: its sentence.
        problem: what is broken and what to do; empty where the kind keeps the clause.
        notes: what could not be tried.
    """

    clause: str
    problem: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """The results of checking all clauses of a component.

    Attributes:
        kind: the word for it in YAML.
        family: its folder's name.
        results: one for each clause, in order.
    """

    kind: str
    family: str
    results: tuple[Result, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """The sentences about broken clauses, without repeats."""
        return tuple(dict.fromkeys(result.problem for result in self.results if result.problem))

    @property
    def passed(self) -> bool:
        """Whether no clause is broken."""
        return not self.problems


class ContractBroken(AssertionError):
    """The error for a component that breaks its contract.

    Attributes:
        report: of every clause.
    """

    def __init__(self, report: Report) -> None:
        self.report = report
        sentences = "\n".join(f"- {problem}" for problem in report.problems)
        super().__init__(f"{report.kind} breaks the contract of {report.family}:\n{sentences}")


def check(kind: str | type[Component], **settings: Any) -> Report:  # noqa: ANN401 - settings of any kind
    """Returns the report on a component. Raises `ContractBroken` if it breaks the contract of its family.

    Args:
        kind: a class, `module:Class`, `family.kind`, or the name of a shipped kind.
        settings: what it is built with; a kind that needs none can do without.

    Raises:
        ContractBroken: with a sentence for each broken clause, which says what to do.
        ConfigError: there is no such kind, or the settings do not fit.
    """
    report = report_on(kind, **settings)
    if not report.passed:
        raise ContractBroken(report)
    return report


def report_on(kind: str | type[Component], **settings: Any) -> Report:  # noqa: ANN401 - settings of any kind
    """Returns the report on a component, even if it breaks its contract. Raises `ConfigError`; see `check`."""
    part = find(kind)
    return Report(kind_of(part), part.family, tuple(results(part, settings)))


def results(part: type[Component], settings: dict[str, Any]) -> Iterator[Result]:
    """Yields the result of each clause as soon as it is checked. Raises `ConfigError` for invalid settings."""
    config.build(part, settings, kind_of(part))
    for clause in clauses_of(part):
        with Trial(part, settings) as trial:
            yield tried(clause, trial)


def clauses_of(part: type[Component], *, opened: bool = True) -> tuple[Clause, ...]:
    """Returns the clauses for a component; without `opened`, only those that open no models, clusters or stores."""
    own = () if ":" in kind_of(part) else parts.SHIPPED_CLAUSES
    return (*own, *parts.CLAUSES, *_OF_FAMILY[part.family], *(_OPENED.get(part.family, ()) if opened else ()))


def tried(clause: Clause, trial: Trial) -> Result:
    """Returns the result of checking a clause; an error in the component's code breaks the clause."""
    sentence, _, _ = inspect.cleandoc(clause.__doc__ or "").partition("\n")
    problem = ""
    try:
        clause(trial)
    except Broken as error:
        problem = str(error)
    except RagvlcError as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001 - whatever the kind's code raises
        said = (str(error).strip() or "no reason given").splitlines()[0]
        place = raised_at(error, file_of(trial.part))
        problem = f"it raises {type(error).__name__}: {said} ({place})."
    return Result(sentence, problem, tuple(trial.notes))
