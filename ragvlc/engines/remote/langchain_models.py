"""Imports LangChain chat models, creates them with the settings of a request, and caches them."""

from __future__ import annotations

import importlib
import json
import os
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ragvlc.core.errors import EngineError, MissingExtra
from ragvlc.engines.remote.api_errors import Secrets

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

__all__ = ["NAMES", "ChatModels", "is_reference"]

NAMES: Mapping[str, tuple[str, ...]] = {
    "max_tokens": ("max_tokens", "max_output_tokens", "num_predict", "max_new_tokens", "max_completion_tokens"),
    "temperature": ("temperature",),
    "top_p": ("top_p",),
    "seed": ("seed", "random_seed"),
}
"""Names that chat models have for the settings of a request; the first that a class has is used."""

_MAX_CACHED = 32


class ChatModels:
    """LangChain chat models of one class, one for each combination of settings.

    Args:
        name: `module:Class`.
        arguments: for the class, as JSON, with references to environment variables.
        names: the class's names for some settings of a request; None never sets one.

    Attributes:
        names: the class's names for all of them; None for a setting that it does not have.
        secrets: values of environment variables.

    Raises:
        EngineError: no such class, or a variable that is not set.
        MissingExtra: the class's package is not installed.
    """

    def __init__(self, name: str, arguments: Mapping[str, Any], names: Mapping[str, str | None]) -> None:
        found: list[str] = []
        self._arguments: dict[str, Any] = _resolved(arguments, found, name)
        self.secrets = Secrets(found)
        self._class = _imported(name)
        self._name = name
        self.names: Mapping[str, str | None] = {ours: self._field(ours, names) for ours in NAMES}
        self._cached: OrderedDict[str, BaseChatModel] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, settings: Mapping[str, Any]) -> BaseChatModel:
        """Returns the chat model with `settings`, passed under the class's own parameter names."""
        named = {name: value for ours, value in settings.items() if (name := self.names[ours]) is not None}
        key = json.dumps(named, sort_keys=True)
        with self._lock:
            if key not in self._cached:
                self._cached[key] = self._made(named)
                if len(self._cached) > _MAX_CACHED:
                    self._cached.popitem(last=False)
            self._cached.move_to_end(key)
            return self._cached[key]

    def _made(self, settings: Mapping[str, Any]) -> BaseChatModel:
        try:
            return self._class(**self._arguments, **settings)
        except ValidationError as error:
            said = "; ".join(
                f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False)
            )
        except Exception as error:  # noqa: BLE001 - whatever a foreign class raises
            said = f"{type(error).__name__}: {error}"
        # Outside the handlers: the exception would be chained, and may contain a key.
        raise EngineError(f"{self._name} cannot be made: {self.secrets.hide(said)}")

    def _field(self, ours: str, names: Mapping[str, str | None]) -> str | None:
        """Returns the class's parameter name for one of our settings; None if the class has no such parameter."""
        if ours in names:
            return names[ours]
        fields = self._class.model_fields
        known = set(fields) | {info.alias for info in fields.values() if info.alias}
        return next((name for name in NAMES[ours] if name in known), None)


def is_reference(value: object) -> bool:
    """Returns whether `value` is a reference to an environment variable, `{env: NAME}`."""
    return isinstance(value, Mapping) and list(value) == ["env"] and isinstance(value["env"], str)


def _resolved(value: Any, found: list[str], name: str) -> Any:  # noqa: ANN401 - JSON
    """Returns `value` with references replaced by environment variables; the variables' values are added to `found`."""
    if is_reference(value):
        secret = os.environ.get(value["env"], "").strip()
        if not secret:
            raise EngineError(f"{name} needs the environment variable {value['env']}, which is not set.")
        found.append(secret)
        return secret
    if isinstance(value, Mapping):
        return {key: _resolved(inner, found, name) for key, inner in value.items()}
    if isinstance(value, list):
        return [_resolved(inner, found, name) for inner in value]
    return value


def _imported(name: str) -> type[BaseChatModel]:
    from langchain_core.language_models import BaseChatModel

    module_name, _, class_name = name.partition(":")
    root = module_name.partition(".")[0]
    try:
        found = getattr(importlib.import_module(module_name), class_name)
    except ModuleNotFoundError as error:
        if error.name == root:
            raise MissingExtra(
                f"{root} is not installed. Install it with: pip install {root.replace('_', '-')}"
            ) from error
        raise EngineError(f"{name} cannot be imported: {error}.") from error
    except (ImportError, AttributeError) as error:
        raise EngineError(f"{name} cannot be imported: {error}.") from error
    if not (isinstance(found, type) and issubclass(found, BaseChatModel)):
        raise EngineError(f"{name} is not a chat model: it does not inherit from langchain_core's BaseChatModel.")
    return found
