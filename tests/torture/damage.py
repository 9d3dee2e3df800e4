"""Damage to every file of a finished sweep and of its cache, in every way that disks, copies and people do it."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from ragvlc.memo.disk import Cache
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
    if file.suffix == ".npz":
        file.write_bytes(b"version 99" + file.read_bytes())
        return
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
    """Damages one file after another of the results and of the cache."""
    patterns = kinds_of_files(bench)
    pattern = patterns[number % len(patterns)]
    if pattern.startswith("store"):
        return _damage_cache(bench, chance, name, pattern)
    return _damage_results(bench, chance, name, pattern)


def _damage_cache(bench: Bench, chance: random.Random, name: str, pattern: str) -> Verdict:
    """Damages an entry of the cache, and runs with the cache alone: the entry is computed again."""
    base, verdict = bench.base(finished=True), Verdict()
    shutil.rmtree(base / "runs")
    file = chance.choice(sorted(base.glob(pattern)))
    DAMAGES[name](file, chance)
    bench.resume(base, verdict)
    bench.compare(base, verdict)
    shutil.rmtree(file) if file.is_dir() else None
    stage = file.relative_to(base).parts[1]
    whole = file not in Cache(base / "store").damaged(stage)
    bench.compare_cache(
        base, verdict, complete=False, ignored=() if whole else (file,)
    )  # not read: `ragvlc cache` says
    return verdict


def _damage_results(bench: Bench, chance: random.Random, name: str, pattern: str) -> Verdict:
    """Damages a file of the results, reads them, runs again, and repairs what `verify` finds."""
    base, verdict = bench.base(finished=True), Verdict()
    file = chance.choice(sorted(base.glob(pattern)))
    what = f"{file.relative_to(base)} {name}"
    before = intact_lines(base)
    DAMAGES[name](file, chance)
    after = intact_lines(base)
    for verb in ("report", "show", "verify"):
        verdict.expect(start(bench.words(verb), base).wait(), [0, 1, 2], f"{verb}, {what},")
    ended = start(bench.words("run"), base).wait()
    verdict.expect(ended, [0, 2], f"run, {what},")
    if ended.code == 2 and file.name not in ended.said:
        verdict.add("wrong", f"run, {what}, does not name the file: {ended.said.strip()}")
    verdict.expect(start(bench.words("verify", "--repair"), base).wait(), [0, 1, 2], f"verify --repair, {what},")
    if ended.code == 2 and file.is_dir():  # as the sentence says
        shutil.rmtree(file)
    bench.resume(base, verdict)
    verdict.expect(start(bench.words("verify"), base).wait(), [0], f"verify, in the end, {what},")
    whole = {cell: [line for line in lines if line in before.get(cell, [])] for cell, lines in after.items()}
    bench.compare(base, verdict, before=whole)
    bench.compare_cache(base, verdict)
    return verdict
