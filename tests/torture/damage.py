"""Damage to every file of a finished sweep and of its cache, in every way that disks, copies and people do it."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from tests.torture.bench import NAME, Bench, Verdict, intact_lines
from tests.torture.children import start

__all__ = ["DAMAGES", "damage", "kinds_of_files", "not_for_root"]

_BLOCK = 4096


def _truncate(file: Path, chance: random.Random) -> None:
    os.truncate(file, chance.randrange(max(1, file.stat().st_size)))


def _empty(file: Path, _: random.Random) -> None:
    file.write_bytes(b"")


def _flip(file: Path, chance: random.Random) -> None:
    data = bytearray(file.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    file.write_bytes(data)


def _zero(file: Path, chance: random.Random) -> None:
    data = bytearray(file.read_bytes())
    begin = chance.randrange(max(1, len(data)))
    end = min(len(data), begin + chance.randint(1, _BLOCK))
    data[begin:end] = bytes(end - begin)
    file.write_bytes(data)


def _folder(file: Path, _: random.Random) -> None:
    file.unlink()
    file.mkdir()


def _remove(file: Path, _: random.Random) -> None:
    file.unlink()


def _hide(file: Path, _: random.Random) -> None:
    file.chmod(0)


def _exchange(file: Path, chance: random.Random) -> None:
    """Puts the file of another cell, or another entry of the cache, in its place."""
    like = file.parents[1].glob(f"*/{file.name}") if "runs" in file.parts else file.parents[1].glob(f"*/*{file.suffix}")
    others = sorted(one for one in like if one != file)
    if others:
        shutil.copy(chance.choice(others), file)


def _age(file: Path, chance: random.Random) -> None:
    """Gives it a version of the future, and a field that nobody knows yet."""
    text = file.read_text(encoding="utf-8")
    if file.name == "predictions.jsonl":
        rows = [json.loads(line) for line in text.splitlines()]
        chance.choice(rows).update(version=99, invented={"a": [1]})
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif file.suffix == ".yaml":
        file.write_text(f"{text}invented: 1\n", encoding="utf-8")
    elif file.suffix == ".json" and text.lstrip().startswith("{"):
        file.write_text(json.dumps({**json.loads(text), "version": 99}), encoding="utf-8")
    else:
        file.write_text(f'{{"version": 99}}\n{text}', encoding="utf-8")


DAMAGES: Mapping[str, Callable[[Path, random.Random], None]] = MappingProxyType(
    {
        "truncated": _truncate,
        "emptied": _empty,
        "one bit flipped": _flip,
        "a block of NUL": _zero,
        "a folder in its place": _folder,
        "removed": _remove,
        "unreadable": _hide,
        "another cell's file": _exchange,
        "of a future version": _age,
    }
)


def not_for_root(name: str) -> str:
    """Returns why a damage cannot be done by this user; empty if it can."""
    return "root reads every file" if name == "unreadable" and os.geteuid() == 0 else ""


def kinds_of_files(bench: Bench) -> list[str]:
    """Returns patterns that together match every file of the results and of the cache."""
    base = bench.run.folder
    names = {"*/" + file.name for file in (base / "runs" / NAME).glob("*/*")}
    names |= {file.name for file in (base / "runs" / NAME).iterdir() if file.is_file() and file.name != ".lock"}
    stages = {f"store/{file.relative_to(base / 'store').parts[0]}/*/*" for file in (base / "store").rglob("*.*")}
    return sorted({f"runs/{NAME}/{name}" for name in names} | stages)


def damage(bench: Bench, chance: random.Random, name: str, number: int) -> Verdict:
    """Damages a file, reads the results, runs again, and does what is said to do if that is refused."""
    base, verdict = bench.base(finished=True), Verdict()
    patterns = kinds_of_files(bench)
    file = chance.choice(sorted(base.glob(patterns[number % len(patterns)])))
    place = file.relative_to(base)
    before = intact_lines(base)
    DAMAGES[name](file, chance)
    after = intact_lines(base)
    what = f"{place} {name}"
    for words in (["report"], ["show"]):
        verdict.expect(start(bench.words(*words), base).wait(), [0, 2], f"{words[0]}, {what},")
    ended = start(bench.words("run"), base).wait()
    verdict.expect(ended, [0, 2], f"run, {what},")
    if ended.code == 2:
        if file.name not in ended.said:
            verdict.add("wrong", f"run, {what}, does not name the file: {ended.said.strip()}")
        _take_away(file)
        bench.resume(base, verdict)
    whole = {cell: [line for line in lines if line in before.get(cell, [])] for cell, lines in after.items()}
    if file.name == "resolved.yaml" and not file.is_dir():  # of a cell that is complete: `run` does not write it again
        shutil.copy(bench.run.folder / place, file)
    bench.compare(base, verdict, before={} if file.name == "predictions.jsonl" and ended.code == 2 else whole)
    bench.compare_cache(base, verdict, complete=False)
    return verdict


def _take_away(file: Path) -> None:
    if file.is_dir():
        file.rmdir()
    else:
        file.unlink(missing_ok=True)
