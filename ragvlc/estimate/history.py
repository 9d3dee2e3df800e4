"""Statistics of a model from earlier results: answer lengths, seconds, and acceptance of drafts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic_core import PydanticCustomError

from ragvlc.core.answer import Answer
from ragvlc.core.errors import ConfigError, RagvlcError
from ragvlc.core.families import Generator
from ragvlc.core.yaml_text import read_mapping
from ragvlc.hardware.roofline import Passes
from ragvlc.results.speculation import Speculated, speculation_of
from ragvlc.results.store import CellStore

__all__ = ["History", "Measured", "Past", "Took"]

_MOST_CELLS = 200
_MOST_SPECULATED = 12
_MOST_ROWS = 2000


@dataclass(frozen=True, slots=True)
class Measured:
    """One stored answer that used a single model: mean tokens per call, and the seconds of all calls.

    Attributes:
        calls: of the model.
        prompt: tokens a call.
        cached: tokens a call, found in the engine's cache.
        completion: tokens a call.
        prefill_seconds: of all calls.
        decode_seconds: of all calls.
    """

    calls: int
    prompt: float
    cached: float
    completion: float
    prefill_seconds: float
    decode_seconds: float


@dataclass(frozen=True, slots=True)
class Took:
    """Forward passes of a stored decoding session, and their duration in seconds."""

    passes: Passes
    seconds: float


@dataclass(slots=True)
class Past:
    """Stored statistics of a model: answer lengths, seconds and decoding sessions.

    Attributes:
        exact: whether it is of this very generator, or of its model under other settings.
        measured: answers with seconds, and prompts of sessions, without new tokens.
        sessions: passes after the prompts of sessions.
        timed: answers that these are of.
        lengths: (new tokens, calls) by kind of route.
    """

    exact: bool = True
    measured: list[Measured] = field(default_factory=list)
    sessions: list[Took] = field(default_factory=list)
    timed: int = 0
    lengths: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def whose(self) -> str:
        """A clause saying that the stored answers are from other settings; empty if the settings are the same."""
        return "" if self.exact else " of the same model under other settings"

    def without_seconds(self) -> Past:
        """Returns only the answer lengths, without seconds, for use with another device."""
        return Past(self.exact, lengths=self.lengths)

    def length(self, routes: frozenset[str]) -> float | None:
        """Returns the mean new tokens per call in routes of these kinds or else in all routes; None if unknown."""
        own = [found for kind, found in self.lengths.items() if kind in routes] or list(self.lengths.values())
        calls = sum(count for _, count in own)
        return sum(tokens for tokens, _ in own) / calls if calls else None


@dataclass(frozen=True)
class _Cell:
    folder: Path
    name: str
    generators: Mapping[str, Generator]
    specs: Mapping[str, Mapping[str, Any]]

    @property
    def routes(self) -> dict[str, str]:
        return {name: str(spec["kind"]) for name, spec in self.specs.items()}


class History:
    """The results of all sweeps in a folder of runs, read on first use.

    Args:
        runs: folder of all results.
    """

    def __init__(self, runs: Path) -> None:
        self._runs = runs

    def of(self, generator: Generator) -> Past:
        """Returns the stored statistics of this generator, or else of the same model under other settings."""
        same = [cell for cell in self._cells if _roles(cell, generator, exact=True)]
        exact = bool(same)
        past = Past(exact)
        for cell in same or self._cells:
            roles = _roles(cell, generator, exact=exact)
            if roles:
                _read(cell, roles, past)
            if len(past.measured) >= _MOST_ROWS:
                break
        return past

    def speculated(self, target: Generator, draft: Generator) -> list[Speculated]:
        """Returns the newest cells with the same target and drafter models, regardless of their settings."""
        found = []
        for cell in self._cells:
            for name, spec in cell.specs.items():
                own = [cell.generators.get(str(spec.get(role))) for role in ("generator", "draft")]
                if any(
                    one is None or _model(one) != _model(model) for one, model in zip(own, (target, draft), strict=True)
                ):
                    continue
                sums = speculation_of(answer for answer in _answers(cell) if answer.route == name)
                found += [Speculated(cell.name, spec, sums)] if sums is not None else []
            if len(found) >= _MOST_SPECULATED:
                break
        return found

    @cached_property
    def _cells(self) -> list[_Cell]:
        found = [(path.stat().st_mtime, path) for path in self._runs.glob("*/*/resolved.yaml")]
        newest = [path for _, path in sorted(found, reverse=True)[:_MOST_CELLS]]
        return [cell for path in newest if (cell := _cell(path)) is not None]


def _cell(path: Path) -> _Cell | None:
    """Returns the configuration stored in a cell's folder; None if unreadable, e.g. written by another version."""
    try:
        whole = read_mapping(path)
        pipeline = whole["pipeline"]
        generators = {role: Generator.build(spec) for role, spec in pipeline["generators"].items()}
        routes = {name: {**route, "kind": str(route["kind"])} for name, route in pipeline["routes"].items()}
        name = f"{path.parent.parent.name}: {whole.get('name', '')}"
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ConfigError, PydanticCustomError):
        return None
    return _Cell(path.parent, name, generators, routes)


