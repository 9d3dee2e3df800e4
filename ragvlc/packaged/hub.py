"""Whether a model is on this machine or on the model hub, found out with one short request.

The hub's library tries each of a model's files six times with pauses: without network, or with a mistyped name, loading
would take minutes before it fails.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from concurrent.futures import Future, TimeoutError  # noqa: A004 - the builtin one since Python 3.11
from functools import cache
from pathlib import Path
from typing import Any

from ragvlc.core.errors import EngineError, nearest
from ragvlc.core.texts import first_line

__all__ = ["model_on_hub"]

log = logging.getLogger("ragvlc")

_SECONDS = 4.0
_LIBRARY = "sentence-transformers"
"""Owner that the library of this name puts before a model's name without an owner."""


@cache
def model_on_hub(model: str, known: Iterable[str]) -> str:
    """Returns what a library should load for a hub id: the id, or its folder in the local cache without network.

    Args:
        model: hub id.
        known: other names of models, for the guess in an error.

    Raises:
        EngineError: the model is not on this machine, and the hub does not have it or cannot be reached.
    """
    names = [model] if "/" in model else [model, f"{_LIBRARY}/{model}"]
    answers = [_answer(name) for name in names]
    if any(answer == "" for answer in answers):
        return model
    for name in names:
        if (folder := _snapshot(name)) is not None:
            log.info("'%s' is read from the local hub cache: %s", model, answers[0])
            return str(folder)
    raise EngineError(
        f"'{model}' is no folder and not in the local hub cache, and {answers[0]}.{_nearest(model, known)}"
    )


def _answer(model: str) -> str:
    """Returns why the hub does not give a model; empty if the hub has it."""
    found: Future[Any] = Future()

    def ask() -> None:
        try:
            found.set_result(_head(model))
        except Exception as error:  # noqa: BLE001 - of whatever library sends the request
            found.set_exception(error)

    # In a thread: looking up a host's name has no timeout of its own.
    threading.Thread(target=ask, name="ragvlc-hub", daemon=True).start()
    try:
        response = found.result(_SECONDS)
    except TimeoutError:
        return f"the model hub does not answer within {_SECONDS:g} s"
    except Exception as error:  # noqa: BLE001 - see above
        return f"the model hub cannot be reached ({first_line(error).rstrip('.')})"
    code = response.headers.get("x-error-code", "")
    if response.status_code < 400 or response.status_code >= 500 or code == "EntryNotFound":
        return ""
    if code == "GatedRepo":
        return "the model hub gives it only to users who have accepted its licence and set HF_TOKEN"
    return f"the model hub has no such model (HTTP {response.status_code}), or it is private and HF_TOKEN is not set"


def _head(model: str) -> Any:  # noqa: ANN401 - an httpx.Response
    from huggingface_hub import constants, get_session
    from huggingface_hub.utils._headers import build_hf_headers

    url = f"{constants.ENDPOINT}/{model}/resolve/main/config.json"
    return get_session().head(url, headers=build_hf_headers(), timeout=_SECONDS)


def _snapshot(model: str) -> Path | None:
    """Returns the folder of a model's newest files in the local hub cache, or None."""
    folders = (_cache() / f"models--{model.replace('/', '--')}").glob("snapshots/*")
    return max(folders, key=lambda folder: folder.stat().st_mtime, default=None)


def _cache() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _nearest(model: str, known: Iterable[str]) -> str:
    """Returns the nearest of the known names and the models in the local hub cache, compared without owners."""
    cached = [folder.name.removeprefix("models--").replace("--", "/") for folder in _cache().glob("models--*")]
    short = {name.rpartition("/")[2].rpartition(":")[2].lower(): name for name in (*cached, *known)}
    guess = nearest(model.rpartition("/")[2].lower(), short)
    return f" Nearest: {short[guess.removeprefix(' Nearest: ').rstrip('.')]}." if guess else ""
