"""Targets that damage what a user writes: experiments, pipelines, replays, data sets, documents, tables."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from tests.fuzz import material
from tests.fuzz.case import FOLDER, Case, mutated_archive, mutated_yaml, or_folder, packed
from tests.fuzz.hostile import Draw, dumped, mutated_bytes, mutated_lines, mutated_text, mutated_tree

__all__ = [
    "answers",
    "document",
    "experiment",
    "json_lines",
    "pipeline",
    "public_set",
    "question_set",
    "replay",
    "table",
]


def experiment(draw: Draw, folder: Path) -> Case:
    """An experiment's YAML."""
    verb = draw(st.sampled_from(["plan", "plan", "plan", "check", "estimate", "run"]))
    more = ["--runs", "new"] if verb in {"run", "estimate"} else []
    tree = draw(st.sampled_from([material.EXPERIMENT, material.EXPERIMENT, material.OWN]))
    return Case([verb, "exp.yaml", *more], {"exp.yaml": mutated_yaml(draw, tree)})


def pipeline(draw: Draw, folder: Path) -> Case:
    """A pipeline's YAML, shipped ones too."""
    trees = [material.PIPELINE, *_shipped_pipelines()]
    tree = draw(st.sampled_from(trees)) if draw(st.booleans()) else material.PIPELINE
    asked = ["ask", "pipe.yaml", "When was the mill built?", "-d", "own/mill.txt"]
    command = draw(st.sampled_from([asked, asked, ["estimate", "pipe.yaml", "--context", "300"]]))
    return Case(list(command), {"pipe.yaml": mutated_yaml(draw, tree)})


@cache
def _shipped_pipelines() -> tuple[Any, ...]:
    """Returns the shipped pipelines that need no real model, with a scripted one."""
    from ragvlc import config

    found = []
    for path in config.shipped("pipelines").values():
        text = path.read_text(encoding="utf-8")
        if not any(word in text for word in ("sentence_transformer", "dense", "vllm", "openai", "cross_encoder")):
            tree = yaml.safe_load(text)
            tree["generators"] = {role: {"kind": "scripted", "default": "x"} for role in tree.get("generators", {})}
            found.append(tree)
    return tuple(found)


def replay(draw: Draw, folder: Path) -> Case:
    """A replay's YAML."""
    return Case(["replay", "replay.yaml"], {"replay.yaml": mutated_yaml(draw, material.REPLAY)})


def question_set(draw: Draw, folder: Path) -> Case:
    """The YAML of a set of generated questions, and what its earlier attempts wrote."""
    command = ["questions", "set.yaml", "--out", "made"]
    if draw(st.booleans()):
        return Case(command, {"set.yaml": mutated_yaml(draw, material.SET)})
    file = draw(st.sampled_from(sorted(path for path in (folder / "made").rglob("*.json*"))))
    data = file.read_bytes()
    changed = mutated_lines(draw, data) if file.suffix == ".jsonl" else mutated_bytes(draw, data)
    name = str(file.relative_to(folder))
    check = ["check", "made", "--tokenizer", ""] if draw(st.booleans()) else command
    return Case(check, {name: or_folder(draw, changed)})


