"""Engine of an embedding model: computes unit vectors of texts and of parts of texts."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragvlc.core import interruption
from ragvlc.core.errors import EngineError
from ragvlc.embedders._extended_batch import activate
from ragvlc.embedders._tokenized_texts import (
    NO_TRUNCATION,
    TextWindow,
    TokenizedText,
    batches_of,
    in_groups,
    tokenize,
    tokenize_ids,
    windows_of,
    without_prompt,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from ragvlc.core.engines import Vectors
    from ragvlc.embedders._applied_extension import AppliedExtension

    Spans = Sequence[tuple[int, int]]

__all__ = ["BatchLimits", "SentenceTransformerEngine"]

OWN = frozenset({"input_ids", "attention_mask", "token_type_ids"})
"""Model inputs that are made here; any others that the library adds are passed on."""
KNOWN = OWN | {"modality", "prompt_length"}


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """The largest numbers of tokens and of texts in one batch.

    Attributes:
        tokens: the largest number of tokens, padding included.
        texts: the largest number of texts; None is no limit.
    """

    tokens: int
    texts: int | None


class SentenceTransformerEngine:
    """A loaded sentence-transformers model, which one thread at a time uses: its tokenizer stores truncation settings.

    Texts are sorted by length and batched up to a number of tokens, not of texts; vectors are copied from the device at
    the end. Models that are not plain text transformers are left to sentence-transformers' own `encode`.

    Args:
        model: a sentence-transformers model.
        label: its name in messages.
        prompts: put before a text, by side.
        limits: of a batch.
        extension: reads texts beyond the window; None truncates them.
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - the library's class
        label: str,
        prompts: Mapping[str, str],
        limits: BatchLimits,
        extension: AppliedExtension | None = None,
    ) -> None:
        self._model = model
        self._label = label
        self._prompts = prompts
        self._limits = limits
        self._extension = extension
        self._lock = threading.Lock()
        model.eval()
        self._extras = {side: self._own_features(prompt) for side, prompt in prompts.items()}
        if extension is not None:
            self._probe(extension)

    @property
    def window(self) -> int:
        """The number of tokens that texts are truncated to, prompt included; `sys.maxsize` if there is no limit."""
        length = self._model.max_seq_length
        return sys.maxsize if length is None or math.isinf(length) else int(length)

    def embed(self, texts: Sequence[str], *, side: str = "passage") -> Vectors:
        """Returns unit vectors, float32 of shape [texts, dimensions]. Raises `EngineError` if the model fails."""
        if not texts:
            return self.embed([""], side=side)[:0]
        given = without_prompt(self._prompts[side], texts)
        return in_groups(given, lambda own: _unit(self._computed(lambda: self._vectors(own, side), len(own))))

    def embed_spans(self, texts: Sequence[str], spans: Sequence[Spans], *, side: str = "passage") -> list[Vectors]:
        """Returns unit vectors of parts of texts, each computed in the context of its whole text (late chunking).

        Günther, Mohr, Williams, Wang and Xiao 2024, "Late Chunking", arXiv 2409.04701. A part's vector is pooled, in
        the model's own way, from the tokens that share a character with it. A text beyond the window is read in
        adjacent windows. A part without a token takes the one before it.

        Args:
            texts: the whole texts.
            spans: characters (start, end) of the parts of each text.
            side: `query` or `passage`.

        Returns:
            For each text, float32 of shape [its spans, dimensions].

        Raises:
            EngineError: the model fails, or its vectors are not pooled from tokens that any part has.
        """
        self._pools_any_part()
        found: list[Vectors] = []
        for group in self._groups(texts):
            whole = [texts[place] for place in group]
            parts = [spans[place] for place in group]
            rows = self._computed(lambda w=whole, p=parts: self._span_vectors(w, p, side), len(whole))  # type: ignore[misc]
            found += [_unit(row) for row in rows]
        return found

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Returns each text's number of tokens without truncation, including the passage prompt and special tokens."""
        if not texts:
            return []
        prompt = self._prompts["passage"]
        whole = [prompt + text for text in without_prompt(prompt, texts)]
        tokenizer = self._model.tokenizer
        with self._lock:
            if not callable(tokenizer):  # models of static vectors have the tokenizers library's own object
                return [len(found) for found in tokenizer.encode_batch(whole, add_special_tokens=False)]
            return [len(ids) for ids in tokenizer(whole, truncation=False, verbose=False)["input_ids"]]

    def close(self) -> None:
        """Frees the model's memory."""
        import torch

        self._model = self._extension = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _own_features(self, prompt: str) -> dict[str, Any] | None:
        """Returns the inputs that sentence-transformers adds to token ids; None if the model takes other inputs."""
        from sentence_transformers.models import Transformer

        model = self._model
        first = next(iter(model), None)
        if type(first) is not Transformer or getattr(model.tokenizer, "pad_token_id", None) is None:
            return None
        made = model.preprocess(["a"], prompt=prompt or None)
        kinds = made.get("token_type_ids")
        ids = model.tokenizer([prompt + "a"], truncation=False, verbose=False)["input_ids"]
        plain = set(made) <= KNOWN and made.get("modality", "text") == "text" and made["input_ids"].tolist() == ids
        if not plain or (kinds is not None and bool(kinds.any())):
            return None
        return {name: value for name, value in made.items() if name not in OWN} | {"kinds": kinds is not None}

    def _probe(self, extension: AppliedExtension) -> None:
        """Raises `EngineError` if the extension's hooks have no effect on the model."""
        import torch

        if any(extras is None for extras in self._extras.values()):
            raise EngineError(f"embedder '{self._label}': texts reach it in an unknown way; it cannot be extended.")
        if extension.parallel:
            return
        ids = [self._model.tokenizer(["a b c"], verbose=False)["input_ids"][0]]
        with torch.inference_mode():
            features = self._features(ids, "passage")
            self._model(dict(features))
            probe_batch = extension.probe(len(ids[0]), self._model.device)
            with activate(probe_batch):
                self._model(dict(features))
        extension.check(probe_batch, self._label)

    def _computed(self, compute: Callable[[], Any], texts: int) -> Any:  # noqa: ANN401 - whatever it computes
        import torch

        try:
            with self._lock, torch.inference_mode():
                return compute()
        except (RuntimeError, IndexError) as error:
            if isinstance(error, EngineError):
                raise
            full = isinstance(error, torch.OutOfMemoryError)
            hint = " Lower its batch_tokens." if full else ""
            message = f"embedder '{self._label}' failed on {texts} texts: {error}{hint}"
            raise EngineError(message, transient=full) from error

    def _vectors(self, texts: list[str], side: str) -> Vectors:
        """Returns the texts' vectors in float32, before they are scaled to unit length."""
        import numpy as np

        prompt, window = self._prompts[side], self.window
        if self._extras[side] is None:
            size = self._limits.texts or 32
            made = self._model.encode(texts, prompt=prompt, batch_size=size, show_progress_bar=False)
            return self._finite(made.astype(np.float32))
        if self._extension is not None and self._extension.parallel:
            whole = [_cut(text, window) for text in tokenize_ids(self._model.tokenizer, texts, prompt, self._label)]
            windows = windows_of(whole, min(window, self._extension.window), self._label)
            rows = _unit(self._finite(self._run(windows, side)))
            return _means(rows, [part.text for part in windows], len(texts))
        given = [prompt + text for text in texts] if prompt else texts
        ids = self._model.tokenizer(given, **{**NO_TRUNCATION, **_cutting(window)})["input_ids"]
        return self._finite(self._run([TextWindow(row, np.asarray(found)) for row, found in enumerate(ids)], side))

    def _run(self, windows: Sequence[TextWindow], side: str) -> Vectors:
        """Returns one vector per window, in the order of the windows."""
        import numpy as np
        import torch

        dims = getattr(self._model, "truncate_dim", None)
        found, order = [], []
        for batch in self._batches(windows):
            features = self._passed([windows[place].ids for place in batch], side)
            found.append(features["sentence_embedding"][:, :dims].float())
            order += batch
        rows = torch.cat(found).cpu().numpy()
        vectors: Vectors = np.empty_like(rows)
        vectors[order] = rows
        return vectors

    def _batches(self, windows: Sequence[TextWindow]) -> list[list[int]]:
        apart = None if self._extension is None else self._extension.window
        return batches_of([len(part.ids) for part in windows], self._limits.tokens, self._limits.texts, apart)

    def _passed(self, ids: Sequence[Any], side: str) -> dict[str, Any]:
        """Returns the model's outputs for a batch of token ids."""
        interruption.check()
        features = self._features(ids, side)
        lengths = [len(row) for row in ids]
        extension = self._extension
        batch = None if extension is None else extension.batch_of(lengths, max(lengths), self._model.device)
        with activate(batch):
            return dict(self._model(features))

    def _features(self, ids: Sequence[Any], side: str) -> dict[str, Any]:
        import numpy as np
        import torch

        extras = dict(self._extras[side] or {})
        padded = np.full((len(ids), max(len(row) for row in ids)), self._model.tokenizer.pad_token_id, dtype=np.int64)
        mask = np.zeros_like(padded)
        for place, row in enumerate(ids):
            padded[place, : len(row)] = row
            mask[place, : len(row)] = 1
        device = self._model.device
        made = {"input_ids": torch.from_numpy(padded).to(device), "attention_mask": torch.from_numpy(mask).to(device)}
        if extras.pop("kinds", False):
            made["token_type_ids"] = torch.zeros_like(made["input_ids"])
        return made | extras

    def _pools_any_part(self) -> None:
        """Raises `EngineError` unless the model pools its vectors from all tokens rather than from a CLS token."""
        from sentence_transformers.models import Pooling

        modules = list(self._model)
        pooling = modules[1] if len(modules) > 1 else None
        known = isinstance(pooling, Pooling) and all(extras is not None for extras in self._extras.values())
        modes = getattr(pooling, "pooling_mode", ())
        if not known or "cls" in ((modes,) if isinstance(modes, str) else modes):
            message = (
                f"embedder '{self._label}': it does not pool its vectors from a text's tokens, so parts of a text have "
                "none within it. Use context: chunk."
            )
            raise EngineError(message)

    def _groups(self, texts: Sequence[str]) -> list[list[int]]:
        """Returns the indices of texts in groups, so that each group's token vectors fit the batch limit."""
        found: list[list[int]] = []
        held = 0
        for place, length in enumerate(self.lengths(texts)):
            if not found or held + length > self._limits.tokens:
                found, held = [*found, []], 0
            found[-1].append(place)
            held += length
        return found

    def _span_vectors(self, texts: Sequence[str], spans: Sequence[Spans], side: str) -> list[Vectors]:
        import numpy as np
        import torch

        whole = tokenize(self._model.tokenizer, texts, self._prompts[side], self._label)
        extension = self._extension
        width = min(self.window, extension.window) if extension is not None and extension.parallel else self.window
        states = self._states(whole, width, side)
        found = []
        for text, state, parts in zip(whole, states, spans, strict=True):
            rows = [_tokens_in(text, start, end) for start, end in parts]
            batches = batches_of([end - start for start, end in rows], self._limits.tokens, None, None)
            pooled = [self._pooled(state, [rows[place] for place in batch]) for batch in batches]
            joined = torch.cat(pooled) if pooled else self._pooled(state, [(0, 1)])[:0]
            order = [place for batch in batches for place in batch]
            made: Vectors = np.empty(joined.shape, dtype=np.float32)
            made[order] = self._finite(joined.float().cpu().numpy())
            found.append(made)
        return found

    def _states(self, texts: Sequence[TokenizedText], width: int, side: str) -> list[Tensor]:
        """Returns each text's token vectors [tokens, size], without special tokens unless the text is empty."""
        import torch

        windows = windows_of(texts, width, self._label)
        made: list[Tensor | None] = [None] * len(texts)
        for batch in self._batches(windows):
            states = self._passed([windows[place].ids for place in batch], side)["token_embeddings"]
            for place, state in zip(batch, states, strict=True):
                part = windows[place]
                text = texts[part.text]
                if not text.own:
                    made[part.text] = state[: len(part.ids)]
                    continue
                into = made[part.text]
                if into is None:
                    into = made[part.text] = torch.full((text.own, state.shape[1]), math.nan).to(state)
                end = part.start + len(part.ids) - text.lead - text.tail
                free = torch.isnan(into[part.start : end, :1])  # windows may overlap: the earlier one's vectors stay
                own = state[text.lead : len(part.ids) - text.tail]
                into[part.start : end] = torch.where(free, own, into[part.start : end])
        return [state for state in made if state is not None]

    def _pooled(self, state: Tensor, rows: Sequence[tuple[int, int]]) -> Tensor:
        """Returns one vector per token range, computed by the model's pooling and later modules."""
        import torch

        longest = max(end - start for start, end in rows)
        first = torch.tensor([start for start, _ in rows], device=state.device)[:, None]
        count = torch.tensor([end - start for start, end in rows], device=state.device)[:, None]
        step = torch.arange(longest, device=state.device)[None, :]
        mask = step < count
        taken = state[(first + step).clamp(max=len(state) - 1)]
        features: dict[str, Any] = {"token_embeddings": taken, "attention_mask": mask.long()}
        for module in list(self._model)[1:]:
            features = module(features)
        dims = getattr(self._model, "truncate_dim", None)
        pooled: Tensor = features["sentence_embedding"][:, :dims]
        return pooled

    def _finite(self, vectors: Vectors) -> Vectors:
        import numpy as np

        if not np.isfinite(vectors).all():
            message = f"embedder '{self._label}' gave numbers that are not finite. Use dtype: float32."
            raise EngineError(message)
        return vectors