def _roles(cell: _Cell, generator: Generator, *, exact: bool) -> set[str]:
    if exact:
        return {role for role, found in cell.generators.items() if found.key == generator.key}
    return {role for role, found in cell.generators.items() if _model(found) == _model(generator)}


def _model(generator: Generator) -> tuple[str, Any, Any]:
    """Returns the identity of a generator's model: its kind, its files or name, and its server's URL."""
    spec = generator.spec()
    model = generator.identity().get("model") or spec.get("model") or generator.key
    return generator.kind, model, spec.get("url")


def _answers(cell: _Cell) -> list[Answer]:
    try:
        rows = CellStore(cell.folder).load()
    except RagvlcError:  # of another version: running that sweep says so
        return []
    return [row.answer for row in rows.values() if row.answer is not None and not row.answer.reused]


def _read(cell: _Cell, roles: set[str], past: Past) -> None:
    routes = cell.routes
    for answer in _answers(cell):
        kind = routes.get(answer.route, "")
        for usage in (usage for role, usage in answer.bills.items() if role in roles):
            tokens, calls = past.lengths.get(kind, (0, 0))
            # What a drafter draws is no answer; where it is the target itself, both are on one bill.
            written, drafters = usage.completion_tokens - usage.drafted, int(usage.drafted > 0)
            if usage.calls > drafters:
                past.lengths[kind] = tokens + written, calls + usage.calls - drafters
        known = len(past.measured) + len(past.sessions)
        past.measured += _measured(answer, roles)
        _read_sessions(answer, cell.specs.get(answer.route, {}), roles, past)
        past.timed += len(past.measured) + len(past.sessions) > known


def _measured(answer: Answer, roles: set[str]) -> Iterator[Measured]:
    phases, usage = answer.timing.phases, answer.usage
    if set(answer.bills) <= roles and usage.calls and not usage.drafted and "decode" in phases:
        calls = usage.calls
        tokens = (usage.prompt_tokens / calls, usage.cached_tokens / calls, usage.completion_tokens / calls)
        yield Measured(calls, *tokens, phases.get("prefill", 0.0), phases["decode"])


def _read_sessions(answer: Answer, route: Mapping[str, Any], roles: set[str], past: Past) -> None:
    """Adds passes and seconds of an answer's decoding sessions, if it was decoded speculatively."""
    sums = speculation_of([answer])
    if sums is None or not sums.rounds or "draft" not in route or "generator" not in route:
        return
    drafted, half = sum(sums.tried), sums.tokens / 2
    checks = Passes(sums.rounds, round(drafted / sums.rounds) + 1, sums.target_tokens + half)
    steps = Passes(drafted, 1, sums.draft_tokens + half)
    sides = (
        (str(route["generator"]), checks, sums.verify_seconds, sums.prefill_seconds),
        (str(route["draft"]), steps, sums.draft_seconds, sums.draft_prefill_seconds),
    )
    past.sessions += [
        Took(passes, spent) for role, passes, spent, _ in sides if role in roles and passes.number and spent
    ]
    for role in roles & {role for role, *_ in sides}:
        usage, reading = answer.bills.get(role), [spent for one, *_, spent in sides if one == role]
        if usage is not None and usage.calls == len(reading) and any(reading):
            tokens = (usage.prompt_tokens / usage.calls, usage.cached_tokens / usage.calls, 0)
            past.measured.append(Measured(usage.calls, *tokens, sum(reading), 0.0))
