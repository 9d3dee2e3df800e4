"""Process with a vLLM engine: reads requests from one pipe and writes replies to another.

`engines.vllm.engine` starts it in a process group of its own, in which vLLM starts its workers. The group ends when its
starter ends, however that happens: otherwise it would hold the accelerator's memory for ever.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

from ragvlc.engines.vllm.messages import (
    AbortGeneration,
    CloseEngine,
    EngineFailure,
    EngineReady,
    GenerationReply,
    OpenEngine,
    StartGeneration,
)

__all__ = ["main"]

_POLL_SECONDS = 2.0
_REFERS_TO_LOG = ("Engine core initialization failed", "EngineCore encountered an issue")


def main(requests: int, replies: int) -> None:
    """Serves generation requests until `CloseEngine` arrives or the pipe breaks.

    Args:
        requests: descriptor to read from.
        replies: descriptor to write to.
    """
    for descriptor in (requests, replies):
        os.set_inheritable(descriptor, False)  # no process started here may hold the pipes open
    _EngineServer(Connection(requests, writable=False), Connection(replies, readable=False)).run()


class _EngineServer:
    """The vLLM engine with its pipes; everything except reading a pipe runs on the event loop's thread."""

    def __init__(self, requests: Connection, replies: Connection) -> None:
        self._requests = requests
        self._replies = replies
        self._parent = os.getppid()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._closing = asyncio.Event()
        self._engine: Any = None

    def run(self) -> None:
        """Starts the vLLM engine and serves requests."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[OpenEngine] = loop.create_future()

        def take(message: object) -> None:
            if isinstance(message, OpenEngine):
                opened.set_result(message)
            elif isinstance(message, StartGeneration):
                self._tasks[message.number] = loop.create_task(self._answer(message))
            elif isinstance(message, AbortGeneration) and message.number in self._tasks:
                self._tasks[message.number].cancel()
            elif isinstance(message, CloseEngine):
                self._closing.set()

        reader = threading.Thread(
            target=self._read, args=(lambda message: loop.call_soon_threadsafe(take, message),), daemon=True
        )
        reader.start()
        if await self._open((await opened).arguments):
            await self._closing.wait()
            for task in self._tasks.values():
                task.cancel()
            self._engine.shutdown()

    async def _open(self, arguments: Mapping[str, Any]) -> bool:
        try:
            import vllm
            from vllm.usage.usage_lib import UsageContext

            # vLLM's default limits depend on this context: those of a server favour the first token over throughput,
            # and those of an unknown context are smaller still.
            self._engine = vllm.AsyncLLMEngine.from_engine_args(
                vllm.AsyncEngineArgs(**arguments), usage_context=UsageContext.LLM_CLASS
            )
            # Some kernels are compiled at their first use, which takes half a minute on a CPU: not in a request's time.
            await self._generate(
                {"prompt_token_ids": [0]}, {"max_tokens": 2, "temperature": 0, "detokenize": False}, "0"
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets it
            self._replies.send(EngineFailure(_line(error)))
            return False
        self._replies.send(EngineReady(int(self._engine.model_config.max_model_len), vllm.__version__))
        return True

    def _read(self, take: Callable[[object], object]) -> None:
        try:
            while True:
                # A process that the client has forked may hold the pipe open after its end: ask for the parent, too.
                while not self._requests.poll(_POLL_SECONDS):
                    if os.getppid() != self._parent:
                        _end_group()
                message = self._requests.recv()
                take(message)
                if isinstance(message, CloseEngine):
                    return
        except (EOFError, OSError):
            _end_group()

    async def _generate(self, prompt: Mapping[str, Any], sampling: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        settings = SamplingParams(**sampling, output_kind=RequestOutputKind.FINAL_ONLY)
        last: Any = None
        async for output in self._engine.generate(dict(prompt), settings, name):
            last = output
        return last

    async def _answer(self, request: StartGeneration) -> None:
        from vllm.v1.engine.exceptions import EngineDeadError

        prompt: dict[str, Any] = {"prompt_token_ids": request.prompt}
        if request.salt is not None:
            prompt["cache_salt"] = request.salt
        try:
            self._replies.send(
                _reply(request.number, await self._generate(prompt, request.sampling, str(request.number + 1)))
            )
        except asyncio.CancelledError:
            return
        except EngineDeadError:
            self._replies.send(EngineFailure(""))
        except Exception as error:  # noqa: BLE001 - whatever fails in one request
            self._replies.send(EngineFailure(_line(error.__cause__ or error) or type(error).__name__, request.number))
        finally:
            self._tasks.pop(request.number, None)


def _reply(number: int, output: Any) -> GenerationReply:  # noqa: ANN401 - vLLM's RequestOutput
    one, times = output.outputs[0], output.metrics
    tokens = [int(token) for token in one.token_ids]
    logprobs = None
    if one.logprobs is not None:
        logprobs = [float(known[token].logprob) for token, known in zip(tokens, one.logprobs, strict=True)]
    return GenerationReply(
        number=number,
        tokens=tokens,
        reason=str(one.finish_reason),
        stop_text=isinstance(one.stop_reason, str),
        cached=int(output.num_cached_tokens or 0),
        logprobs=logprobs,
        scheduled=times.scheduled_ts,
        first=times.first_token_ts,
        last=times.last_token_ts,
    )


def _line(error: BaseException) -> str:
    """Returns an error's message in one line; empty if it only refers to the log of another process."""
    listed = getattr(error, "errors", None)  # pydantic's first line says only how many problems there are
    if callable(listed) and (found := listed()):
        return str(found[0].get("msg", error)).removeprefix("Value error, ")
    text = " ".join(str(error).split())
    return "" if any(words in text for words in _REFERS_TO_LOG) else text or type(error).__name__


def _end_group() -> None:
    """Ends this process and all processes that it has started, immediately."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
