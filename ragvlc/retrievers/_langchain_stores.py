"""LangChain's stores and retrievers: lookup by name, opening with arguments from YAML, search, closing."""

from __future__ import annotations

import importlib
import inspect
import math
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ragvlc.core.errors import ConfigError, EngineError, nearest

if TYPE_CHECKING:
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.retrievers import BaseRetriever
    from langchain_core.vectorstores import VectorStore
    from numpy.typing import NDArray

    from ragvlc.core.engines import VectorEngine

    Vector = NDArray[Any]

__all__ = [
    "CONSTRUCTOR",
    "Opening",
    "Scores",
    "Source",
    "adapted",
    "exposed_secrets",
    "find_store",
    "guarded",
    "put_in",
    "variables",
]

ResultT = TypeVar("ResultT")

Scores = Literal["similarity", "distance", "rank"]

CONSTRUCTOR = "constructor"
"""Names the class itself among the ways to open it."""

_EMBEDDINGS = ("embedding", "embeddings", "embedding_function")
_OURS = frozenset({*_EMBEDDINGS, "texts", "documents", "metadatas", "ids"})
_SECRET_NAME = re.compile(r"(?i)(api_?key|passwo?r?d|secret|token)$")
_PASSWORD_IN_URL = re.compile(r"://[^/\s@:]*:[^/\s@]+@")


def find_store(name: str) -> type[Any]:
    """Returns the class named by `module:Class`. Raises `ValueError` unless it is a LangChain store or retriever."""
    from langchain_core.retrievers import BaseRetriever
    from langchain_core.vectorstores import VectorStore

    module_name, _, class_name = name.partition(":")
    if not (module_name and class_name):
        example = "langchain_core.vectorstores:InMemoryVectorStore or langchain_qdrant:QdrantVectorStore"
        raise ValueError(f"'{name}' names no class. Write module:Class, such as {example}.")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        package = module_name.partition(".")[0].replace("_", "-")
        hint = "" if error.name and not module_name.startswith(error.name) else f" Is the package {package} installed?"
        raise ValueError(f"'{name}' cannot be imported: {error}.{hint}") from error
    found = getattr(module, class_name, None)
    if found is None:
        raise ValueError(f"{module_name} has no class '{class_name}'.{nearest(class_name, dir(module))}")
    if not (inspect.isclass(found) and issubclass(found, (BaseRetriever, VectorStore))):
        raise ValueError(f"'{name}' is neither a BaseRetriever nor a VectorStore of langchain_core.")
    if inspect.isabstract(found):
        raise ValueError(f"'{name}' is abstract: name a class that can be opened.")
    return found


