"""Model sizes from `config.json`: parameters, operations per token, and bytes of the key-value cache."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from ragvlc import packaged
from ragvlc.core.json_text import parse_json

__all__ = ["KNOWN", "Shape", "UnknownShape", "config_of", "shape_of"]

_BYTES = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0}
_PLAIN_MLP = frozenset(
    {"bert", "bloom", "codegen", "falcon", "gpt2", "gpt_bigcode", "gpt_neox", "gptj", "mpnet", "mpt", "opt", "phi"}
    | {"roberta", "starcoder2", "xlm-roberta"}
)
"""Model types whose feed-forward layers have two matrices, not the three of a gated one."""
_LLAMAS = frozenset({"llama", "mistral", "qwen2", "qwen3"})
"""Model types with Llama's layers: norms, rotary attention and gated products, one after the other."""
_UNLIKE = ("kv_lora_rank", "ssm_cfg", "state_size", "mamba_d_state", "linear_num_value_heads", "encoder_layers")
"""Settings of models that are no plain stack of attention and feed-forward layers."""


_FIELDS = ("num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads", "head_dim")
_PUBLISHED = {
    "llama-3.2-1b": (16, 2048, 32, 8, 64, 8192, 128256, True),
    "llama-3.2-3b": (28, 3072, 24, 8, 128, 8192, 128256, True),
    "llama-3.1-8b": (32, 4096, 32, 8, 128, 14336, 128256, False),
    "llama-3.1-70b": (80, 8192, 64, 8, 128, 28672, 128256, False),
    "qwen2.5-7b": (28, 3584, 28, 4, 128, 18944, 152064, False),
    "qwen2.5-72b": (80, 8192, 64, 8, 128, 29568, 152064, False),
}
KNOWN: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        name: dict(zip((*_FIELDS, "intermediate_size", "vocab_size", "tie_word_embeddings"), sizes, strict=True))
        | {"dtype": "bfloat16"}
        for name, sizes in _PUBLISHED.items()
    }
)
"""Sizes by name as their authors' `config.json` gives them, for estimates without the model."""


class UnknownShape(Exception):
    """Raised if the size of a model cannot be derived from its configuration."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of a model: a stack of attention and feed-forward layers.

    Attributes:
        layers: of attention and feed-forward.
        hidden: width.
        heads: of queries.
        kv_heads: of keys and values.
        head_size: width of a head.
        intermediate: width of the feed-forward layer, of one expert where there are several.
        vocabulary: tokens.
        experts: feed-forward layers side by side.
        active_experts: of those that a token passes through.
        shared: width of the feed-forward layers that every token passes through beside the experts.
        matrices: of a feed-forward layer: 3 where it is gated, else 2.
        tied: one table for tokens read and tokens written.
        weight_bytes: of a parameter.
        cache_bytes: of a number in the cache.
        sliding_layers: layers that look back only so far.
        sliding_window: how far, in tokens.
        llama: whether its layers are Llama's, for which there are recorded passes (see `engines.cuda_graphs`).
    """

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_size: int
    intermediate: int
    vocabulary: int
    experts: int = 1
    active_experts: int = 1
    shared: int = 0
    matrices: int = 3
    tied: bool = False
    weight_bytes: float = 2.0
    cache_bytes: float = 2.0
    sliding_layers: int = 0
    sliding_window: int = 0
    llama: bool = True

    @property
    def attention_parameters(self) -> int:
        """Attention parameters of one layer: queries, keys, values and output."""
        return self.hidden * self.head_size * 2 * (self.heads + self.kv_heads)

    @property
    def expert_parameters(self) -> int:
        """Parameters of one expert in one layer."""
        return self.matrices * self.hidden * self.intermediate

    @property
    def always_parameters(self) -> int:
        """Parameters per layer that every token uses: attention, shared feed-forward layer and expert router."""
        choice = self.hidden * self.experts if self.experts > 1 else 0
        return self.attention_parameters + self.matrices * self.hidden * self.shared + choice

    @property
    def parameters(self) -> int:
        """All parameters of the model, except norms and biases."""
        tables = self.vocabulary * self.hidden * (1 if self.tied else 2)
        return tables + self.layers * (self.always_parameters + self.experts * self.expert_parameters)

    @property
    def active_parameters(self) -> int:
        """Parameters of all layers that take part in computing one token."""
        return self.layers * (self.always_parameters + self.active_experts * self.expert_parameters)

    def read_parameters(self, tokens: int) -> float:
        """Returns the expected number of parameters that a pass over `tokens` tokens reads; unused experts are not."""
        met = self.experts * (1.0 - (1.0 - self.active_experts / self.experts) ** tokens)
        layers = self.layers * (self.always_parameters + met * self.expert_parameters)
        return layers + self.vocabulary * self.hidden

    @property
    def token_bytes(self) -> float:
        """Bytes of the keys and values of one token in one layer."""
        return 2 * self.kv_heads * self.head_size * self.cache_bytes

    def held_bytes(self, tokens: int) -> float:
        """Returns the key-value cache size for `tokens` tokens in bytes, if every layer stores all of them."""
        return self.layers * tokens * self.token_bytes

    def seen_bytes(self, context: float) -> float:
        """Returns the bytes of the keys and values that one new token attends to."""
        near = min(context, self.sliding_window)
        return ((self.layers - self.sliding_layers) * context + self.sliding_layers * near) * self.token_bytes

    def attention_flops(self, tokens: int, cached: int = 0) -> float:
        """Returns the attention operations of `tokens` new tokens over `cached` tokens and over each other."""
        whole = tokens * cached + tokens * (tokens + 1) / 2
        near = min(whole, tokens * float(self.sliding_window))
        seen = (self.layers - self.sliding_layers) * whole + self.sliding_layers * near
        return 4.0 * self.heads * self.head_size * seen  # two products, each a multiplication and an addition


