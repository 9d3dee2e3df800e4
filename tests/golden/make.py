"""Makes the golden run of a new row format, once: python tests/golden/make.py rows_N."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep

HERE = Path(__file__).parent


def main(version: str) -> None:
    """Runs `golden.yaml` in the folder of a version and puts the results beside it."""
    folder = HERE / version
    shutil.rmtree(folder / "run", ignore_errors=True)
    outcome = run_sweep(Sweep.load(folder / "golden.yaml"), folder / "runs")
    outcome.folder.rename(folder / "run")
    shutil.rmtree(folder / "runs")
    (folder / "run" / ".lock").unlink(missing_ok=True)


if __name__ == "__main__":
    main(sys.argv[1])
