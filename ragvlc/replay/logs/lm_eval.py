"""Sample logs of lm-evaluation-harness: `samples_{task}_{date}.jsonl`, written with `--log_samples`.

A question has a line for each filter, which takes the answer from the reply; the log's scores are those of that answer.
A task of multiple choice holds the log-likelihood of each option: the likeliest is the answer, as `acc` has it. The
file does not say which model answered: the `results_{date}.json` beside it does, else the folder is named after it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ragvlc.core.json_text import parse_json
from ragvlc.documents.bounded import file_bytes
from ragvlc.replay.logs.records import Log, LogRecord, first_text, listed, number, scalars, texts_in

__all__ = ["is_lm_eval", "read_lm_eval"]

QUESTIONS = ("question", "query", "problem", "instruction", "input", "prompt", "goal", "sentence")
DOCUMENTS = ("context", "passage", "document", "article", "story", "support")
NOT_SCORES = {
    *("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"),
    *("doc_hash", "prompt_hash", "target_hash", "task_name", "prompt"),
}
NAME = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d{2}-\d{2}T[\d.:-]+)$")


def is_lm_eval(row: Mapping[str, Any]) -> bool:
    """Returns whether this is a record of such a log."""
    return "doc" in row and "resps" in row and "filtered_resps" in row


def read_lm_eval(path: Path, rows: Iterable[tuple[int, Mapping[str, Any]]], chosen: str) -> Log:
    """Returns the answers under one filter: the named one, or else the first in the file."""
    dropped: Counter[str] = Counter()
    noted: Counter[str] = Counter()
    records, filters = [], dict[str, int]()
    for line, row in rows:
        name = str(row.get("filter", "none"))
        filters[name] = filters.get(name, 0) + 1
        if name != (chosen or next(iter(filters))):
            dropped[f"answers under the filter '{name}', which is not the one compared"] += 1
            continue
        record = _record(line, row, noted)
        if record is None:
            dropped["records without a reply (the likelihood of a text)"] += 1
        else:
            records.append(record)
    name = path.name.partition(".json")[0]
    named = NAME.match(name)
    task = named["task"] if named else name.removeprefix("samples_")
    return Log(
        path,
        "lm-evaluation-harness",
        _model(path, named["date"] if named else ""),
        task,
        tuple(records),
        dropped,
        noted,
    )


def _record(line: int, row: Mapping[str, Any], noted: Counter[str]) -> LogRecord | None:
    raw = row["doc"]
    doc: Mapping[str, Any] = raw if isinstance(raw, dict) else {}
    arguments = _arguments(row.get("arguments"))
    prompt = str(arguments[0][0]) if arguments and arguments[0] else ""
    question = first_text(doc, QUESTIONS) or prompt or (raw if isinstance(raw, str) else "")
    target = str(row.get("target", ""))
    scores = {}
    for name in row["metrics"] if isinstance(row.get("metrics"), list) else [n for n in row if n not in NOT_SCORES]:
        if isinstance(name, str) and (value := number(row.get(name))) is not None:
            scores[name] = value
    place: dict[str, Any] = {
        "id": str(row.get("doc_id", "")),
        "scores": scores,
        "question": question,
        "place": f"line {line}",
    }
    document = first_text(doc, DOCUMENTS)
    if isinstance(doc.get("all_classes"), list):
        place["scoring"] = {"classes": doc["all_classes"]}
    place |= {"document": document if document != question else "", "tags": scalars(doc)}
    if arguments and all(len(one) > 1 and isinstance(one[1], str) for one in arguments):
        return _likeliest(place, target, [str(one[1]) for one in arguments], row["filtered_resps"])
    if arguments and all(len(one) < 2 for one in arguments):
        return None
    reply = row["filtered_resps"]
    while isinstance(reply, list):
        if len(reply) > 1:
            noted["replies with further samples, of which the first is read"] += 1
        reply = reply[0] if reply else ""
    return LogRecord(**place, references=listed(target), text="" if reply is None else str(reply))


def _likeliest(place: Mapping[str, Any], target: str, options: list[str], found: Any) -> LogRecord | None:  # noqa: ANN401
    """Returns the option of the largest log-likelihood as the answer."""
    choices = [option.strip() for option in options]
    if len(set(choices)) < len(choices):  # the contexts differ, not what follows them
        choices = [f"option {place + 1}" for place in range(len(options))]
    values = []
    for given in found if isinstance(found, list) else ():
        one = given
        while isinstance(one, list):
            one = one[0] if one else None
        try:
            values.append(float(one))
        except (TypeError, ValueError, OverflowError):
            return None
    if not choices or len(choices) < 2 or len(values) < len(choices) or any(map(math.isnan, values)):
        return None
    best = max(range(len(choices)), key=lambda at: values[at])
    bare = target.strip()
    at = int(bare) if bare.isascii() and bare.isdigit() and len(bare) < 6 and bare not in choices else -1
    references = (choices[at],) if 0 <= at < len(choices) else texts_in(bare)
    return LogRecord(**place, choices=tuple(choices), references=references, text=choices[best])


def _arguments(given: Any) -> list[list[Any]]:  # noqa: ANN401 - JSON
    """Returns the arguments of each request: older logs hold lists, newer ones objects."""
    found = list(given.values()) if isinstance(given, dict) else given if isinstance(given, list) else []
    return [
        list(one.values()) if isinstance(one, dict) else list(one) if isinstance(one, list) else [one] for one in found
    ]


def _model(path: Path, date: str) -> str:
    """Returns the model's name: of the results beside the samples, else of the folder."""
    beside = path.with_name(f"results_{date}.json")
    if date and beside.is_file():
        try:
            found = parse_json(file_bytes(beside))
        except (OSError, ValueError):
            return path.parent.name
        if isinstance(found, dict):
            return first_text(found, ("model_name",)) or path.parent.name
    return path.parent.name
