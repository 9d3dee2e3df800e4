"""Trials of models and servers before the first question: what is missing is found in seconds, not after hours.

A model that is loaded here is tried by opening it. A model of a server is asked one short question, by a copy that
does not retry. A server that answers, however badly, is there: only what another attempt cannot mend is a problem.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from ragvlc.core import interruption
from ragvlc.core.answer import Usage
from ragvlc.core.component import Component
from ragvlc.core.engines import Prompt, Request
from ragvlc.core.errors import ConnectionFailed, EngineError, RagvlcError, WindowExceeded
from ragvlc.core.jobs import Setup, SetupResult
from ragvlc.core.parts import Embedder, Generator
from ragvlc.core.texts import first_line
from ragvlc.pool import EnginePool

__all__ = ["QUESTION", "QUESTION_TOKENS", "has_model", "try_setups"]

log = logging.getLogger("ragvlc")

QUESTION = Request(Prompt("Reply with the word yes."), max_tokens=16)  # sampled as the generator says
QUESTION_TOKENS = 24
"""Tokens of the question and its answer, about."""
_ANSWER_SECONDS = 10.0
_CONNECT_SECONDS = 1.2
_PAUSE_SECONDS = 1.0
_SAID_SECONDS = 2.0


def has_model(part: Component) -> bool:
    """Returns whether a component has a model that can be tried."""
    return isinstance(part, Generator | Embedder) or callable(getattr(part, "open", None))


def try_setups(pool: EnginePool, setups: Sequence[Setup], wait_seconds: float = 0.0) -> list[SetupResult]:
    """Tries models one after the other; returns a result for each.

    Servers come first, because they take no memory: as long as one of them does not work, no model is loaded.

    Args:
        pool: where models that stay open are opened.
        setups: to try.
        wait_seconds: how long to wait for servers to come up.
    """
    trials: dict[str, SetupResult] = {}
    remote = {one.part.key: _trial_copy(one.part) is not None for one in setups}
    for setup in sorted(setups, key=lambda one: (not remote[one.part.key], one.stays_open)):
        if not remote[setup.part.key] and any(one.problem for one in trials.values()):
            continue
        trials[setup.part.key] = _tried(pool, setup, wait_seconds)
    return [trials[one.part.key] for one in setups if one.part.key in trials]


def _trial_copy(part: Component) -> Generator | None:
    return part.trial(_ANSWER_SECONDS) if isinstance(part, Generator) else None


def _tried(pool: EnginePool, setup: Setup, wait_seconds: float) -> SetupResult:
    part, copy = setup.part, _trial_copy(setup.part)
    name, start, usage = _name(part), time.monotonic(), Usage()
    problem = note = ""
    try:
        if copy is None:
            _open(pool, setup)
        else:
            usage = _ask_patiently(copy, name, wait_seconds)
    except WindowExceeded:
        log.debug("the question before the sweep does not fit the window of %s", name)
    except ConnectionFailed as error:
        problem = f"{str(error).rstrip('.')}. No question was asked: start the server, or wait for it (--wait SECONDS)."
    except EngineError as error:
        if copy is not None and error.transient:
            note = str(error)
        else:
            problem = str(error)
    except RagvlcError as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001 - whatever a model's library raises
        interruption.check()
        problem = f"{name} cannot be opened: {type(error).__name__}: {first_line(error)}"
    seconds = time.monotonic() - start
    if note:
        log.warning("no answer to a short question before the first one; the run starts all the same: %s", note)
    elif copy is not None and seconds > _SAID_SECONDS and not problem:
        log.info("%s answered a short question after %.0f s", name, seconds)
    return SetupResult(part.key, name, seconds, usage, problem, note)


def _open(pool: EnginePool, setup: Setup) -> None:
    """Opens a model in the pool; closes it again if the first questions do not need it."""
    part, held = setup.part, pool.holds(setup.part)
    if isinstance(part, Generator):
        pool.text(part)
    elif isinstance(part, Embedder):
        pool.vectors(part)
    else:
        open_it: Callable[[], object] = getattr(part, "open")  # noqa: B009 - see `has_model`
        pool.opened(part, open_it)
    if not (held or setup.stays_open):
        pool.close({part.key})


def _ask_patiently(copy: Generator, name: str, wait_seconds: float) -> Usage:
    """Asks the short question until the server answers or the time is over; returns its usage."""
    start, said = time.monotonic(), False
    while True:
        try:
            return _ask(copy)
        except EngineError as error:
            interruption.check()
            waited = time.monotonic() - start
            most = max(wait_seconds, _CONNECT_SECONDS if isinstance(error, ConnectionFailed) else 0.0)
            if not error.transient or isinstance(error, WindowExceeded) or waited + _PAUSE_SECONDS > most:
                raise
            if wait_seconds and not said:
                said = True
                log.info("waiting for %s: %s", name, error)
        interruption.pause(_PAUSE_SECONDS)


def _ask(copy: Generator) -> Usage:
    engine = copy.open()
    try:
        [found] = engine.generate([QUESTION])
    finally:
        engine.close()
    return found.usage


def _name(part: Component) -> str:
    spec = part.spec()
    model = next((str(spec[name]) for name in ("model", "chat_model") if spec.get(name)), "")
    place = f" at {spec['url']}" if spec.get("url") else ""
    return f"{part.kind} '{model}'{place}" if model else part.kind
