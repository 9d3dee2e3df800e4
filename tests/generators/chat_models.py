"""Chat models of LangChain's own making, and some that behave as services' models do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import FakeListChatModel, ParrotFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field, SecretStr

__all__ = ["Chunks", "FakeListChatModel", "Keyed", "NoModel", "Parrot", "Refusing", "Service", "Whole"]

Parrot = ParrotFakeChatModel
MADE: list[Service] = []
"""Every `Service` that was made, with the settings it was made with."""


class NoModel:
    """Something else."""


class Refused(Exception):
    """What a service's client raises."""

    def __init__(self, status_code: int, message: str) -> None:
        super().__init__(message)
        self.status_code = status_code


class Service(BaseChatModel):
    """Streams the last word of the message in letters, with usage at both ends."""

    max_output_tokens: int | None = Field(default=None, alias="limit")
    temperature: float | None = None
    top_p: float | None = None
    random_seed: int | None = None
    region: str = "here"
    reason: str = "end_turn"
    model_config = {"populate_by_name": True}

    def model_post_init(self, context: Any) -> None:
        MADE.append(self)

    @property
    def _llm_type(self) -> str:
        return "service"

    def _generate(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        raise NotImplementedError

    def _stream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        word = str(messages[-1].content).rsplit(maxsplit=1)[-1]
        yield _piece("", usage_metadata=_counted(7, 0, 4))
        for letter in word:
            yield _piece(letter)
        yield _piece("", usage_metadata=_counted(0, len(word), 0), response_metadata={"stop_reason": self.reason})


class Chunks(BaseChatModel):
    """Streams messages with these fields, then the reason."""

    chunks: list[dict[str, Any]]
    reason: str = "end_turn"
    max_tokens: int | None = None

    @property
    def _llm_type(self) -> str:
        return "chunks"

    def _generate(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        raise NotImplementedError

    def _stream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        for fields in self.chunks:
            yield ChatGenerationChunk(message=AIMessageChunk(**fields))
        yield _piece("", response_metadata={"finish_reason": self.reason})


class Whole(BaseChatModel):
    """Answers in one piece, without usage."""

    reply: str = "Paris is it."
    together: Any = None

    @property
    def _llm_type(self) -> str:
        return "whole"

    def _generate(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        CALLS.enter()
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=self.reply))])


class Keyed(BaseChatModel):
    """Fails as it is told, with its key in the message."""

    api_key: SecretStr
    status: int = 401
    headers: dict[str, str] = Field(default_factory=dict)

    @property
    def _llm_type(self) -> str:
        return "keyed"

    def _generate(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        if not self.status:
            raise ConnectionResetError("reset by peer")
        raise Refused(self.status, f"bad key {self.api_key.get_secret_value()}")


class Refusing(BaseChatModel):
    """Fails with these words."""

    words: str
    status: int = 400
    temperature: float | None = None
    top_p: float | None = None

    @property
    def _llm_type(self) -> str:
        return "refusing"

    def _generate(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        raise Refused(self.status, self.words)


class Calls:
    """Lets callers through in groups, and counts how many are inside."""

    def __init__(self) -> None:
        self.barrier: threading.Barrier | None = None
        self.most = 0
        self._lock = threading.Lock()
        self._inside = 0

    def enter(self) -> None:
        with self._lock:
            self._inside += 1
            self.most = max(self.most, self._inside)
        if self.barrier:
            self.barrier.wait(60)
            threading.Event().wait(0.05)  # time for one too many to come in
        with self._lock:
            self._inside -= 1


CALLS = Calls()


def _piece(text: str, **fields: Any) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=text, **fields))


def _counted(prompt: int, completion: int, cached: int) -> dict[str, Any]:
    return {
        "input_tokens": prompt,
        "output_tokens": completion,
        "total_tokens": prompt + completion,
        "input_token_details": {"cache_read": cached},
    }
