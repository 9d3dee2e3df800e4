"""A pipeline as MLflow loads and serves it: `loader_module` of the models that `export --to model` writes.

The input has a row for each question: `question`, `documents` (a list of texts, or one), optionally `choices`. The
output has a row for each too: `answer`, `route`, `finish`, and the tokens read and written.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragvlc import config
from ragvlc.core.data import Document, Query
from ragvlc.core.errors import ConfigError
from ragvlc.pipeline import Pipeline

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ServedPipeline"]

THREADS = 16
"""Questions of one request that are answered at the same time, so that engines can batch them."""


class ServedPipeline:
    """Answers the rows of a table."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def predict(self, rows: pd.DataFrame, params: dict[str, Any] | None = None) -> list[dict[str, Any]]:  # noqa: ARG002 - MLflow's
        """Returns the answers. Raises `ConfigError` for a row without a question or documents."""
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(self._answer, rows.to_dict("records")))

    def _answer(self, row: dict[Any, Any]) -> dict[str, Any]:
        question = row.get("question")
        if not isinstance(question, str) or not question.strip():
            raise ConfigError("question: is missing in a row. Give question and documents, a list of texts.")
        documents = [
            Document(f"d{place + 1}", text) for place, text in enumerate(_texts(row.get("documents"), "documents"))
        ]
        query = Query("question", question, tuple(_texts(row.get("choices"), "choices")))
        answer = self._pipeline.answer(query, documents)
        return {
            "answer": answer.text,
            "route": answer.route,
            "finish": answer.finish,
            "answered": answer.answered,
            "dropped_tokens": answer.dropped_tokens,
            "prompt_tokens": answer.usage.prompt_tokens,
            "completion_tokens": answer.usage.completion_tokens,
        }


def _texts(value: Any, name: str) -> Sequence[str]:  # noqa: ANN401 - a cell of a table
    if isinstance(value, str):
        return [value]
    if value is None or isinstance(value, float):  # a missing value
        return []
    found = list(value)
    if not all(isinstance(one, str) for one in found):
        raise ConfigError(f"{name}: needs texts.")
    return found


def _load_pyfunc(path: str) -> ServedPipeline:
    """Returns the pipeline stored at a path; MLflow calls it."""
    return ServedPipeline(config.build(Pipeline, config.read_yaml(Path(path)), path, Path(path).parent))
