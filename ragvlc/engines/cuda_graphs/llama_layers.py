"""Models of Llama's shape as a list of weights, computed by kernels that read each weight once.

What is asked of a model is its structure, module by module; whether that is all it does is tried by whoever uses it
(see `engines.cuda_graphs.graphs`). Weights that are multiplied with the same rows stand one below the other: the
library's modules keep views of them, so nothing is held twice and the model goes on working.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

__all__ = ["Kernels", "Layer", "Llama", "llama_of", "logits", "why_not_llama"]


@dataclass(frozen=True, slots=True)
class Layer:
    """Weights of one layer, each [outputs, inputs]; norms [width].

    Attributes:
        before: norm of the rows that attention reads.
        qkv: of queries, keys and values.
        bias: of those; None without.
        norms: of every query's and every key's own head, [2, size]; None without.
        out: from heads back to rows.
        between: norm of the rows that the rest reads.
        gate_up: of gates and what they gate.
        down: back to rows.
    """

    before: torch.Tensor
    qkv: torch.Tensor
    bias: torch.Tensor | None
    norms: torch.Tensor | None
    out: torch.Tensor
    between: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor


@dataclass(frozen=True, slots=True)
class Llama:
    """A model as weights.

    Attributes:
        layers: in order.
        embedding: [vocabulary, width].
        last: norm behind the last layer.
        head: [vocabulary, width].
        frequencies: of the rotary embedding, float32 [size / 2].
        amplitude: of its sines.
        heads: of queries.
        shared: heads of keys and values.
        size: of a head.
        scaling: of scores.
        eps: of the norms.
    """

    layers: tuple[Layer, ...]
    embedding: torch.Tensor
    last: torch.Tensor
    head: torch.Tensor
    frequencies: torch.Tensor
    amplitude: float
    heads: int
    shared: int
    size: int
    scaling: float
    eps: float

    def turns(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns cosines and sines, each [n, size / 2], for positions [n]; rounded as the model rounds them."""
        angles = positions.float()[:, None] * self.frequencies
        dtype = self.embedding.dtype
        return (angles.cos() * self.amplitude).to(dtype), (angles.sin() * self.amplitude).to(dtype)


