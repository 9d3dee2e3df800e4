"""How fast texts become vectors: against sentence-transformers' own `encode`, and each extension against a plain pass.

    python tests/benchmarks/embedding_throughput.py            (one GPU; about two minutes on an H200)
    python tests/benchmarks/embedding_throughput.py --quick    (a CPU; some minutes)

Two models. MiniLM (`--model`, real weights) with its table of 512 positions repeated up to the longest text, which is
what `encode` and the plain pass read at every length: the same work, without an extension. And a rotary encoder in the
shape of ModernBERT base with RANDOM weights and MiniLM's tokenizer: its vectors mean nothing, its speed is that of the
shape. The extensions' window is 512 tokens, so every longer text is extended. Texts are drawn words, as long as said in
tokens. A figure is the best of `--repeats`, tokenizing included; on a CPU the processor's seconds are taken, of all
threads together, which neighbours on the machine change little. `encode` takes the better of its default batch size
and the number of texts that fills our batch.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from _figures import record

from ragvlc import packaged
from ragvlc.embedders.sentence_transformer import SentenceTransformerEmbedder

WINDOW = 512
ROTARY = {"hidden_size": 768, "num_hidden_layers": 22, "num_attention_heads": 12, "intermediate_size": 1152}
SMALL = {"hidden_size": 256, "num_hidden_layers": 6, "num_attention_heads": 4, "intermediate_size": 384}
STRATEGIES = {
    "minilm": ("parallel_windows", "grouped", "recurrent", "interpolated"),
    "rotary": ("parallel_windows", "grouped", "interpolated", "ntk", "self_extend"),
}
LIMITS = {"self_extend": 1.6}
"""Times the plain pass that an extension may take; 1.15 for the others."""


def repeated_table(folder: str, into: Path, positions: int) -> str:
    """Writes the model with its position table repeated up to `positions` rows, and returns its folder."""
    import torch
    from transformers import AutoModel

    shutil.copytree(folder, into)
    inner = AutoModel.from_pretrained(into)
    rows = inner.embeddings.position_embeddings.weight.detach()
    more = torch.nn.Embedding(positions, rows.shape[1])
    more.weight = torch.nn.Parameter(rows.repeat(-(-positions // len(rows)), 1)[:positions].clone())
    inner.embeddings.position_embeddings = more
    inner.embeddings.position_ids = torch.arange(positions)[None, :]
    inner.embeddings.token_type_ids = torch.zeros(1, positions, dtype=torch.long)
    inner.config.max_position_embeddings = positions
    inner.save_pretrained(into)
    return str(into)


def rotary_model(tokenizer: str, into: Path, positions: int, shape: dict[str, int]) -> str:
    """Writes a rotary encoder with random weights, and returns its folder."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Normalize, Pooling, Transformer
    from transformers import AutoTokenizer, ModernBertConfig, ModernBertModel

    tokens = AutoTokenizer.from_pretrained(tokenizer, model_max_length=positions)
    tokens.save_pretrained(into / "inner")
    marks = {
        "pad_token_id": tokens.pad_token_id,
        "cls_token_id": tokens.cls_token_id,
        "sep_token_id": tokens.sep_token_id,
    }
    marks |= {"bos_token_id": tokens.cls_token_id, "eos_token_id": tokens.sep_token_id}
    torch.manual_seed(0)
    config = ModernBertConfig(**shape, **marks, vocab_size=len(tokens), max_position_embeddings=positions)
    ModernBertModel(config).save_pretrained(into / "inner")
    inner = Transformer(str(into / "inner"), max_seq_length=positions)
    parts = [inner, Pooling(shape["hidden_size"]), Normalize()]
    SentenceTransformer(modules=parts, device="cpu").save(str(into / "model"))
    return str(into / "model")


def texts_of(folder: str, tokens: int, count: int) -> list[str]:
    """Returns drawn texts of exactly so many tokens, two special ones included."""
    from transformers import AutoTokenizer

    vocabulary = AutoTokenizer.from_pretrained(folder).get_vocab()
    words = sorted(word for word in vocabulary if word.isalpha() and word.isascii() and len(word) > 3)
    drawn = random.Random(tokens)
    return [" ".join(drawn.choices(words, k=tokens - 2)) for _ in range(count)]


