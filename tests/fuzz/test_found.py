"""What fuzzing found: each case ended a command with a traceback, or with Python's words for its own values."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fuzz import material
from tests.fuzz.case import Case
from tests.fuzz.command import Outcome
from tests.fuzz.run import run_case
from tests.fuzz.stored import model_files


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("found") / "base"
    material.build(folder)
    return folder


Run = Callable[..., Outcome]


@pytest.fixture
def run(base: Path, tmp_path: Path) -> Run:
    """Runs a command over damaged files; the outcome is without fault."""

    def call(*command: str, names: tuple[str, ...] = (), **files: bytes | str | None) -> Outcome:
        content = {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}
        case = Case(list(command), content)
        outcome = run_case(case, base, tmp_path / "case", draws=False)
        assert outcome.fault(names) == "", outcome
        return outcome

    return call


def files(**content: Any) -> dict[str, Any]:
    return content


ASK = ("ask", "routed.yaml", "What?", "-d", "own/mill.txt")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("[" * 3000 + "]" * 3000, "nested too deeply"),
        ('{"a": ' * 300 + "1" + "}" * 300, "nested too deeply"),
        ('{"intercept": ' + "9" * 5000 + "}", "a number of thousands of digits"),
        (json.dumps(material.router() | {"chunker": {"kind": "tokens", "size": False}}), "chunker"),
        (json.dumps(material.router() | {"means": ["x", 1]}), "means.0"),
        ("null", "no learned router"),
    ],
)
def test_learned_routers(run: Run, data: str, said: str) -> None:
    outcome = run(*ASK, names=("router.json",), **{"router.json": data})
    assert outcome.code == 2
    assert said in outcome.err


@pytest.mark.parametrize(("text", "given"), [("", "nothing"), ("- a", "a list"), ("5", "a number")])
def test_yaml_that_is_no_mapping(run: Run, text: str, given: str) -> None:
    outcome = run("plan", "exp.yaml", names=("exp.yaml",), **{"exp.yaml": text})
    assert f"needs a mapping of names to values, not {given}." in outcome.err


def archive(data: bytes, **changed: bytes | None) -> bytes:
    """Returns a zip archive with members changed; None removes one."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(packed, "w") as new:
        for name in old.namelist():
            content = changed.get(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return packed.getvalue()


def book(**changed: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as new:
        for name, content in changed.items():
            new.writestr(name, content)
    return packed.getvalue()


def workbook() -> bytes:
    import openpyxl

    made = openpyxl.Workbook()
    made.active.append(["question", "answers"])
    made.active.append(["What?", "x"])
    buffer = io.BytesIO()
    made.save(buffer)
    return buffer.getvalue()


CONTAINER = b'<container><rootfiles><rootfile full-path="a.opf"/></rootfiles></container>'
NOTEBOOK = {"cells": [{"cell_type": "code", "source": "x", "outputs": [{"text": "fine"}]}]}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.epub", book(**{"META-INF/container.xml": b"<?xml version='1.0' encoding='\x00'?><a>\x01"})),
        ("a.epub", book(**{"META-INF/container.xml": CONTAINER, "a.opf": b""})),
        ("a.xlsx", archive(workbook(), **{"[Content_Types].xml": b"<Types><Default Extensio='x'/></Types>"})),
        ("a.xlsx", archive(workbook(), **{"xl/workbook.xml": None})),
        ("a.ipynb", json.dumps(NOTEBOOK | {"cells": [{"cell_type": "code", "outputs": [[1]]}]}).encode()),
        ("a.ipynb", json.dumps(NOTEBOOK | {"cells": [{"cell_type": "code", "outputs": [{"data": 5}]}]}).encode()),
        ("a.ipynb", json.dumps(NOTEBOOK | {"cells": {"0": 5}}).encode()),
        ("a.ipynb", b"[" * 5000),
    ],
)
def test_documents_that_are_damaged(run: Run, name: str, data: bytes) -> None:
    outcome = run("ask", "pipe.yaml", "What?", "-d", f"docs/{name}", names=(name,), **{f"docs/{name}": data})
    assert outcome.code == 2
    assert "cannot be read" in outcome.err


