"""Many rows in one: shared beginnings computed once, all new tokens laid flat in one row of the forward pass.

Only attention tells the rows apart (see `engines.batching.shared_prefix`); there is no padding, and keys and values of
a shared beginning are read once for all rows that share it. Rows join and leave between two tokens.

Measured on one CPU core with SmolLM2's shapes (9 query heads over 3 of keys, 64 wide): eight rows without a shared
beginning cost about as much in eight calls of the attention kernel as in a padded batch (450 tokens: 0.51 against
0.44 ms a layer in bfloat16, 1.1 against 0.7 in float32; 900 tokens: 1.3 against 1.2, and 2.5 against 2.3) and half of
what one block mask over all their columns costs; so every trunk is a call of its own. Twelve rows over 6,000 shared
tokens: 2.9 ms in bfloat16 and 5.3 in float32, against 13.4 and 20.0 over an expanded copy.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from ragvlc.engines.batching.decoding import Ending, Row, choose, kernels, take
from ragvlc.engines.batching.prefix_cache import Prefixes
from ragvlc.engines.batching.shared_prefix import Branch, Part, Trunk, hidden

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from transformers import PreTrainedModel

__all__ = ["LEAST_SHARED", "Flat", "Piece", "forward"]

LEAST_SHARED = 16
"""Tokens: a shorter common beginning is computed again."""
_COPIED_BELOW = 4
"""A row branches off where it shares at least so many times what is left; else it copies what it shares."""
_PIECE = 8192
"""Tokens of a forward pass. On a CPU, 6,000 take a little less time in one than in two, a third less than in three."""
_MASK = 2**26  # entries of a mask


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens of a branch that go into a forward pass: part of its prompt, or the token chosen last."""

    branch: Branch
    tokens: Sequence[int]
    position: int

    @property
    def own(self) -> bool:
        """Whether these are tokens of the trunk itself."""
        return self.branch.owner and self.position < self.branch.shared

    @property
    def last_of_prompt(self) -> bool:
        """Whether the first new token follows."""
        return self.position + len(self.tokens) == len(self.branch.row.prompt)