@dataclass(frozen=True, slots=True)
class Opening:
    """One way to open a store: its constructor or one of its classmethods.

    Attributes:
        store: the class.
        method: name of a public classmethod, or `constructor`.
    """

    store: type[Any]
    method: str

    @classmethod
    def of(cls, store: type[Any], method: str | None, *, existing: bool) -> Opening:
        """Returns how to open a store: by `method`, or by default. Raises `ValueError` for an unknown method."""
        ways = sorted(name for name in dir(store) if not name.startswith("_") and _is_way(store, name))
        if method is None:
            usual = [CONSTRUCTOR] if existing else [name for name in ("from_texts", "from_documents") if name in ways]
            if not usual:
                raise ValueError(
                    f"{store.__name__} has no from_texts or from_documents to fill it with the chunks: name its "
                    f"`method`, or set `existing` if it is filled already. Known: {', '.join((CONSTRUCTOR, *ways))}."
                )
            return cls(store, usual[0])
        if method != CONSTRUCTOR and method not in ways:
            known = (CONSTRUCTOR, *ways)
            raise ValueError(
                f"method '{method}' is no classmethod of {store.__name__}. Known: {', '.join(known)}."
                f"{nearest(method, known)}"
            )
        return cls(store, method)

    @property
    def call(self) -> Callable[..., Any]:
        """The callable that opens the store."""
        found: Callable[..., Any] = self.store if self.method == CONSTRUCTOR else getattr(self.store, self.method)
        return found

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """The parameters of the callable, by name."""
        return inspect.signature(self.call).parameters

    @property
    def embedding(self) -> str | None:
        """The name of the parameter for an embedding model, or None."""
        return next((name for name in _EMBEDDINGS if name in self.parameters), None)

    @property
    def needs_embedding(self) -> bool:
        """Whether an embedding model is required."""
        name = self.embedding
        return name is not None and self.parameters[name].default is inspect.Parameter.empty

    @property
    def fills(self) -> bool:
        """Whether the callable takes the texts to store."""
        return not {"texts", "documents"}.isdisjoint(self.parameters)

    def filling(self, content: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        """Returns the arguments that pass `content` (`texts`, `metadatas`, `ids`), if the callable accepts them."""
        from langchain_core.documents import Document

        if not content or not self.fills:
            return {}
        if "texts" not in self.parameters:
            rows = zip(content["texts"], content["metadatas"], content["ids"], strict=True)
            return {
                "documents": [Document(page_content=text, metadata=dict(facts), id=one) for text, facts, one in rows]
            }
        return {name: list(values) for name, values in content.items() if name in self.parameters}

    def objections(self, arguments: Mapping[str, Any]) -> Iterator[str]:
        """Yields an error message for each argument that is not accepted."""
        parameters = self.parameters
        open_ended = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
        known = sorted(set(parameters) - _OURS - {"kwargs"})
        for name in arguments:
            if name in _OURS:
                yield f"argument '{name}' is filled in from the pipeline and the chunks: leave it out."
            elif name not in parameters and not open_ended:
                yield (
                    f"{self.store.__name__}.{self.method} has no argument '{name}'. "
                    f"Known: {', '.join(known) or 'none'}.{nearest(name, known)}"
                )


def _is_way(store: type[Any], name: str) -> bool:
    found = inspect.getattr_static(store, name)
    return isinstance(found, classmethod) and not inspect.iscoroutinefunction(found.__func__)


def variables(value: object) -> Iterator[str]:
    """Yields the variable names in every `{env: NAME}` inside `value`. Raises `ValueError` for a malformed one."""
    if isinstance(value, Mapping):
        if "env" in value and len(value) == 1:
            if not (isinstance(value["env"], str) and value["env"]):
                raise ValueError(f"env needs the name of an environment variable, not {value['env']!r}.")
            yield value["env"]
            return
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from variables(item)


def exposed_secrets(value: object, name: str = "") -> Iterator[str]:
    """Yields an error message for each text inside `value` that looks like a secret, without showing it."""
    if isinstance(value, Mapping):
        for inner, item in value.items():
            yield from exposed_secrets(item, "" if inner == "env" else str(inner))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from exposed_secrets(item, name)
    elif isinstance(value, str) and value and (_SECRET_NAME.search(name) or _PASSWORD_IN_URL.search(value)):
        yield f"argument '{name}' holds a secret, which would be stored with every result: write {{env: NAME}}."


def put_in(value: Any, index: str, secrets: set[str]) -> Any:  # noqa: ANN401 - JSON in, JSON out
    """Returns `value` with `{index}` and `{env: NAME}` replaced; adds the values of the variables to `secrets`.

    Raises:
        ConfigError: if an environment variable is not set.
    """
    if isinstance(value, Mapping):
        if "env" in value and len(value) == 1:
            name = value["env"]
            if name not in os.environ:
                raise ConfigError(f"langchain: the environment variable {name} is not set.")
            secrets.add(os.environ[name])
            return os.environ[name]
        return {name: put_in(item, index, secrets) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [put_in(item, index, secrets) for item in value]
    return value.replace("{index}", index) if isinstance(value, str) else value


def adapted(engine: VectorEngine, known: Mapping[str, Vector]) -> Embeddings:
    """Returns the engine as a LangChain `Embeddings` object. Texts in `known` are not embedded again."""
    from langchain_core.embeddings import Embeddings

    class Adapted(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            new = [text for text in dict.fromkeys(texts) if text not in known]
            fresh = dict(zip(new, engine.embed(new, side="passage"), strict=True)) if new else {}
            return [(known[text] if text in known else fresh[text]).tolist() for text in texts]

        def embed_query(self, text: str) -> list[float]:
            vector: list[float] = engine.embed([text], side="query")[0].tolist()
            return vector

    return Adapted()


@dataclass(frozen=True, slots=True)
class Source:
    """An open LangChain store or retriever.

    Attributes:
        name: `module:Class`, for errors.
        opened: the LangChain object.
        scores: meaning of its scores.
        arguments: of each search of a store.
        secrets: values that no message may show.
    """

    name: str
    opened: BaseRetriever | VectorStore
    scores: Scores = "similarity"
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)
    secrets: Collection[str] = field(default=(), repr=False)

    def fill(self, texts: Sequence[str], metadatas: Sequence[Mapping[str, Any]], ids: Sequence[str]) -> None:
        """Adds the texts to the store. Raises `EngineError` if that fails or is not supported."""
        from langchain_core.documents import Document
        from langchain_core.vectorstores import VectorStore

        opened: Any = self.opened
        facts = [dict(metadata) for metadata in metadatas]
        if isinstance(opened, VectorStore):
            self.asked("cannot be filled", lambda: opened.add_texts(list(texts), facts, ids=list(ids)))
        elif hasattr(opened, "add_documents"):
            made = [
                Document(page_content=text, metadata=metadata, id=one)
                for text, metadata, one in zip(texts, facts, ids, strict=True)
            ]
            self.asked("cannot be filled", lambda: opened.add_documents(made))
        else:
            raise EngineError(f"{self.name} takes no documents once it is open: name a `method` that takes `texts`.")

    def search(self, text: str, k: int) -> list[tuple[Document, float]]:
        """Returns about `k` documents or fewer, best first, with scores (higher is better)."""
        from langchain_core.vectorstores import VectorStore

        opened = self.opened
        if not isinstance(opened, VectorStore):
            limited = opened.model_copy(update={"k": k}) if "k" in type(opened).model_fields else opened
            return _by_rank(self.asked("cannot be searched", lambda: limited.invoke(text)))
        given = self.arguments
        gives_scores = type(opened).similarity_search_with_score is not VectorStore.similarity_search_with_score
        if self.scores == "rank" or not gives_scores:
            return _by_rank(self.asked("cannot be searched", lambda: opened.similarity_search(text, k=k, **given)))
        scored = self.asked("cannot be searched", lambda: opened.similarity_search_with_score(text, k=k, **given))
        return self._larger_is_better(scored)

    def _larger_is_better(self, found: Sequence[tuple[Document, Any]]) -> list[tuple[Document, float]]:
        scores = [float(score) for _, score in found]
        if not all(math.isfinite(score) for score in scores):
            raise EngineError(f"{self.name} returned a score that is not a number. Set scores: rank.")
        sign = -1 if self.scores == "distance" else 1
        if scores and sign * scores[0] < sign * scores[-1]:
            direction, other = ("rise", "distance") if sign == 1 else ("fall", "similarity")
            raise EngineError(
                f"{self.name} ranks best first, but its scores {direction} from {scores[0]:.4g} to {scores[-1]:.4g}: "
                f"they are no {self.scores}. Set scores: {other}, or rank."
            )
        return [(document, sign * score) for (document, _), score in zip(found, scores, strict=True)]

    def asked(self, what: str, call: Callable[[], ResultT]) -> ResultT:
        """Returns the result of `call`. Raises `EngineError`, without secrets, for any of its exceptions."""
        return guarded(f"{self.name} {what}", call, self.secrets)

    def close(self) -> None:
        """Closes the store or its client, if either can be closed."""
        for thing in (self.opened, getattr(self.opened, "client", None)):
            close = getattr(thing, "close", None)
            if callable(close):
                close()
                return


def guarded(what: str, call: Callable[[], ResultT], secrets: Collection[str]) -> ResultT:
    """Returns the result of `call`; its exceptions become `EngineError` without the secrets."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - every client library has a tree of its own
        message = f"{type(error).__name__}: {error}"
        shown = [secret for secret in secrets if secret and secret in message]
        for secret in sorted(shown, key=len, reverse=True):
            message = message.replace(secret, "{env}")
        # Each client library has errors of its own for a server that is away; their names are all they share.
        names = " ".join(one.__name__ for one in type(error).__mro__)
        transient = isinstance(error, OSError) or re.search("Timeout|Connect", names) is not None
        # The original goes on as the cause only if it gives nothing away.
        raise EngineError(f"{what}: {message}", transient=transient) from (None if shown else error)


def _by_rank(documents: Sequence[Document]) -> list[tuple[Document, float]]:
    return [(document, 1 / place) for place, document in enumerate(documents, 1)]
