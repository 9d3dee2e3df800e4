"""Prediction files of benchmarks' own scripts: HELMET, L-Eval, InfiniteBench, LongBench and LongBench v2.

LongBench's lines carry no id, and several processes append to one file, so that lines of two models need not be in the
same order; L-Eval's carry none either. InfiniteBench's `id` is that of the data or a running number, by the script.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ragvlc.core.answer import Usage
from ragvlc.replay.logs.records import Log, LogRecord, as_choices, first_text, number, scalars, short_hash, texts_in

__all__ = ["LINES", "is_helmet", "read_helmet"]

Rows = Iterable[tuple[int, Mapping[str, Any]]]

LEVAL = {
    *("codeU", "coursera", "gsm100", "quality", "sci_fi", "topic_retrieval_longchat", "tpo", "financial_qa"),
    *("gov_report_summ", "legal_contract_qa", "meeting_summ", "multidoc_qa", "narrative_qa", "natural_question"),
    *("news_summ", "paper_assistant", "patent_summ", "review_summ", "scientific_qa", "tv_show_summ"),
}
HELMET_FACTS = {"input_len", "output_len", "num_preds", "depth", "k"}
HELMET_NAME = re.compile(r"(?P<task>.+?)_in(?P<length>\d+)_size\d+_shots\d+_samp.*_chat(True|False)_(?P<seed>\d+)$")


def is_helmet(found: object) -> bool:
    """Returns whether this JSON value is an output file of HELMET."""
    if not isinstance(found, dict):
        return False
    rows = found.get("data")
    return isinstance(rows, list) and (
        "averaged_metrics" in found or bool(rows and isinstance(rows[0], dict) and "parsed_output" in rows[0])
    )


def read_helmet(path: Path, found: Mapping[str, Any]) -> Log:
    """Returns the answers of an output file of HELMET; a question that stands at several depths has a line for each.

    The reply is `output`, before HELMET parses it: its answer scores are the better of the two. Replies that the model
    failed to give are not in the file.
    """
    args = found.get("args") if isinstance(found.get("args"), dict) else {}
    args = args or {}
    named = HELMET_NAME.match(path.name.partition(".json")[0])
    task = str(args.get("datasets") or (named["task"] if named else path.stem))
    length = args.get("input_max_length") or (named["length"] if named else "")
    measured = found.get("metrics") if isinstance(found.get("metrics"), dict) else {}
    names = [name for name in measured or {} if name not in HELMET_FACTS]
    seen: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    noted: Counter[str] = Counter()
    records = []
    for place, row in enumerate(found["data"], start=1):
        if not isinstance(row, dict) or not isinstance(row.get("output"), str):
            dropped["records without a text in 'output'"] += 1
            continue
        records.append(_helmet(place, row, names, seen))
    model = str(args.get("model_name_or_path") or path.parent.name)
    words = [task, f"{length} tokens" if length else "", str(args.get("test_files") or "").rpartition("/")[2]]
    full = args.get("max_test_samples")
    if isinstance(full, int) and len({one.id for one in records}) < full:
        noted["fewer questions than the run was to ask"] += full - len({one.id for one in records})
    return Log(path, "HELMET", model, ", ".join(filter(None, words)), tuple(records), dropped, noted)


def _helmet(place: int, row: Mapping[str, Any], names: list[str], seen: Counter[str]) -> LogRecord:
    known = [name for name in names if number(row.get(name)) is not None]
    name = next((str(row[key]) for key in ("id", "qid", "_id") if row.get(key) not in (None, "")), "")
    name = name or short_hash(str(row.get("question")))
    seen[name] += 1
    answer = row.get("answer", row.get("answers"))
    depth = row.get("depth")
    return LogRecord(
        place=f"record {place}",
        id=name,
        cluster=name,
        question=first_text(row, ("question", "query")),
        references=texts_in(answer) if answer is not None else None,
        text=str(row["output"]),
        usage=Usage(int(number(row.get("input_len")) or 0), 0, int(number(row.get("output_len")) or 0), 1),
        scores={one: float(number(row[one]) or 0.0) for one in known},
        tags=scalars({key: value for key, value in row.items() if key not in {*names, "output", "parsed_output"}}),
        check=f"depth {depth}" if depth is not None else f"row {seen[name]}" if seen[name] > 1 else "",
    )


def _is_leval(row: Mapping[str, Any]) -> bool:
    return "query" in row and "gt" in row and any(name.endswith("_pred") for name in row)


def _leval(path: Path, rows: Rows) -> Log:
    """Returns the answers in `{task}.pred.jsonl` of a model's folder, or in `{model}.pred.jsonl` of a task's."""
    stem = path.name.removesuffix(".gz").removesuffix(".jsonl").removesuffix(".pred")
    system, task = (path.parent.name, stem) if stem in LEVAL else (stem, path.parent.name)
    records = []
    for line, row in rows:
        column = next(name for name in row if name.endswith("_pred"))
        records.append(
            LogRecord(
                place=f"line {line}",
                question=str(row["query"]),
                references=texts_in(row["gt"]),
                text="" if row[column] is None else str(row[column]),
                tags=scalars({"evaluation": row.get("evaluation"), "dataset": task}),
            )
        )
    return Log(path, "L-Eval", system, task, tuple(records))


def _is_infinitebench(row: Mapping[str, Any]) -> bool:
    return "id" in row and bool({"prediction", "pred"} & set(row)) and bool({"ground_truth", "label"} & set(row))


def _infinitebench(path: Path, rows: Rows) -> Log:
    task = path.name.partition(".json")[0].removeprefix("preds_")
    records = []
    for line, row in rows:
        reply = row.get("prediction", row.get("pred"))
        gold = row.get("ground_truth", row.get("label"))
        records.append(
            LogRecord(
                place=f"line {line}",
                id=str(row.get("id", "")),
                references=_labels(gold),
                text="" if reply is None else str(reply),
                tags=scalars({"truncated": row.get("truncated"), "dataset": task}),
            )
        )
    return Log(path, "InfiniteBench", path.parent.name, task, tuple(records))


def _labels(gold: Any) -> tuple[str, ...]:  # noqa: ANN401 - JSON
    """Returns the labels as texts, in their order and with those that repeat: results of a calculation do."""
    if isinstance(gold, list):
        return tuple(text for one in gold for text in _labels(one))
    return texts_in(gold)


def _is_longbench(row: Mapping[str, Any]) -> bool:
    return "pred" in row and "answers" in row and "all_classes" in row


def _longbench(path: Path, rows: Rows) -> Log:
    by_length = "_e" if path.parent.parent.name == "pred_e" else ""
    task = path.name.partition(".json")[0] + by_length
    records = [
        LogRecord(
            place=f"line {line}",
            references=texts_in(row["answers"]),
            text="" if row["pred"] is None else str(row["pred"]),
            tags=scalars({"length": row.get("length"), "dataset": task}),
            check=f"length {row['length']}" if row.get("length") is not None else "",
            scoring={"classes": row["all_classes"]} if isinstance(row["all_classes"], list) else {},
        )
        for line, row in rows
    ]
    return Log(path, "LongBench", path.parent.name, task, tuple(records))


def _is_longbench_v2(row: Mapping[str, Any]) -> bool:
    return "choice_A" in row and "response" in row and "judge" in row


def _longbench_v2(path: Path, rows: Rows) -> Log:
    """Returns the answers of a file of LongBench v2, which holds of each document only the beginning."""
    records = []
    for line, row in rows:
        choices = tuple(str(row.get(f"choice_{letter}", "")).strip() for letter in "ABCD")
        records.append(
            LogRecord(
                place=f"line {line}",
                id=str(row.get("_id", "")),
                question=str(row.get("question", "")),
                choices=choices,
                references=as_choices(texts_in(row.get("answer")), choices),
                text=str(row["response"] or ""),
                scores={"judge": float(bool(row["judge"]))},
                tags=scalars({name: row.get(name) for name in ("domain", "sub_domain", "difficulty", "length")}),
            )
        )
    return Log(path, "LongBench v2", path.name.partition(".json")[0], "longbench_v2", tuple(records))


LINES: tuple[tuple[str, Callable[[Mapping[str, Any]], bool], Callable[[Path, Rows], Log]], ...] = (
    ("longbench_v2", _is_longbench_v2, _longbench_v2),
    ("longbench", _is_longbench, _longbench),
    ("leval", _is_leval, _leval),
    ("infinitebench", _is_infinitebench, _infinitebench),
)
"""Formats of one record a line: name, whether a record is one, and the reader. The most telling fields come first."""
