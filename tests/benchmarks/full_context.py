"""How much faster many questions over the same long documents are answered than by the library's own loop.

    .venv/bin/python tests/benchmarks/full_context.py            (part of make bench; tens of minutes)
    .venv/bin/python tests/benchmarks/full_context.py --quick    (does it work at all)

Three columns, the same prompts, number format and threads: `kind: transformers` asked by concurrent threads as
a sweep asks it; `model.generate` in a loop over the chat template, as most evaluation scripts have it; and vLLM with
prefix caching, where `--vllm` names a Python that has it. What counts is the ratio within a document, since both work
within minutes of each other: machines are noisy. Loading is not counted, and no column starts with anything cached.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _figures import record

from ragvlc.core.engines import Generation, Prompt, Request
from ragvlc.families import Dataset
from ragvlc.generators.transformers import TransformersGenerator
from ragvlc.reading.asking import QUESTION

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "squad_articles"
TOKENS = 6000
VLLM = """
import json, sys, time
from vllm import LLM, SamplingParams

if __name__ == "__main__":
    asked = json.load(open(sys.argv[1]))
    model = LLM(asked["model"], **asked["settings"])
    greedy = SamplingParams(temperature=0, max_tokens=asked["max_tokens"])
    model.generate({"prompt_token_ids": asked["warm"]}, greedy, use_tqdm=False)
    found = []
    for prompts in asked["documents"]:
        start = time.perf_counter()
        out = model.generate([{"prompt_token_ids": ids} for ids in prompts], greedy, use_tqdm=False)
        seconds = time.perf_counter() - start
        cached = sum(one.num_cached_tokens or 0 for one in out)
        ids = [list(one.outputs[0].token_ids) for one in out]
        found.append({"seconds": seconds, "cached": cached, "ids": ids})
    json.dump(found, open(sys.argv[2], "w"))
"""


@dataclass(frozen=True)
class Case:
    """A document's prompts."""

    name: str
    prompts: list[Prompt]


def cases(documents: int, questions: int, tokens: int) -> list[Case]:
    """Returns real documents and questions where the data are at hand, made-up ones elsewhere."""
    tokenizer = TransformersGenerator().tokenizer()
    found: list[Case] = []
    if DATA.is_dir():
        asked: dict[str, tuple[str, list[str]]] = {}
        for example in Dataset.build({"kind": "jsonl", "path": str(DATA)}).load():
            document = example.documents[0]
            asked.setdefault(document.id, (document.text, []))[1].append(example.query.text)
        for name, (text, texts) in sorted(asked.items()):
            ends = tokenizer.spans(text)
            if len(ends) >= tokens and len(texts) >= questions:
                found.append(Case(name, [_prompt(text[: ends[tokens - 1][1]], one) for one in texts[:questions]]))
    found += [made_up(n, questions, tokens, tokenizer) for n in range(len(found), documents)]
    return found[:documents]


def made_up(n: int, questions: int, tokens: int, tokenizer: Any) -> Case:
    """Returns a document of common words and questions about places in it."""
    chance = random.Random(n)
    words = re.findall(r"[a-z]{3,}", (random.__doc__ or "") + (re.__doc__ or ""))
    text = " ".join(chance.choices(words, k=tokens))
    text = text[: tokenizer.spans(text)[:tokens][-1][1]]
    return Case(f"made up {n}", [_prompt(text, f"What follows '{chance.choice(words)}'?") for _ in range(questions)])


def _prompt(document: str, question: str) -> Prompt:
    return Prompt(QUESTION, {"document": document, "question": question, "decline": ""})


def ours(case: Case, options: argparse.Namespace) -> tuple[float, list[Generation]]:
    """Returns the seconds of concurrent threads over a fresh engine, and the answers."""
    engine = TransformersGenerator(dtype=options.dtype, device=options.device).open()
    requests = [Request(prompt, max_tokens=options.max_tokens) for prompt in case.prompts]
    with ThreadPoolExecutor(options.concurrency) as threads:
        start = time.perf_counter()
        found = [one for part in threads.map(lambda request: engine.generate([request]), requests) for one in part]
        seconds = time.perf_counter() - start
    engine.close()
    return seconds, found


class PlainLoop:
    """The loop of the library's own examples."""

    def __init__(self, options: argparse.Namespace) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        from ragvlc import packaged

        spec = TransformersGenerator(dtype=options.dtype, device=options.device)
        folder = packaged.resolve(spec.model)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=spec.dtype).to(options.device).eval()
        self.max_tokens = options.max_tokens

    def __call__(self, case: Case) -> tuple[float, list[list[int]]]:
        """Returns the seconds, and the ids of the answers."""
        import torch

        found = []
        start = time.perf_counter()
        for prompt in case.prompts:
            message = [{"role": "user", "content": prompt.text()}]
            inputs = self.tokenizer.apply_chat_template(
                message, add_generation_prompt=True, return_dict=True, return_tensors="pt"
            ).to(self.model.device)
            with torch.inference_mode():
                out = self.model.generate(**inputs, do_sample=False, max_new_tokens=self.max_tokens)
            found.append(out[0, inputs["input_ids"].shape[1] :].tolist())
        return time.perf_counter() - start, found