class Flat:
    """Computes rows that come and go, over prefixes that stay.

    Args:
        model: one that `ragvlc.engines.batching.support` finds suitable, switched to the attention `ragvlc_flat`.
        ending: when an answer is over.
        prefixes: what is kept of earlier prompts.
        batch_tokens: columns of all active rows; one row alone may have more.
    """

    def __init__(self, model: PreTrainedModel, ending: Ending, prefixes: Prefixes, *, batch_tokens: int) -> None:
        self._model = model
        self._ending = ending
        self._prefixes = prefixes
        self._batch_tokens = batch_tokens
        self._branches: list[Branch] = []

    @property
    def active(self) -> Sequence[Row]:
        """Rows that go on."""
        return [branch.row for branch in self._branches]

    def select(self, waiting: Sequence[Row], most: int) -> list[int]:
        """Returns the first ones, as many as the budget allows; what a row shares costs nothing."""
        trunks = {id(branch.trunk): branch.trunk for branch in self._branches}
        spent = sum(max(trunk.used, len(trunk.tokens)) for trunk in trunks.values())
        spent += sum(branch.owed for branch in self._branches)
        chosen: list[int] = []
        for place, row in enumerate(waiting[:most]):
            trunk, shared = self._prefixes.best(np.array(row.prompt))
            cost = row.max_tokens + len(row.prompt) - (shared if trunk and _branches_off(row, shared) else 0)
            if spent + cost > self._batch_tokens and (chosen or self._branches):
                break
            chosen.append(place)
            spent += cost
        return chosen

    def start(self, rows: Sequence[Row]) -> None:
        """Computes what is new in the prompts, shared beginnings first, and chooses every row's first token."""
        started = time.perf_counter()
        begun: list[Branch] = []
        shared: list[Trunk | None] = []
        try:
            # In the order of their tokens, rows that share a beginning follow each other.
            for row in sorted(rows, key=lambda row: list(row.prompt)):
                branch, source = self._begin(row)
                begun.append(branch)
                shared.append(source)
            for pieces in _passes(begun, self._model.device.type):
                self._prefill(pieces, started)
        except BaseException:
            for branch in begun:
                branch.trunk.leave(branch)
                if branch.owner:
                    self._prefixes.forget(branch.trunk)
            raise
        for branch, source in zip(begun, shared, strict=True):
            row = branch.row
            row.saved_seconds = source.cost(row.cached) if source else 0.0
            if source and branch.owner:
                branch.trunk.inherit(row.cached, row.saved_seconds)
        self._branches += begun
        self._settle()

    def step(self) -> None:
        """Computes one token of every active row."""
        started = time.perf_counter()
        order = {id(branch.trunk): i for i, branch in reversed(list(enumerate(self._branches)))}
        branches = sorted(self._branches, key=lambda branch: order[id(branch.trunk)])
        pieces = [
            Piece(branch, branch.row.tokens[-1:], len(branch.row.prompt) + len(branch.row.tokens) - 1)
            for branch in branches
        ]
        rows = [branch.row for branch in branches]
        take(rows, choose(forward(self._model, pieces), rows), self._ending)
        seconds = (time.perf_counter() - started) / len(rows)
        for row in rows:
            row.decode_seconds += seconds
        self._settle()

    def remove(self, rows: Sequence[Row]) -> None:
        """Takes active rows out; their trunks stay among the prefixes."""
        for branch in [branch for branch in self._branches if branch.row in rows]:
            self._branches.remove(branch)
            branch.trunk.leave(branch)
        self._prefixes.trim()

    def drop(self) -> bool:
        """Frees the prefixes that no row works on."""
        return self._prefixes.drop()

    def _settle(self) -> None:
        self.remove([branch.row for branch in self._branches if branch.row.finish is not None])

    def _begin(self, row: Row) -> tuple[Branch, Trunk | None]:
        """Returns the row's place, and the trunk whose beginning it need not compute."""
        tokens: NDArray[np.int64] = np.array(row.prompt)
        found, common = (None, 0) if row.cold else self._prefixes.best(tokens)
        shared = min(common, len(tokens) - 1)  # the last token is computed: the first new one follows from it
        if found is None or shared < LEAST_SHARED:
            found, shared = None, 0
        row.cached = shared
        if found is not None and _branches_off(row, shared):
            trunk, owed = found, len(tokens) - shared + row.max_tokens
            trunk.reserve(owed)
        else:
            owed, more = row.max_tokens, len(tokens) // 8
            trunk = Trunk(tokens, len(tokens) + owed + more, (found, shared) if found else None)
            shared = len(tokens)
        if not row.cold:
            self._prefixes.use(trunk)
        branch = Branch(row, trunk, shared, owed)
        trunk.join(branch)
        return branch, found

    def _prefill(self, pieces: Sequence[Piece], started: float) -> None:
        begun = time.perf_counter()
        logits = forward(self._model, pieces)
        rows = [piece.branch.row for piece in pieces if piece.last_of_prompt]
        if rows:
            take(rows, choose(logits, rows), self._ending)
        now = time.perf_counter()
        for row in rows:
            row.first_token_seconds = now - started
        total = sum(len(piece.tokens) for piece in pieces)
        for piece in pieces:
            seconds = (now - begun) * len(piece.tokens) / total
            piece.branch.row.prefill_seconds += seconds
            if piece.own:
                piece.branch.trunk.spend(len(piece.tokens), seconds)


def _branches_off(row: Row, shared: int) -> bool:
    return shared >= LEAST_SHARED and (len(row.prompt) - shared) * _COPIED_BELOW <= shared


