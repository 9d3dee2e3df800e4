"""Stands in for vLLM in tests of the processes around it: what of its API is used, and answers that follow a script.

The prompt is the answer. Two processes, as vLLM has them: this one and a core, whose death ends the engine. The engine
argument `additional_config` holds the script: `{"open": "no_memory"}`, `{"ask": "wait"}` ...
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
import time
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.v1.engine.exceptions import EngineDeadError

__version__ = "0.scripted"
END = 2
BLOCK = 4


@dataclass
class SamplingParams:
    max_tokens: int
    temperature: float
    top_p: float = 1.0
    seed: int | None = None
    stop: list[str] = field(default_factory=list)
    detokenize: bool = True
    logprobs: int | None = None
    output_kind: Any = None


def _core() -> None:
    while True:
        time.sleep(60)


class AsyncLLMEngine:
    def __init__(self, arguments: AsyncEngineArgs) -> None:
        script = self.script = arguments.additional_config
        if script.get("open") == "no_memory":
            print("(EngineCore pid=7) ERROR 11-22 [core.py:1] Traceback (most recent call last):", file=sys.stderr)
            print(
                "(EngineCore pid=7) ERROR 11-22 [core.py:1] ValueError: 16 GiB are needed, 2 are there.",
                file=sys.stderr,
            )
            raise RuntimeError("Engine core initialization failed. See root cause above. Failed core proc(s): {}")
        if script.get("open") == "bad_length":
            raise ValueError("User-specified max_model_len (9) is greater than the derived max_model_len (8).")
        if script.get("open") == "killed":
            os._exit(9)
        self.model_config = SimpleNamespace(max_model_len=arguments.max_model_len or 64)
        self.caching = arguments.enable_prefix_caching
        self.cached: set[tuple[object, ...]] = set()
        self.running = 0
        self.core = multiprocessing.get_context("fork").Process(target=_core, daemon=True)
        self.core.start()

    @classmethod
    def from_engine_args(cls, arguments: AsyncEngineArgs, usage_context: str) -> AsyncLLMEngine:
        return cls(arguments)

    async def generate(self, prompt: dict[str, Any], sampling: SamplingParams, name: str) -> Any:
        ids, salt = prompt["prompt_token_ids"], prompt.get("cache_salt")
        warming = ids == [0]
        self.running += 1
        scheduled = time.monotonic()
        try:
            if not warming and self.script.get("ask") == "refuse":
                raise ValueError("this prompt is refused")
            while not warming and self.script.get("ask") == "wait" and self.core.is_alive():
                await asyncio.sleep(0.02)
            while not warming and self.running < self.script.get("together", 0):
                await asyncio.sleep(0.02)
            if not self.core.is_alive():
                print("(EngineCore pid=7) ERROR [core.py:1] torch.OutOfMemoryError: the core is gone", flush=True)
                raise EngineDeadError
            yield self.output(ids, salt, sampling, scheduled)
            await asyncio.sleep(0.05)  # others of the same batch see it running
        except asyncio.CancelledError:
            print(f"aborted {name}", flush=True)
            raise
        finally:
            self.running -= 1

    def output(self, ids: list[int], salt: str | None, sampling: SamplingParams, scheduled: float) -> Any:
        found = 0
        for end in range(BLOCK, len(ids), BLOCK) if self.caching else ():
            key = (salt, *ids[:end])
            found = end if key in self.cached else found
            self.cached.add(key)
        tokens, reason, stopped_by = ids[: sampling.max_tokens], "length", None
        if END in tokens:
            tokens, reason = tokens[: tokens.index(END) + 1], "stop"
        if sampling.stop and "ask" not in self.script:
            reason, stopped_by = "stop", sampling.stop[0]
        logprobs = None
        if sampling.logprobs is not None:
            logprobs = [{token: SimpleNamespace(logprob=-float(token))} for token in tokens]
        one = SimpleNamespace(token_ids=tokens, finish_reason=reason, stop_reason=stopped_by, logprobs=logprobs)
        if self.script.get("ask") == "abort":
            one.finish_reason = "abort"
        times = SimpleNamespace(scheduled_ts=scheduled, first_token_ts=scheduled + 0.25, last_token_ts=scheduled + 0.75)
        return SimpleNamespace(outputs=[one], num_cached_tokens=found or None, metrics=times)

    def shutdown(self) -> None:
        self.core.kill()
        self.core.join()
