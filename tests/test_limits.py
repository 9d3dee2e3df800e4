"""Inputs that would cost all memory or all time are refused with one error that names the limit."""

from __future__ import annotations

import gzip
import io
import os
import time
import zipfile
from pathlib import Path

import pytest

from ragvlc.core.errors import ConfigError, DatasetError
from ragvlc.core.limits import YAML_DEPTH
from ragvlc.core.yaml_text import parse_mapping, parse_value, read_mapping
from ragvlc.documents.bounded import file_bytes, file_lines
from ragvlc.documents.files import read_file, read_folder
from ragvlc.documents.json_lines import Problems, rows_of
from ragvlc.sweep.plan import plan
from ragvlc.sweep.spec import Sweep


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{one}: &a{one} [{', '.join([f'*a{one - 1}'] * 10)}]" for one in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (bomb(9), "stands for too many values. The limit is 1,000,000 values"),
        ("a: [" + "&x y, " + "*x, " * 1001 + "]", "uses too many aliases. The limit is 1,000 aliases"),
        ("a: " + "[" * 3000 + "]" * 3000, "is nested too deeply. The limit is 100 levels"),
        ("a: " + "{a: " * 900 + "x" + "}" * 900, "is nested too deeply"),
        ("- " * 500 + "x", "is nested too deeply"),
        ("a: &d {x: *d}", "the value 'd' contains itself"),
        ("a: &d [*d]", "the value 'd' contains itself"),
        ("a: &d [[1, {b: *d}]]", "the value 'd' contains itself"),
        ("a: 2026-13-45", "holds a value that YAML cannot read"),
        ("a: !!binary é", "x: line 1"),
    ],
    ids=lambda text: text[:20],
)
def test_yaml_beyond_a_limit_is_one_error(text: str, expected: str) -> None:
    started = time.perf_counter()
    with pytest.raises(ConfigError) as caught:
        parse_mapping(text, "x")
    assert expected in str(caught.value)
    assert time.perf_counter() - started < 20


def test_aliases_within_the_limits_are_read() -> None:
    assert parse_value("a: &b [1, 2]\nc: [*b, *b]\nd: {<<: {e: 1}}", "x") == {
        "a": [1, 2],
        "c": [[1, 2], [1, 2]],
        "d": {"e": 1},
    }
    assert parse_value(bomb(4), "x")  # 11,110 values


def test_the_variable_that_the_error_names_raises_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: " + "[" * 150 + "]" * 150
    with pytest.raises(ConfigError, match=YAML_DEPTH.variable):
        parse_value(text, "x")
    monkeypatch.setenv(YAML_DEPTH.variable, "200")
    assert parse_value(text, "x")
    for wrong in ("0", "-1", "many", "1.5", "9" * 30):
        monkeypatch.setenv(YAML_DEPTH.variable, wrong)
        with pytest.raises(ConfigError, match="must be a whole number of levels above 0"):
            parse_value(text, "x")


def test_a_yaml_file_that_is_too_large_or_no_file_is_not_read(tmp_path: Path) -> None:
    large = tmp_path / "large.yaml"
    large.write_text("a: " + "x" * 4_000_000)
    with pytest.raises(ConfigError, match=r"has 4,000,003 bytes. The limit is 4,000,000 bytes"):
        read_mapping(large)
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(ConfigError, match="is no regular file"):
        read_mapping(tmp_path / "pipe.yaml")
    with pytest.raises(ConfigError, match="is no regular file"):
        read_mapping(Path("/dev/zero"))


def sweep(**fields: object) -> Sweep:
    pipeline = {"generators": {"main": {"kind": "scripted", "default": "x"}}, "routes": {"full": "full_context"}}
    given = {"name": "large", "dataset": "toy", "pipelines": {"p": pipeline}, "metrics": ["contains"], **fields}
    return Sweep.model_validate(given)


