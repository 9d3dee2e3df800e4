"""What runs leave on disk for later ones: whole entries or none, found again, checked and cleared."""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from ragvlc.cli.main import app
from ragvlc.core.answer import Step, Timing, Usage
from ragvlc.core.data import Chunk, ChunkSet, Document, Hit
from ragvlc.core.engines import Generation
from ragvlc.core.errors import StoreError
from ragvlc.memo.codecs import ANSWERS, Ranked, chunking, ranking
from ragvlc.memo.disk import STAGES, Cache
from ragvlc.memo.once import Codec, Once

FORM = Codec("answers", lambda value: [value], lambda kept: kept[0])
KEY = "ab" + "0" * 62
VALUE = {"text": "茉莉 \ud83d\n\x00", "n": 0.1 + 0.2, "none": None}


def only_file(folder: Path) -> Path:
    [path] = [path for path in folder.rglob("*") if path.is_file()]
    return path


def test_a_value_comes_back_as_it_was(tmp_path):
    Cache(tmp_path).put("answers", KEY, VALUE)
    assert Cache(tmp_path).get("answers", KEY) == VALUE
    assert Cache(tmp_path).get("rankings", KEY) is None
    assert only_file(tmp_path).parent.name == "ab"


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:40],
        lambda data: data[:-1],
        lambda data: data[:80] + b"X" + data[81:],
        lambda data: data.replace(b"0.3", b"0.4"),
        lambda data: data[65:],
    ],
)
def test_a_damaged_value_is_no_value_and_is_told(tmp_path, damage, caplog):
    cache = Cache(tmp_path)
    cache.put("answers", KEY, VALUE)
    path = only_file(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    assert cache.get("answers", KEY) is None
    assert "is damaged" in caplog.text
    assert cache.damaged("answers") == [path]
    cache.put("answers", KEY, VALUE)
    assert cache.get("answers", KEY) == VALUE
    assert cache.damaged("answers") == []


def test_a_file_in_place_of_a_folder_costs_a_warning(tmp_path, caplog):
    (tmp_path / "answers").write_text("")
    cache = Cache(tmp_path)
    cache.put("answers", KEY, VALUE)
    assert cache.get("answers", KEY) is None
    assert "cannot be written" in caplog.text


def test_writers_beside_each_other_leave_a_whole_entry(tmp_path):
    """Readers see one of the values, never a mixture; nothing else stays."""
    large = ["x" * 50_000, "y" * 60_000]

    def write(n: int) -> Any:
        Cache(tmp_path).put("answers", KEY, large[n % 2])
        return Cache(tmp_path).get("answers", KEY)

    with ThreadPoolExecutor(8) as executor:
        seen = list(executor.map(write, range(60)))
    assert set(seen) <= set(large)
    assert only_file(tmp_path).stat().st_size > 50_000


def test_processes_share_a_folder(tmp_path):
    import subprocess

    code = (
        "import sys; from pathlib import Path; from ragvlc.memo.disk import Cache\n"
        "cache = Cache(Path(sys.argv[1]))\n"
        "for n in range(50): cache.put('answers', f'{n:064x}', [n, 'z' * 5000])\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    cache = Cache(tmp_path)
    assert [cache.get("answers", f"{n:064x}")[0] for n in range(50)] == list(range(50))
    assert cache.held("answers").entries == 50
    assert cache.damaged("answers") == []


# ---------------------------------------------------------------- behind shared computations


def test_a_later_process_finds_what_an_earlier_one_computed(tmp_path):
    first, later = Once(Cache(tmp_path)), Once(Cache(tmp_path))
    assert not first.get("s", KEY, lambda: 7, FORM).reused
    found = later.get("s", KEY, lambda: pytest.fail("computed again"), FORM)
    assert (found.value, found.reused) == (7, True)
    assert (later.asked["s"], later.computed["s"], later.stored["s"]) == (1, 0, 1)
    assert (first.asked["s"], first.computed["s"], first.stored["s"]) == (1, 1, 0)


def test_only_what_is_missing_is_computed(tmp_path):
    keys = [f"{n:064x}" for n in range(4)]
    first, later = Once(Cache(tmp_path)), Once(Cache(tmp_path))
    first.many("s", [keys[1], keys[3]], lambda places: [11, 13], FORM)
    asked: list[list[int]] = []

    def compute(places: list[int]) -> list[int]:
        asked.append(places)
        return [100 + place for place in places]

    found = later.many("s", keys, compute, FORM)
    assert asked == [[0, 2]]
    assert [(one.value, one.reused) for one in found] == [(100, False), (11, True), (102, False), (13, True)]


def test_without_a_form_nothing_is_kept(tmp_path):
    Once(Cache(tmp_path)).get("s", KEY, lambda: 7)
    assert list(tmp_path.rglob("*")) == []


def test_an_error_is_not_kept(tmp_path):
    once = Once(Cache(tmp_path))
    with pytest.raises(ZeroDivisionError):
        once.get("s", KEY, lambda: 1 / 0, FORM)
    assert once.get("s", KEY, lambda: 7, FORM).value == 7
    assert once.computed["s"] == 1


# ---------------------------------------------------------------- forms

DOCUMENTS = [Document("a", "One two. Three four."), Document("b", "Five six. 七 \ud83d.")]
CHUNKS = ChunkSet(
    "k",
    tuple(
        Chunk(document.id, index, start, end, document.text[start:end], place)
        for place, document in enumerate(DOCUMENTS)
        for index, (start, end) in enumerate([(0, 9), (9, len(document.text))])
    ),
    0.5,
)
STEP = Step("index", {"index": "x", "index_seconds": 3.0}, Usage(1), 0.25, (Step("embed"),))


def back(codec: Codec, value: Any) -> Any:
    text = json.dumps(codec.write(value))
    return codec.read(json.loads(text))


def test_chunks_come_back_with_their_text_and_cost():
    assert back(chunking("k", DOCUMENTS), CHUNKS) == CHUNKS


@pytest.mark.parametrize("stage", ["rankings", "rerankings"])
def test_rankings_come_back_whatever_they_hold(stage):
    outside = Chunk("a", 7, 0, 20, DOCUMENTS[0].text, 0)  # made of others: no chunk of the set
    hits = (Hit(CHUNKS[3], 0.1 + 0.2), Hit(outside, -1.0), Hit(CHUNKS[0], 1e-300))
    ranked = Ranked(hits, 0.125, (STEP,), STEP)
    assert back(ranking(stage, CHUNKS.chunks), ranked) == ranked
    assert back(ranking(stage, CHUNKS.chunks), Ranked((), 0.0, ())) == Ranked((), 0.0, ())


def test_answers_come_back_as_they_were():
    generation = Generation(
        "text \ud83d", (1, 2), "length", Usage(1, 2, 3, 4), Timing(1.0, None, 2.0, {"saved": 1.5}), (-0.5, -1e-9),
        notes={"n": 1},
    )  # fmt: skip
    assert back(ANSWERS, generation) == generation


# ---------------------------------------------------------------- the command


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cache:
    monkeypatch.setenv("RAGVLC_STORE", str(tmp_path / "own"))
    cache = Cache()
    for n in range(3):
        cache.put("answers", f"{n:064x}", "x" * 1000)
    cache.put("rankings", KEY, [])
    return cache


def told(*words: str) -> str:
    result = CliRunner().invoke(app, ["cache", *words], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_the_command_shows_checks_and_clears(filled, tmp_path):
    assert filled.folder == tmp_path / "own"
    assert "answers              3 stored" in told()
    path = next((filled.folder / "answers").glob("??/*"))
    path.write_bytes(b"x")
    assert f"{path}: damaged" in told("verify")
    assert not path.exists()
    assert filled.held("answers").entries == 2
    os.utime(next((filled.folder / "answers").glob("??/*")), (0, 0))
    assert "answers              1 deleted" in told("clear", "answers", "--older-than", "7")
    assert "answers              1 deleted" in told("clear", "answers")
    assert filled.held("rankings").entries == 1
    told("clear")
    assert all(not filled.held(stage).entries for stage in STAGES)


@pytest.mark.parametrize(
    ("words", "problem"),
    [(["sise"], "Known: size, verify, clear. Nearest: size"), (["clear", "answer"], "Nearest: answers")],
)
def test_unknown_words_are_told(words, problem):
    from ragvlc.core.errors import ConfigError

    with pytest.raises(ConfigError, match=problem):
        CliRunner().invoke(app, ["cache", *words], catch_exceptions=False)


@pytest.mark.parametrize("value", [[], {}, {"text": "x"}, "text", 5, {"text": "x", "token_ids": 1}], ids=repr)
def test_a_sound_entry_of_another_form_is_computed_again(tmp_path, value, caplog):
    cache = Cache(tmp_path)
    cache.put("answers", "k", value)
    once = Once(cache)
    found = once.get("generate", "k", lambda: Generation("Rome"), ANSWERS)
    assert found.value.text == "Rome"
    assert not found.reused
    assert "another form" in caplog.text
    assert Once(cache).get("generate", "k", lambda: Generation("never"), ANSWERS).value.text == "Rome"


def test_arrays_without_a_needed_name_are_built_again(tmp_path, caplog):
    cache = Cache(tmp_path)
    cache.arrays("k", lambda: {"other": np.zeros(1)})
    found = cache.arrays("k", lambda: {"build_seconds": np.ones(1)}, {"build_seconds"})
    assert set(found) == {"build_seconds"}
    assert "holds no build_seconds" in caplog.text
    assert set(cache.arrays("k", dict, {"build_seconds"})) == {"build_seconds"}


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions of POSIX")
def test_a_cache_that_others_may_write_is_refused(tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO", logger="ragvlc")
    folder = tmp_path / "store"
    folder.mkdir(mode=0o755)
    Cache(folder)
    folder.chmod(0o777)
    with pytest.raises(StoreError, match=r"everyone may write into this cache. Run: chmod o-w"):
        Cache(folder)
    folder.chmod(0o1777)
    with pytest.raises(StoreError, match="everyone may write"):
        Cache(folder)
    folder.chmod(0o775)
    Cache(folder)
    Cache(folder)
    assert caplog.text.count("members of its group may write") == 1
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(StoreError, match="belongs to another user"):
        Cache(folder)
    folder.chmod(0o1755)
    Cache(folder)
    Cache(tmp_path / "not there yet")


# ---------------------------------------------------------------- entries in each other's place


def test_an_entry_in_the_place_of_another_is_computed_again(tmp_path, caplog):
    cache, other = Cache(tmp_path), "cd" + "1" * 62
    cache.put("answers", KEY, "mine")
    cache.put("answers", other, "another")
    [mine], [foreign] = (list(tmp_path.rglob(f"{key}*")) for key in (KEY, other))
    mine.write_bytes(foreign.read_bytes())
    assert cache.get("answers", KEY) is None
    assert "another entry's" in caplog.text
    assert cache.damaged("answers") == [mine]
    assert cache.get("answers", other) == "another"


def test_arrays_in_the_place_of_others_are_built_again(tmp_path, caplog):
    cache, other = Cache(tmp_path), "cd" + "1" * 62
    cache.arrays(KEY, lambda: {"a": np.arange(3)})
    cache.arrays(other, lambda: {"a": np.arange(4)})
    [mine], [foreign] = (list(tmp_path.rglob(f"{key}*")) for key in (KEY, other))
    mine.write_bytes(foreign.read_bytes())
    assert cache.damaged("indexes") == [mine]
    assert cache.arrays(KEY, lambda: {"a": np.arange(5)}, ["a"])["a"].tolist() == [0, 1, 2, 3, 4]
    assert "is another entry's; it is built again" in caplog.text
    assert cache.arrays(KEY, lambda: pytest.fail("built again"), ["a"]).keys() == {"a"}


def test_entries_of_earlier_versions_are_found(tmp_path):
    import hashlib

    data = json.dumps("earlier").encode()
    (tmp_path / "answers" / "ab").mkdir(parents=True)
    path = tmp_path / "answers" / "ab" / f"{KEY}.v1.json"
    path.write_bytes(hashlib.sha256(data).hexdigest().encode() + b"\n" + data)
    (tmp_path / "indexes" / "ab").mkdir(parents=True)
    np.savez(tmp_path / "indexes" / "ab" / f"{KEY}.npz", a=np.arange(3))
    cache = Cache(tmp_path)
    assert cache.get("answers", KEY) == "earlier"
    assert cache.arrays(KEY, lambda: pytest.fail("built again"))["a"].tolist() == [0, 1, 2]
    assert [cache.damaged(stage) for stage in ("answers", "indexes")] == [[], []]
