"""Right options of multiple-choice questions, named by a number or a letter, and whether numbers count from 0 or 1."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Sequence

from ragvlc.documents.json_lines import Row
from ragvlc.documents.tables.cells import number_text

__all__ = ["Indexes"]

_LETTER = re.compile(r"(?:option|choice|answer|antwort|auswahl)?\s*[(\[]?([A-Za-z])[)\].:]?", re.IGNORECASE)
_NUMBER = re.compile(r"\d+(?:\.0+)?")


class Indexes:
    """Converts numbers and letters to indexes of options from 0, and judges the numbers of a whole table.

    Args:
        start: the number of the first option, 0 or 1.
        name: of the column.
    """

    def __init__(self, start: int, name: str) -> None:
        self.start = start
        self._name = name
        self._seen: list[tuple[int, int, int]] = []

    def place(self, row: Row, value: object, choices: int) -> int | None:
        """Returns the index that a number or a letter names; None if the value is neither, as a text of an option."""
        word = number_text(value).strip()
        if _NUMBER.fullmatch(word):
            number = int(float(word))
            self._seen.append((row.line, number, choices))
            if number < self.start:
                row.complain(f"'{self._name}' is {number}, but `answer_index_from: 1` says that the first option is 1.")
                return None
            return number - self.start
        match = _LETTER.fullmatch(word)
        if match and not choices:
            row.complain(f"'{self._name}' is {word}, the letter of an option, but the row has no options.")
        place = string.ascii_uppercase.index(match[1].upper()) if match else choices
        return place if place < choices else None

    @staticmethod
    def letter(answer: str, choices: Sequence[object]) -> str:
        """Returns the letter that an answer such as `(b)` or `Option B` names, unless an option has that text."""
        match = _LETTER.fullmatch(answer.strip())
        texts = [str(one).strip().casefold() for one in choices]
        if match is None or answer.strip().casefold() in texts:
            return answer
        return match[1].upper()

    def objection(self) -> str:
        """Returns why the table's numbers cannot count as the settings say; empty if they can."""
        reached = [(line, number) for line, number, choices in self._seen if choices and number == choices]
        if self.start or not reached or min(number for _, number, _ in self._seen) == 0:
            return ""
        line, number = reached[0]
        return (
            f"'{self._name}' is never 0, and is once {number} of {number} options (line {line}): it seems to count "
            "from 1. If so, set `answer_index_from: 1`."
        )

    def notes(self) -> Iterator[str]:
        """Yields what a user should know of the numbers."""
        if self._seen and not self.start and min(number for _, number, _ in self._seen) > 0:
            yield (
                f"'{self._name}' is never 0 in {len(self._seen)} rows, and is read as counted from 0. Set "
                "`answer_index_from: 1` if the first option is 1."
            )
