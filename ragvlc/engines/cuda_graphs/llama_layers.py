"""Weights and forward pass of models with Llama's architecture, for few kernel launches.

A model is accepted by its structure, module by module; `engines.cuda_graphs.self_test` then checks that it does nothing
else. Weights that are multiplied with the same rows are stacked into one matrix: the library's modules keep views of
it, so that nothing is stored twice and the model keeps working.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

__all__ = ["LayerOps", "LlamaLayer", "LlamaWeights", "llama_logits", "llama_weights", "why_not_llama"]


@dataclass(frozen=True, slots=True)
class LlamaLayer:
    """Weights of one layer: matrices [outputs, inputs] and norms [width].

    Attributes:
        attention_norm: norm before attention.
        qkv: of queries, keys and values, stacked.
        bias: of those; None without.
        head_norms: norms of each query head and each key head, [2, head_dim]; None without.
        output: projection from heads back to rows.
        mlp_norm: norm before the MLP.
        gate_up: of gates and of what they gate, stacked.
        down: projection back to rows.
    """

    attention_norm: torch.Tensor
    qkv: torch.Tensor
    bias: torch.Tensor | None
    head_norms: torch.Tensor | None
    output: torch.Tensor
    mlp_norm: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor


@dataclass(frozen=True, slots=True)
class LlamaWeights:
    """The weights and sizes of a Llama-shaped model.

    Attributes:
        layers: in order.
        embedding: [vocabulary, width].
        final_norm: norm after the last layer.
        lm_head: [vocabulary, width].
        frequencies: of the rotary embedding, float32 [head_dim / 2].
        rotary_scale: factor of its cosines and sines.
        heads: the number of query heads.
        kv_heads: the number of key and value heads.
        head_dim: the size of a head.
        scaling: of scores.
        eps: of the norms.
    """

    layers: tuple[LlamaLayer, ...]
    embedding: torch.Tensor
    final_norm: torch.Tensor
    lm_head: torch.Tensor
    frequencies: torch.Tensor
    rotary_scale: float
    heads: int
    kv_heads: int
    head_dim: int
    scaling: float
    eps: float

    def rotary(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the rotary cosines and sines of positions [n], each [n, head_dim / 2], in the model's dtype."""
        angles = positions.float()[:, None] * self.frequencies
        dtype = self.embedding.dtype
        return (angles.cos() * self.rotary_scale).to(dtype), (angles.sin() * self.rotary_scale).to(dtype)