def answers(draw: Draw, folder: Path) -> Case:
    """A file of stored answers for a replay, as JSON Lines, CSV or JSON."""
    data = (folder / "answers.jsonl").read_bytes()
    way = draw(st.sampled_from(["jsonl", "jsonl", "jsonl.gz", "csv", "json"]))
    changed = mutated_lines(draw, data)
    if way == "csv":
        rows = [json.loads(line) for line in data.splitlines()]
        text = "\n".join([",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)])
        changed = mutated_text(draw, text, [",", '"', "\n", "\r", ";", "\t", "\x00"]).encode("utf-8", "surrogatepass")
    elif way == "json":
        changed = dumped(mutated_tree(draw, [json.loads(line) for line in data.splitlines()][:8], raw=True)).encode()
    elif way == "jsonl.gz":
        changed = packed(draw, changed)
    name = f"answers.{way}"
    return Case(["replay", "replay.yaml", "--set", f"answers.file={name}"], {name: or_folder(draw, changed)})


def json_lines(draw: Draw, folder: Path) -> Case:
    """Documents and questions in the JSON Lines schema."""
    name = draw(st.sampled_from(["data/questions.jsonl", "data/questions.jsonl", "data/documents.jsonl"]))
    changed = mutated_lines(draw, (folder / name).read_bytes())
    run = ["run", "exp.yaml", "--runs", "new"]
    command = draw(st.sampled_from([["check", "data"], ["plan", "exp.yaml"], run, ["estimate", "exp.yaml"]]))
    option = draw(st.sampled_from([[], [], ["--set", "dataset.scope=corpus"], ["--set", "dataset.pad_to_tokens=60"]]))
    command = command if command[0] == "check" else [*command, *option]
    files: dict[str, bytes | None] = {name: or_folder(draw, changed)}
    if draw(st.integers(0, 9)) == 0:
        files = {name: FOLDER, f"{name}.gz": packed(draw, changed)}
    return Case(list(command), files)


def table(draw: Draw, folder: Path) -> Case:
    """A table of questions about a folder: CSV, TSV, JSON, JSON Lines, Excel, Parquet."""
    ending = draw(st.sampled_from(["csv", "csv", "tsv", "json", "jsonl", "xlsx", "parquet"]))
    rows = _table_rows()
    if ending in {"csv", "tsv"}:
        text = (folder / "own/questions.csv").read_text(encoding="utf-8")
        pieces = [",", '"', "\n", "\r", ";", "\t", "\x00", '["', "[", "{", "nan", "documents", "answers", "id,id"]
        data = mutated_text(draw, text, pieces).encode("utf-8", "surrogatepass")
        data = data.decode("utf-8", "replace").encode("utf-16") if draw(st.integers(0, 9)) == 0 else data
    elif ending == "json":
        data = dumped(mutated_tree(draw, draw(st.sampled_from([rows, {"data": rows}])), raw=True)).encode()
    elif ending == "jsonl":
        data = mutated_lines(draw, "".join(json.dumps(row) + "\n" for row in rows).encode())
    else:
        data = _binary_table(draw, ending, rows)
    name = f"questions.{ending}"
    command = draw(st.sampled_from([["check", "own.yaml"], ["plan", "own.yaml"], ["run", "own.yaml", "--runs", "new"]]))
    if ending != "csv":
        command = [*command, "--set", f"dataset.questions={name}"] if command[0] != "check" else ["init", "own"]
    return Case(list(command), {f"own/{name}": or_folder(draw, data)})


@cache
def _table_rows() -> list[dict[str, Any]]:
    return [
        {
            "id": f"q{place}",
            "question": f"What is {place}?",
            "answers": ["x", "y"],
            "documents": ["mill.txt"],
            "choices": ["x", "y"],
            "answer_index": 0,
            "evidence": "The mill",
            "unanswerable": False,
            "year": 1700,
        }
        for place in range(3)
    ]


def _binary_table(draw: Draw, ending: str, rows: list[dict[str, Any]]) -> bytes:
    import pandas as pd

    buffer = io.BytesIO()
    changed = draw(st.booleans())
    if changed:
        rows = mutated_tree(draw, rows)
    try:
        frame = pd.DataFrame(rows)
        frame.to_parquet(buffer) if ending == "parquet" else frame.to_excel(buffer, index=False)
    except Exception:  # noqa: BLE001 - not every value fits a table
        changed, buffer = False, io.BytesIO()
        frame = pd.DataFrame(_table_rows())
        frame.to_parquet(buffer) if ending == "parquet" else frame.astype(str).to_excel(buffer, index=False)
    data = buffer.getvalue()
    if changed:
        return data
    return mutated_archive(draw, data) if ending == "xlsx" and draw(st.booleans()) else mutated_bytes(draw, data)


@cache
def _document_files() -> tuple[tuple[str, bytes], ...]:
    folder = str(Path(__file__).parents[1] / "documents")
    if folder not in sys.path:  # as pytest has it for the tests there
        sys.path.append(folder)
    import thirty_files

    return tuple((one.name, one.data) for one in thirty_files.thirty_files() if len(one.data) < 200_000)


def document(draw: Draw, folder: Path) -> Case:
    """A document of each kind of file that is read, alone or in a folder."""
    name, data = draw(st.sampled_from(_document_files()))
    whole = zipfile.is_zipfile(io.BytesIO(data)) and draw(st.integers(0, 3))
    if whole:
        changed = mutated_archive(draw, data)
    elif name.endswith(".ipynb"):
        changed = dumped(mutated_tree(draw, json.loads(data), raw=True)).encode()
    elif name.endswith((".html", ".md", ".eml", ".txt", ".csv")) and draw(st.booleans()):
        pieces = [
            "<",
            ">",
            "<table>",
            "<td colspan=99999>",
            "<div>" * 500,
            "&#x110000;",
            "\x00",
            "```",
            "<!--",
            "Content-Type: multipart/mixed\n",
            "=?utf-8?b?x?=",
            "charset=nowhere",
            "\n\n",
            "<base href='//['>",
        ]
        text = data.decode("utf-8", "replace")
        changed = mutated_text(draw, text, pieces).encode("utf-8", "surrogatepass")
    else:
        changed = mutated_bytes(draw, data)
    if draw(st.integers(0, 9)) == 0:
        name = f"{name}{draw(st.sampled_from(['.gz', '.pdf', '.html', '.eml', '.docx', '.ipynb']))}"
    asked = ["ask", "pipe.yaml", "What?", "--allow-loss", "1", "-d", f"docs/{name}"]
    run = ["run", "own.yaml", "--runs", "new", "--set", "dataset.path=docs", "--set", "dataset.unreadable=skip"]
    command = draw(st.sampled_from([["check", "docs"], asked, asked, run, ["init", "docs", "--out", "made"]]))
    return Case(list(command), {f"docs/{name}": or_folder(draw, changed), "docs/whole.txt": b"A whole text."})


def public_set(draw: Draw, folder: Path) -> Case:
    """Local copies of the data sets that the `datasets` library and LongEmbed's reader load."""
    if draw(st.booleans()):
        files = {
            "corpus.jsonl": [{"doc_id": "d1", "text": "one two"}, {"doc_id": "d2", "text": "three"}],
            "queries.jsonl": [{"qid": "q1", "text": "two?"}, {"qid": "q2", "text": "three?"}],
            "qrels.jsonl": [{"qid": "q1", "doc_id": "d1"}, {"qid": "q2", "doc_id": "d2"}],
        }
        content = {name: "".join(json.dumps(row) + "\n" for row in rows).encode() for name, rows in files.items()}
        name = draw(st.sampled_from(sorted(content)))
        content[name] = mutated_lines(draw, content[name])
        data = {"kind": "longembed", "path": "./sets", "task": "qmsum"}
        held: dict[str, bytes | None] = {f"sets/qmsum/{one}": text for one, text in content.items()}
    else:
        rows = [{"q": "what?", "a": ["x"], "c": "the text x", "t": "T", "i": place} for place in range(3)]
        columns = {"question": "q", "answers": "a", "document": "c", "title": "t", "id": "i"}
        data = {
            "kind": "huggingface",
            "path": "json",
            "data_files": ["rows.jsonl"],
            "split": "train",
            "columns": columns,
        }
        lines = mutated_lines(draw, "".join(json.dumps(row) + "\n" for row in rows).encode())
        held = {"rows.jsonl": lines}
        if draw(st.booleans()):
            held["rows.jsonl"] = "".join(json.dumps(row) + "\n" for row in rows).encode()
            data = mutated_tree(draw, data)
    exp = material.EXPERIMENT | {"dataset": data}
    held["exp.yaml"] = dumped(exp).encode("utf-8", "surrogatepass")
    return Case(["plan", "exp.yaml"], held)
