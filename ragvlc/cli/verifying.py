"""Command `verify`: checks stored results and repairs them."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ragvlc.cli.app import RUNS, RunsOption, app, out, results_folder
from ragvlc.core.given_paths import path_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ragvlc.integrity.findings import Verification

_WORDS = {"ok": "intact", "note": "note", "repair": "REPAIR", "open": "OPEN"}


@app.command()
def verify(
    results: Annotated[
        list[str], typer.Argument(help="Results folders, cells inside them, experiments, or a folder of all results.")
    ],
    repair: Annotated[
        bool, typer.Option("--repair", help="Do what can be done without asking a model. Intact rows stay.")
    ] = False,
    cell: Annotated[str | None, typer.Option("--cell", help="Check only the cell with this name or key.")] = None,
    runs: RunsOption = RUNS,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check stored results: rows, coverage, data, models, scores, other files. Writes nothing without --repair.

    Exit status: 0 everything is whole, 1 something is to be repaired or asked again, 2 bad input.
    """
    from ragvlc.integrity.verify import results_in
    from ragvlc.integrity.verify import verify as verified

    found: list[Verification] = []
    for name in results:
        path = path_of(name) if path_of(name).is_dir() else results_folder(name, runs)
        for folder, key in results_in(path):
            found.append(verified(folder, repair=repair, cell=cell or key))
            if not as_json:
                _print(found[-1], repair=repair)
    if as_json:
        out().print(json.dumps([_json(one) for one in found], indent=1, ensure_ascii=False), soft_wrap=True)
    elif len(found) > 1:
        whole = sum(one.whole for one in found)
        out().print(f"{whole} of {len(found)} results folders are whole.")
    sys.exit(0 if all(one.whole for one in found) else 1)


def _print(found: Verification, *, repair: bool) -> None:
    from rich.table import Table

    done = {(one.cell, one.check, one.found) for one in found.repaired}
    columns = ("cell", "check", "state", "found", "what was done" if repair else "what would be done")
    table = Table(*columns, title=str(found.folder), title_justify="left", box=None, pad_edge=False)
    for one in found.repaired:
        table.add_row(one.cell or "all", one.check, "done", one.found, one.remedy)
    for one in found.findings:
        left = one.remedy if one.state != "repair" or (one.cell, one.check, one.found) not in done else "not repaired"
        table.add_row(one.cell or "all", one.check, _WORDS[one.state], one.found, left or "-")
    out().print(table)
    for line in _next(found, repair=repair):
        out().print(line, soft_wrap=True)


def _next(found: Verification, *, repair: bool) -> Sequence[str]:
    """Returns what to do next, in a sentence each."""
    folder = shlex.quote(str(found.folder))
    if found.whole:
        if found.busy:
            return ["Still being written: verify it again at its end."]
        left = any(one.found.startswith("not checked") for one in found.findings)
        return ["What can be checked here is whole." if left else "Everything is whole."]
    lines = []
    if found.repairable and not repair:
        lines.append(f"{len(found.repairable)} to repair: ragvlc verify {folder} --repair")
    if opened := [one for one in found.findings if one.state == "open"]:
        advice = dict.fromkeys(one.remedy for one in opened)
        lines.append(f"{len(opened)} left that a repair cannot do: {'; '.join(advice)}.")
    if any("--retry failed" in one.remedy for one in opened):
        lines.append(f"Fix the cause of the failures (ragvlc show {folder}), then: ragvlc run {folder} --retry failed")
    elif any("ragvlc run" in one.remedy for one in opened):
        lines.append(f"Continue with: ragvlc run {folder}")
    return lines


def _json(found: Verification) -> dict[str, object]:
    return {
        "folder": str(found.folder),
        "whole": found.whole,
        "running": found.busy,
        "repaired": [one.to_json() for one in found.repaired],
        "findings": [one.to_json() for one in found.findings],
    }