class LayerOps(Protocol):
    """The operations of a Llama layer, on rows of hidden states [n, width]."""

    def norm_linear(
        self, rows: torch.Tensor, norm: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Returns the product of the normed rows and `weight`, plus `bias` if given."""
        ...

    def norm_swiglu(self, rows: torch.Tensor, norm: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Returns silu(g) * u, where g and u are the products of the normed rows and the two halves of `weight`."""
        ...

    def add_linear(self, rows: torch.Tensor, inputs: torch.Tensor, weight: torch.Tensor) -> None:
        """Adds the product of `inputs` and `weight` to the rows, in place."""
        ...

    def attention(self, layer: int, qkv: torch.Tensor, rotary: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Appends new keys and values to the KV cache; returns the rows' attention output, [n, heads * head_dim]."""
        ...


def llama_logits(
    llama: LlamaWeights, ops: LayerOps, ids: torch.Tensor, positions: torch.Tensor, keep: int
) -> torch.Tensor:
    """Runs the model on the consecutive tokens `ids`; returns float32 logits at the last `keep`, [keep, vocabulary]."""
    from torch.nn.functional import embedding

    rows = embedding(ids, llama.embedding)
    rotary = llama.rotary(positions)
    for i, layer in enumerate(llama.layers):
        qkv = ops.norm_linear(rows, layer.attention_norm, layer.qkv, layer.bias)
        ops.add_linear(rows, ops.attention(i, qkv, rotary), layer.output)
        ops.add_linear(rows, ops.norm_swiglu(rows, layer.mlp_norm, layer.gate_up), layer.down)
    return ops.norm_linear(rows[len(ids) - keep :], llama.final_norm, llama.lm_head).float()


def why_not_llama(model: PreTrainedModel) -> str:
    """Returns how the structure of `model` differs from Llama's; empty if it does not differ."""
    from torch import nn

    # By exact type below: a subclass, such as a quantised or adapted product, computes something else.
    inner, head = getattr(model, "model", None), getattr(model, "lm_head", None)
    layers = getattr(inner, "layers", None)
    if layers is None or not len(layers) or type(head) is not nn.Linear or head.bias is not None:
        return "it has no layers and output head of Llama's kind"
    rotary = getattr(inner, "rotary_emb", None)
    if not hasattr(rotary, "inv_freq") or not hasattr(inner, "norm") or not hasattr(inner, "embed_tokens"):
        return "it has no rotary embedding, norm or embedding of Llama's kind"
    return next((problem for layer in layers if (problem := _why_not_layer(layer))), "")


def _why_not_layer(layer: Any) -> str:  # noqa: ANN401 - a module of any model
    from torch import nn

    attention, inner = getattr(layer, "self_attn", None), getattr(layer, "mlp", None)
    attends: list[Any] = [getattr(attention, f"{name}_proj", None) for name in "qkvo"]
    gates: list[Any] = [getattr(inner, f"{name}_proj", None) for name in ("gate", "up", "down")]
    if any(type(one) is not nn.Linear for one in (*attends, *gates)):
        return "a matrix product in its layers is not a plain linear layer"
    if any(one.bias is not None for one in (attends[3], *gates)) or len({one.bias is None for one in attends[:3]}) > 1:
        return "it adds a bias where Llama adds none"
    if type(getattr(inner, "act_fn", None)).__name__ not in ("SiLU", "SiLUActivation"):
        return "its gates are not SiLU"
    return _why_not_parts(layer, attention)


def _why_not_parts(layer: Any, attention: Any) -> str:  # noqa: ANN401
    # Any module that is not known here, such as a norm after attention, would be left out: the model is refused.
    named = {name for one in (layer, attention) for name, _ in one.named_children()}
    plain = {"self_attn", "mlp", "input_layernorm", "post_attention_layernorm"}
    known = plain | {"q_proj", "k_proj", "v_proj", "o_proj", "q_norm", "k_norm", "rotary_emb"}
    if named - known or not plain <= named:
        return f"its layers have other parts ({', '.join(sorted(named - known or plain - named))})"
    size, norms = attention.head_dim, [getattr(attention, name, None) for name in ("q_norm", "k_norm")]
    if any(one is not None for one in norms) and any(one is None or one.weight.shape != (size,) for one in norms):
        return "its queries and keys are not normed head by head"
    # Triton's tiles have sizes that are powers of two, and tensor cores take at least 16.
    if size < 16 or size & (size - 1):
        return f"its heads are {size} wide, not a power of two from 16 on"
    return ""


def llama_weights(model: PreTrainedModel) -> LlamaWeights:
    """Returns the weights of a model that `why_not_llama` accepts; the model's modules keep views of them."""
    own: Any = model
    inner, attention = own.model, own.model.layers[0].self_attn
    size = attention.head_dim
    return LlamaWeights(
        layers=tuple(_layer_of(layer) for layer in inner.layers),
        embedding=inner.embed_tokens.weight.detach(),
        final_norm=inner.norm.weight.detach(),
        lm_head=own.lm_head.weight.detach(),
        frequencies=inner.rotary_emb.inv_freq.detach().float().to(own.device),
        rotary_scale=float(inner.rotary_emb.attention_scaling),
        heads=attention.q_proj.out_features // size,
        kv_heads=attention.k_proj.out_features // size,
        head_dim=size,
        scaling=float(attention.scaling),
        eps=float(inner.norm.variance_epsilon),
    )


def _layer_of(layer: Any) -> LlamaLayer:  # noqa: ANN401
    import torch

    attention, inner = layer.self_attn, layer.mlp
    three = (attention.q_proj, attention.k_proj, attention.v_proj)
    bias = None if three[0].bias is None else torch.cat([one.bias.detach() for one in three])
    normed = hasattr(attention, "q_norm")
    norms = torch.stack([attention.q_norm.weight.detach(), attention.k_norm.weight.detach()]) if normed else None
    return LlamaLayer(
        attention_norm=layer.input_layernorm.weight.detach(),
        qkv=_stacked(three),
        bias=bias,
        head_norms=norms,
        output=attention.o_proj.weight.detach(),
        mlp_norm=layer.post_attention_layernorm.weight.detach(),
        gate_up=_stacked((inner.gate_proj, inner.up_proj)),
        down=inner.down_proj.weight.detach(),
    )


def _stacked(modules: tuple[Any, ...]) -> torch.Tensor:
    """Returns the weights of modules with the same input as one matrix; the modules keep views of it."""
    import torch

    together = torch.cat([one.weight.detach() for one in modules])
    at = 0
    for one in modules:
        # A view, not a copy: for a moment both are in memory, afterwards the old weights are freed.
        one.weight.data = together[at : at + one.out_features]
        at += one.out_features
    return together