def _cutting(window: int) -> dict[str, Any]:
    """Returns the tokenizer settings that truncate texts to `window` tokens; an unlimited window truncates nothing."""
    return {"truncation": True, "max_length": window} if window < 2**31 else {"truncation": False}


def _unit(vectors: Vectors) -> Vectors:
    """Returns the rows scaled to length 1 in float32, because half precision would be off by up to 1 %."""
    import numpy as np

    unit: Vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
    return unit


def _means(rows: Vectors, texts: Sequence[int], count: int) -> Vectors:
    """Returns for each text the mean of the vectors of its windows."""
    import numpy as np

    sums = np.zeros((count, rows.shape[1]), dtype=np.float64)
    np.add.at(sums, np.asarray(texts), rows)
    found: Vectors = (sums / np.bincount(texts, minlength=count)[:, None]).astype(np.float32)
    return found


def _cut(text: TokenizedText, limit: int) -> TokenizedText:
    """Returns the text truncated to `limit` tokens in total, prompt and special tokens included."""
    import numpy as np

    keep = max(0, min(text.own, limit - text.lead - text.tail))
    end = text.lead + keep
    ids: NDArray[np.int64] = np.concatenate([text.ids[:end], text.ids[len(text.ids) - text.tail :]])
    return TokenizedText(ids, text.lead, text.tail, text.starts[:keep], text.ends[:keep])


def _tokens_in(text: TokenizedText, start: int, end: int) -> tuple[int, int]:
    """Returns the range (first, end) of the tokens that overlap a part of the text; at least one token."""
    import numpy as np

    if not text.own:
        return 0, text.lead + text.tail
    first = int(np.searchsorted(text.ends, start, side="right"))
    last = int(np.searchsorted(text.starts, end, side="left"))
    if last <= first:
        first = max(0, min(first, text.own) - 1)
        last = first + 1
    return first, last