def seconds(work: Callable[[], Any], settle: Callable[[], None] | None, repeats: int) -> list[float]:
    """Returns the time of each repeat; without `settle`, which waits for a GPU, that of the processor."""
    found = []
    clock = time.perf_counter if settle else time.process_time
    wait = settle or (lambda: None)
    for _ in range(repeats):
        wait()
        start = clock()
        work()
        wait()
        found.append(clock() - start)
    return found


class Bench:
    """One model at several lengths."""

    def __init__(self, name: str, folder: str, longest: int, options: argparse.Namespace) -> None:
        import torch

        self.name, self.folder, self.longest, self.options = name, folder, longest, options
        self.cuda = options.device.startswith("cuda")
        self.settle = torch.cuda.synchronize if self.cuda else None
        self.budget = 65_536 if self.cuda else 4_096
        self.engines: dict[str | None, Any] = {}
        self.rows: list[dict[str, Any]] = []

    def engine(self, extension: str | None) -> Any:
        """Returns our engine, opened once; `extension` None is the plain pass."""
        if extension not in self.engines:
            self.engines[extension] = self._opened(extension)
        return self.engines[extension]

    def _opened(self, extension: str | None) -> Any:
        spec = {"strategy": extension, "window": WINDOW} if extension else None
        settings = {"device": self.options.device, "dtype": self.options.dtype, "max_length": self.longest}
        return SentenceTransformerEmbedder(model=self.folder, extension=spec, **settings).open()

    @cached_property
    def reference(self) -> Any:
        """Returns sentence-transformers' model, loaded once."""
        import torch
        from sentence_transformers import SentenceTransformer

        kwargs = {"dtype": getattr(torch, self.options.dtype)}
        model = SentenceTransformer(self.folder, device=self.options.device, model_kwargs=kwargs)
        model.max_seq_length = self.longest
        return model

    def library(self, texts: Sequence[str], length: int) -> list[float]:
        """Returns the seconds of sentence-transformers' own `encode`."""
        found = []
        for size in sorted({32, max(1, self.budget // length)}):
            if size * length > max(self.budget, 32 * WINDOW):
                continue
            found.append(seconds(lambda size=size: self.encoded(texts, size), self.settle, self.options.repeats))
        return min(found, key=min)

    def encoded(self, texts: Sequence[str], size: int) -> Any:
        """Returns `encode` of the texts."""
        return self.reference.encode(list(texts), batch_size=size, normalize_embeddings=True, show_progress_bar=False)

    def ours(self, texts: Sequence[str], extension: str | None) -> list[float]:
        """Returns our seconds."""
        return seconds(lambda: self.engine(extension).embed(texts), self.settle, self.options.repeats)

    def warm(self, texts: Sequence[str], ways: Sequence[str]) -> None:
        """Opens what is measured and runs it once over a few of the texts."""
        for way in ways:
            if way == "encode":
                self.encoded(texts, len(texts))
            else:
                self.engine(None if way == "plain" else way).embed(texts)

    def at(self, length: int, count: int) -> None:
        """Measures one length and prints its rows."""
        texts = texts_of(self.folder, length, count)
        tokens = length * count
        ways = ["encode", "plain", *(STRATEGIES[self.name] if length > WINDOW else ())]
        self.warm(texts[: max(1, self.budget // length)], ways)
        found = {way: self.ours(texts, None if way == "plain" else way) for way in ways[1:]}
        found = {"encode": self.library(texts, length)} | found
        self.record(str(length), found)
        for way, taken in ((way, min(times)) for way, times in found.items()):
            row = {"model": self.name, "tokens": length, "texts": count, "way": way, "tokens_a_second": tokens / taken}
            row["times_plain"] = taken / min(found["plain"])
            self.rows.append(row)
            print(
                f"{self.name:8} {length:6} x {count:5} {way:17} {tokens / taken:12,.0f} tokens/s "
                f"{row['times_plain']:6.2f} times plain",
                flush=True,
            )

    def mixed(self, count: int) -> None:
        """Measures texts of 16 to 512 tokens, most of them short, as chunks and passages are."""
        drawn = random.Random(0)
        lengths = [int(16 * 32 ** drawn.random()) for _ in range(count)]
        pool = texts_of(self.folder, WINDOW, 64)
        texts = [" ".join(pool[place % 64].split()[: length - 2]) for place, length in enumerate(lengths)]
        self.warm(texts[:256], ["encode", "plain"])
        found = {"encode": self.library(texts, WINDOW), "plain": self.ours(texts, None)}
        self.record("16 to 512", found)
        plain = min(found["plain"])
        for way, taken in ((way, min(times)) for way, times in found.items()):
            self.rows.append(
                {"model": self.name, "tokens": "16-512", "texts": count, "way": way}
                | {"tokens_a_second": sum(lengths) / taken, "times_plain": taken / plain}
            )
            print(
                f"{self.name:8} 16-512 x {count:5} {way:17} {sum(lengths) / taken:12,.0f} tokens/s "
                f"{taken / plain:6.2f} times plain",
                flush=True,
            )

    def record(self, tokens: str, found: Mapping[str, Sequence[float]]) -> None:
        """Records each way against a plain pass, repeat by repeat."""
        plain, name = found["plain"], f"{self.name}, {self.options.dtype}, texts of {tokens} tokens"
        for way, times in found.items():
            ratios = [taken / one for taken, one in zip(times, plain, strict=True)]
            if way == "encode":
                record(f"{name}: a plain pass, against encode", ratios)
            elif way != "plain":
                record(f"{name}: {way}, of a plain pass's time", ratios, better="less")

    def close_to_encode(self) -> float:
        """Returns the largest difference from `encode` in 32 bits, texts of 16 to 512 tokens."""
        from sentence_transformers import SentenceTransformer

        texts = [texts_of(self.folder, length, 1)[0] for length in (16, 77, 300, 512)]
        model = SentenceTransformer(self.folder, device=self.options.device)
        model.max_seq_length = WINDOW
        want = model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        settings = {"device": self.options.device, "max_length": WINDOW}
        got = SentenceTransformerEmbedder(model=self.folder, **settings).open().embed(texts)
        return float(np.abs(got - want).max())


def kernels(device: str, dtype: str) -> str:
    """Returns which attention SelfExtend runs on here."""
    import torch

    from ragvlc.embedders._attention import _kernel

    return _kernel(device.partition(":")[0], getattr(torch, dtype), 64).__name__


def main() -> int:
    """Prints a line for each length and way; exits 1 if a limit is broken (not with --quick)."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="512 and 1,024 tokens, few texts, a small rotary shape")
    parser.add_argument("--model", default="packaged:all-minilm-l6-v2")
    parser.add_argument("--models", nargs="+", choices=sorted(STRATEGIES), default=sorted(STRATEGIES))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], help="default: bfloat16 on a GPU")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    options.dtype = options.dtype or ("float32" if options.device == "cpu" else "bfloat16")
    sizes = {512: 2048, 2048: 512, 8192: 64, 32_768: 8}
    if options.quick:
        sizes = {512: 4, 1024: 2}
    longest = max(sizes)
    broken, rows = [], []
    print(f"{options.device}, {options.dtype}; self_extend: {kernels(options.device, options.dtype)}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        real = packaged.resolve(options.model)
        folders = {
            "minilm": lambda: repeated_table(real, root / "minilm", longest),
            "rotary": lambda: rotary_model(real, root / "rotary", longest, SMALL if options.quick else ROTARY),
        }
        for name in options.models:
            bench = Bench(name, folders[name](), longest, options)
            print(f"{name}: largest difference from encode in 32 bits {bench.close_to_encode():.1e}", flush=True)
            bench.mixed(30 if options.quick else 8192)
            for length, count in sizes.items():
                bench.at(length, count)
            rows += bench.rows
    for row in rows:
        limit = LIMITS.get(row["way"], 1.15)
        if row["way"] == "encode" and row["times_plain"] < 0.97:
            broken.append(f"{row['model']} at {row['tokens']}: encode is faster than the plain pass")
        elif row["way"] not in ("encode", "plain") and row["times_plain"] > limit:
            broken.append(f"{row['model']} at {row['tokens']}: {row['way']} takes {row['times_plain']:.2f} > {limit}")
    print("\n".join(broken) or "every limit holds", flush=True)
    if options.out:
        options.out.write_text(json.dumps({"device": options.device, "dtype": options.dtype, "rows": rows}, indent=1))
    return 1 if broken and not options.quick else 0


if __name__ == "__main__":
    sys.exit(main())
