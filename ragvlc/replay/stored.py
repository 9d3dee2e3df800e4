"""Stored answers, read from another system's predictions file or from a results folder."""

from __future__ import annotations

import csv
import io
import reprlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

from ragvlc.core.answer import Answer, Finish, Prediction, Timing, Usage
from ragvlc.core.data import Example
from ragvlc.core.errors import DatasetError, nearest
from ragvlc.core.families import Metric
from ragvlc.core.json_text import parse_json
from ragvlc.documents.bounded import file_bytes
from ragvlc.documents.json_lines import Problems, rows_of
from ragvlc.replay.spec import Answers

__all__ = ["Block", "Stored", "paired", "read_file"]


@dataclass(frozen=True)
class Block:
    """Questions of one data set, with the stored answers of each model and route.

    Attributes:
        dataset: its name.
        examples: in their order; all have an answer of every route of some model.
        rows: by model, route and question. Rows of foreign files have no scores.
        metrics: labels of the scores that rows come with.
        prices: of the models' tokens by model and role, where the source knows them.
        smaller_is_better: labels of metrics.
        official: specification by label of metrics whose authors compute figures of their own.
        foreign: the scores of rows are another tool's, shown beside those computed here.
        scorers: metrics that score as the authors of the questions do.
    """

    dataset: str
    examples: tuple[Example, ...]
    rows: Mapping[str, Mapping[str, Mapping[str, Prediction]]]
    metrics: tuple[str, ...] = ()
    prices: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    smaller_is_better: tuple[str, ...] = ()
    official: Mapping[str, Any] = field(default_factory=dict)
    foreign: bool = False
    scorers: tuple[Metric, ...] = ()


@dataclass(frozen=True)
class Stored:
    """Stored answers that were read, and the numbers of answers left out.

    Attributes:
        blocks: one for each data set.
        dropped: answers or questions left out, by reason.
        notes: what is to be known of the answers that were read, in sentences.
    """

    blocks: tuple[Block, ...]
    dropped: Mapping[str, int]
    notes: tuple[str, ...] = ()


def read_file(path: Path, answers: Answers, examples: Sequence[Example], dataset: str) -> Stored:
    """Returns the answers in a predictions file to those of these questions that every route answered.

    A question may be paired for one model and not for another: it is dropped for the latter alone. The last of several
    answers of one model and route to a question counts.

    Raises:
        DatasetError: with every problem of the file, or if nothing in it fits the questions.
    """
    known = {example.id for example in examples}
    problems = Problems(path)
    found: dict[str, dict[str, dict[str, Prediction]]] = {}
    dropped: Counter[str] = Counter()
    routes: Counter[str] = Counter()
    seen: set[str] = set()
    for number, values in _records(path, problems):
        row = _read(values, answers, problems, number)
        if row is None:
            continue
        routes[row.route] += 1
        seen.add(row.question)
        name = answers.routes.get(row.route) if answers.routes else row.route
        if name is None:
            dropped["answers of routes that are not compared"] += 1
        elif answers.models and row.model not in answers.models:
            dropped["answers of models that are not compared"] += 1
        elif row.question not in known:
            dropped["answers to unknown questions"] += 1
        else:
            held = found.setdefault(row.model, {}).setdefault(name, {})
            dropped["answers given twice"] += row.question in held
            held[row.question] = Prediction(row.question, answer=row.answer)
    problems.raise_any()
    _check(path, answers, routes, found, seen)
    wanted = list(answers.routes.values()) or sorted({route for own in found.values() for route in own})
    both, unpaired = paired(found, wanted, [example.id for example in examples])
    dropped["questions without an answer of every route"] += unpaired
    kept = {name for own in both.values() for rows in own.values() for name in rows}
    block = Block(dataset, tuple(example for example in examples if example.id in kept), both)
    return Stored((block,), {reason: count for reason, count in dropped.items() if count})


def paired(
    found: Mapping[str, Mapping[str, Mapping[str, Prediction]]], routes: Sequence[str], order: Sequence[str]
) -> tuple[dict[str, dict[str, dict[str, Prediction]]], int]:
    """Returns each model's answers to questions that all routes answered, and the number of other questions."""
    both, unpaired = dict[str, dict[str, dict[str, Prediction]]](), 0
    for model, own in found.items():
        some = {name for rows in own.values() for name in rows}
        every = [name for name in order if all(name in own.get(route, {}) for route in routes)]
        unpaired += len(some) - len(every)
        both[model] = {route: {name: own[route][name] for name in every} for route in routes if route in own}
    return {model: own for model, own in both.items() if any(own.values())}, unpaired


