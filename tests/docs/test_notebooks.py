"""Every notebook runs from top to bottom, and is stored as it ran last, small, with its figures as pictures."""

from __future__ import annotations

import base64
import io

import nbformat
import pytest

import notebooks

MOST_BYTES = 250_000
FIGURES = {
    "02_read_a_sweep": 2,
    "03_routing_choices": 1,
    "05_when_does_speculation_pay": 4,
    "06_reading_in_pieces": 2,
}
"""The number of figures of each notebook that has any."""


def pictures(notebook) -> list[bytes]:
    outputs = [one for cell in notebook.cells if cell.cell_type == "code" for one in cell.outputs]
    return [base64.b64decode(one.data["image/png"]) for one in outputs if "image/png" in one.get("data", {})]


def assert_shown(picture: bytes) -> None:
    """Fails unless the picture is large enough and has ink and colours."""
    from PIL import Image

    image = Image.open(io.BytesIO(picture)).convert("RGBA")
    assert min(image.size) > 200
    opaque = [(count, colour) for count, colour in image.getcolors(1 << 20) if colour[3] > 200]
    assert sum(count for count, _ in opaque) > 1000, "nothing is drawn"
    assert any(max(colour[:3]) - min(colour[:3]) > 60 for _, colour in opaque), "no series is drawn"


@pytest.mark.parametrize("path", notebooks.NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_as_it_ran_last(path):
    stored = nbformat.read(path, as_version=4)
    assert stored.metadata.get(notebooks.OWN, {}).get("code") == notebooks.code_hash(stored), (
        f"{path.name}: its code changed since it ran: make notebooks NOTEBOOKS={path.stem[:2]}"
    )
    assert path.stat().st_size < MOST_BYTES
    text = path.read_text(encoding="utf-8")
    assert "/tmp/tmp" not in text
    assert "&lt;Figure" not in text
    assert "<Figure" not in text
    assert not [one for cell in stored.cells for one in cell.get("outputs", ()) if one.output_type == "error"]
    found = pictures(stored)
    assert len(found) == FIGURES.get(path.stem, 0)
    for picture in found:
        assert_shown(picture)


@pytest.mark.parametrize("path", notebooks.NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_its_outputs_are_of_the_stored_kinds(path, language_model, embedding_model, tmp_path):
    notebook = notebooks.small(notebooks.executed(path, tmp_path))
    assert notebooks.kinds(notebook) == notebooks.kinds(nbformat.read(path, as_version=4)), (
        f"make notebooks NOTEBOOKS={path.stem[:2]}"
    )
    for picture in pictures(notebook):
        assert_shown(picture)


def test_a_changed_cell_makes_a_notebook_stale():
    notebook = nbformat.read(notebooks.NOTEBOOKS[0], as_version=4)
    before = notebooks.code_hash(notebook)
    notebook.cells[0].source += " more words"
    assert notebooks.code_hash(notebook) == before, "texts have no outputs"
    next(cell for cell in notebook.cells if cell.cell_type == "code").source += "\n1"
    assert notebooks.code_hash(notebook) != before


def test_there_are_notebooks():
    assert notebooks.NOTEBOOKS