def test_a_table_of_questions_that_is_a_damaged_workbook(run: Run) -> None:
    data = archive(workbook(), **{"[Content_Types].xml": b"<Types><Default Extensio='x'/></Types>"})
    said = run("plan", "own.yaml", "--set", "dataset.questions=q.xlsx", names=("q.xlsx",), **{"own/q.xlsx": data})
    assert "cannot be read as .xlsx" in said.err


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("tokenizer.json", "model", False),
        ("tokenizer.json", "added_tokens", [{"id": 1}]),
        ("tokenizer.json", "added_tokens", -1605800),
        ("tokenizer.json", "model", {"type": "WordLevel", "vocab": {"the": 0, "<s>": 1}, "unk_token": "{0.__class__}"}),
        ("config.json", "hidden_size", True),
        ("config.json", "max_position_embeddings", "many"),
        ("config.json", "text_config", [1]),
        ("config.json", "num_key_value_heads", [2, 2]),
        ("config.json", "layer_types", 5),
        ("config.json", "quantization_config", {"bits": "x"}),
        ("tokenizer_config.json", "bos_token", 7),
        ("tokenizer_config.json", "tokenizer_class", ["Tokenizer"]),
        ("tokenizer_config.json", "chat_template", 5),
        ("tokenizer_config.json", "model_max_length", "x"),
    ],
)
@pytest.mark.parametrize(
    "command", [("estimate", "local.yaml", "--context", "50"), ("check", "own", "--tokenizer", "./model")]
)
def test_files_of_models(run: Run, name: str, field: str, value: Any, command: tuple[str, ...]) -> None:
    changed = {f"model/{one}": content for one, content in model_files().items()}
    changed[f"model/{name}"] = json.dumps(json.loads(changed[f"model/{name}"]) | {field: value}).encode()
    tree = {"generators": {"main": {"kind": "transformers", "model": "./model"}}, "routes": {"full": "full_context"}}
    run(*command, **changed, **{"local.yaml": yaml.safe_dump(tree)})


@pytest.mark.parametrize("content", [b"true", b"5", b"[]", b'"x"'])
def test_a_tokenizer_that_is_no_object(run: Run, content: bytes) -> None:
    changed = {f"model/{one}": own for one, own in model_files().items()} | {"model/tokenizer.json": content}
    assert "cannot be read" in run("check", "own", "--tokenizer", "./model", **changed).err


@pytest.mark.parametrize(
    ("stage", "field", "value"),
    [
        ("answers", "usage", 5),
        ("answers", "usage", {"prompt_tokens": [1]}),
        ("answers", "timing", {"engine_seconds": "x"}),
        ("answers", "text", None),
        ("rankings", "hits", [[10**6, 0.5]]),
        ("rankings", "hits", [[0, "x"]]),
        ("rankings", "seconds", [1]),
        ("chunkings", "chunks", [[0, 0, 5, 10**6]]),
        ("chunkings", "chunks", 5),
    ],
)
def test_cache_entries_of_another_form_are_computed_again(
    run: Run, base: Path, stage: str, field: str, value: Any
) -> None:
    changed = {}
    for file in (base / "store" / stage).rglob("*.json"):
        plain = json.dumps(json.loads(file.read_bytes()[65:]) | {field: value}).encode()
        changed[str(file.relative_to(base))] = hashlib.sha256(plain).hexdigest().encode() + b"\n" + plain
    outcome = run("run", "exp.yaml", "--runs", "new", **changed)
    assert outcome.code == 0
    assert "a stored entry has another form (" in outcome.err


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("answer", "text"), 5),
        (("answer", "usage", "prompt_tokens"), "many"),
        (("answer", "usage", "calls"), -1),
        (("answer", "timing", "engine_seconds"), None),
        (("answer", "ranking"), [["d", 0, 1, 2, 3]]),
        (("answer", "trace"), [{"name": 5, "facts": {}, "seconds": 0}]),
        (("answer", "trace"), [{"name": "x", "facts": [], "seconds": 0}]),
        (("answer", "trace"), [{"name": "x", "facts": {"dropped_tokens": "3"}, "seconds": 0}]),
        (("answer", "trace"), [{"name": "x", "facts": {"index": [1], "index_seconds": 0}, "seconds": 0}]),
        (("scores", "contains"), "x"),
        (("scores",), [1]),
        (("flags",), "x"),
        (("id",), ["q1"]),
    ],
)
@pytest.mark.parametrize("command", [("show", "runs/exp"), ("compare", "runs/exp", "full", "full")])
def test_rows_of_another_form_are_damaged(
    run: Run, base: Path, place: tuple[str, ...], value: Any, command: tuple[str, ...]
) -> None:
    changed = {}
    for file in (base / "runs").rglob("predictions.jsonl"):
        first, *rest = file.read_text(encoding="utf-8").splitlines(keepends=True)
        row = json.loads(first)
        row.pop("hash", None)
        row["version"] = 2  # a version without a hash, which would be wrong
        here = row
        for name in place[:-1]:
            here = here[name]
        here[place[-1]] = value
        changed[str(file.relative_to(base))] = json.dumps(row) + "\n" + "".join(rest)
    assert "damaged or foreign lines: 1" in run(*command, **changed).err


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("corpus", {"doc_id": "d1", "text": None}),
        ("corpus", {"doc_id": [1], "text": "x"}),
        ("queries", {"qid": "q1", "text": {"a": 1}}),
        ("qrels", {"qid": "q1", "doc_id": None}),
    ],
)
def test_sets_of_longembed(run: Run, name: str, row: dict[str, Any]) -> None:
    content = {"corpus": {"doc_id": "d1", "text": "x"}, "queries": {"qid": "q1", "text": "y"}}
    content = {**content, "qrels": {"qid": "q1", "doc_id": "d1"}, name: row}
    changed = {f"sets/qmsum/{one}.jsonl": json.dumps(line) + "\n" for one, line in content.items()}
    dataset = {"kind": "longembed", "path": "./sets", "task": "qmsum"}
    changed["exp.yaml"] = yaml.safe_dump(material.EXPERIMENT | {"dataset": dataset})
    assert run("plan", "exp.yaml", names=(f"{name}.jsonl",), **changed).code == 2


