"""How near a round of speculative decoding comes to the memory's pace, and what that is worth beside vLLM.

    python tests/benchmarks/rapid_round.py                (one GPU of 140 GB and vLLM; 3 to 5 minutes)
    python tests/benchmarks/rapid_round.py --no-vllm      (without the lines beside vLLM; 2 minutes)
    python tests/benchmarks/rapid_round.py --quick        (does it work at all; any device)

The decode states, rounds and rules are those of the route `rapid`. Three things are not those of a real run, and every
line says so: weights are RANDOM, in the shapes of Llama 3's 1B and 8B; caches are not prefilled but hold RANDOM VALUES,
so that long contexts cost no minutes; and since random models accept nothing of each other, ACCEPTANCE IS IMPOSED: the
rule does its work, then a coin decides. The limit of a step is the bytes that it must read, weights and cache once,
over the bandwidth of a large copy measured in the same run (bytes read and written). A token takes what a round takes
over the tokens that a round brings on average at that acceptance, so that the coin's luck is in no figure.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from _figures import record

from ragvlc.engines.batching.decoding import Detokenizer, RequestState
from ragvlc.engines.batching.fair_lock import FairLock
from ragvlc.engines.batching.prefix_cache import PrefixCache
from ragvlc.engines.batching.support import switch_to_packed_attention
from ragvlc.engines.cuda_graphs.self_test import SelfTestedDecoder
from ragvlc.engines.decode_state.state import ModelDecodeState
from ragvlc.engines.decode_state.states import DecodeStates
from ragvlc.reading.acceptance_rules import AcceptanceRule
from ragvlc.reading.speculation_rounds import Limits, speculate

STATED = "random weights, random caches"
VOCABULARY = 128_256
SHAPES = {
    "1B": {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "head_dim": 64},
    "8B": {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "head_dim": 128},
}
TIED = {"1B": True, "8B": False}
HEADS = {"num_attention_heads": 32, "num_key_value_heads": 8}
VLLM = """
import json, sys, time
from vllm import LLM, SamplingParams

if __name__ == "__main__":
    asked = json.load(open(sys.argv[1]))
    model = LLM(asked["model"], load_format="dummy", dtype="bfloat16", max_model_len=asked["context"] + 1024,
                skip_tokenizer_init=True, enable_prefix_caching=True, max_num_seqs=8)
    prompt = {"prompt_token_ids": [(7 * i + 3) % 100000 for i in range(asked["context"])]}

    def seconds(new):
        greedy = SamplingParams(temperature=0, max_tokens=new, ignore_eos=True, detokenize=False)
        start = time.perf_counter()
        model.generate([prompt], greedy, use_tqdm=False)
        return time.perf_counter() - start

    cold = seconds(1)
    seconds(65)
    plain = sorted((seconds(257) - seconds(1)) / 256 for _ in range(3))[1]
    json.dump({"cold": cold, "plain": plain}, open(sys.argv[2], "w"))
