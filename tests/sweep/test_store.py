"""Rows survive being written, torn and read again; one process at a time runs a sweep."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import textwrap
import threading
from contextlib import suppress
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragvlc.core.answer import Answer, Failure, Prediction, Step, Timing, Usage
from ragvlc.core.data import Chunk, Hit, Span
from ragvlc.core.errors import StoreError
from ragvlc.core.replies import Reply
from ragvlc.core.surrogates import joined, joined_within
from ragvlc.results._writing import write_line
from ragvlc.results.rows import from_row, to_row
from ragvlc.results.store import CellStore, SweepStore
from tests.sweep_folders import example

ANSWER = Answer(
    text="茉莉花茶, naïve \U0001f600\n\u2028 \x00",
    route="rag",
    ranking=(Hit(Chunk("d\U00010000", 3, 10, 20, "", 1), 0.1 + 0.2), Hit(Chunk("d", 0, 0, 10, "", 0), -1e-300)),
    context=(Span("d", 0, 10), Span("d\U00010000", 10, 20)),
    usage=Usage(10, 2, 3, 4, 5, 6, 1, 2, 6),
    timing=Timing(0.1, 0.2, 0.3, {"search": 1e-9}),
    trace=(Step("a", {"n": 1, "text": "\ufffd", "none": None}, Usage(1), 0.5, (Step("b"),)),),
    finish="length",
    reused=True,
    bills={"main": Usage(8, 2, 3, 3, 0, 0), "judge": Usage(2, 0, 0, 1, 5, 6)},
    long_prompts={"main>5": Usage(6, 2, 1, 2, written_tokens=1, longest_prompt=4)},
    memory={"process": 7},
    thought="hm",
    reply=Reply("<think>hm</think>茉莉花茶", reason="max_tokens"),
)
ROW = Prediction(
    "q\U0001f600",
    "key",
    ANSWER,
    None,
    {"m": 0.5, "none": None},
    ("unparsed",),
    {"m": "abc"},
    Usage(7, 0, 1, 1),
    unknown={"later": 1},
)
FAILED = Prediction("f", "key", None, Failure("generate", "EngineError", "it\nfailed", True), {"m": 0.0})
ANY_TEXT = st.text(st.characters(exclude_categories=[]))


def store(folder: Path) -> CellStore:
    found = CellStore(folder / "cell")
    found.reopen("settings: {}\n")
    return found


@pytest.mark.parametrize("row", [ROW, FAILED])
def test_a_row_comes_back_as_it_was(tmp_path: Path, row: Prediction) -> None:
    cell = store(tmp_path)
    cell.append(row)
    assert cell.load() == {row.example_id: row}


def test_a_row_keeps_every_field() -> None:
    """A field added to an answer must not be forgotten here: none of the sample's fields has its default."""
    for thing in (ANSWER, ANSWER.usage, ANSWER.timing, ROW):
        for one in fields(thing):
            default = one.default if one.default_factory is MISSING else one.default_factory()
            assert getattr(thing, one.name) != default or one.name in {"failure", "version"}, one.name
    assert from_row(json.loads(json.dumps(to_row(ROW)))) == ROW


def test_chunks_that_rows_rank_alike_are_held_once() -> None:
    first, second = (from_row(json.loads(json.dumps(to_row(ROW)))).answer.ranking for _ in range(2))
    assert [hit.chunk for hit in first]
    assert all(one.chunk is other.chunk for one, other in zip(first, second, strict=True))


@settings(max_examples=50, deadline=None)
@given(text=ANY_TEXT, name=ANY_TEXT, score=st.floats(allow_nan=False, allow_infinity=False))
def test_any_text_and_score_come_back(
    tmp_path_factory: pytest.TempPathFactory, text: str, name: str, score: float
) -> None:
    cell = store(tmp_path_factory.mktemp("rows"))
    cell.append(Prediction(name, "key", Answer(text), scores={"m": score}))
    row = Prediction(joined(name), "key", Answer(joined(text)), scores={"m": score})
    assert cell.load()[joined(name)] == row


def test_a_row_that_does_not_fit_on_the_disk_leaves_none_of_it(tmp_path: Path) -> None:
    """A limit on the size of files ends a write in its middle, as a full disk does."""
    code = """
        import resource, sys
        from pathlib import Path
        from ragvlc.core.answer import Answer, Prediction
        from ragvlc.core.errors import StoreError
        from ragvlc.results.store import CellStore
        cell = CellStore(Path(sys.argv[1]))
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
        for number in range(20):
            try:
                cell.append(Prediction(f"q{number}", "key", Answer("x" * 300)))
            except StoreError as error:
                print(number, error)
                break
        """
    (tmp_path / "cell").mkdir()
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "cell")],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    written, _, said = ended.stdout.partition(" ")
    assert "cannot be written: File too large. Rows written before are safe" in said
    rows = store(tmp_path).load()
    assert len(rows) == int(written) > 1
    assert (tmp_path / "cell" / "predictions.jsonl").read_bytes().endswith(b"\n")


def test_a_short_write_is_finished(tmp_path: Path) -> None:
    class Short(io.FileIO):
        def write(self, data: Any, /) -> int:
            return super().write(bytes(data)[:7])

    with Short(tmp_path / "file", "ab") as file:
        write_line(cast("Any", file), b"a line of thirty-one characters\n")
    assert (tmp_path / "file").read_bytes() == b"a line of thirty-one characters\n"


