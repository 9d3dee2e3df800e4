"""Prompts of embedding models: those that a model declares, by side, and those that its card asks for.

Models declare prompts in `config_sentence_transformers.json` under names of their own. Known names of the two sides are
below, the most specific first; spelling differs in case and punctuation (`Retrieval-query`, `retrieval.query`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ragvlc import packaged
from ragvlc.core.json_text import parse_json

__all__ = ["Declared", "Need", "declared", "declared_in", "needed", "prompt_remarks"]

_QUERY = (
    "query", "queries", "search query", "retrieval query", "query prompt", "question", "questions",
    "web search query", "web search", "s2p query", "asymmetric query", "instructionretrieval query", "retrieval",
)  # fmt: skip
_PASSAGE = (
    "document", "documents", "passage", "passages", "corpus", "search document", "search passage", "retrieval document",
    "retrieval passage", "retrieval corpus", "document prompt", "passage prompt", "context", "asymmetric document",
    "s2p passage", "text",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Declared:
    """The prompts that a model declares.

    Attributes:
        query: put before questions; empty for none.
        passage: put before passages.
        unused: names of declared prompts that are put before neither.
    """

    query: str
    passage: str
    unused: tuple[str, ...]


def declared(prompts: Mapping[str, Any], default: str | None = None) -> Declared:
    """Returns the prompts of both sides.

    Args:
        prompts: by name, as the model declares them.
        default: name of the prompt for texts of a side that has none of its own.
    """
    names = {" ".join(re.findall(r"[a-z0-9]+", name.lower())): name for name, text in prompts.items() if text}
    sides = {side: _of_side(known, names) for side, known in (("query", _QUERY), ("passage", _PASSAGE))}
    texts = {side: "" if name is None else str(prompts[name]) for side, name in sides.items()}
    if default is not None and prompts.get(default):
        for side, name in sides.items():
            if name is None and default not in sides.values():
                texts[side] = str(prompts[default])
    unused = (name for name, text in prompts.items() if text and str(text) not in texts.values())
    return Declared(texts["query"], texts["passage"], tuple(unused))


def _of_side(known: tuple[str, ...], names: Mapping[str, str]) -> str | None:
    return next((names[name] for name in known if name in names), None)


def prompt_remarks(model: str, own: Declared | None, query: str | None, passage: str | None) -> Iterator[str]:
    """Yields what to know about a model's prompts: those declared and unused, and those needed and not given.

    Args:
        model: its name.
        own: what it declares; None if that is not known before it is fetched.
        query: the setting `query_prompt`; None takes the model's own.
        passage: the setting `passage_prompt`.
    """
    if own is None:
        return
    if own.unused and (query is None or passage is None):
        names = ", ".join(f"'{name}'" for name in own.unused)
        yield (
            f"embedder '{model}' declares prompts that are put before neither questions nor passages: {names}. "
            "If one is meant for them, write it as query_prompt or passage_prompt."
        )
    if (need := needed(model)) is None:
        return
    sides = (("query", query, own.query, need.query), ("passage", passage, own.passage, need.passage))
    missing = [f"{side}_prompt: {text!r}" for side, given, found, text in sides if text and given is None and not found]
    if missing:
        yield (
            f"embedder '{model}' is used without a prompt that models of its name need (card of {need.source}): "
            f"set {' and '.join(missing)}, or '' for none."
        )


def declared_in(model: str) -> Declared | None:
    """Returns the prompts that a model's files declare; None if its files are not on this machine. Fetches nothing."""
    file = packaged.local_file(model, "config_sentence_transformers.json")
    if file is None:
        return declared({}) if packaged.local_file(model, "config.json") else None
    try:
        stated = parse_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # a folder that is being written, or is no model: loading it says so
        return None
    prompts = stated.get("prompts") if isinstance(stated, dict) else None
    return declared(prompts, stated.get("default_prompt_name")) if isinstance(prompts, dict) else declared({})


@dataclass(frozen=True, slots=True)
class Need:
    """The prompts that the card of a family of models asks for.

    Attributes:
        query: before questions.
        passage: before passages; empty for none.
        source: whose card.
    """

    query: str
    passage: str
    source: str


_SEARCH = "Represent this sentence for searching relevant passages: "
_INSTRUCT = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: "
_NEEDS: tuple[tuple[str, Need], ...] = (
    (r"e5-mistral|\be5\b.*-instruct|sfr-embedding|linq-embed", Need(_INSTRUCT, "", "intfloat/e5-mistral-7b-instruct")),
    (r"\be5-|-e5\b", Need("query: ", "passage: ", "intfloat/e5-base-v2")),
    (r"bge-(small|base|large)-zh", Need("为这个句子生成表示以用于检索相关文章：", "", "BAAI/bge-large-zh-v1.5")),
    (r"bge-(small|base|large)|llm-embedder|uae-large", Need(_SEARCH, "", "BAAI/bge-base-en-v1.5")),
    (r"nomic-embed-text", Need("search_query: ", "search_document: ", "nomic-ai/nomic-embed-text-v1.5")),
    (
        r"\binstructor-(base|large|xl)",
        Need("Represent the question for retrieving supporting documents: ", "Represent the document for retrieval: ",
             "hkunlp/instructor-large"),
    ),
    (r"gte-qwen|qwen3-embedding|nv-embed", Need(_INSTRUCT, "", "Alibaba-NLP/gte-Qwen2-7B-instruct")),
    (r"arctic-embed.*-v2", Need("query: ", "", "Snowflake/snowflake-arctic-embed-l-v2.0")),
    (r"arctic-embed|mxbai-embed-(large|xsmall)", Need(_SEARCH, "", "mixedbread-ai/mxbai-embed-large-v1")),
    (
        r"jina-embeddings-v3",
        Need("Represent the query for retrieving evidence documents: ", "Represent the document for retrieval: ",
             "jinaai/jina-embeddings-v3"),
    ),
    (r"embeddinggemma", Need("task: search result | query: ", "title: none | text: ", "google/embeddinggemma-300m")),
    (
        r"\bstella.*-(en|v5)",
        Need("Instruct: Given a web search query, retrieve relevant passages that answer the query.\nQuery: ", "",
             "NovaSearch/stella_en_1.5B_v5"),
    ),
    (r"solon-embeddings", Need("query : ", "", "OrdalieTech/Solon-embeddings-large-0.1")),
)  # fmt: skip
"""Models by a pattern of their names, and what their cards say to put before texts for retrieval."""


def needed(model: str) -> Need | None:
    """Returns the prompts that the card of a model asks for, found by its name; None if none are known."""
    name = model.rstrip("/").rpartition("/")[2].lower().replace("_", "-")
    return next((need for pattern, need in _NEEDS if re.search(pattern, name)), None)
