"""Packed batch that decodes sequences one by one with CUDA graphs while so few are running that this is faster.

A forward pass of the library reads the weights once for all its rows, but launches some thirty kernels a layer, each
from Python: on an H200 25 to 30 ms for a model of 30 layers, whatever its size. A step of `engines.cuda_graphs.graphs`
takes what reading the memory takes, .7 ms for SmolLM2; after 131,072 tokens, an eighth of the library's time for an 8B
model. So a few requests get their next tokens sooner one after the other than together; the number of requests up to
which that holds is measured (see `SelfTestedDecoder.break_even_rows`).
"""

from __future__ import annotations

import time

from ragvlc.engines.batching.decoding import Detokenizer, append_tokens, sample_tokens
from ragvlc.engines.batching.packed import UNLIMITED, PackedBatch, PassLimits
from ragvlc.engines.batching.prefix_cache import PrefixCache
from ragvlc.engines.batching.shared_prefix import PackedSequence
from ragvlc.engines.cuda_graphs.graphs import FastDecoder
from ragvlc.engines.cuda_graphs.self_test import SelfTestedDecoder

__all__ = ["PackedBatchWithGraphs"]


class PackedBatchWithGraphs(PackedBatch):
    """A `PackedBatch` that decodes with CUDA graphs while few requests are running.

    A graph knows one contiguous text. A sequence that shares another's prefix is therefore copied to a prefix of its
    own, if the prefix cache has the capacity for the copy.

    Args:
        detokenizer: end tokens and text.
        prefixes: the prefix cache.
        decoder: of a model that `batching.support` accepts, switched to the attention `ragvlc_packed`.
        batch_tokens: slots of all running requests; a single request may have more.
        limits: of a forward pass.
    """

    def __init__(
        self,
        detokenizer: Detokenizer,
        prefixes: PrefixCache,
        decoder: SelfTestedDecoder,
        *,
        batch_tokens: int,
        limits: PassLimits = UNLIMITED,
    ) -> None:
        super().__init__(decoder.model, detokenizer, prefixes, batch_tokens=batch_tokens, limits=limits)
        self._decoder = decoder

    def step(self) -> None:
        """Computes one token of every running request."""
        # The self-test runs at the first step: it computes on the model, whose lock the scheduler holds here.
        decoder = self._decoder.get()
        if decoder is None or len(self._sequences) > self._decoder.break_even_rows or not self._split_up(decoder):
            super().step()
            return
        try:
            for sequence in self._sequences:
                self._decode_one(sequence, decoder)
        finally:  # requests that got their token before a failure may be finished
            self._remove_finished()

    def _decode_one(self, sequence: PackedSequence, decoder: FastDecoder) -> None:
        started, request, prefix = time.perf_counter(), sequence.request, sequence.prefix
        logits = decoder.logits(prefix, request.tokens[-1:], 1)
        # Only after the token was computed: a failure leaves this request as it was before the step.
        sequence.slots.append(prefix.used)
        sequence.reserved -= 1
        prefix.used += 1
        append_tokens([request], sample_tokens(logits, [request]), self._detokenizer)
        request.decode_seconds += time.perf_counter() - started

    def _split_up(self, decoder: FastDecoder) -> bool:
        """Copies shared prefixes, one copy per sequence; returns whether CUDA graphs can then decode all sequences."""
        sharing = [sequence for sequence in self._sequences if not sequence.owns_prefix]
        if sharing:
            copies = sum(
                sequence.prefix.bytes * sequence.slots_alone // sequence.prefix.capacity for sequence in sharing
            )
            # Prefixes of cold requests and earlier copies are not in the cache, but take the same memory.
            own = {id(one.prefix): one.prefix.bytes for one in self._sequences if not self._prefixes.holds(one.prefix)}
            if not self._prefixes.evict(copies + sum(own.values())):
                return False
        for sequence in sharing:
            sequence.prefix.split_off(sequence)
        for sequence in self._sequences:
            if not sequence.contiguous:
                sequence.prefix.compact()  # sequences that have left still take slots in it
        return all(sequence.contiguous and decoder.supports(sequence.prefix, 1) for sequence in self._sequences)
