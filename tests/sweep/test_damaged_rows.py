"""A damaged, torn or foreign line is noticed and costs its own row: no bit flip is read as another value."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from ragvlc.core.answer import Answer, Failure, Prediction, Step, Timing, Usage
from ragvlc.core.data import Chunk, Hit, Span
from ragvlc.core.errors import StoreError
from ragvlc.results.rows import VERSION
from ragvlc.results.store import CellStore, SweepStore
from tests.row_lines import of_version_2, read_rows

FLIPS = 400


def row(number: int) -> Prediction:
    """A row with digits, names, escapes and characters of two, three and four bytes."""
    answer = Answer(
        text=f'Er sagt: "Ü{number}", 茉莉花茶 \U0001f600\n',
        route="rag",
        ranking=(Hit(Chunk("dé", number, 10, 20, "", 1), 0.1 + number),),
        context=(Span("dé", 10, 20),),
        usage=Usage(100 + number, 2, 3, 1),
        timing=Timing(0.25, 0.5, 0.75, {"decode": 1e-9}),
        trace=(Step("read", {"n": number, "none": None}, Usage(1), 0.5),),
        bills={"main": Usage(100 + number, 2, 3, 1)},
    )
    return Prediction(f"q{number}", f"key{number}", answer, None, {"m": 0.5, "none": None}, ("flag",), {"m": "abc"})


ROWS = [*map(row, range(4)), Prediction("q4", "key4", None, Failure("generate", "E", "m", True), {"m": 0.0})]
WHOLE = {one.example_id: one for one in ROWS}


@pytest.fixture
def cell(tmp_path: Path) -> CellStore:
    found = CellStore(tmp_path / "sweep" / "cell")
    found.reopen("settings: {}\n")
    for one in ROWS:
        found.append(one)
    return found


def file_of(cell: CellStore) -> Path:
    return cell.folder / "predictions.jsonl"


def lines_of(cell: CellStore) -> list[bytes]:
    return file_of(cell).read_bytes().splitlines(keepends=True)


def flips(data: bytes) -> list[int]:
    """Bits of the file: all of the second row's start, some in every part that the row has, and random ones."""
    chance = random.Random(20)
    first = data.index(b"\n") + 1
    start = [8 * (first - 1) + bit for bit in range(8 * 60)]  # the line break before it, hash, version, cell, id
    parts = ["Ü1".encode(), "茉".encode(), "\U0001f600".encode(), b'"usage"', b"101", b"null", b"1e-09", b"\\n", b"}\n"]
    places = [data.index(part, first) + place for part in parts for place in range(len(part))]
    return (
        start + [8 * place + bit for place in places for bit in range(8)] + chance.sample(range(8 * len(data)), FLIPS)
    )


def test_no_flipped_bit_is_read_as_another_value(cell: CellStore, caplog: pytest.LogCaptureFixture) -> None:
    file, data = file_of(cell), file_of(cell).read_bytes()
    wanted = flips(data)
    assert len(wanted) > 1000
    for bit in wanted:
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        file.write_bytes(changed)
        caplog.clear()
        found = CellStore(cell.folder).load()
        for name, one in found.items():
            assert one == WHOLE[name], bit
        at_line_break = data[bit // 8] == 10
        assert len(found) >= len(ROWS) - (not at_line_break), bit
        if bit // 8 < len(data) - 1:  # the file's very last byte ends a row that is whole without it
            assert sum(str(file) in one.getMessage() for one in caplog.records) == 1, bit


def test_without_the_hash_flips_are_read_as_other_values(cell: CellStore) -> None:
    """The measure works: the same flips in the rows of version 2 go unnoticed."""
    old = [of_version_2(one) for one in read_rows(file_of(cell))]
    data = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in old).encode()
    other = 0
    for bit in random.Random(20).sample(range(8 * len(data)), FLIPS):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        file_of(cell).write_bytes(changed)
        found = CellStore(cell.folder).load()
        other += any(replace(one, version=VERSION) != WHOLE.get(name) for name, one in found.items())
    assert other > FLIPS / 10


def test_every_cut_leaves_the_rows_before_it(cell: CellStore, caplog: pytest.LogCaptureFixture) -> None:
    file, data = file_of(cell), file_of(cell).read_bytes()
    first, second = (len(line) for line in lines_of(cell)[:2])
    for cut in range(first + 1, first + second + 1):
        file.write_bytes(data[:cut])
        caplog.clear()
        store = CellStore(cell.folder)
        whole = cut >= first + second - 1  # only the line break is missing, if anything
        wanted = {"q0", "q1"} if whole else {"q0"}
        assert set(store.load()) == wanted, cut
        assert ("2 (torn: it has no end)" in caplog.text) != whole, cut
        store.append(ROWS[2])
        assert set(CellStore(cell.folder).load()) == {*wanted, "q2"}, cut
        assert file.read_bytes().startswith(data[:cut]), cut
        assert lines_of(cell)[-1].startswith(b'{"hash"'), cut
    assert file.with_name("predictions.jsonl.damaged").read_bytes().count(b"\n") == second - 2


