"""Exact nearest-neighbour search by inner product, on the CPU or a GPU.

A GPU sums in another order, so its scores differ in the last bits. It preselects the candidates; these are then scored
on the CPU, each in the same way, so that equal vectors tie. The only remaining difference is the order of unequal
vectors whose scores differ in the last bit alone (seen among 200,000 random ones, beyond the first 50).
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from ragvlc.core.errors import MissingExtra, missing_extra

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragvlc.core.engines import Vectors

    Places = NDArray[np.int64]

__all__ = ["Device", "FlatSearch", "require"]

Device = Literal["auto", "cpu", "cuda"]

DEEPEST = 2048
"""The most neighbours that FAISS returns from a GPU; deeper searches run on the CPU."""
MARGIN = 1e-5
"""Largest error of a GPU's score of unit vectors (6e-8 measured): vectors this close to the cut are scored too."""
SCRATCH = 64 * 2**20
"""Bytes of working memory on the GPU; FAISS would take 1.5 GB."""

log = logging.getLogger("ragvlc")


def require() -> None:
    """Raises `MissingExtra` if FAISS is not installed; called before any text is embedded."""
    try:
        import faiss  # noqa: F401 - only whether it is there
    except ImportError as error:
        missing_extra("faiss", "cpu", error)
    except RuntimeError as error:  # a GPU build without its CUDA libraries: it says which to install
        raise MissingExtra(str(error)) from error


@dataclass(frozen=True, slots=True)
class _Gpu:
    """The GPU's working memory, shared by all indexes; `lock` allows one search at a time."""

    resources: Any
    lock: threading.RLock  # a collected index may be freed by the thread that holds it


class FlatSearch:
    """A search index of unit vectors. Safe across threads.

    Args:
        vectors: float32 of shape [rows, dimensions].
        device: where to search; `auto` and `cuda` fall back to the CPU, with one line in the log if a GPU was
            expected.
    """

    def __init__(self, vectors: Vectors, device: Device = "auto") -> None:
        import faiss
        import numpy as np

        self.rows = len(vectors)
        self.nbytes = 4 * vectors.size
        self._flat: Any = faiss.IndexFlatIP(vectors.shape[1])  # its types lack methods
        self._flat.add(np.ascontiguousarray(vectors, dtype=np.float32))
        self._gpu = None if device == "cpu" or not self.rows else _gpu(device)
        self._copy = None if self._gpu is None else _copied(self._flat, self._gpu)

    def __del__(self) -> None:
        """Frees the GPU copy while no search runs, because only one thread at a time may use the GPU's memory."""
        gpu = getattr(self, "_gpu", None)
        if gpu is not None:
            with gpu.lock:
                self._copy = None

    @property
    def device(self) -> str:
        """The device for searches, `cpu` or `cuda`; very deep searches always run on the CPU."""
        return "cpu" if self._copy is None else "cuda"

    def best(self, vector: Vectors, n: int) -> tuple[Vectors, Places]:
        """Returns the scores and rows of the `n` best vectors (or all), best first; equal scores in row order.

        Args:
            vector: float32 of shape [1, dimensions].
            n: number of vectors to return.
        """
        import numpy as np

        n = min(n, self.rows)
        if n <= 0:
            return np.zeros(0, np.float32), np.zeros(0, np.int64)
        # FAISS returns any of the rows that tie at the cut, so search deeper until the tie has ended.
        deep = min(n + 1, self.rows)
        scores, places, margin = self._search(vector, deep)
        while deep < self.rows and scores[-1] >= scores[n - 1] - margin:
            deep = min(2 * deep, self.rows)
            scores, places, margin = self._search(vector, deep)
        order = np.lexsort((places, -scores))[:n]
        return scores[order], places[order]

    def _search(self, vector: Vectors, n: int) -> tuple[Vectors, Places, float]:
        """Returns scores computed on the CPU (highest first), their rows, and the error bound of the preselection."""
        import numpy as np

        if self._gpu is None or self._copy is None or n > DEEPEST:
            scores, places = self._flat.search(vector, n)
            return scores[0], places[0], 0.0
        with self._gpu.lock:
            _, places = self._copy.search(vector, n)
        scores = self._scores(vector, places)
        order = np.argsort(-scores, kind="stable")
        return scores[order], places[0][order], MARGIN

    def _scores(self, vector: Vectors, places: Places) -> Vectors:
        """Returns the scores of the given rows, computed on the CPU."""
        import faiss
        import numpy as np

        scores = np.empty(places.shape, np.float32)
        vector, places = np.ascontiguousarray(vector, np.float32), np.ascontiguousarray(places, np.int64)
        pointers = [faiss.swig_ptr(array) for array in (vector, scores, places)]
        self._flat.compute_distance_subset(1, pointers[0], places.shape[1], pointers[1], pointers[2])
        found: Vectors = scores[0]
        return found


def _copied(flat: Any, gpu: _Gpu) -> Any | None:  # noqa: ANN401 - the library has no types
    import faiss

    try:
        with gpu.lock:
            return faiss.index_cpu_to_gpu(gpu.resources, 0, flat)
    except RuntimeError as error:  # most often: the models have taken the memory
        log.warning("%d vectors are searched on the CPU: %s", flat.ntotal, _reason(error))
        return None


def _reason(error: RuntimeError) -> str:
    return (str(error).strip() or "no reason given").splitlines()[-1]


@cache
def _gpu(device: Device) -> _Gpu | None:
    """Returns the shared GPU memory, or None without a GPU; logs once if an expected GPU is missing."""
    import faiss

    if not hasattr(faiss, "StandardGpuResources"):
        if device == "cuda":
            log.warning("Dense retrieval runs on the CPU: this FAISS was built without GPU support (faiss-gpu has it).")
        return None
    return _opened()


@cache
def _opened() -> _Gpu | None:
    import faiss

    try:
        if faiss.get_num_gpus() == 0:
            log.warning("Dense retrieval runs on the CPU: FAISS finds no GPU.")
            return None
        resources = faiss.StandardGpuResources()
        resources.setTempMemory(SCRATCH)
    except RuntimeError as error:
        log.warning("Dense retrieval runs on the CPU: FAISS cannot use the GPU: %s", _reason(error))
        return None
    return _Gpu(resources, threading.RLock())
