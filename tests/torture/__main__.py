"""Tortures sweeps: kills, faults of disk, clock, memory and server, two writers, damaged files. Nothing may be lost.

    python -m tests.torture --kills 200 --seed 1            (make torture)
    python -m tests.torture --seed 1 --only "kills of run" --trial 17

Every trial disturbs a sweep, lets it go on without a fault, and compares it with one that nobody disturbed. Ends with
status 1 if anything was lost, duplicated or wrong.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.torture import damage, disk, kills, outside, tracked, writers
from tests.torture.bench import Bench, Verdict
from tests.torture.children import preload

Trial = Callable[[Bench, random.Random, int], Verdict]
"""A trial on a bench, with its own chance and number."""


@dataclass(frozen=True, slots=True)
class Faults:
    """A row of the table.

    Attributes:
        name: of the kind of fault.
        share: of the number of kills, as many are tried.
        trial: makes one.
        skipped: why none can be made on this machine.
        fields: gives those of the sweep that differ.
    """

    name: str
    share: float
    trial: Trial
    skipped: str = ""
    fields: Callable[[], dict[str, Any]] = dict


@dataclass(slots=True)
class Row:
    """What the trials of one kind have found."""

    tried: int = 0
    survived: int = 0
    lost: int = 0
    duplicated: int = 0
    wrong: int = 0
    failed: list[int] = field(default_factory=list)

    def add(self, number: int, verdict: Verdict) -> None:
        """Adds a trial."""
        self.tried += verdict.tried
        self.survived += verdict.tried if verdict.survived else 0
        self.lost += verdict.lost
        self.duplicated += verdict.duplicated
        self.wrong += verdict.wrong
        if not verdict.survived:
            self.failed.append(number)


def any_signal(kill: Callable[[Bench, random.Random, str], Verdict]) -> Trial:
    """Returns trials of a kill with a signal drawn each time."""
    return lambda bench, chance, _: kill(bench, chance, chance.choice(kills.SIGNALS))


def named(trial: Callable[[Bench, random.Random, str], Verdict], name: str = "") -> Trial:
    """Returns trials of one kind of a fault."""
    return lambda bench, chance, _: trial(bench, chance, name)


def damaged(name: str) -> Trial:
    """Returns trials that damage one kind of file after another."""
    return lambda bench, chance, number: damage.damage(bench, chance, name, number)


def all_faults() -> list[Faults]:
    """Returns the rows of the table."""
    mounts = disk.no_tmpfs()
    return [
        Faults("kills of run", 0.5, any_signal(kills.kill_run)),
        Faults("kills of score", 0.15, any_signal(kills.kill_score)),
        Faults("kills of report", 0.1, any_signal(kills.kill_report)),
        Faults("kills of track", 0.1, any_signal(tracked.kill_track)),
        Faults("kills of cache writes", 0.15, any_signal(kills.kill_cache)),
        *(Faults(f"disk: {name}", 0.1, named(disk.fail_disk, name)) for name in disk.ERRORS),
        Faults("disk: short writes", 0.05, named(disk.write_short)),
        Faults("disk: file size limit", 0.05, named(disk.limit_file_size)),
        Faults("disk: full file system", 0.1, named(disk.fill_disk), mounts),
        Faults("disk: read-only mount", 0.05, named(disk.read_only_folder), mounts),
        *(Faults(f"clock: {name}", 0.03, named(outside.clock, name)) for name in outside.CLOCKS),
        Faults("memory: MemoryError", 0.1, named(outside.memory_error)),
        Faults("memory: address space", 0.05, named(outside.memory_limit)),
        Faults("server: 9 ways to fail", 0.05, outside.server, fields=outside.served_fields),
        *(Faults(f"run beside {name}", 0.05, named(writers.both, name)) for name in writers.PAIRS),
        *(Faults(f"file: {name}", 0.1, damaged(name), damage.not_for_root(name)) for name in damage.DAMAGES),
    ]


def tortured(faults: Faults, folder: Path, kills_wanted: int, seed: int, only: int | None) -> Row:
    """Makes the trials of one row; prints each that finds something, and how to repeat it."""
    row, bench = Row(), Bench(folder, faults.fields())
    wanted = max(1, round(faults.share * kills_wanted))
    number = 0 if only is None else only
    while row.tried < wanted and number < 20 * wanted + (only or 0):
        began = time.monotonic()
        verdict = faults.trial(bench, random.Random(f"{seed} {faults.name} {number}"), number)
        row.add(number, verdict)
        for note in verdict.notes:
            print(f"  {faults.name}, trial {number}: {note}", flush=True)
        if not verdict.survived:
            print(f'  repeat: python -m tests.torture --seed {seed} --only "{faults.name}" --trial {number}')
        if only is not None:
            print(f"  trial {number}: {verdict.tried} faults, {time.monotonic() - began:.1f} s in {bench.folder}")
            return row
        bench.clear()
        number += 1
    return row


def table(rows: dict[str, Row], skipped: dict[str, str]) -> str:
    """Returns the table."""
    columns = ("tried", "survived", "lost", "duplicated", "wrong")
    width = max(map(len, [*rows, *skipped, "faults"]))
    lines = [f"{'faults':{width}}" + "".join(f"{name:>12}" for name in columns)]
    lines += [
        f"{name:{width}}" + "".join(f"{getattr(row, column):>12}" for column in columns) for name, row in rows.items()
    ]
    sums = [sum(getattr(row, column) for row in rows.values()) for column in columns]
    lines.append(f"{'all':{width}}" + "".join(f"{one:>12}" for one in sums))
    lines += [f"{name:{width}}  not tried: {reason}" for name, reason in skipped.items()]
    return "\n".join(lines)


def main() -> int:
    """Makes all trials, prints the table and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200, help="kills; of other faults in proportion")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="rows of the table whose name contains this")
    parser.add_argument("--trial", type=int, help="the number of a single trial; its folder stays")
    options = parser.parse_args()
    chosen = [one for one in all_faults() if (options.only or "") in one.name]
    if not chosen:
        parser.error(f"--only {options.only}: known are {', '.join(one.name for one in all_faults())}")
    print(f"seed {options.seed}, {options.kills} kills", flush=True)
    preload(mlflow=any("track" in one.name for one in chosen))
    rows: dict[str, Row] = {}
    work = Path(tempfile.mkdtemp(prefix="torture-"))
    for place, faults in enumerate(chosen):
        if not faults.skipped:
            folder = work / str(place)
            began = time.monotonic()
            rows[faults.name] = tortured(faults, folder, options.kills, options.seed, options.trial)
            print(f"{faults.name}: {rows[faults.name].tried} in {time.monotonic() - began:.0f} s", flush=True)
            if options.trial is None:
                shutil.rmtree(folder)
    if options.trial is None:
        shutil.rmtree(work)
    print(table(rows, {one.name: one.skipped for one in chosen if one.skipped}))
    return int(any(row.lost or row.duplicated or row.wrong for row in rows.values()))


if __name__ == "__main__":
    sys.exit(main())