def test_a_torn_row_in_the_middle_and_the_row_joined_to_it(cell: CellStore, caplog: pytest.LogCaptureFixture) -> None:
    lines = lines_of(cell)
    file_of(cell).write_bytes(lines[0] + lines[1][:200] + b"".join(lines[2:]))
    assert set(cell.load()) == {"q0", "q2", "q3", "q4"}
    assert "damaged or foreign lines: 2 (torn" in caplog.text
    cell.reopen("")
    assert file_of(cell).with_name("predictions.jsonl.damaged").read_bytes() == lines[1][:200] + b"\n"


@pytest.mark.parametrize("between", [b"", b" ", b"\x0b", b"\r", b"\x00"], ids=repr)
def test_rows_joined_by_a_lost_line_break_are_all_read(
    cell: CellStore, between: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    file_of(cell).write_bytes(between.join(line.rstrip(b"\n") for line in lines_of(cell)) + b"\n")
    assert cell.load() == WHOLE
    assert "several rows in one line (5)" in caplog.text


def test_crlf_and_a_byte_order_mark_are_named_and_cost_nothing(
    cell: CellStore, caplog: pytest.LogCaptureFixture
) -> None:
    data = b"\xef\xbb\xbf" + file_of(cell).read_bytes().replace(b"\n", b"\r\n")
    file_of(cell).write_bytes(data)
    assert cell.load() == WHOLE
    [said] = [one.getMessage() for one in caplog.records]
    assert "a byte order mark (1), line breaks CR LF (5): an editor or a transfer changed this file" in said
    cell.append(row(5))
    assert file_of(cell).read_bytes().startswith(data)
    assert set(cell.load()) == {*WHOLE, "q5"}


@pytest.mark.parametrize(("before", "after"), [("", "  "), ("  ", ""), ("\t", " \r"), ("", " "), ("", ","), ("\0", "")])
def test_spaces_or_a_byte_beside_rows_are_named_and_cost_nothing(
    cell: CellStore, before: str, after: str, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [before.encode() + line.rstrip(b"\n") + after.encode() + b"\n" for line in lines_of(cell)]
    file_of(cell).write_bytes(b"".join(lines))
    assert cell.load() == WHOLE
    assert ("spaces" if (before + after).isspace() else "a byte") + " beside a row (5)" in caplog.text
    assert not cell.repair().damaged
    assert not file_of(cell).with_name("predictions.jsonl.damaged").exists()
    assert cell.load() == WHOLE


def test_a_pipe_in_place_of_the_rows_is_not_waited_for(cell: CellStore) -> None:
    file_of(cell).unlink()
    os.mkfifo(file_of(cell))
    with pytest.raises(StoreError, match=r"predictions\.jsonl: is no file\. To move it aside: ragvlc verify"):
        cell.load()


def zeros(lines: list[bytes]) -> list[bytes]:
    return [lines[0], b"\0" * 4096 + lines[1], *lines[2:]]


def zeros_after(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[1][:-1] + b"\0" * 512 + b"\n", *lines[2:]]


def zeros_over(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[1][:80] + b"\0" * 100 + lines[1][180:], *lines[2:]]


def zeros_at_end(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], b"\0" * 512]


def utf16(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[1].decode().encode("utf-16").removesuffix(b"\0"), *lines[2:]]


def latin1(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[1].replace("Ü".encode(), b"\xdc"), *lines[2:]]


def pretty(lines: list[bytes]) -> list[bytes]:
    return [lines[0], json.dumps(json.loads(lines[1]), indent=1).encode() + b"\n", *lines[2:]]


def spaced(lines: list[bytes]) -> list[bytes]:
    return [lines[0], json.dumps(json.loads(lines[1])).encode() + b"\n", *lines[2:]]


def edited(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[1].replace(b'"m":0.5', b'"m":1.0'), *lines[2:]]


def unhashed(lines: list[bytes]) -> list[bytes]:
    return [lines[0], b"{" + lines[1][19:], *lines[2:]]


def foreign(text: bytes) -> Callable[[list[bytes]], list[bytes]]:
    return lambda lines: [lines[0], text + b"\n", *lines[2:]]


HARMS = {
    "zeros before": (zeros, "zeros in place of text", {"q1"}),
    "zeros in it": (zeros_over, "zeros in place of text", set()),
    "zeros after": (zeros_after, "2 (zeros in place of text", {"q1"}),
    "zeros at the end": (zeros_at_end, "5 (zeros in place of text", {"q1", "-q4"}),
    "utf-16": (utf16, "2 (UTF-16: an editor", set()),
    "latin-1": (latin1, "2 (changed: its hash", set()),
    "pretty": (pretty, " more. The next run", set()),
    "spaced": (spaced, "2 (its hash is damaged)", set()),
    "edited": (edited, "2 (changed: its hash", set()),
    "no hash": (unhashed, "2 (its hash is damaged)", set()),
    "no json": (foreign(b"not json"), "2 (not JSON)", set()),
    "an array": (foreign(b"[]"), "2 (no row of results)", set()),
    "a number": (foreign(b"17"), "2 (no row of results)", set()),
    "an object": (foreign(b'{"id": "q"}'), "2 (no row of results)", set()),
    "a list for a version": (foreign(b'{"id": "q1", "version": []}'), "2 (no row of results)", set()),
    "half a row": (foreign(b'{"id": "q1", "example_key": "", "answer": {}}'), "2 (no row of results)", set()),
    "deep": (foreign(b"[" * 5000), "2 (no", set()),
    "bytes": (foreign(os.urandom(300).replace(b"\n", b"x").replace(b"\0", b"x").strip(b"\r")), "2 (", set()),
    "a hash only": (foreign(b'{"hash":"00000000",}'), "2 (", set()),
}


@pytest.mark.parametrize("name", HARMS)
def test_a_damaged_line_costs_one_row_and_is_copied(
    cell: CellStore, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    harm, said, more = HARMS[name]
    file, lines = file_of(cell), lines_of(cell)
    file.write_bytes(b"".join(harm(lines)))
    before = file.read_bytes()
    store = CellStore(cell.folder)
    wanted = ({"q0", "q2", "q3", "q4"} | more) - {one[1:] for one in more if one[0] == "-"}
    assert set(store.load()) == {one for one in wanted if one[0] != "-"}
    assert len(caplog.records) == 1
    assert f"{file}: damaged or foreign lines: " in caplog.text
    assert said in caplog.text
    assert f"ragvlc verify {cell.folder.parent} --repair" in caplog.text
    assert not file.with_name("predictions.jsonl.damaged").exists()
    store.load()
    assert len(caplog.records) == 1
    store.reopen("settings: {}\n")
    assert file.read_bytes().startswith(before)
    copied = file.with_name("predictions.jsonl.damaged").read_bytes()
    assert copied
    store.reopen("settings: {}\n")
    assert file.with_name("predictions.jsonl.damaged").read_bytes() == copied


def test_a_row_of_another_cell_is_foreign(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with SweepStore(tmp_path) as sweep:
        for key in ("a", "b"):
            sweep.cell(key).reopen("")
            sweep.cell(key).append(replace(row(1), example_id=f"only-{key}"))
        mine, other = (tmp_path / key / "predictions.jsonl" for key in ("a", "b"))
        mine.write_bytes(mine.read_bytes() + other.read_bytes())
        assert set(sweep.cell("a").load()) == {"only-a"}
    assert "2 (a row of another cell, b)" in caplog.text


def test_a_line_that_is_too_long_is_not_read(
    cell: CellStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("RAGVLC_LINE_BYTES", "2000")
    lines = lines_of(cell)
    file_of(cell).write_bytes(b"".join([lines[0], b"x" * 9000 + b"\n", *lines[2:], b"y" * 5000]))
    assert set(cell.load()) == {"q0", "q2", "q3", "q4"}
    assert "2 (too long. The limit is 2,000 bytes. To raise it" in caplog.text


def test_copies_of_damaged_lines_add_up(cell: CellStore) -> None:
    file, lines = file_of(cell), lines_of(cell)
    copies = file.with_name("predictions.jsonl.damaged")
    for damaged in (b"one\n", b"two\n"):
        file.write_bytes(lines[0] + damaged)
        CellStore(cell.folder).reopen("")
    assert copies.read_bytes() == b"one\ntwo\n"


def test_repair_takes_the_lines_out(cell: CellStore, caplog: pytest.LogCaptureFixture) -> None:
    file, lines = file_of(cell), lines_of(cell)
    whole = file.read_bytes()
    harmed = [b"\xef\xbb\xbf" + lines[0], b"damaged\n", lines[1][:-1], lines[2], lines[0], *lines[3:], b'{"torn']
    file.write_bytes(b"".join(harmed))
    found = cell.repair()
    assert [line.number for line in found.damaged] == [2, 7]
    assert (found.repeated, dict(found.oddities)) == (
        [4],
        {"a byte order mark": 1, "several rows in one line": 2},
    )
    assert file.read_bytes() == whole
    assert file.with_name("predictions.jsonl.damaged").read_bytes() == b'damaged\n{"torn\n'
    assert sorted(path.name for path in cell.folder.iterdir()) == [
        *("predictions.jsonl", "predictions.jsonl.damaged", "resolved.yaml"),
    ]
    before = file.stat()
    again = cell.repair()
    assert (again.damaged, again.repeated, again.oddities) == ([], [], {})
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert cell.load() == WHOLE
    assert not caplog.records


def test_a_repair_that_fails_changes_nothing(cell: CellStore, monkeypatch: pytest.MonkeyPatch) -> None:
    file = file_of(cell)
    file.write_bytes(file.read_bytes() + b"damaged\n")
    before = file.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ragvlc.results._writing.os.fsync", full)
    with pytest.raises(Exception, match="No space left on device"):
        cell.repair()
    assert file.read_bytes() == before
    assert not list(cell.folder.glob("*.part"))


def test_rows_are_read_by_pandas(cell: CellStore) -> None:
    table = pd.read_json(file_of(cell), lines=True)
    assert list(table["id"]) == list(WHOLE)
    assert table["answer"][1]["text"] == ROWS[1].answer.text  # type: ignore[union-attr]
