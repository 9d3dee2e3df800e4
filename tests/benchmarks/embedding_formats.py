"""What number formats of an embedder gain and lose on this CPU: the table behind `backend: auto` of embedders.

    .venv/bin/python tests/benchmarks/embedding_formats.py            some minutes, on three of the shared data sets
    .venv/bin/python tests/benchmarks/embedding_formats.py --quick    does it work at all, on made-up text

Documents are cut into passages of 100 words; all passages of a set are ranked for each question that has evidence in
one document. Speed: processor time to embed the same passages, formats in turn, against float32. Ranking: nDCG@10 of
the passages that touch the evidence, difference to float32 a question, with the 95 % interval of its mean. `int8` is
torch's dynamic quantisation of linear layers (8-bit weights by channel, activations by tensor), which torch has
deprecated; where it is gone the row is left out. Other processors can be tried by ATEN_CPU_CAPABILITY and
ONEDNN_MAX_CPU_ISA, which hold for all but `int8`: its kernels ask the processor itself.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _figures import record
from _grid import SHARED, dataset_of, questions_of

from ragvlc.embedders.sentence_transformer import SentenceTransformerEmbedder
from ragvlc.families import Dataset

WORDS, FIRST, SAME = 100, 10, 8
Embed = Callable[[Sequence[str], str], Any]


def formats(model: str) -> dict[str, Embed]:
    """Returns how texts are embedded, by format."""
    made = {"float32": _engine(model, "float32"), "bfloat16": _engine(model, "bfloat16")}
    try:
        made["int8"] = _int8(model)
    except (ImportError, AttributeError) as error:
        print(f"int8 is left out: {error}")
    return {name: lambda texts, side, engine=engine: engine.embed(texts, side=side) for name, engine in made.items()}


def _engine(model: str, dtype: str) -> Any:
    return SentenceTransformerEmbedder(model=model, dtype=dtype, device="cpu").open()


def _int8(model: str) -> Any:
    import torch
    from torch.ao.quantization import per_channel_dynamic_qconfig, quantize_dynamic

    engine = _engine(model, "float32")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layers = {torch.nn.Linear: per_channel_dynamic_qconfig}
        engine._model = quantize_dynamic(engine._model, layers, dtype=torch.qint8)
    return engine


def passages_of(documents: dict[str, str]) -> list[tuple[str, int, int, str]]:
    """Returns (document, start, end, text) of the documents' passages."""
    found = []
    for name, text in documents.items():
        words = [match.span() for match in re.finditer(r"\S+", text)]
        for first in range(0, len(words), WORDS):
            start, end = words[first][0], words[min(first + WORDS, len(words)) - 1][1]
            found.append((name, start, end, text[start:end]))
    return found


def ndcg(relevant: set[int], order: Sequence[int]) -> float:
    """Returns nDCG of the first ten."""
    gained = sum(1 / np.log2(place + 2) for place, one in enumerate(order[:FIRST]) if one in relevant)
    return float(gained / sum(1 / np.log2(place + 2) for place in range(min(FIRST, len(relevant)))))


def ranking(name: str, most: int, ways: dict[str, Embed], folder: Path) -> list[str]:
    """Prints what each format does to the ranking of a data set; returns the texts of its passages."""
    documents, asked = questions_of(Dataset.build(dataset_of(name, 400, folder)))
    documents = dict(list(documents.items())[:most])
    places = {one: documents.get(one.document, "").find(one.answers[0]) for one in asked if one.answers}
    places |= {one: one.evidence for one in asked if one.evidence is not None}
    asked = [one for one in asked if one.document in documents and places.get(one, -1) >= 0]
    passages = passages_of(documents)
    relevant = [
        {
            place
            for place, (name, start, end, _) in enumerate(passages)
            if name == one.document and start <= places[one] < end
        }
        for one in asked
    ]
    texts = [text for *_, text in passages]
    first: dict[str, Any] = {}
    for way, embed in ways.items():
        orders = np.argsort(-(embed([one.text for one in asked], "query") @ embed(texts, "passage").T), kind="stable")
        scores = 100 * np.array([ndcg(wanted, list(order)) for wanted, order in zip(relevant, orders, strict=True)])
        first = first or {"scores": scores, "orders": orders}
        change = scores - first["scores"]
        other = np.mean([set(a[:SAME]) != set(b[:SAME]) for a, b in zip(orders, first["orders"], strict=True)])
        error = 1.96 * change.std() / len(change) ** 0.5
        print(
            f"{name:12} {len(texts):5} passages {len(asked):4} questions  {way:9} nDCG@10 {scores.mean():6.2f}  "
            f"change {change.mean():+.2f} ± {error:.2f}  other first {SAME}: {other:.0%}",
            flush=True,
        )
        if way != "float32":
            record(f"{name}: change of nDCG@10 by {way}", [float(change.mean())], "points", exact=True)
    return texts


def speeds(texts: Sequence[str], ways: dict[str, Embed], repeats: int) -> None:
    """Prints how many times as fast as float32 each format is."""
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(repeats + 1):
        for way, embed in ways.items():
            begun = time.process_time()
            embed(texts, "passage")
            if turn:  # the first turn prepares the kernels
                seconds[way].append(time.process_time() - begun)
    for way, taken in seconds.items():
        ratios = [other / one for other, one in zip(seconds["float32"], taken, strict=True)]
        low, middle, high = min(ratios), float(np.median(ratios)), max(ratios)
        print(f"{way:9} {min(taken):6.2f} s of the processor, {middle:.2f} ({low:.2f} to {high:.2f}) times float32")
        if way != "float32":
            record(f"embedding in {way}, against float32", ratios)


def main() -> None:
    """Prints the table."""
    import torch

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="made-up text, two documents")
    parser.add_argument("--model", default="packaged:all-minilm-l6-v2")
    parser.add_argument("--sets", nargs="+", default=["squad_long", "covidqa", "qmsum"], help="of the shared data")
    parser.add_argument("--documents", type=int, default=20, help="of each set")
    parser.add_argument("--repeats", type=int, default=4)
    options = parser.parse_args()
    print(f"kernels for {torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads")
    sets = [] if options.quick else [name for name in options.sets if (SHARED / name).is_dir()]
    ways, texts = formats(options.model), []
    with tempfile.TemporaryDirectory() as folder:
        for name in sets or ["made-up"]:
            texts += ranking(name, 2 if options.quick else options.documents, ways, Path(folder))
    speeds(texts[:: max(1, len(texts) // (16 if options.quick else 80))], ways, options.repeats)


if __name__ == "__main__":
    main()
