"""One text on a model of the `transformers` library: its keys and values, its tokens, its seconds (see
`engines.decode_state.states`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from ragvlc.core.answer import Timing, Usage
from ragvlc.core.errors import EngineError
from ragvlc.core.sessions import Draft
from ragvlc.engines.batching.decoding import Ending, Row
from ragvlc.engines.batching.fair_lock import Turns
from ragvlc.engines.batching.prefix_cache import Prefixes
from ragvlc.engines.batching.sampling import Law
from ragvlc.engines.batching.scheduler import memory_is_full
from ragvlc.engines.decode_state.kv_cache import Keys, first_line, read

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from ragvlc.engines.batching.shared_prefix import Trunk

__all__ = ["Beginning", "ModelSession"]


@dataclass(slots=True, eq=False)
class Beginning:
    """Where a session's prompt is kept, and where its beginning came from."""

    trunk: Trunk
    source: Trunk | None
    shared: int


class Host(Protocol):
    """The model that decode states live on, and what belongs to it; see `states.Sessions`."""

    model: PreTrainedModel
    ending: Ending
    turns: Turns
    prefixes: Prefixes | None
    owner: str
    free: Callable[[], None]

    def keys(self, row: Row) -> tuple[Keys, Beginning | None]:
        """Returns a KV cache for the row, and where its prompt is stored for others."""
        ...

    def keep(self, row: Row, beginning: Beginning | None) -> None:
        """Takes a prompt's KV cache back for later requests."""
        ...


@dataclass(slots=True)
class Clock:
    """Seconds of a session."""

    queue: float = 0.0
    prefill: float = 0.0
    draft: float = 0.0
    verify: float = 0.0
    begun: float = 0.0
    first: float | None = None


@dataclass(slots=True)
class _Count:
    """Tokens of a session."""

    drafted: int = 0
    taken_back: int = 0
    verified: bool = False


