"""Files of a finished sweep: the HTML report, its figures, outcome and decision, next to the results."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ragvlc.analysis.decision_words import decision_lines
from ragvlc.analysis.decisions import stored_decisions
from ragvlc.analysis.drawing import look
from ragvlc.analysis.figures import figures
from ragvlc.analysis.outcome import write_outcome
from ragvlc.analysis.page import write_html
from ragvlc.core.records import DECISION_FILE, OUTCOME_FILE

if TYPE_CHECKING:
    from ragvlc.results.loading import SweepResults

__all__ = ["report_files"]

log = logging.getLogger("ragvlc")


def report_files(results: SweepResults, texts: Mapping[str, str] | None = None) -> dict[str, Path]:
    """Writes `report.html`, `outcome.json`, `figures/NAME.png` and `decision.txt`; returns their paths by name.

    There is no `decision.txt` without a `decide` in the experiment.
    """
    decisions = stored_decisions(results)
    found = {"report.html": write_html(results, None, texts, decisions)}
    found[OUTCOME_FILE] = write_outcome(results, decisions)
    note = results.folder / DECISION_FILE
    note.unlink(missing_ok=True)
    if decisions:
        note.write_text("\n\n".join(decision_lines(decisions)) + "\n", encoding="utf-8", errors="replace")
        found[DECISION_FILE] = note
    folder = results.folder / "figures"
    folder.mkdir(exist_ok=True)
    boxes = False
    for name, figure in figures(results).items():
        path = folder / f"{name}.png"
        with look(), warnings.catch_warnings(record=True) as caught:
            figure.savefig(path, dpi=150)
        boxes |= any(str(one.message).startswith("Glyph") for one in caught)
        found[f"figures/{name}.png"] = path
    if boxes:
        log.warning(
            "%s: the font of figures lacks some characters of these names, which are boxes in the PNG files. "
            "report.html has them",
            folder,
        )
    return found