class Kernels(Protocol):
    """What layers are computed with. Rows are [n, width]."""

    def projected(
        self, rows: torch.Tensor, norm: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Returns normed rows times a weight."""
        ...

    def gated(self, rows: torch.Tensor, norm: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Returns silu(g) u, where g and u are normed rows times the halves of a weight."""
        ...

    def add(self, rows: torch.Tensor, found: torch.Tensor, weight: torch.Tensor) -> None:
        """Adds `found` times a weight to the rows, in place."""
        ...

    def attended(self, layer: int, qkv: torch.Tensor, turns: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Puts the new keys and values behind the others and returns what the rows see there, [n, heads size]."""
        ...


def logits(llama: Llama, kernels: Kernels, ids: torch.Tensor, positions: torch.Tensor, keep: int) -> torch.Tensor:
    """Returns float32 logits [keep, vocabulary] of the last of the tokens `ids` [n], which follow each other."""
    from torch.nn.functional import embedding

    rows = embedding(ids, llama.embedding)
    turns = llama.turns(positions)
    for i, layer in enumerate(llama.layers):
        qkv = kernels.projected(rows, layer.before, layer.qkv, layer.bias)
        kernels.add(rows, kernels.attended(i, qkv, turns), layer.out)
        kernels.add(rows, kernels.gated(rows, layer.between, layer.gate_up), layer.down)
    return kernels.projected(rows[len(ids) - keep :], llama.last, llama.head).float()


def why_not_llama(model: PreTrainedModel) -> str:
    """Returns what about the structure of `model` is not Llama's, or nothing."""
    from torch import nn

    inner, head = getattr(model, "model", None), getattr(model, "lm_head", None)
    layers = getattr(inner, "layers", None)
    if layers is None or not len(layers) or type(head) is not nn.Linear or head.bias is not None:
        return "it has no layers and head of that kind"
    turning = getattr(inner, "rotary_emb", None)
    if not hasattr(turning, "inv_freq") or not hasattr(inner, "norm") or not hasattr(inner, "embed_tokens"):
        return "it has no rotary embedding, norm or embedding of that kind"
    return next((problem for layer in layers if (problem := _why_not_layer(layer))), "")


def _why_not_layer(layer: Any) -> str:  # noqa: ANN401 - a module of any model
    from torch import nn

    attention, inner = getattr(layer, "self_attn", None), getattr(layer, "mlp", None)
    attends: list[Any] = [getattr(attention, f"{name}_proj", None) for name in "qkvo"]
    gates: list[Any] = [getattr(inner, f"{name}_proj", None) for name in ("gate", "up", "down")]
    if any(type(one) is not nn.Linear for one in (*attends, *gates)):
        return "a product of its layers is no plain one"
    if any(one.bias is not None for one in (attends[3], *gates)) or len({one.bias is None for one in attends[:3]}) > 1:
        return "it adds a bias where Llama adds none"
    if type(getattr(inner, "act_fn", None)).__name__ not in ("SiLU", "SiLUActivation"):
        return "its gates are not SiLU"
    return _why_not_parts(layer, attention)


def _why_not_parts(layer: Any, attention: Any) -> str:  # noqa: ANN401
    named = {name for one in (layer, attention) for name, _ in one.named_children()}
    plain = {"self_attn", "mlp", "input_layernorm", "post_attention_layernorm"}
    known = plain | {"q_proj", "k_proj", "v_proj", "o_proj", "q_norm", "k_norm", "rotary_emb"}
    if named - known or not plain <= named:
        return f"its layers have other parts ({', '.join(sorted(named - known or plain - named))})"
    size, norms = attention.head_dim, [getattr(attention, name, None) for name in ("q_norm", "k_norm")]
    if any(one is not None for one in norms) and any(one is None or one.weight.shape != (size,) for one in norms):
        return "its queries and keys are not normed head by head"
    if size < 16 or size & (size - 1):
        return f"its heads are {size} wide, no power of two"
    return ""


def llama_of(model: PreTrainedModel) -> Llama:
    """Returns the weights of `model`, for which `why_not_llama` has nothing to say; its modules keep views of them."""
    own: Any = model
    inner, attention = own.model, own.model.layers[0].self_attn
    size = attention.head_dim
    return Llama(
        layers=tuple(_layer_of(layer) for layer in inner.layers),
        embedding=inner.embed_tokens.weight.detach(),
        last=inner.norm.weight.detach(),
        head=own.lm_head.weight.detach(),
        frequencies=inner.rotary_emb.inv_freq.detach().float().to(own.device),
        amplitude=float(inner.rotary_emb.attention_scaling),
        heads=attention.q_proj.out_features // size,
        shared=attention.k_proj.out_features // size,
        size=size,
        scaling=float(attention.scaling),
        eps=float(inner.norm.variance_epsilon),
    )


def _layer_of(layer: Any) -> Layer:  # noqa: ANN401
    import torch

    attention, inner = layer.self_attn, layer.mlp
    three = (attention.q_proj, attention.k_proj, attention.v_proj)
    bias = None if three[0].bias is None else torch.cat([one.bias.detach() for one in three])
    normed = hasattr(attention, "q_norm")
    norms = torch.stack([attention.q_norm.weight.detach(), attention.k_norm.weight.detach()]) if normed else None
    return Layer(
        before=layer.input_layernorm.weight.detach(),
        qkv=_stacked(three),
        bias=bias,
        norms=norms,
        out=attention.o_proj.weight.detach(),
        between=layer.post_attention_layernorm.weight.detach(),
        gate_up=_stacked((inner.gate_proj, inner.up_proj)),
        down=inner.down_proj.weight.detach(),
    )


def _stacked(modules: tuple[Any, ...]) -> torch.Tensor:
    """Returns the weights one below the other; the modules keep views of that."""
    import torch

    together = torch.cat([one.weight.detach() for one in modules])
    at = 0
    for one in modules:
        one.weight.data = together[at : at + one.out_features]
        at += one.out_features
    return together
