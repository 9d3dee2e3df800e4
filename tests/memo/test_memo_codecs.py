"""Rankings of units on disk: none of their text is written once more."""

from __future__ import annotations

import json

import pytest

from ragvlc.core.data import Chunk, Hit
from ragvlc.memo.codecs import Ranked, ranking

TEXT = "abcdefghij" * 5


def chunks(document, index, size, overlap):
    text, found, start = (TEXT, TEXT.upper())[index], [], 0
    while not found or found[-1].end < len(text):
        end = min(start + size, len(text))
        found.append(Chunk(document, len(found), start, end, text[start:end], index))
        start = end - overlap
    return found


@pytest.mark.parametrize("overlap", [0, 4])
def test_a_unit_stands_as_the_chunks_it_is_made_of(overlap):
    first, second = chunks("d", 0, 10, overlap), chunks("e", 1, 10, overlap)
    part = Chunk("e", 1, second[1].start, second[2].end, TEXT.upper()[second[1].start : second[2].end], 1)
    units = [Chunk("d", 0, 0, len(TEXT), TEXT), part, first[2], Chunk("d", 7, 3, 9, TEXT[3:9])]
    form = ranking("rankings", [*first, *second])
    ranked = Ranked(tuple(Hit(unit, 0.5) for unit in units), 0.0, ())
    written = json.dumps(form.write(ranked))
    assert form.read(json.loads(written)) == ranked
    assert TEXT[:12] not in written
    assert TEXT[:12].upper() not in written