@pytest.mark.parametrize("questions", [5, ["data"], {"a": 1}, True, None, "a" * 300])
def test_folders_of_questions_of_a_replay(run: Run, questions: Any) -> None:
    text = yaml.safe_dump(material.REPLAY | {"questions": questions})
    assert run("replay", "replay.yaml", **{"replay.yaml": text}).code == 2


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("tokens", float("nan"), "a number of at least 0"),
        ("tokens", 1e400, "a number of at least 0"),
        ("tokens", 10**400, "a number of at least 0"),
        ("tokens", [1], "a number of at least 0"),
        ("said", {"a": 1}, "must be a text"),
        ("how", None, "must be a text"),
        ("qid", ["q1"], "must be a text"),
    ],
)
def test_stored_answers(run: Run, base: Path, name: str, value: Any, said: str) -> None:
    first, *rest = (base / "answers.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    text = json.dumps(json.loads(first) | {name: value}) + "\n" + "".join(rest)
    outcome = run("replay", "replay.yaml", names=("answers.jsonl",), **{"answers.jsonl": text})
    assert said in outcome.err


def test_stored_answers_with_a_cell_too_many(run: Run) -> None:
    text = "qid,how,said\nq1,whole,x,too many\n"
    assert run("replay", "replay.yaml", "--set", "answers.file=a.csv", names=("a.csv",), **{"a.csv": text}).code == 2


LONG, NOBODY = "a" * 300, "~nobody-of-this-name/x"


@pytest.mark.parametrize("path", [LONG, NOBODY, "loop", "loop/x", "data/loop"])
@pytest.mark.parametrize(
    "command",
    [
        ("plan", "{}"),
        ("show", "{}"),
        ("show", "exp.yaml", "--runs", "{}"),
        ("verify", "{}"),
        ("compare", "runs/exp", "full", "rag", "--with", "{}"),
        ("check", "{}"),
        ("replay", "{}"),
        ("replay", "answers.jsonl", "--questions", "{}"),
        ("ask", "pipe.yaml", "What?", "-d", "{}"),
        ("ask", "{}", "What?"),
        ("init", "{}"),
        ("estimate", "{}", "--context", "9"),
        ("plan", "exp.yaml", "--set", "dataset.path={}"),
        ("plan", "own.yaml", "--set", "dataset.questions={}"),
    ],
)
def test_paths_that_lead_nowhere(run: Run, base: Path, command: tuple[str, ...], path: str) -> None:
    for name in ("loop", "data/loop"):
        if not (base / name).is_symlink():
            (base / name).symlink_to("loop")
    assert run(*(word.format(path) for word in command)).code in (1, 2)


@pytest.mark.parametrize(
    "command",
    [
        ("schema", "exp.yaml"),
        ("init", "own", "--out", "exp.yaml"),
        ("run", "exp.yaml", "--runs", "exp.yaml"),
        ("run", "exp.yaml", "--runs", "/proc/nowhere"),
        ("fit-router", "runs/exp", "--route", "full=full", "--route", "rag=rag size=9", "--out", "data"),
    ],
)
def test_places_that_cannot_be_written(run: Run, command: tuple[str, ...]) -> None:
    assert run(*command).code == 2


def test_an_error_of_the_system_is_a_sentence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(name: str, **_: Any) -> None:
        raise PermissionError(13, "Permission denied", "a.yaml")

    monkeypatch.setattr("ragvlc.sweep.spec.Sweep.load", refused)
    assert "error: a.yaml: Permission denied" in run("plan", "exp.yaml").err


@pytest.mark.parametrize("name", ["RAGVLC_STORE", "RAGVLC_CACHE"])
@pytest.mark.parametrize("value", [LONG, NOBODY, "/dev/null", "/dev/null/x", "exp.yaml"])
def test_folders_of_caches_that_are_none(base: Path, tmp_path: Path, name: str, value: str) -> None:
    case = Case(["run", "exp.yaml", "--runs", "new"], {}, {name: value})
    outcome = run_case(case, base, tmp_path / "case", draws=False)
    assert outcome.fault() == "", outcome


@pytest.mark.parametrize(
    ("field", "value"),
    [("bills", {"writer": {"prompt_tokens": "x"}}), ("number", "1"), ("seconds", None), ("question", {"meta": 5})],
)
def test_attempts_of_another_form_are_made_again(run: Run, base: Path, field: str, value: Any) -> None:
    (file,) = (base / "made").glob("*attempts*.jsonl")
    first, *rest = file.read_text(encoding="utf-8").splitlines(keepends=True)
    text = json.dumps(json.loads(first) | {field: value}) + "\n" + "".join(rest)
    outcome = run("questions", "set.yaml", "--out", "made", **{str(file.relative_to(base)): text})
    assert "damaged lines, made again: 1" in outcome.err


@pytest.mark.parametrize("rows", ['null\n{"doc_id": "d", "text": "x"}\n', "\n null\n", 'null {"doc_id": "d"}\n'])
def test_a_null_that_ends_the_process_in_a_library_is_no_row(run: Run, rows: str) -> None:
    embed = {"kind": "longembed", "path": "./sets", "task": "qmsum"}
    exp = json.dumps(material.EXPERIMENT | {"dataset": embed})
    said = run("plan", "exp.yaml", **{"exp.yaml": exp, "sets/qmsum/corpus.jsonl": rows})
    assert said.code == 2
    assert "null is no row. Take it out." in said.err
    columns = {"question": "q", "document": "c"}
    for data in (
        {"kind": "huggingface", "path": "json", "data_files": ["rows.jsonl"], "split": "train", "columns": columns},
        {"kind": "huggingface", "path": "./sets", "split": "train", "columns": columns},
    ):
        exp = json.dumps(material.EXPERIMENT | {"dataset": data})
        said = run("plan", "exp.yaml", **{"exp.yaml": exp, "rows.jsonl": rows, "sets/rows.json": f"[\n {rows}"})
        assert said.code == 2
        assert "null is no row. Take it out." in said.err


def test_bytes_that_are_no_text_in_a_public_set_are_named(run: Run) -> None:
    rows = {
        "sets/qmsum/corpus.jsonl": '{"doc_id": "d1", "text": "one two"}\n',
        "sets/qmsum/queries.jsonl": '{"qid": "q1", "text": "two?"}\n',
        "sets/qmsum/qrels.jsonl": b'{"qid": "q1", "doc_id": "\xed\xa0\x80"}\n',
    }
    embed = {"kind": "longembed", "path": "./sets", "task": "qmsum"}
    said = run("plan", "exp.yaml", **{"exp.yaml": json.dumps(material.EXPERIMENT | {"dataset": embed}), **rows})
    assert said.code == 2
    assert "qrels.jsonl: holds bytes that are no UTF-8" in said.err
    assert "UnicodeDecodeError" not in said.err
    columns = {"question": "q", "document": "c"}
    held = {"kind": "huggingface", "path": "json", "data_files": ["rows.jsonl"], "split": "train", "columns": columns}
    for row in (b'{"q": "\xed\xa0\x80", "c": "one"}\n', b'{"q": "a", "c": "b"}\n{"q": "c", "c": "\xed\xa0\x80"}\n'):
        exp = json.dumps(material.EXPERIMENT | {"dataset": held})
        said = run("plan", "exp.yaml", **{"exp.yaml": exp, "rows.jsonl": row})
        assert said.code == 2
        assert "holds bytes that are no UTF-8" in said.err


@pytest.mark.parametrize("share", ["Infinity", "-Infinity", "NaN", "1e308"])
def test_shares_are_finite(run: Run, share: str) -> None:
    writer = {"kind": "scripted", "default": "QUESTION: When?\nANSWER: 1702\nQUOTE: in 1702"}
    kinds = [{"kind": "one_place", "share": 0.5}, {"kind": "unanswerable", "share": 1}]
    spec = {"dataset": {"kind": "jsonl", "path": "data"}, "generators": {"writer": writer}, "count": 2, "kinds": kinds}
    said = run("questions", "set.yaml", "--out", "made", **{"set.yaml": json.dumps(spec).replace("0.5", share)})
    assert said.code == 2
    assert "share" in said.err
