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

_FIELDS = ("question", "documents", "choices", "form")


class _Question(TypedDict):
    """A question, with options if it is multiple choice."""

    question: str
    choices: NotRequired[Sequence[str]]
    form: NotRequired[Literal["question", "summary"]]


class _QuestionWithDocuments(_Question):
    """A question with its documents."""

    documents: Sequence[Any]


class _QuestionOnly(_Question):
    """A question over preset documents, or over documents given with the question."""

    documents: NotRequired[Sequence[Any]]


class _AnswerValues(TypedDict):
    """An answer as plain values."""

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
        documents: to read if the input has none.
        output: `answer` gives an `Answer`; `dict` gives plain values for the next link of a chain: text, route,
            finish, context (LangChain documents, each with document_id, start and end), usage, seconds.
        seed: of everything random.
        pool: opened models to use instead of the pipeline's own; left open.

    Raises:
        ConfigError: for an unknown `output`.
    """
    from langchain_core.runnables import RunnableLambda

    if output not in ("answer", "dict"):
        raise ConfigError(f"output: '{output}' is not known. Known: answer, dict.{nearest(output, ('answer', 'dict'))}")
    preset = None if documents is None else tuple(from_langchain(documents))
    # Created before any thread needs it: two threads would otherwise each create one and open every model twice.
    engines = pool or pipeline.own_pool()

    def answer(given: object) -> Any:  # noqa: ANN401 - depends on `output`
        query, read = _parsed(given, preset)
        found = pipeline.answer(query, read, seed=seed, pool=engines)
        return found if output == "answer" else _plain_values(found, read)

    runnable: Runnable[Any, Any] = RunnableLambda(answer, name="ragvlc")
    result = Answer if output == "answer" else _AnswerValues
    expected: Any = _QuestionWithDocuments if preset is None else _QuestionOnly | str
    return runnable.with_types(input_type=expected, output_type=result)


def _parsed(given: object, preset: tuple[Document, ...] | None) -> tuple[Query, tuple[Document, ...]]:
    if isinstance(given, str):
        given = {"question": given}
    if not isinstance(given, Mapping):
        raise DatasetError(f"input: needs a mapping with question and documents, not {type(given).__name__}.")
    for name in given:
        if name not in _FIELDS:
            raise DatasetError(f"input: '{name}' is not known. Known: {', '.join(_FIELDS)}.{nearest(name, _FIELDS)}")
    text, choices, form = given.get("question"), given.get("choices") or (), given.get("form", "question")
    if not isinstance(text, str):
        raise DatasetError("input: 'question' needs a text.")
    if isinstance(choices, str) or not all(isinstance(choice, str) for choice in choices):
        raise DatasetError("input: 'choices' needs a list of texts.")
    if form not in ("question", "summary"):
        raise DatasetError(f"input: form '{form}' is not known. Known: question, summary.")
    if "documents" in given:
        read = tuple(from_langchain(given["documents"]))
    elif preset is not None:
        read = preset
    else:
        raise DatasetError("input: 'documents' is missing. Give it here, or to as_runnable for every question.")
    return Query("question", text, tuple(choices), form), read


def _plain_values(answer: Answer, documents: Sequence[Document]) -> _AnswerValues:
    by_name = {document.id: document for document in documents}
    return _AnswerValues(
        text=answer.text,
        route=answer.route,
        finish=answer.finish,
        context=[passage(by_name[span.document_id], span) for span in answer.context],
        usage=asdict(answer.usage),
        seconds=answer.timing.engine_seconds,
    )
