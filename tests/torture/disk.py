"""Faults of the disk: errors and short writes at a file operation, limits of file sizes, a full file system."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from tests.torture.bench import Bench, Verdict, intact_lines
from tests.torture.children import Ended, start
from tests.torture.tap import ERRORS, Tap, failing, short

__all__ = ["ERRORS", "fail_disk", "fill_disk", "limit_file_size", "no_tmpfs", "read_only_folder", "write_short"]


def _after(bench: Bench, base: Path, ended: Ended, what: str, verdict: Verdict) -> None:
    """Judges how a run with a fault ended, and what is there after one without."""
    verdict.expect(ended, [0, 2], f"run, with {what},")
    before = intact_lines(base)
    bench.resume(base, verdict, after=ended)
    bench.compare(base, verdict, before=before)
    bench.compare_cache(base, verdict, complete=False)


def fail_disk(bench: Bench, chance: random.Random, name: str) -> Verdict:
    """Fails a file operation of `run`, or all from there on, with an error of the operating system."""
    verb = chance.choice(["run", "run", "score", "report"])
    words = bench.words(verb, experiment=bench.variant("scored", metrics=["contains", "exact_match"]))
    if verb == "run":
        words = bench.words("run")
    right = bench.undisturbed(*words)
    base, verdict = bench.base(finished=verb != "run"), Verdict()
    tap = Tap(base, at=chance.randint(1, len(right.operations)), fault=failing(name), lasting=chance.random() < 0.5)
    ended = start(words, base, tap.open_up, figures=verb == "report").wait()
    where = "{} of {}".format(*right.operations[tap.at - 1])
    where = f"{name} at {'and after ' if tap.lasting else ''}{where.replace(str(right.folder), '')}"
    if verb == "run":
        _after(bench, base, ended, where, verdict)
        return verdict
    verdict.expect(ended, [0, 2], f"{verb}, with {where},")
    verdict.expect(start(words, base, figures=verb == "report").wait(), [0], f"{verb}, again")
    bench.compare(base, verdict, wanted=right)
    return verdict


def write_short(bench: Bench, chance: random.Random, _: str) -> Verdict:
    """Writes half of what is to be written, and says so, at one write or at all of them: the rest must follow."""
    base, verdict = bench.base(), Verdict()
    tap = Tap(base, at=chance.randint(1, len(bench.run.operations)), fault=short, lasting=chance.random() < 0.7)
    _after(bench, base, start(bench.words("run"), base, tap.open_up).wait(), "short writes", verdict)
    return verdict


def limit_file_size(bench: Bench, chance: random.Random, _: str) -> Verdict:
    """Allows files of some kilobytes only, so that the kernel ends writes in their middle."""
    base, verdict = bench.base(), Verdict()
    size = chance.randint(200, 16_000)

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    _after(bench, base, start(bench.words("run"), base, limit).wait(), f"files of at most {size} bytes", verdict)
    return verdict


def fill_disk(bench: Bench, chance: random.Random, _: str) -> Verdict:
    """Runs on a small file system that gets full, makes room, and runs again."""
    base, verdict = bench.base(), Verdict()
    size = chance.randint(40, 400)
    for name in ("runs", "store"):
        (base / name).mkdir()
        _mount(base / name, f"mode=700,size={size}k")
    try:
        ended = start(bench.words("run"), base).wait()
        for name in ("runs", "store"):
            _mount(base / name, "remount,size=20m")
        _after(bench, base, ended, f"a disk of {size} kB", verdict)
    finally:
        for name in ("runs", "store"):
            subprocess.run(["umount", "--lazy", str(base / name)], check=False)
    return verdict


def read_only_folder(bench: Bench, chance: random.Random, _: str) -> Verdict:
    """Makes the results, or the cache, read-only in the middle of a sweep: by a mount, which stops root, too."""
    base, verdict = bench.base(), Verdict()
    place = base / chance.choice(["runs", "store"])
    place.mkdir()
    _mount(place, "mode=700,size=20m")
    try:
        begun = start(bench.words("run", "--set", f"dataset.limit={chance.randint(1, 11)}"), base).wait()
        verdict.expect(begun, [0], "run of some questions")
        before = intact_lines(base)
        _mount(place, "remount,ro")
        for verb in ("run", "score", "report"):
            codes = [2] if place.name == "runs" and verb != "report" else [0, 2]
            verdict.expect(
                start(bench.words(verb), base, figures=True).wait(), codes, f"{verb}, {place.name} read-only,"
            )
        _mount(place, "remount,rw")
        bench.resume(base, verdict)
        bench.compare(base, verdict, before=before)
        bench.compare_cache(base, verdict, complete=False)
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=False)
    return verdict


def _mount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True, capture_output=True)


def no_tmpfs() -> str:
    """Returns why no small file system can be mounted here; empty if it can."""
    if os.geteuid() or shutil.which("mount") is None:
        return "mounting a small file system takes root"
    with tempfile.TemporaryDirectory() as folder:
        try:
            _mount(Path(folder), "size=40k")
        except subprocess.CalledProcessError as error:
            return f"no small file system can be mounted: {error.stderr.decode().strip()}"
        subprocess.run(["umount", folder], check=False)
    return ""
