"""A pipeline as a LangChain `Runnable`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal, NotRequired

from typing_extensions import TypedDict  # pydantic refuses that of `typing` before Python 3.12

from ragvlc.core.answer import Answer
from ragvlc.core.data import Document, Query
from ragvlc.core.errors import ConfigError, DatasetError, nearest
from ragvlc.langchain.answering import AnsweringPipeline
from ragvlc.langchain.documents import from_langchain, passage
from ragvlc.pool import EnginePool

if TYPE_CHECKING:
    from langchain_core.documents import Document as LangChainDocument
    from langchain_core.runnables import Runnable

__all__ = ["Output", "as_runnable"]

Output = Literal["answer", "dict"]

_ASKED = ("question", "documents", "choices", "form")


class _Asked(TypedDict):
    """A question, for multiple choice with options."""

    question: str
    choices: NotRequired[Sequence[str]]
    form: NotRequired[Literal["question", "summary"]]


class _AskedOver(_Asked):
    """A question over the documents that come with it."""

    documents: Sequence[Any]


class _AskedHere(_Asked):
    """A question over standing documents, or over others that come with it."""

    documents: NotRequired[Sequence[Any]]


class _Told(TypedDict):
    """An answer in plain values."""

    text: str
    route: str
    finish: str
    context: list[Any]
    usage: dict[str, int]
    seconds: float


def as_runnable(
    pipeline: AnsweringPipeline,
    *,
    documents: Iterable[LangChainDocument | Document | str] | None = None,
    output: Output = "answer",
    seed: int = 0,
    pool: EnginePool | None = None,
) -> Runnable[Any, Any]:
    """Returns the pipeline as a LangChain `Runnable`, for chains (`|`), `invoke`, `batch`, and their async forms.

    Its input is a mapping with `question` and `documents` (LangChain's, ours, or texts), for multiple choice with
    `choices`, for a summary with `form: "summary"`. A text alone is a question over the `documents` given here. `batch`
    answers in threads, at most `max_concurrency` of its config at once; the async forms work in LangChain's executor.

    Args:
        pipeline: answers. Its models open on the first question and stay open until `pipeline.close()`.
        documents: read where the input brings none.
        output: `answer` gives our `Answer`; `dict` gives plain values for the next link of a chain: text, route,
            finish, context (LangChain documents, each with document_id, start and end), usage, seconds.
        seed: from which everything random derives.
        pool: opened models to use instead of the pipeline's own; left open.

    Raises:
        ConfigError: for an unknown `output`.
    """
    from langchain_core.runnables import RunnableLambda

    if output not in ("answer", "dict"):
        raise ConfigError(f"output: '{output}' is not known. Known: answer, dict.{nearest(output, ('answer', 'dict'))}")
    standing = None if documents is None else tuple(from_langchain(documents))
    # Made before any thread asks: two that ask at once would each make one, and open every model twice.
    engines = pool or pipeline.own_pool()

    def answer(given: object) -> Any:  # noqa: ANN401 - what `output` says
        query, read = _question(given, standing)
        found = pipeline.answer(query, read, seed=seed, pool=engines)
        return found if output == "answer" else _told(found, read)

    runnable: Runnable[Any, Any] = RunnableLambda(answer, name="ragvlc")
    result = Answer if output == "answer" else _Told
    return runnable.with_types(input_type=_AskedOver if standing is None else _AskedHere | str, output_type=result)  # type: ignore[arg-type]


def _question(given: object, standing: tuple[Document, ...] | None) -> tuple[Query, tuple[Document, ...]]:
    if isinstance(given, str):
        given = {"question": given}
    if not isinstance(given, Mapping):
        raise DatasetError(f"input: needs a mapping with question and documents, not {type(given).__name__}.")
    for name in given:
        if name not in _ASKED:
            raise DatasetError(f"input: '{name}' is not known. Known: {', '.join(_ASKED)}.{nearest(name, _ASKED)}")
    text, choices, form = given.get("question"), given.get("choices") or (), given.get("form", "question")
    if not isinstance(text, str):
        raise DatasetError("input: 'question' needs a text.")
    if isinstance(choices, str) or not all(isinstance(choice, str) for choice in choices):
        raise DatasetError("input: 'choices' needs a list of texts.")
    if form not in ("question", "summary"):
        raise DatasetError(f"input: form '{form}' is not known. Known: question, summary.")
    if "documents" in given:
        read = tuple(from_langchain(given["documents"]))
    elif standing is not None:
        read = standing
    else:
        raise DatasetError("input: 'documents' is missing. Give it here, or to as_runnable for every question.")
    return Query("question", text, tuple(choices), form), read


def _told(answer: Answer, documents: Sequence[Document]) -> _Told:
    by_name = {document.id: document for document in documents}
    return _Told(
        text=answer.text,
        route=answer.route,
        finish=answer.finish,
        context=[passage(by_name[span.document_id], span) for span in answer.context],
        usage=asdict(answer.usage),
        seconds=answer.timing.engine_seconds,
    )
