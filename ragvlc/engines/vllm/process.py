"""The process that holds a vLLM engine: reads requests from one pipe, writes what came of them to another.

Started by `engines.vllm.engine` as a group of processes of its own, in which vLLM starts those that compute. The group
ends when its starter ends, however that happens: with nobody at the other end of the pipe it would hold the
accelerator's memory for ever.
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

from ragvlc.engines.vllm.wire import Ask, Close, Drop, Failed, Open, Ready, Reply

__all__ = ["main"]

_LOOK_SECONDS = 2.0
_POINTS_ELSEWHERE = ("Engine core initialization failed", "EngineCore encountered an issue")


def main(asked: int, answered: int) -> None:
    """Serves until `Close` comes or the pipe breaks.

    Args:
        asked: descriptor to read from.
        answered: descriptor to write to.
    """
    for descriptor in (asked, answered):
        os.set_inheritable(descriptor, False)
    _Server(Connection(asked, writable=False), Connection(answered, readable=False)).run()


class _Server:
    """The engine with its pipes; everything but the reading happens on the event loop's thread."""

    def __init__(self, asked: Connection, answered: Connection) -> None:
        self._asked = asked
        self._answered = answered
        self._parent = os.getppid()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._closing = asyncio.Event()
        self._engine: Any = None

    def run(self) -> None:
        """Opens the engine and answers."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[Open] = loop.create_future()

        def take(message: object) -> None:
            if isinstance(message, Open):
                opened.set_result(message)
            elif isinstance(message, Ask):
                self._tasks[message.number] = loop.create_task(self._answer(message))
            elif isinstance(message, Drop) and message.number in self._tasks:
                self._tasks[message.number].cancel()
            elif isinstance(message, Close):
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

            # The limits that vLLM chooses where none are given depend on who asks: a server's put the first token
            # before throughput, and those of nobody in particular are smaller still.
            self._engine = vllm.AsyncLLMEngine.from_engine_args(
                vllm.AsyncEngineArgs(**arguments), usage_context=UsageContext.LLM_CLASS
            )
            # Some kernels are compiled at their first use: half a minute of the first question's time on a CPU.
            await self._generated(
                {"prompt_token_ids": [0]}, {"max_tokens": 2, "temperature": 0, "detokenize": False}, "0"
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the other side is told
            self._answered.send(Failed(_line(error)))
            return False
        self._answered.send(Ready(int(self._engine.model_config.max_model_len), vllm.__version__))
        return True

    def _read(self, take: Callable[[object], object]) -> None:
        try:
            while True:
                # A process forked by the other side may keep the pipe open: the parent counts, not the pipe alone.
                while not self._asked.poll(_LOOK_SECONDS):
                    if os.getppid() != self._parent:
                        _end_group()
                message = self._asked.recv()
                take(message)
                if isinstance(message, Close):
                    return
        except (EOFError, OSError):
            _end_group()

    async def _generated(self, prompt: Mapping[str, Any], sampling: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        settings = SamplingParams(**sampling, output_kind=RequestOutputKind.FINAL_ONLY)
        last: Any = None
        async for output in self._engine.generate(dict(prompt), settings, name):
            last = output
        return last

    async def _answer(self, ask: Ask) -> None:
        from vllm.v1.engine.exceptions import EngineDeadError

        prompt: dict[str, Any] = {"prompt_token_ids": ask.prompt}
        if ask.salt is not None:
            prompt["cache_salt"] = ask.salt
        try:
            self._answered.send(_reply(ask.number, await self._generated(prompt, ask.sampling, str(ask.number + 1))))
        except asyncio.CancelledError:
            return
        except EngineDeadError:
            self._answered.send(Failed(""))
        except Exception as error:  # noqa: BLE001 - one request's trouble, whatever it is
            self._answered.send(Failed(_line(error.__cause__ or error) or type(error).__name__, ask.number))
        finally:
            self._tasks.pop(ask.number, None)


def _reply(number: int, output: Any) -> Reply:  # noqa: ANN401 - vLLM's RequestOutput
    one, times = output.outputs[0], output.metrics
    tokens = [int(token) for token in one.token_ids]
    logprobs = None
    if one.logprobs is not None:
        logprobs = [float(known[token].logprob) for token, known in zip(tokens, one.logprobs, strict=True)]
    return Reply(
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
    """Returns what an error says, in one line; nothing where it only points to the log of another process."""
    listed = getattr(error, "errors", None)  # pydantic's first line says only how many problems there are
    if callable(listed) and (found := listed()):
        return str(found[0].get("msg", error)).removeprefix("Value error, ")
    text = " ".join(str(error).split())
    return "" if any(words in text for words in _POINTS_ELSEWHERE) else text or type(error).__name__


def _end_group() -> None:
    """Ends this process and all that it has started, at once."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
