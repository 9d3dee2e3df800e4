"""Fuzzes what the command line reads: `python tests/fuzz/run.py --seconds 60 [--target NAME ...] [--seed N]`.

Every target runs for so many seconds, and a table shows its commands, the slowest of them and the faults. The files and
the command of each fault are written to a folder, from which it can be run again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fuzz import material
from tests.fuzz.case import Case
from tests.fuzz.command import Outcome, run_command
from tests.fuzz.targets import TARGETS

_BATCH = 20
"""Inputs that one seed draws."""
_DRAWN = 25
"""Of so many commands, one draws its figures."""


@dataclass
class Found:
    """What fuzzing a target found.

    Attributes:
        target: its name.
        executions: commands that were run.
        seconds: they took.
        slowest: seconds of the slowest.
        codes: number of commands by exit status.
        faults: first case and outcome, and the number of further ones, by fault.
    """

    target: str
    executions: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    codes: dict[int, int] = field(default_factory=dict)
    faults: dict[str, tuple[Case, Outcome, int]] = field(default_factory=dict)

    def add(self, case: Case, outcome: Outcome) -> None:
        """Counts a command."""
        self.executions += 1
        self.slowest = max(self.slowest, outcome.seconds)
        self.codes[outcome.code] = self.codes.get(outcome.code, 0) + 1
        if fault := outcome.fault(case.names):
            first = self.faults.get(fault)
            self.faults[fault] = (first[0], first[1], first[2] + 1) if first else (case, outcome, 1)


def run_case(case: Case, base: Path, place: Path, *, draws: bool = True) -> Outcome:
    """Returns the outcome of a case in a copy of the folder `base`; see `run_command`."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(base, place, symlinks=True)
    for name, content in case.files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.unlink(missing_ok=True)
            path.mkdir()
        else:
            path.write_bytes(content)
    return run_command(case.command, place, {"RAGVLC_STORE": str(place / "store"), **case.environment}, draws=draws)


def fuzz(target: str, base: Path, place: Path, *, first_seed: int, seconds: float = 0, inputs: int = 0) -> Found:
    """Returns what a target finds within so many seconds, or over at least so many inputs."""
    found = Found(target)
    begun = time.monotonic()

    @settings(
        max_examples=min(inputs or _BATCH, _BATCH),
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def one(data: st.DataObject) -> None:
        case = TARGETS[target](data.draw, base)
        found.add(case, run_case(case, base, place, draws=found.executions % _DRAWN == _DRAWN - 1))

    number = first_seed
    while found.executions < inputs if inputs else time.monotonic() - begun < seconds:
        seed(number)(one)()
        number += 1
    found.seconds = time.monotonic() - begun
    return found


def write_fault(folder: Path, target: str, fault: str, case: Case, outcome: Outcome) -> Path:
    """Writes a case and what was said; returns the folder."""
    name = "".join(letter if letter.isalnum() else "-" for letter in f"{target}-{fault}")[:100]
    place = folder / name
    shutil.rmtree(place, ignore_errors=True)
    for path, content in case.files.items():
        file = place / "files" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.mkdir() if content is None else file.write_bytes(content)
    place.mkdir(parents=True, exist_ok=True)
    facts = {"command": case.command, "environment": case.environment, "fault": fault}
    (place / "case.json").write_text(json.dumps(facts, indent=1))
    said = f"{fault}\n\n{outcome.trace}\n--- out\n{outcome.out}\n--- err\n{outcome.err}\n"
    (place / "said.txt").write_text(said, encoding="utf-8", errors="backslashreplace")
    return place


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command; returns 1 if a fault was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, default=60, help="for each target (60)")
    parser.add_argument("--target", action="append", choices=sorted(TARGETS), help="may be repeated; all by default")
    parser.add_argument("--seed", type=int, help="of the first inputs; by the clock by default")
    parser.add_argument("--out", type=Path, default=Path("fuzz-faults"), help="folder for faults")
    options = parser.parse_args(words)
    _quiet()
    work = Path(tempfile.mkdtemp(prefix="ragvlc-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))  # noqa: S108
    first_seed = options.seed if options.seed is not None else int(time.time())
    worst = 0
    try:
        material.build(work / "base")
        print(f"seed {first_seed}\n{'target':16}{'commands':>9}{'minutes':>9}{'slowest s':>10}  by status", flush=True)
        for target in options.target or TARGETS:
            found = fuzz(target, work / "base", work / "case", first_seed=first_seed, seconds=options.seconds)
            codes = ", ".join(f"{code}: {count}" for code, count in sorted(found.codes.items()))
            print(f"{target:16}{found.executions:9}{found.seconds / 60:9.1f}{found.slowest:10.1f}  {codes}", flush=True)
            for fault, (case, outcome, count) in found.faults.items():
                worst = 1
                print(f"    {count} x {fault}: {write_fault(options.out, target, fault, case, outcome)}", flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return worst


def _quiet() -> None:
    """Keeps libraries from the network and from messages of their own."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "TOKENIZERS_PARALLELISM": "false"}
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    warnings.filterwarnings("ignore")


if __name__ == "__main__":
    sys.exit(main())
