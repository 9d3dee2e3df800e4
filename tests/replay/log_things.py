"""Records of the exact form in which other tools write their logs; all texts are made up."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["GOLD", "helmet", "infinitebench", "inspect_log", "leval", "lm_eval", "longbench", "longbench_v2", "lines"]

GOLD = {"q0": "a red kite", "q1": "the north gate", "q2": "forty oars", "q3": "a clay lamp"}
QUESTIONS = {name: f"What was found on day {name[1]}?" for name in GOLD}
DOCUMENTS = {name: f"The log of week {int(name[1]) // 2} is long." for name in GOLD}


def lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def replies(right: Iterable[str]) -> dict[str, str]:
    return {name: text if name in set(right) else "a green boat" for name, text in GOLD.items()}


def lm_eval(
    folder: Path, right: Iterable[str], *, model: str = "org/small", date: str = "2026-03-01T10-00-00.5"
) -> Path:
    """Generation with two filters, as version 0.4.9 writes it."""
    said, rows = replies(right), []
    for kind in ("strict-match", "flexible-extract"):
        for place, (name, text) in enumerate(said.items()):
            taken = text if kind == "strict-match" else f"[{text}]"
            rows.append(
                {
                    "doc_id": place,
                    "doc": {"question": QUESTIONS[name], "context": DOCUMENTS[name], "level": "easy"},
                    "target": GOLD[name] if place else f"['{GOLD[name]}', 'kite']",
                    "arguments": {"gen_args_0": {"arg_0": f"Answer. {QUESTIONS[name]}", "arg_1": {"until": ["\n"]}}},
                    "resps": [[f"I say {text}"]],
                    "filtered_resps": [taken],
                    "filter": kind,
                    "metrics": ["exact_match"],
                    "doc_hash": "d" * 64,
                    "prompt_hash": "p" * 64,
                    "target_hash": "t" * 64,
                    "exact_match": 1.0 if text == GOLD[name] else 0.0,
                }
            )
    own = folder / model.replace("/", "__")
    own.mkdir(parents=True, exist_ok=True)
    (own / f"results_{date}.json").write_text(json.dumps({"results": {}, "model_name": model}))
    return lines(own / f"samples_found_things_{date}.jsonl", rows)


def inspect_log(
    path: Path, right: Iterable[str], *, model: str = "made/small", compression: int = zipfile.ZIP_DEFLATED
) -> Path:
    """A log of four samples, of which the last ended by an error and the third by a limit."""
    samples = []
    for place, (name, text) in enumerate(replies(right).items()):
        sample: dict[str, Any] = {
            "id": name,
            "epoch": 1,
            "input": [{"role": "system", "content": "Be short."}, {"role": "user", "content": QUESTIONS[name]}],
            "target": [GOLD[name]],
            "messages": [],
            "output": {
                "model": model,
                "choices": [
                    {
                        "message": {
                            "role": "assistant",
                            "content": [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": text}],
                        },
                        "stop_reason": "max_tokens" if place == 2 else "stop",
                    }
                ],
                "usage": {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12},
            },
            "scores": {"match": {"value": "C" if text == GOLD[name] else "I"}, "graded": {"value": {"tone": 0.5}}},
            "metadata": {"level": "easy"},
            "model_usage": {model: {"input_tokens": 9, "input_tokens_cache_read": 4, "output_tokens": 3}},
            "total_time": 1.5,
            "attachments": {"abc": QUESTIONS["q1"]},
        }
        if place == 1:
            sample["input"] = "attachment://abc"
        if place == 2:
            sample["limit"] = {"type": "token", "limit": 3}
        if place == 3:
            sample |= {"error": {"message": "the server went away"}, "scores": {}}
            sample["output"] = {"model": "", "choices": [], "completion": ""}
        samples.append(sample)
    header = {
        "version": 2,
        "status": "success",
        "eval": {
            "task": "made/found_things",
            "model": model,
            "dataset": {"name": "found", "samples": 5, "sample_ids": [*GOLD, "q4"]},
            "config": {"epochs": 1},
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".json":
        path.write_text(json.dumps({**header, "samples": samples}))
        return path
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("_journal/start.json", json.dumps({"version": 2, "eval": header["eval"]}))
        for sample in samples:
            archive.writestr(f"samples/{sample['id']}_epoch_1.json", json.dumps(sample))
        archive.writestr("summaries.json", "[]")
        archive.writestr("header.json", json.dumps(header))
    return path


def helmet(path: Path, right: Iterable[str], *, model: str = "org/small") -> Path:
    """An output file of the kind of NQ, where each question stands at two depths."""
    data = [
        {
            "id": name,
            "question": QUESTIONS[name],
            "answers": [GOLD[name]],
            "answer": [GOLD[name]],
            "ctxs": [{"title": "Log", "text": DOCUMENTS[name], "has_answer": True}],
            "depth": depth,
            "demos": "",
            "output": f"Answer: {text}",
            "input_len": 100,
            "output_len": 5,
            "parsed_output": text,
            "substring_exact_match": text == GOLD[name],
            "f1": 0.25,
        }
        for name, text in replies(right).items()
        for depth in (0.0, 0.5)
    ]
    found = {
        "args": {
            "model_name_or_path": model,
            "datasets": "nq",
            "test_files": "data/kilt/nq-dev-multikilt_1000_k50_dep6.jsonl",
            "input_max_length": 8192,
            "max_test_samples": 5,
        },
        "data": data,
        "metrics": {"substring_exact_match": [], "f1": [], "input_len": [], "output_len": []},
        "averaged_metrics": {"f1": 25.0},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=4))
    return path


def leval(path: Path, right: Iterable[str], *, column: str = "small_pred") -> Path:
    return lines(
        path,
        (
            {"query": QUESTIONS[name], "gt": GOLD[name], "prompt": "P", column: text, "evaluation": "f1"}
            for name, text in replies(right).items()
        ),
    )


def infinitebench(path: Path, right: Iterable[str], *, shift: int = 0, old: bool = False) -> Path:
    """A prediction file; `shift` numbers the questions from another one on, `old` has the fields of early scripts."""
    names = list(GOLD)
    said = replies(right)
    text, gold = ("pred", "label") if old else ("prediction", "ground_truth")
    moved = names[shift:] + names[:shift]
    return lines(path, ({"id": place, text: said[n], gold: [GOLD[n]]} for place, n in enumerate(moved)))


def longbench(path: Path, right: Iterable[str], *, order: Iterable[str] = tuple(GOLD)) -> Path:
    said = replies(right)
    return lines(
        path,
        ({"pred": said[n], "answers": [GOLD[n]], "all_classes": None, "length": 900 + int(n[1])} for n in order),
    )


def longbench_v2(path: Path, right: Iterable[str]) -> Path:
    rows = []
    for name, text in replies(right).items():
        ok = text == GOLD[name]
        rows.append(
            {
                "_id": f"66{name}",
                "domain": "Single-Document QA",
                "sub_domain": "Literary",
                "difficulty": "easy",
                "length": "short",
                "question": QUESTIONS[name],
                "choice_A": "a blue cart",
                "choice_B": GOLD[name],
                "choice_C": "a tin bell",
                "choice_D": "a black sail",
                "answer": "B",
                "response": f"The correct answer is ({'B' if ok else 'C'})",
                "pred": "B" if ok else "C",
                "judge": ok,
                "context": "The log",
            }
        )
    return lines(path, rows)