def config_of(model: str) -> Mapping[str, Any]:
    """Returns a model's `config.json`, from a folder, the packaged models or the local hub cache; uses no network.

    Raises:
        UnknownShape: if it is not on this machine.
    """
    path = packaged.local_file(model, "config.json")
    if path is None:
        raise UnknownShape(f"the configuration of '{model}' is not on this machine")
    try:
        found = parse_json(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UnknownShape(f"{path.name} of '{model}' cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise UnknownShape(f"{path.name} of '{model}' is no mapping")
    return found


def shape_of(facts: Mapping[str, Any], dtype: str = "auto") -> Shape:
    """Returns the model size that a configuration describes.

    Args:
        facts: of `config.json`; that of the language model inside one that also sees is taken.
        dtype: in which it is computed; `auto` is what it was published in.

    Raises:
        UnknownShape: for models of another build, and where a size is missing.
    """
    own = _typed(facts)
    strange = [name for name in _UNLIKE if own.get(name)]
    layer_types = own.get("layer_types") or ()
    strange += sorted({str(kind) for kind in layer_types} - {"full_attention", "sliding_attention"})
    if strange:
        raise UnknownShape(f"its layers are of another kind ({', '.join(strange)})")
    hidden, heads = _size(own, "hidden_size", "n_embd", "d_model"), _size(own, "num_attention_heads", "n_head")
    layers = _size(own, "num_hidden_layers", "n_layer", "num_layers")
    experts = own.get("num_local_experts") or own.get("num_experts") or own.get("n_routed_experts") or 1
    inner = own.get("intermediate_size") or own.get("n_inner") or own.get("ffn_dim") or 4 * hidden
    expert = own.get("moe_intermediate_size") or inner if experts > 1 else inner
    shared = own.get("shared_expert_intermediate_size") or (own.get("n_shared_experts") or 0) * expert
    published = str(own.get("dtype") or own.get("torch_dtype") or "float32").removeprefix("torch.")
    width = _BYTES.get(published if dtype == "auto" else dtype, 2.0)
    window = own.get("sliding_window") if own.get("use_sliding_window", True) else None
    sliding = sum(kind == "sliding_attention" for kind in layer_types) if layer_types else layers
    return Shape(
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=own.get("num_key_value_heads") or heads,
        head_size=own.get("head_dim") or hidden // heads,
        intermediate=expert,
        vocabulary=_size(own, "vocab_size"),
        experts=experts,
        active_experts=(own.get("num_experts_per_tok") or own.get("num_experts_per_token") or 1) if experts > 1 else 1,
        shared=shared if experts > 1 else 0,
        matrices=2 if own.get("model_type") in _PLAIN_MLP else 3,
        tied=bool(own.get("tie_word_embeddings", False)),
        weight_bytes=_quantised(own, width),
        cache_bytes=width,
        sliding_layers=sliding if window else 0,
        sliding_window=window or 0,
        llama=_like_llama(own) and experts == 1 and not window,
    )


_Count = Annotated[int, Field(ge=0, lt=2**53)] | None


class _Sizes(TypedDict, total=False):
    """What is read of a configuration. Absent numbers are None in some models' files."""

    hidden_size: _Count
    n_embd: _Count
    d_model: _Count
    num_attention_heads: _Count
    n_head: _Count
    num_hidden_layers: _Count
    n_layer: _Count
    num_layers: _Count
    num_key_value_heads: _Count
    head_dim: _Count
    vocab_size: _Count
    sliding_window: _Count
    num_local_experts: _Count
    num_experts: _Count
    n_routed_experts: _Count
    num_experts_per_tok: _Count
    num_experts_per_token: _Count
    n_shared_experts: _Count
    intermediate_size: _Count
    n_inner: _Count
    ffn_dim: _Count
    moe_intermediate_size: _Count
    shared_expert_intermediate_size: _Count
    layer_types: list[str] | None
    quantization_config: dict[str, Any] | None
    model_type: str | None
    hidden_act: str | None


_SIZES = TypeAdapter(_Sizes)


def _typed(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the facts of the language model. Raises `UnknownShape` if one has another type than it must have."""
    inner = facts.get("text_config")
    own = {**facts, **(inner if isinstance(inner, dict) else {})}
    try:
        _SIZES.validate_python(own, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise UnknownShape(f"its configuration's {first['loc'][0]} cannot be {first['input']!r:.60}") from error
    return own


def _like_llama(facts: Mapping[str, Any]) -> bool:
    size = facts.get("head_dim") or facts.get("hidden_size", 0) // (facts.get("num_attention_heads") or 1)
    plain = facts.get("hidden_act", "silu") == "silu" and not facts.get("mlp_bias")
    return facts.get("model_type", "llama") in _LLAMAS and plain and size >= 16 and not size & (size - 1)


def _size(facts: Mapping[str, Any], *names: str) -> int:
    for name in names:
        if isinstance(facts.get(name), int) and facts[name] > 0:
            return int(facts[name])
    raise UnknownShape(f"its configuration gives no {names[0]}")


def _quantised(facts: Mapping[str, Any], width: float) -> float:
    settings = facts.get("quantization_config") or {}
    bits = settings.get("bits") or (4 if settings.get("load_in_4bit") else None)
    if isinstance(bits, (int, float)) and 0 < bits < 65:
        return float(bits) / 8
    return 1.0 if str(settings.get("quant_method", "")) in {"fp8", "fbgemm_fp8"} else width
