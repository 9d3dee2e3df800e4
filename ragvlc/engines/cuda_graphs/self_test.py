"""Self-test of CUDA-graph decoding: a decoder is used only if its logits match those of the Transformers model."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ragvlc.core.texts import first_line
from ragvlc.engines.batching.sampling import SamplingDistribution
from ragvlc.engines.cuda_graphs.graphs import SPARE_SLOTS, FastDecoder, build_decoder
from ragvlc.engines.decode_state.kv_cache import PreallocatedKVCache, new_prefix, prefill

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

__all__ = ["SelfTestedDecoder"]

log = logging.getLogger("ragvlc")

_EXACT = 1e-3
"""Largest relative error of logits in float32; formats of 16 bits may be off by `_ROUNDED`."""
_ROUNDED = 0.1
_PROMPT = 18
"""Tokens that the library's model computes before the passes under test."""
_TESTED = (1, 2, 3, 5, 11)
"""Rows of the passes under test: with padding, every captured size from 1 to 16."""
_TIMED = 5
"""Passes of which the fastest counts."""


class SelfTestedDecoder:
    """The fast decoder of one model (see `engines.cuda_graphs.graphs`), built and tested at the first use.

    Args:
        model: switched to the attention `ragvlc_packed`.
        model_name: for the log.
        anywhere: also on a CPU, where it is no faster.

    Attributes:
        model: the same.
        break_even_rows: the largest number of one-row passes, one after the other, that take no longer than one pass of
            the library's model. Measured on a GPU by `get`; 1 on a CPU.
    """

    def __init__(self, model: PreTrainedModel, model_name: str, *, anywhere: bool = False) -> None:
        self.model = model
        self.break_even_rows = 1
        self._model_name = model_name
        self._anywhere = anywhere
        self._tested = False
        self._decoder: FastDecoder | None = None

    def get(self) -> FastDecoder | None:
        """Returns the decoder if its self-test passed, else None.

        The caller must hold the model's lock, inside `torch.inference_mode()`.
        """
        if not self._tested:
            self._tested = True
            self._decoder, problem = self._test()
            if problem and self.model.device.type == "cuda":
                log.info("'%s' is decoded without CUDA graphs: %s", self._model_name, problem)
        return self._decoder

    def _test(self) -> tuple[FastDecoder | None, str]:
        try:
            decoder, problem = build_decoder(self.model, anywhere=self._anywhere)
            error = 0.0 if decoder is None else self._distance(decoder)
            if decoder is not None and self.model.device.type == "cuda":
                self.break_even_rows = self._break_even_rows(decoder)
        except Exception as failure:  # noqa: BLE001 - whatever a compiler, a driver or a strange model raises
            return None, f"it failed ({first_line(failure)})"
        if not error <= self._tolerance():  # `not <=`, for an error that is NaN
            return None, f"its logits differ from the model's by {error:.2g}"
        return decoder, problem

    def _tolerance(self) -> float:
        import torch

        return _EXACT if self.model.dtype == torch.float32 else _ROUNDED

    def _distance(self, decoder: FastDecoder) -> float:
        """Returns the distance of the decoder's logits from the model's, for passes of 1 to 16 tokens and for sampling.

        The graphs of these passes are captured on the way.
        """
        import torch

        size, device = self.model.config.get_text_config().vocab_size, self.model.device
        ids = [(11 * i + 5) % size for i in range(_PROMPT + sum(_TESTED))]
        plain, prefix = (
            PreallocatedKVCache(self.model, new_prefix([0], len(ids) + 2)),
            new_prefix([0], len(ids) + SPARE_SLOTS),
        )
        prefill(PreallocatedKVCache(self.model, prefix), ids[:_PROMPT], device)
        expected = plain.forward(torch.tensor(ids, device=device), sum(_TESTED))
        found: list[torch.Tensor] = []
        for n in _TESTED:
            found.append(decoder.logits(prefix, ids[prefix.used : prefix.used + n], n))
            prefix.used += n
        distribution = SamplingDistribution(1.0, 1.0, int(self.model.get_output_embeddings().weight.shape[0]))
        sampled = decoder.sample(prefix, ids[:2], [0.3, 0.6, 0.9], distribution)
        of_sampling = _distance(
            _logarithms(plain.probabilities(ids[:2], 1, distribution)), _logarithms(sampled.probabilities[:1])
        )
        return max(of_sampling, _distance(expected, torch.cat(found)))

    def _break_even_rows(self, decoder: FastDecoder) -> int:
        """Returns how many one-token passes of the decoder take as long as one pass of the Transformers model."""
        import torch

        ids = torch.ones(_PROMPT, dtype=torch.int64, device=self.model.device)
        prefix = new_prefix([0], _PROMPT + _TIMED + SPARE_SLOTS)
        cache = PreallocatedKVCache(self.model, prefix)
        cache.forward(ids, 1)
        whole = _fastest(lambda: float(cache.forward(ids[:1], 1)[0, 0]))
        one = _fastest(lambda: float(decoder.logits(prefix, [1], 1)[0, 0]))
        return max(1, int(whole / one))


def _fastest(work: Callable[[], float]) -> float:
    """Returns the seconds of the fastest of several runs of `work`, which waits for the device."""
    seconds = []
    for _ in range(_TIMED):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def _logarithms(rows: torch.Tensor) -> torch.Tensor:
    """Returns the logarithms of probabilities, which are the logits up to a constant in each row."""
    return rows.clamp(min=1e-30).log()


def _distance(expected: torch.Tensor, found: torch.Tensor) -> float:
    """Returns the distance between two sets of logits, relative to their spread, ignoring a constant added to a row."""
    one, other = (rows - rows.mean(dim=-1, keepdim=True) for rows in (expected, found))
    return float((one - other).norm() / one.norm())