def _check(
    path: Path, answers: Answers, routes: Iterable[str], found: Mapping[str, object], seen: Iterable[str]
) -> None:
    known = sorted(routes)
    wrong = [
        f"no answer is of a route '{name}'. Routes: {', '.join(known) or 'none'}.{nearest(name, known)}"
        for name in answers.routes
        if name not in known
    ]
    wrong += [
        f"no answer is of a model '{name}'. Models: {', '.join(sorted(found)) or 'none'}.{nearest(name, found)}"
        for name in answers.models
        if name not in found
    ]
    if not wrong and not found:
        some = ", ".join(f"'{name}'" for name in sorted(seen)[:3])
        wrong = [f"no answer is to one of the questions given. Its questions are called {some or 'nothing'}."]
    if not wrong and not answers.routes and len(known) < 2:
        wrong = [f"has answers of one route only ({', '.join(known)}); there is nothing to choose between."]
    if wrong:
        raise DatasetError("\n  ".join([f"{path}:", *wrong]) if len(wrong) > 1 else f"{path}: {wrong[0]}")


@dataclass(frozen=True, slots=True)
class _Record:
    question: str
    model: str
    route: str
    answer: Answer


def _read(values: Mapping[str, Any], answers: Answers, problems: Problems, number: int) -> _Record | None:
    """Returns one answer; None for an invalid record, whose problems are noted."""
    start = len(problems.sentences)
    named = {name: column for name, column in answers.columns.spec().items() if column}
    for name in ("question", "route", "text", "model"):
        if name in named and named[name] not in values:
            known = [column for column in values if isinstance(column, str)]  # a cell too many has none
            problems.add(
                f"has no field '{named[name]}'. Known: {', '.join(known)}.{nearest(named[name], known)}", number
            )
    if len(problems.sentences) > start:
        return None

    def count(name: str) -> float:
        value = values.get(named[name], 0) if name in named else 0
        try:
            found = float(value or 0)
        except (TypeError, ValueError, OverflowError):
            found = -1.0
        if 0 <= found < 2**53:
            return found
        problems.add(f"'{named[name]}' must be a number of at least 0, not {reprlib.repr(value)}.", number)
        return 0.0

    def word(name: str) -> str:
        value = values[named[name]]
        if isinstance(value, (str, int, float)) or (value is None and name == "text"):
            return "" if value is None else str(value)
        problems.add(f"'{named[name]}' must be a text, not {reprlib.repr(value)}.", number)
        return ""

    finish = str(values.get(named.get("finish", ""), "stop"))
    usage = Usage(int(count("prompt_tokens")), int(count("cached_tokens")), int(count("completion_tokens")), 1)
    seconds, text = count("seconds"), word("text")
    question, route, model = word("question"), word("route"), word("model") if "model" in named else ""
    if len(problems.sentences) > start:
        return None
    said = text.strip()
    if not said and answers.empty == "refusal":
        finish = "declined"
    answer = Answer(
        text=said,
        route=route,
        usage=usage,
        timing=Timing(engine_seconds=seconds),
        finish=cast("Finish", finish) if finish in get_args(Finish) else "stop",
    )
    return _Record(question, model, route, answer)


def _records(path: Path, problems: Problems) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yields every record of a file with its line number or record number."""
    if not path.is_file():
        raise DatasetError(f"{path}: no such file of answers.")
    kinds = [suffix for suffix in path.suffixes if suffix != ".gz"]
    kind = kinds[-1] if kinds else ""
    if kind in (".jsonl", ".ndjson"):
        yield from ((row.line, row.values) for row in rows_of(path, problems))
        return
    if kind not in (".json", ".csv", ".tsv"):
        raise DatasetError(f"{path}: not a file of answers. Known: .jsonl, .json, .csv, .tsv, each also with .gz.")
    try:
        text = file_bytes(path).decode("utf-8-sig")
        if kind == ".json":
            found = parse_json(text)
            if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
                raise DatasetError(f"{path}: needs a list of objects.")
        else:
            found = list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if kind == ".tsv" else ","))
    except (OSError, ValueError, csv.Error) as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from error
    yield from enumerate(found, start=1)