"""


@dataclass(frozen=True, slots=True)
class Imposed(AcceptanceRule):
    """A rule that does its work, and then accepts by a coin.

    Attributes:
        chance: of each token whose predecessors were accepted.
    """

    chance: float = 0.75

    def accepted(self, p_hat: torch.Tensor, q: torch.Tensor, tokens: torch.Tensor, points: torch.Tensor) -> int:
        """Returns how many drafted tokens stand before the first that the coin rejects."""
        AcceptanceRule.accepted(self, p_hat, q, tokens, points)
        return int((points < self.chance).long().cumprod(dim=0).sum())


class Bench:
    """Models of random weights, and decode states on them whose caches are full of random values.

    Args:
        options: of the command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.models: dict[str, Any] = {}
        self.stock = 0.0
        self.bandwidth = self._bandwidth()

    def close(self) -> None:
        """Frees what nobody uses."""
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def settle(self) -> float:
        """Returns the time, when the device is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def states(self, name: str) -> DecodeStates:
        """Returns what opens decode states on a model of that shape."""
        if name not in self.models:
            model = self._model(name)
            problem = switch_to_packed_attention(model, "sdpa")
            assert not problem, problem
            decoder = SelfTestedDecoder(model, name)
            with torch.inference_mode():
                assert decoder.get() is not None or self.device.type != "cuda", "no CUDA graphs: see the log"
            detokenizer = Detokenizer(frozenset(), lambda ids: "")
            made = DecodeStates(
                model, detokenizer, FairLock(), PrefixCache(0), model_name=name, free_memory=self.close, decoder=decoder
            )
            made._test_once()
            self.models[name] = made
        return self.models[name]

    def state(self, name: str, context: int, room: int) -> ModelDecodeState:
        """Returns a decode state after `context` tokens that were never computed."""
        states = self.states(name)
        model = states.model
        request = RequestState([(7 * i + 3) % 1000 for i in range(context)], room, temperature=1.0, seed=1)
        cache, prompt_cache = states.new_cache(request)
        assert prompt_cache is not None
        prefix, shape = prompt_cache.prefix, model.config
        for layer in range(shape.num_hidden_layers):
            size = (1, shape.num_key_value_heads, prefix.capacity, shape.head_dim)
            pair = [torch.empty(size, device=self.device, dtype=model.dtype).normal_() for _ in range(2)]
            prefix.layers[layer] = (pair[0], pair[1])
        prefix.used = context - 1
        state = ModelDecodeState(states, request, None, lambda: None)
        state._cache = cache
        return state

    def limit(self, name: str, context: int) -> float:
        """Returns the seconds of a pass of one row: every weight and every key read once."""
        model = self.states(name).model
        shape, size = model.config, model.dtype.itemsize
        weights = sum(one.numel() for one in model.model.layers.parameters()) + model.lm_head.weight.numel()
        cache = 2 * shape.num_hidden_layers * shape.num_key_value_heads * shape.head_dim * context
        return (weights + cache) * size / self.bandwidth

    def _bandwidth(self) -> float:
        size = 2**32 if self.device.type == "cuda" else 2**26
        source = torch.randint(0, 255, (size,), dtype=torch.uint8, device=self.device)
        target, taken = torch.empty_like(source), []
        for _ in range(8):
            start = self.settle()
            target.copy_(source)
            taken.append(self.settle() - start)
        del source, target
        self.close()
        return 2 * size / median(taken)

    def _model(self, name: str) -> Any:
        from transformers import LlamaConfig, LlamaForCausalLM

        config = LlamaConfig(**shape_of(name, self.options.quick))
        default = torch.get_default_dtype()
        torch.set_default_dtype(torch.bfloat16)
        try:
            with self.device:
                return LlamaForCausalLM(config).eval()
        finally:
            torch.set_default_dtype(default)


def shape_of(name: str, quick: bool) -> dict[str, Any]:
    """Returns the configuration of a model."""
    shape = {**SHAPES[name], **HEADS, "vocab_size": VOCABULARY, "tie_word_embeddings": TIED[name]}
    if quick:
        shape |= {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2, "vocab_size": 1000}
    return {**shape, "max_position_embeddings": 2**20, "rms_norm_eps": 1e-5, "bos_token_id": None, "eos_token_id": None}


def expected(gamma: int, chance: float) -> float:
    """Returns the tokens of a round on average."""
    return (1 - chance ** (gamma + 1)) / (1 - chance)


def a_round(bench: Bench, target: ModelDecodeState, draft: ModelDecodeState, gamma: int) -> float:
    """Returns seconds a round, over a text that is decoded behind another: that one records what is replayed."""
    rule, room = Imposed(10.0, chance=bench.options.acceptance), bench.options.tokens
    for tokens in (4 * gamma + 8, room):
        start = bench.settle()
        found = speculate(target, draft, rule, Limits(tokens, gamma), torch.Generator().manual_seed(gamma))
        seconds = bench.settle() - start
        for state in (target, draft):
            state.rewind(len(state.request.tokens))
    return seconds / found.rounds


def stock(bench: Bench, name: str, context: int) -> float:
    """Returns seconds a token of the library's own loop: its cache, its `sdpa`."""
    from transformers import DynamicCache

    model = bench.states(name).model
    own, shape = model.config._attn_implementation, model.config
    model.set_attn_implementation("sdpa")
    cache = DynamicCache(config=shape)
    for layer in range(shape.num_hidden_layers):
        size = (1, shape.num_key_value_heads, context - 1, shape.head_dim)
        cache.update(*(torch.empty(size, device=bench.device, dtype=model.dtype).normal_() for _ in range(2)), layer)
    ids, taken = torch.tensor([[5]], device=bench.device), []
    with torch.inference_mode():
        for _ in range(8):
            start = bench.settle()
            ids = model(input_ids=ids, past_key_values=cache, use_cache=True).logits[:, -1:].argmax(-1)
            taken.append(bench.settle() - start)
    model.set_attn_implementation(own)
    del cache
    bench.close()
    return median(taken)