def by_vllm(work: list[Case], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Returns seconds, cached prompt tokens and ids of the answers of each document, from a process of vLLM."""
    from ragvlc import packaged

    spec = TransformersGenerator(dtype=options.dtype)
    tokenizer = spec.tokenizer()
    asked = {
        "model": str(packaged.resolve(spec.model)),
        "settings": {
            "dtype": spec.dtype,
            "enforce_eager": not options.compiled,
            "enable_prefix_caching": True,
            "max_model_len": 8192,
        },
        "max_tokens": options.max_tokens,
        "warm": tokenizer.render(Prompt("Say something.")),
        "documents": [[tokenizer.render(prompt) for prompt in case.prompts] for case in work],
    }
    settings = {
        "OMP_NUM_THREADS": str(options.threads),
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # bound, its threads would wait for whoever else is on their core
        "VLLM_CPU_KVCACHE_SPACE": "2",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "HF_HUB_OFFLINE": "1",
    }
    print(f"\nvLLM: {asked['settings']}, {settings}, all {options.questions} questions of a document in one call")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "asked.json").write_text(json.dumps(asked))
        (folder / "work.py").write_text(VLLM)
        command = [options.vllm, str(folder / "work.py"), str(folder / "asked.json"), str(folder / "found.json")]
        subprocess.run(command, check=True, env=os.environ | settings, stdout=subprocess.DEVNULL)
        found: list[dict[str, Any]] = json.loads((folder / "found.json").read_text())
        return found


def third_column(work: list[Case], answers: list[list[Generation]], options: argparse.Namespace) -> None:
    """Prints a line of vLLM's for each document, and the median."""
    found = by_vllm(work, options)
    for case, ours_, one in zip(work, answers, found, strict=True):
        differ, compared = flips(ours_, one["ids"])
        cached = one["cached"] / sum(answer.usage.prompt_tokens for answer in ours_)
        print(
            f"{case.name[:40]:40} vLLM   {one['seconds']:7.1f} s   "
            f"other choices than ragvlc's {differ} of {compared}   prompt tokens not computed {cached:.0%}"
        )
    print(f"{'vLLM':12}{spread([one['seconds'] for one in found])} s a document")


def arguments() -> argparse.Namespace:
    """Returns the command line's choices."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="1 short document, 4 questions, 8 tokens, 1 repeat")
    parser.add_argument("--documents", type=int, default=5)
    parser.add_argument("--questions", type=int, default=12)
    parser.add_argument("--tokens", type=int, default=TOKENS, help="of a document")
    parser.add_argument("--max-tokens", type=int, default=32, help="of an answer")
    parser.add_argument("--concurrency", type=int, default=12, help="questions asked at the same time")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of torch, for every column")
    parser.add_argument("--dtype", default="auto", choices=["auto", "float32", "bfloat16"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--vllm", metavar="PYTHON", help="an interpreter with vllm or vllm-cpu")
    parser.add_argument("--compiled", action="store_true", help="let vLLM compile the model; minutes, not counted")
    options = parser.parse_args()
    if options.quick:
        options.documents, options.questions, options.tokens = 1, 4, min(options.tokens, 1000)
        options.max_tokens, options.repeats = 8, 1
    return options


def flips(answers: list[Generation], ids: list[list[int]]) -> tuple[int, int]:
    """Returns how many greedy choices differ from the loop's, of how many compared: up to the first of an answer."""
    differ = compared = 0
    for answer, other in zip(answers, ids, strict=True):
        same = len(os.path.commonprefix([list(answer.token_ids), other]))
        ended = same == len(answer.token_ids) == len(other)
        differ += not ended
        compared += same + (not ended)
    return differ, compared


def spread(values: list[float], digits: int = 1) -> str:
    """Returns median, least and most."""
    low, middle, high = (f"{value:,.{digits}f}" for value in (min(values), statistics.median(values), max(values)))
    return f"{middle:>9} ({low} to {high})"


def main() -> None:
    """Prints a line for each document and repeat, then the medians."""
    options = arguments()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    torch.set_num_threads(options.threads)
    work, loop = cases(options.documents, options.questions, options.tokens), PlainLoop(options)
    dtype = TransformersGenerator(dtype=options.dtype, device=options.device).dtype
    print(
        f"{len(work)} documents of {options.tokens:,} tokens, {options.questions} questions each, at most "
        f"{options.max_tokens} new tokens, {dtype}, {options.threads} threads, {options.concurrency} at a time"
    )
    rows: list[tuple[float, float]] = []
    said: dict[str, list[Generation]] = {}
    for _ in range(options.repeats):
        for case in work:
            fast, answers = ours(case, options)
            said[case.name] = answers
            slow, ids = loop(case)
            differ, compared = flips(answers, ids)
            cached = sum(one.usage.cached_tokens for one in answers) / sum(one.usage.prompt_tokens for one in answers)
            rows.append((fast, slow))
            print(
                f"{case.name[:40]:40} ragvlc {fast:7.1f} s   plain loop {slow:7.1f} s   {slow / fast:5.1f} times   "
                f"other choices {differ} of {compared}   prompt tokens not computed {cached:.0%}",
                flush=True,
            )
    print(f"\n{'ragvlc':12}{spread([fast for fast, _ in rows])} s a document")
    print(f"{'plain loop':12}{spread([slow for _, slow in rows])} s a document")
    print(f"{'ratio':12}{spread([slow / fast for fast, slow in rows])}")
    for place, case in enumerate(work):
        ratios = [slow / fast for fast, slow in rows[place :: len(work)]]
        record(f"{options.questions} questions over '{case.name[:40]}', {dtype}, against a loop of generate", ratios)
    if options.vllm:
        third_column(work, [said[case.name] for case in work], options)
    print(f"\nPython {sys.version.split()[0]}, torch {torch.__version__}. Machines are noisy: trust the ratio.")


if __name__ == "__main__":
    main()
