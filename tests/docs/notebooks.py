"""Runs the notebooks and stores them with small outputs: `make notebooks`, or one by a part of its name.

python tests/docs/notebooks.py [NAME ...]

Figures are stored as PNG alone, since code-hosting pages show no SVG of a notebook; pages too large to store as the
line of text that they have instead. Nothing of the machine is stored: no times, no temporary paths, no warnings.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MOST_HTML = 60_000
"""The most characters of HTML in one output that is stored."""
TEMPORARY = re.compile(rf"{re.escape(tempfile.gettempdir())}/tmp\w+")
OWN = "ragvlc"
"""Key of the notebook's metadata under which the hash of its code is."""


def executed(path: Path, folder: Path) -> nbformat.NotebookNode:
    """Returns the notebook after running it from top to bottom, in this folder."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.metadata.kernelspec.name = "python3"
    NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


def code_hash(notebook: nbformat.NotebookNode) -> str:
    """Returns the hash of the code, by which outputs of other code are found."""
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256(json.dumps(code).encode()).hexdigest()[:16]


def small(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Returns the notebook with outputs as they are stored."""
    count = 0
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            cell.outputs = _joined(_small(one, count) for one in cell.outputs if one.get("name") != "stderr")
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        OWN: {"code": code_hash(notebook)},
    }
    return notebook


def kinds(notebook: nbformat.NotebookNode) -> list[list[list[str]]]:
    """Returns the kinds of the outputs of each code cell, which must be the same in the file and on running it."""
    return [
        [sorted(one.get("data", {})) or [one.output_type] for one in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def _small(output: Any, count: int) -> Any:
    if output.output_type == "stream":
        output.text = TEMPORARY.sub("/tmp/runs", output.text)
    data = output.get("data", {})
    if "image/png" in data or ("text/plain" in data and len(data.get("text/html", "")) > MOST_HTML):
        data.pop("text/html", None)
    if "image/png" in data:
        data["image/png"] = _fewer_colours(data["image/png"])
    for kind, value in data.items():
        if isinstance(value, str) and kind.startswith("text/"):
            data[kind] = re.sub(r" at 0x[0-9a-f]+", "", TEMPORARY.sub("/tmp/runs", value))
    if "execution_count" in output:
        output.execution_count = count
    output.metadata = {} if "metadata" in output else None
    if output.metadata is None:
        del output["metadata"]
    return output


def _joined(outputs: Iterable[Any]) -> list[Any]:
    """Returns the outputs; what was printed in a row is one of them, however often it was flushed."""
    found: list[Any] = []
    for one in outputs:
        if found and one.output_type == found[-1].output_type == "stream":
            found[-1].text += one.text
        else:
            found.append(one)
    return found


def _fewer_colours(png: str) -> str:
    """Returns a PNG with a palette of 128 colours, in base64; one that has a palette stays as it is."""
    from PIL import Image

    image = Image.open(io.BytesIO(base64.b64decode(png)))
    if image.mode != "P":
        written = io.BytesIO()
        image.quantize(128, method=Image.Quantize.FASTOCTREE).save(written, format="png", optimize=True)
        png = base64.b64encode(written.getvalue()).decode() + "\n"
    return png


def main(names: list[str]) -> None:
    """Runs and stores the notebooks whose names contain one of these, or all."""
    for path in NOTEBOOKS:
        if not names or any(name in path.stem for name in names):
            with tempfile.TemporaryDirectory() as folder:
                nbformat.write(small(executed(path, Path(folder))), path)
            print(f"{path.name}: {path.stat().st_size / 1000:,.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