def _passes(begun: Sequence[Branch], device: str) -> list[list[Piece]]:
    """Returns what the forward passes compute: own tokens of trunks before what branches off them."""
    longest = max(len(branch.row.prompt) + branch.trunk.used for branch in begun)
    room = _PIECE if device == "cuda" else min(_PIECE, max(256, _MASK // longest))
    order = {id(branch.trunk): i for i, branch in reversed(list(enumerate(begun)))}
    passes: list[list[Piece]] = [[]]
    left = room
    for branch in sorted(begun, key=lambda branch: (not branch.owner, order[id(branch.trunk)])):
        prompt, start = branch.row.prompt, branch.row.cached
        while start < len(prompt):
            if left == 0:
                passes.append([])
                left = room
            stop = min(len(prompt), start + left)
            passes[-1].append(Piece(branch, prompt[start:stop], start))
            left -= stop - start
            start = stop
    return passes


def forward(model: PreTrainedModel, pieces: Sequence[Piece]) -> torch.Tensor:
    """Computes `pieces`, which follow each other by trunk; returns float32 logits of the rows that need a next token.

    Returns:
        [rows, vocabulary], in the order of the pieces that end a prompt or are one chosen token.
    """
    import torch

    device = model.device
    ids = [token for piece in pieces for token in piece.tokens]
    positions = [piece.position + i for piece in pieces for i in range(len(piece.tokens))]
    ends, end = [], 0
    for piece in pieces:
        end += len(piece.tokens)
        if piece.position + len(piece.tokens) >= len(piece.branch.row.prompt):
            ends.append(end - 1)
    before = {id(piece.branch.trunk): (piece.branch.trunk, piece.branch.trunk.used) for piece in pieces}
    try:
        parts = _parts(pieces, model.dtype, device)
        with kernels(device):
            out = model(
                input_ids=torch.tensor([ids], device=device),
                position_ids=torch.tensor([positions], device=device),
                use_cache=False,
                logits_to_keep=torch.tensor(ends or [0], device=device),
                ragvlc_parts=parts,
            )
        logits: torch.Tensor = out.logits[0].float()
    except BaseException:
        for trunk, used in before.values():
            trunk.used = used
        raise
    for part in parts:
        part.trunk.forget_source()
    _note(pieces, parts)
    return logits


def _parts(pieces: Sequence[Piece], dtype: torch.dtype, device: torch.device) -> list[Part]:
    parts, start = [], 0
    for (_, own), group in groupby(pieces, key=lambda piece: (id(piece.branch.trunk), piece.own)):
        members = list(group)
        trunk, n = members[0].branch.trunk, sum(len(piece.tokens) for piece in members)
        at = trunk.used
        trunk.used += n
        mask = _causal(at, n, dtype, device) if own else _block(trunk, members, at, dtype, device)
        parts.append(Part(trunk, start, start + n, at, mask))
        start += n
    return parts


def _note(pieces: Sequence[Piece], parts: Sequence[Part]) -> None:
    """Notes which columns each branch has written behind its trunk."""
    column = {id(part): part.at for part in parts}
    place = 0
    for piece in pieces:
        part = next(part for part in parts if part.start <= place < part.stop)
        n, at = len(piece.tokens), column[id(part)]
        if not piece.own:
            piece.branch.columns += range(at, at + n)
            piece.branch.owed -= n
        column[id(part)] += n
        place += n


def _causal(at: int, n: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor | None:
    """A mask that the kernel has itself, save for a later piece on devices whose kernels have none for that."""
    import torch

    if at == 0 or n == 1 or device.type == "cuda":
        return None
    return torch.full((n, at + n), hidden(dtype), dtype=dtype, device=device).triu_(at + 1)


def _block(
    trunk: Trunk, pieces: Sequence[Piece], at: int, dtype: torch.dtype, device: torch.device
) -> torch.Tensor | None:
    """The mask of branches: each token sees what its branch shares, what the branch has written, and itself."""
    import torch

    like = torch.empty(0, dtype=dtype, device=device)
    n = sum(len(piece.tokens) for piece in pieces)
    branches = [piece.branch for piece in pieces]
    if n == 1 and at == branches[0].shared + len(branches[0].columns):
        return None
    if n == len(pieces) and branches == trunk.branches:
        sees = trunk.sees(like)
        sees[:, at : at + n].fill_diagonal_(0)
        return sees[:, : at + n]
    mask = like.new_full((n, at + n), hidden(dtype))
    start = 0
    for piece in pieces:
        stop = start + len(piece.tokens)
        piece.branch.open_columns(mask[start:stop])
        mask[start:stop, at + start : at + stop].triu_(1)
        start = stop
    return mask