def beside_vllm(context: int) -> dict[str, float]:
    """Returns vLLM's seconds a token behind a prompt of `context` tokens, and those of its prefill."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shape = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu"}
        (folder / "config.json").write_text(json.dumps(shape_of("8B", False) | shape | {"torch_dtype": "bfloat16"}))
        (folder / "asked.json").write_text(json.dumps({"model": name, "context": context}))
        (folder / "vllm_side.py").write_text(VLLM)
        command = [sys.executable, str(folder / "vllm_side.py"), str(folder / "asked.json"), str(folder / "found.json")]
        settings = {"VLLM_LOGGING_LEVEL": "ERROR", "VLLM_NO_USAGE_STATS": "1"} | dict(os.environ)
        subprocess.run(command, check=True, env=settings, stdout=subprocess.DEVNULL)
        return json.loads((folder / "found.json").read_text())


def show(title: str, seconds: float, *others: str, stated: str = STATED) -> None:
    """Prints a figure with what is not real about it."""
    print(f"{title:58}{seconds * 1e3:9.2f} ms   {'   '.join(others):58} [{stated}]", flush=True)


def plain_lines(bench: Bench, target: ModelDecodeState, context: int, vllm: float | None) -> float:
    """Prints what plain decoding takes; returns it."""
    limit = bench.limit("8B", context)
    plain = min(target.plain_seconds(bench.options.tokens) for _ in range(3))
    beside = [f"{plain / vllm:.2f} of vLLM's, {bench.stock / plain:.1f} times as fast as stock"] if vllm else []
    show(f"plain 8B at {context:,}, a token", plain, f"{plain / limit:.2f} of its limit", *beside)
    return plain


def rapid_lines(bench: Bench, drafter: str, contexts: tuple[int, int], gammas: range, vllm: float | None) -> None:
    """Prints a round and a token for every gamma, and the best."""
    context, own = contexts
    chance, stated = bench.options.acceptance, f"{STATED}, acceptance imposed: {bench.options.acceptance}"
    target, draft = (bench.state(*what, bench.options.tokens + 64) for what in (("8B", context), (drafter, own)))
    plain = plain_lines(bench, target, context, vllm)
    best: tuple[float, int] = (float("inf"), 0)
    for gamma in gammas:
        seconds = a_round(bench, target, draft, gamma)
        a_token = seconds / expected(gamma, chance)
        limit = gamma * bench.limit(drafter, own) + bench.limit("8B", context)
        best = min(best, (a_token, gamma))
        title = f"gamma {gamma:2}, 8B at {context:,} from {drafter} at {own:,}, a round"
        show(title, seconds, f"{seconds / limit:.2f} of its limit", stated=stated)
        faster = f"{plain / a_token:.2f} times as fast as plain"
        show("          a token", a_token, faster, *against(vllm, a_token), stated=stated)
    a_token, gamma = best
    name = f"RAPID, 8B at {context:,} from {drafter} at {own:,}"
    record(f"{name}, against our plain decoding", [plain / a_token])
    if vllm:
        record(f"{name}, against vLLM's plain decoding", [vllm / a_token])
    limit = (gamma * bench.limit(drafter, own) + bench.limit("8B", context)) / expected(gamma, chance)
    show(
        f"best of 8B at {context:,} from {drafter}: gamma {gamma}, a token",
        a_token,
        f"{a_token / limit:.2f} of its limit, {plain / a_token:.2f} times as fast as plain",
        *against(vllm, a_token),
        stated=stated,
    )
    del target, draft
    bench.close()


def against(vllm: float | None, seconds: float) -> list[str]:
    """Returns the comparison with vLLM, where it was asked."""
    return [f"{vllm / seconds:.2f} times as fast as vLLM's plain"] if vllm else []


def arguments() -> argparse.Namespace:
    """Returns the command line's choices."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="tiny shapes, short contexts, no vLLM")
    parser.add_argument("--no-vllm", action="store_true", help="without vLLM's side")
    parser.add_argument("--acceptance", type=float, default=0.75, help="imposed on every drafted token")
    parser.add_argument("--tokens", type=int, default=192, help="decoded for every figure")
    return parser.parse_args()


def main() -> None:
    """Prints all figures."""
    options = arguments()
    contexts = [512, 1024] if options.quick else [131_072, 262_144, 524_288]
    small = 128 if options.quick else 4096
    asked = None if options.quick or options.no_vllm else beside_vllm(contexts[0])
    vllm = asked["plain"] if asked else None
    bench = Bench(options)
    name = torch.cuda.get_device_name() if bench.device.type == "cuda" else "a CPU"
    print(f"{name}, bfloat16, copy {bench.bandwidth / 1e12:.2f} TB/s, Llama 3 shapes with RANDOM WEIGHTS")
    if asked:
        show(f"vLLM, plain 8B at {contexts[0]:,}, a token", asked["plain"], stated="random weights")
        show(f"vLLM, the first token of 8B at {contexts[0]:,}", asked["cold"], stated="random weights")
    bench.stock = stock(bench, "8B", contexts[0])
    show(f"stock transformers (sdpa), plain 8B at {contexts[0]:,}, a token", bench.stock)
    drafter = bench.state("1B", small, options.tokens)
    drafting, limit = min(drafter.plain_seconds(options.tokens) for _ in range(3)), bench.limit("1B", small)
    show(f"plain 1B at {small:,}, a token", drafting, f"{drafting / limit:.2f} of its limit")
    rapid_lines(bench, "1B", (contexts[0], small), range(1, 11), vllm)
    for context in contexts:
        rapid_lines(
            bench, "8B", (context, max(small, context // 24)), range(1, 7), vllm if context == contexts[0] else None
        )


if __name__ == "__main__":
    main()
