"""Files of a finished sweep: the HTML report and its figures, next to the results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ragvlc.analysis.drawing import look
from ragvlc.analysis.figures import figures
from ragvlc.analysis.page import write_html

if TYPE_CHECKING:
    from ragvlc.results.loading import SweepResults

__all__ = ["report_files"]


def report_files(results: SweepResults, texts: Mapping[str, str] | None = None) -> dict[str, Path]:
    """Writes `report.html` and `figures/NAME.png` into the results folder; returns their paths by name."""
    found = {"report.html": write_html(results, None, texts)}
    folder = results.folder / "figures"
    folder.mkdir(exist_ok=True)
    for name, figure in figures(results).items():
        path = folder / f"{name}.png"
        with look():
            figure.savefig(path, dpi=150)
        found[f"figures/{name}.png"] = path
    return found