def test_a_million_cells_are_refused_before_any_is_built() -> None:
    axes = {
        "routes.full.answer_tokens": list(range(1, 1001)),
        "other": [{"routes.full.answer_tokens": number} for number in range(1, 1001)],
    }
    large = sweep(axes=axes)
    started = time.perf_counter()
    with pytest.raises(ConfigError) as caught:
        plan(large)
    assert str(caught.value).startswith(
        "large: 1,000 (routes.full.answer_tokens) x 1,000 (other) make 1,000,000 combinations, more than max_cells "
        "(100,000)."
    )
    assert time.perf_counter() - started < 20
    with pytest.raises(ConfigError, match="max_cells"):
        plan(sweep(axes={"routes.full.answer_tokens": [1, 2, 3]}, max_cells=2))
    assert len(plan(sweep(axes={"routes.full.answer_tokens": [1, 2, 3]}, max_cells=3))) == 3


def test_the_number_of_cells_allowed_is_no_part_of_a_key() -> None:
    one, other = plan(sweep(max_cells=5)), plan(sweep())
    assert [cell.key for cell in one] == [cell.key for cell in other]


def test_a_gzip_bomb_stops_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "documents.jsonl.gz"
    with gzip.open(file, "wb") as out:
        for _ in range(30):
            out.write(b" " * 999_999 + b"\n")
    with pytest.raises(DatasetError, match=r"compressed bytes hold over .* RAGVLC_DECOMPRESSED_RATIO"):
        list(file_lines(file))
    with pytest.raises(DatasetError, match="RAGVLC_DECOMPRESSED_RATIO"):
        file_bytes(file)
    monkeypatch.setenv("RAGVLC_DECOMPRESSED_RATIO", "100000")
    assert len(list(file_lines(file))) == 30
    monkeypatch.setenv("RAGVLC_DECOMPRESSED_BYTES", "20000000")
    with pytest.raises(DatasetError, match=r"over 2\d,\d+,\d+ bytes when decompressed.*RAGVLC_DECOMPRESSED_BYTES"):
        list(file_lines(file))


def test_a_line_and_a_document_have_a_largest_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b'{"a": 1}\n{"b": "' + b"x" * 100 + b'"}\n')
    monkeypatch.setenv("RAGVLC_LINE_BYTES", "50")
    with pytest.raises(DatasetError, match=r"rows.jsonl: line 2: has over 50 bytes.*RAGVLC_LINE_BYTES"):
        list(rows_of(file, Problems(file)))
    text = tmp_path / "note.txt"
    text.write_bytes(b"x" * 51)
    monkeypatch.setenv("RAGVLC_DOCUMENT_BYTES", "50")
    with pytest.raises(DatasetError, match=r"has 51 bytes. The limit is 50 bytes"):
        read_file(text)
    (unread,) = read_folder(tmp_path).unread
    assert unread.file == "note.txt"
    assert "RAGVLC_DOCUMENT_BYTES" in unread.problem


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_gzip_file_is_an_error_of_the_file(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "documents.jsonl.gz"
    with gzip.open(file, "wb") as out:
        out.write(os.urandom(1000).hex().encode() + b"\n")
    content = bytearray(file.read_bytes())
    if damage == "cut":
        del content[len(content) // 2 :]
    else:
        content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)
    problems = Problems(file)
    list(rows_of(file, problems))
    with pytest.raises(DatasetError, match="cannot be read"):
        problems.raise_any()


@pytest.mark.parametrize("name", ["book.docx", "book.pptx", "book.xlsx", "book.epub"])
def test_an_office_file_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path: Path, name: str) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.xml", "w") as member:
        for _ in range(50):
            member.write(b"0" * 1_000_000)
    (tmp_path / name).write_bytes(held.getvalue())
    document, balance = read_file(tmp_path / name)
    assert document is None
    assert "RAGVLC_DECOMPRESSED_RATIO" in balance.problem


def test_a_pipe_among_documents_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "note.txt").write_text("A note.")
    with pytest.raises(DatasetError, match="is no regular file"):
        read_file(tmp_path / "pipe.txt")
    assert [(one.file, one.problem) for one in read_folder(tmp_path).unread] == [("pipe.txt", "is no regular file")]