@dataclass(slots=True, eq=False)
class ModelSession:
    """A `ragvlc.core.sessions.Session` on a model of the library.

    Attributes:
        sessions: the model and what belongs to it.
        row: prompt, limits, temperature and random numbers; its `tokens` are those taken on.
        wanted_width: of the rows; None for the model's own.
        leave: gives the room back.
        clock: seconds so far.
    """

    sessions: Host
    row: Row
    wanted_width: int | None
    leave: Callable[[], None]
    clock: Clock = field(default_factory=Clock)
    _count: _Count = field(default_factory=_Count)
    _keys: Keys | None = None
    _beginning: Beginning | None = None
    _closed: bool = False

    @property
    def width(self) -> int:
        """Columns of every row of probabilities."""
        return self.wanted_width or int(self.sessions.model.get_output_embeddings().weight.shape[0])

    @property
    def ends(self) -> frozenset[int]:
        """Tokens that end an answer."""
        return self.sessions.ending.ids

    def begin(self) -> None:
        """Computes the prompt but for its last token; tries again without kept prefixes if the memory is full."""
        prompt, device = list(self.row.prompt), self.sessions.model.device
        with self._turn("prefill"):
            try:
                self._read(prompt, device)
            except Exception as error:
                if not memory_is_full(error) or self.sessions.prefixes is None:
                    raise
                self._keys = self._beginning = None
                self.sessions.prefixes.drop()
                self.sessions.free()
                self._read(prompt, device)

    def propose(self, n: int, *, confident: float = 0.0) -> Draft:
        """Draws up to `n` tokens and takes them on; ends early behind an end or a token less probable than that."""
        import torch

        with self._turn("draft"):
            self._uncompute(owing=1)
            n = min(n, self.row.max_tokens - len(self.row.tokens))
            draws = torch.rand(n, generator=self.row.generator(), dtype=torch.float64).tolist()
            # Looking at a token costs a GPU its head start: there, what stands behind an end is cut off afterwards.
            looks = confident > 0 or self.sessions.model.device.type != "cuda"
            over = (lambda token, own: token in self.ends or own < confident) if looks else None
            if not draws:
                return Draft((), torch.empty(0, self.width))
            found = self._opened.draw(self._owed(), draws, self._law, over)
            tokens = found.tokens.tolist()
            kept = next((i + 1 for i, token in enumerate(tokens) if token in self.ends), len(tokens))
            self.row.tokens += tokens[:kept]
            self._uncompute()
            self._count.drafted += kept
            return Draft(tuple(tokens[:kept]), found.rows[:kept])

    def verify(self, draft: Sequence[int]) -> torch.Tensor:
        """Takes `draft` on; returns the rows before each of its tokens and behind the last."""
        with self._turn("verify"):
            self._check_room(len(draft))
            self._uncompute(owing=1)
            self.row.tokens += draft
            rows = self._opened.rows(self._owed(), len(draft) + 1, self._law)
            self._count.verified = True
            self._settle()
        if self.clock.first is None:
            self.clock.first = time.perf_counter() - self.clock.begun
        return rows

    def peek(self) -> torch.Tensor:
        """Returns the row behind the text so far; takes nothing on."""
        with self._turn("draft"):
            self._uncompute(owing=1)
            rows = self._opened.rows(self._owed(), 1, self._law)
            self._settle()
            return rows

    def extend(self, tokens: Sequence[int]) -> None:
        """Takes on tokens that were chosen elsewhere; they are computed with what comes next."""
        self._check_room(len(tokens))
        self.row.tokens += tokens

    def rewind(self, n: int) -> None:
        """Takes the last `n` tokens back."""
        taken = self.row.tokens
        if not 0 <= n <= len(taken):
            message = f"{n} tokens cannot be taken back: there are {len(taken)} behind the prompt"
            raise ValueError(message)
        del taken[len(taken) - n :]
        self._count.taken_back += n
        self._uncompute()

    def text(self, tokens: Sequence[int]) -> str:
        """Returns the text of generated ids without control tokens."""
        return self.sessions.ending.to_text(tokens)

    def plain_seconds(self, n: int) -> float:
        """Returns the seconds a token of plain decoding behind the prompt takes, over up to `n` tokens."""
        taken, count, clock = list(self.row.tokens), replace(self._count), replace(self.clock)
        self.rewind(len(taken))
        if self.sessions.model.device.type == "cuda":  # what a step needs once is not what a token takes
            self.propose(min(n, 2))
            self.rewind(len(self.row.tokens))
        before = self.clock.draft
        tokens = len(self.propose(n).tokens)
        seconds = self.clock.draft - before
        self.rewind(len(self.row.tokens))
        self.row.tokens += taken  # computed again if the text goes on
        self._count, self.clock = count, clock
        return seconds / max(1, tokens)

    @property
    def usage(self) -> Usage:
        """Tokens so far: those kept of a session that verifies, those drawn of one that proposes."""
        count = self._count
        written = len(self.row.tokens) if count.verified else count.drafted
        accepted = count.drafted - count.taken_back if count.drafted else 0
        return Usage(len(self.row.prompt), self.row.cached, written, 1, count.drafted, accepted)

    @property
    def timing(self) -> Timing:
        """Seconds so far."""
        clock = self.clock
        phases = {"prefill": clock.prefill, "draft": clock.draft, "verify": clock.verify}
        return Timing(
            queue_seconds=clock.queue,
            first_token_seconds=clock.first,
            engine_seconds=sum(phases.values()),
            phases={name: spent for name, spent in phases.items() if spent} | {"saved": self.row.saved_seconds},
        )

    def close(self) -> None:
        """Frees keys and values, but for a prompt that is kept for others."""
        if self._closed:
            return
        self._closed = True
        try:
            with self.sessions.turns:
                self.sessions.keep(self.row, self._beginning)
        finally:
            self._keys = self._beginning = None
            self.leave()

    @property
    def _opened(self) -> Keys:
        if self._keys is None:
            raise EngineError(f"The session of '{self.sessions.owner}' is closed.")
        return self._keys

    def _read(self, prompt: list[int], device: torch.device) -> None:
        self._keys, self._beginning = self.sessions.keys(self.row)
        started, cached = time.perf_counter(), self._keys.length
        read(self._keys, prompt[cached:-1], device)
        if self._beginning is not None and len(prompt) - 1 > cached:
            self._beginning.trunk.spend(len(prompt) - 1 - cached, time.perf_counter() - started)

    def _owed(self) -> list[int]:
        """Returns the tokens that are taken on and not computed."""
        known, row = self._opened.length, self.row
        prompt = len(row.prompt)
        return row.tokens[known - prompt :] if known >= prompt else [*row.prompt[known:], *row.tokens]

    @property
    def _law(self) -> Law:
        return Law(self.row.temperature, self.row.top_p, self.width)

    def _uncompute(self, owing: int = 0) -> None:
        """Forgets what is computed behind the text, and of its end what is to be computed again for its row."""
        beyond = self._opened.length - len(self.row.prompt) - len(self.row.tokens) + owing
        if beyond > 0:
            self._opened.rewind(beyond)

    def _check_room(self, n: int) -> None:
        if len(self.row.tokens) + n > self.row.max_tokens:
            message = f"{n} tokens more are beyond the {self.row.max_tokens} that this session was opened for"
            raise ValueError(message)

    def _settle(self) -> None:
        """Waits for the device, so that seconds are those of the work."""
        import torch

        if self.sessions.model.device.type == "cuda":
            torch.cuda.synchronize(self.sessions.model.device)

    @contextmanager
    def _turn(self, phase: str) -> Iterator[None]:
        """Holds the model's turn; what goes wrong becomes an `EngineError`."""
        import torch

        asked, owner = time.perf_counter(), self.sessions.owner
        with self.sessions.turns, torch.inference_mode():
            started = time.perf_counter()
            self.clock.queue += started - asked
            self.clock.begun = self.clock.begun or started
            try:
                yield
            except (EngineError, ValueError):
                raise
            except Exception as error:
                full = memory_is_full(error)
                what = "ran out of memory in a session" if full else f"failed: {first_line(error)}"
                raise EngineError(
                    f"'{owner}' {what} of {len(self.row.prompt)} prompt tokens.", transient=full
                ) from error
            finally:
                spent = time.perf_counter() - started
                setattr(self.clock, phase, getattr(self.clock, phase) + spent)
