"""Sessions on a model of the `transformers` library: propose, verify in one forward pass, take back.

Each session has keys, values and positions of its own, which begin with its own prompt. The model is shared with other
sessions and with the batches of `generate`: every proposal (all its tokens), every verification and every prompt is one
turn, and turns are given in the order of asking (see `engines.batching.fair_lock`), between two steps of a batch. Two
forward passes at a time would be safe on a CPU, but no faster. How many answers hold sessions at once is a matter of
memory (see `engines.decode_state.memory`).

A prompt is computed but for its last token, which goes into the first forward pass behind it. Where prefixes are kept
(see `engines.batching.prefix_cache`), a session begins with a copy of what it shares with the best of them, and leaves
its prompt there. Passes of few tokens, which are all that follows a prompt, go to the steps of
`engines.cuda_graphs.graphs` where there are any for the model; like `laid_flat`, they are tried before they are
trusted.

Greedy tokens in float32 are those of `generate`; in formats of 16 bits, several rows at once round in another way than
one, and near-ties may fall the other way.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ragvlc.core.errors import EngineError
from ragvlc.engines.batching.decoding import Ending, Row
from ragvlc.engines.batching.fair_lock import Turns
from ragvlc.engines.batching.packed import LEAST_SHARED
from ragvlc.engines.batching.prefix_cache import Prefixes
from ragvlc.engines.cuda_graphs.graphs import SPARE
from ragvlc.engines.cuda_graphs.self_test import TriedSteps
from ragvlc.engines.decode_state.kv_cache import (
    Keys,
    LibraryKeys,
    StaticKeys,
    TrunkKeys,
    first_line,
    new_trunk,
    read,
    why_no_sessions,
)
from ragvlc.engines.decode_state.memory import room_of
from ragvlc.engines.decode_state.state import Beginning, ModelSession

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["Sessions"]

_SAME = 1e-3
"""Relative error of logits behind text that was taken back, in float32; formats of 16 bits may be at `_ROUNDED`."""
_ROUNDED = 0.1
_KEPT_TIMES = 4
"""A prompt that shares at least so many times what it adds with a kept prefix is not kept itself."""


class Sessions:
    """Opens sessions on one model.

    Args:
        model: in memory.
        ending: when an answer is over.
        turns: at the model.
        prefixes: kept beginnings of prompts, for a model switched to flat attention; None for others.
        owner: the model's name, for errors.
        free: gives memory back to the device after it was full.
        steps: fast ones of the same model; None takes none.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        ending: Ending,
        turns: Turns,
        prefixes: Prefixes | None,
        *,
        owner: str,
        free: Callable[[], None],
        steps: TriedSteps | None = None,
    ) -> None:
        self.model = model
        self.ending = ending
        self.turns = turns
        self.prefixes = prefixes
        self.owner = owner
        self.free = free
        self._lock = threading.Lock()
        self._bytes_per_token = 0
        self._problem: str | None = None
        self.steps = steps

    def start(self, row: Row, width: int | None) -> ModelSession:
        """Returns a session behind the prompt of `row`; waits until there is memory for it.

        Raises:
            EngineError: the model's text cannot be taken back, or the memory is full (transient).
        """
        self._try_once()
        columns = len(row.prompt) + row.max_tokens
        room, needed, asked = room_of(self.model.device), columns * self._bytes_per_token, time.perf_counter()
        thread = room.enter(needed)
        session = ModelSession(self, row, width, lambda: room.leave(thread, needed))
        session.clock.queue = time.perf_counter() - asked
        try:
            session.begin()
        except BaseException:
            session.close()
            raise
        return session

    def keys(self, row: Row) -> tuple[Keys, Beginning | None]:
        """Returns new keys for a prompt, with what kept prefixes know of it; notes how much that is."""
        if self.prefixes is None:
            return LibraryKeys(self.model), None
        prompt = list(row.prompt)
        found, common = (None, 0) if row.cold else self.prefixes.best(np.array(prompt, np.int64))
        shared = min(common, len(prompt) - 1)  # the last token is computed: the first new one follows from it
        if found is None or shared < LEAST_SHARED:
            found, shared = None, 0
        steps = self.steps.find() if self.steps else None
        columns = len(prompt) + row.max_tokens + (SPARE if steps else 0)
        trunk = new_trunk(prompt, columns, (found, shared) if found else None)
        row.cached = shared
        row.saved_seconds = found.cost(shared) if found else 0.0
        keys = StaticKeys(self.model, trunk, steps) if steps else TrunkKeys(self.model, trunk)
        return keys, Beginning(trunk, found, shared)

    def keep(self, row: Row, beginning: Beginning | None) -> None:
        """Keeps what a session has computed of its prompt, where that is worth its memory."""
        if self.prefixes is None or beginning is None or row.cold:
            return
        trunk, source, shared = beginning.trunk, beginning.source, beginning.shared
        if source is not None and (len(row.prompt) - shared) * _KEPT_TIMES <= shared:
            self.prefixes.use(source)
        elif trunk.used and trunk.layers:
            trunk.used = min(trunk.used, len(trunk.tokens))
            trunk.tokens = trunk.tokens[: trunk.used]
            if source is not None:
                trunk.inherit(shared, row.saved_seconds)
            self.prefixes.use(trunk)
        self.prefixes.trim()

    def _try_once(self) -> None:
        """Looks at the model before its first session, and tries whether taking back leaves no trace."""
        with self._lock:
            if self._problem is None:
                self._problem = why_no_sessions(self.model) or self._tried()
        if self._problem:
            raise EngineError(
                f"'{self.owner}' opens no sessions: {self._problem}. Take a model with plain attention in every layer."
            )

    def _tried(self) -> str:
        import torch

        size = self.model.config.get_text_config().vocab_size
        ids = [(11 * i + 5) % size for i in range(24)]
        device = self.model.device
        with self.turns, torch.inference_mode():
            try:
                plain, again = (self._plain_keys(len(ids)) for _ in range(2))
                expected = plain.forward(torch.tensor(ids, device=device), 4)
                read(again, [*ids[:18], 1, 2, 3], device)
                again.rewind(3)
                read(again, ids[18:20], device)
                found = again.forward(torch.tensor(ids[20:], device=device), 4)
                if self.steps is not None:
                    self.steps.find()  # here, so that no session's clock tells of it
            except Exception as error:  # noqa: BLE001 - whatever a model of another kind raises
                return f"it failed when text was taken back ({first_line(error)})"
        self._bytes_per_token = again.bytes // len(ids)
        spread = (expected - expected.mean(dim=-1, keepdim=True)).norm()
        trace = float((expected - found).norm() / spread)
        if not trace <= (_SAME if self.model.dtype == torch.float32 else _ROUNDED):
            return f"text that was taken back leaves a trace (logits differ by {trace:.2g})"
        return ""

    def _plain_keys(self, columns: int) -> Keys:
        if self.prefixes is None:
            return LibraryKeys(self.model)
        return TrunkKeys(self.model, new_trunk([0], columns))