def test_rows_reach_the_disk_after_a_hundred_or_five_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[float] = []
    now = [1000.0]

    def synchronised(_: int) -> None:
        if threading.current_thread() is threading.main_thread():  # timers of other tests' stores are others
            synced.append(now[0])

    monkeypatch.setattr("ragvlc.results.store.os.fsync", synchronised)
    monkeypatch.setattr("ragvlc.results.store.time.monotonic", lambda: now[0])
    timers: list[Any] = []

    class Still:
        daemon = False

        def __init__(self, *made: Any) -> None:
            timers.append(made)

        def start(self) -> None: ...

        def cancel(self) -> None: ...

    monkeypatch.setattr("ragvlc.results.store.threading.Timer", Still)
    cell = store(tmp_path)
    for number in range(250):
        cell.append(Prediction(f"q{number}", "key", Answer("x")))
    assert len(synced) == 2
    assert {seconds for seconds, _ in timers} == {5.0}
    timers[-1][1]()  # five seconds later, without another row
    assert len(synced) == 3
    now[0] += 6
    cell.append(FAILED)
    assert len(synced) == 4
    cell.append(FAILED)
    cell.write_summary({})
    assert len(synced) == 5


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_the_last_rows_are_on_the_disk_when_the_sweep_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException] | None
) -> None:
    synced: list[str] = []

    def synchronised(cell: CellStore, _: object) -> None:
        if cell.folder.parent == tmp_path:  # timers of other tests' stores are others
            synced.append(cell.folder.name)

    monkeypatch.setattr(CellStore, "_sync", synchronised)
    with suppress(KeyboardInterrupt), SweepStore(tmp_path) as sweep:
        for key in ("one", "two", "three"):
            sweep.cell(key).reopen("")
        for key in ("one", "two"):
            sweep.cell(key).append(FAILED)
        assert synced == []
        if error is not None:
            raise error
    assert sorted(synced) == ["one", "two"]
    with SweepStore(tmp_path):  # the lock is free
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "null", "\x00"])
def test_a_damaged_summary_is_none(tmp_path: Path, text: str) -> None:
    cell = store(tmp_path)
    (tmp_path / "cell" / "summary.json").write_text(text)
    assert cell.summary() is None


def test_no_number_that_json_lacks_is_written(tmp_path: Path) -> None:
    cell = store(tmp_path)
    with pytest.raises(ValueError, match="JSON"):
        cell.append(Prediction("q", "key", Answer("a"), scores={"m": float("nan")}))
    assert cell.load() == {}


def test_a_reopened_cell_is_not_done(tmp_path: Path) -> None:
    cell = store(tmp_path)
    assert cell.summary() is None
    cell.write_summary({"asked": "x"})
    assert cell.summary() == {"asked": "x"}
    cell.reopen("settings: {}\n")
    assert cell.summary() is None


def test_a_summary_is_replaced_whole_and_leaves_no_parts(tmp_path: Path) -> None:
    cell = store(tmp_path)
    for n in range(3):
        cell.write_summary({"n": n})
    assert sorted(path.name for path in (tmp_path / "cell").iterdir()) == ["resolved.yaml", "summary.json"]


def test_a_folder_without_results_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no results here.*ragvlc run"):
        SweepStore(tmp_path / "nothing").cells()
    (tmp_path / "cells.json").write_text("{", encoding="utf-8")
    with pytest.raises(StoreError, match=r"cells\.json: not JSON"):
        SweepStore(tmp_path).cells()


def test_a_folder_that_cannot_be_written_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StoreError, match="cannot be written"), SweepStore(tmp_path / "file" / "sweep"):
        pass


def test_examples_with_half_a_character_come_back(tmp_path: Path) -> None:
    kept = SweepStore(tmp_path)
    one, other = example("q\ud83d", question="茶\u2028?"), example("q2\ud83d")
    mended = [joined_within(one), joined_within(other)]
    assert [facts["id"] for facts in mended] == ["q\ufffd", "q2\ufffd"]
    assert kept.examples(kept.write_examples("0123456789abcdef99", [one, other])) == mended


def test_a_second_run_in_this_process_or_another_is_refused(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ragvlc.results.store import SweepStore\n"
        "from ragvlc.core.errors import StoreError\n"
        "try:\n    SweepStore(Path(sys.argv[1])).__enter__()\n"
        "except StoreError as error:\n    print(error)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with SweepStore(tmp_path):
        with pytest.raises(StoreError, match="another process is running this sweep"), SweepStore(tmp_path):
            pass
        there = subprocess.run(command, capture_output=True, text=True, check=True)
        assert "another process is running this sweep" in there.stdout
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == ""
    with SweepStore(tmp_path) as free:
        assert free.folder == tmp_path


def test_parts_of_a_killed_run_are_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / "cell").mkdir()
    own = [
        "cells.json.1-2-3.part",
        "sweep.yaml.1-2-3.part",
        "examples-ab.jsonl.1-2-3.part",
        "cell/summary.json.1-2-3.part",
    ]
    for name in [*own, "report.html.1-2-3.part"]:
        (tmp_path / name).write_text("half")
    with SweepStore(tmp_path):
        assert [path.name for path in tmp_path.rglob("*.part")] == ["report.html.1-2-3.part"], "a report may be at work"
