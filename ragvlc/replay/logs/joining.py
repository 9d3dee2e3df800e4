"""Joins the answers of a log to the questions of a data set: by id, by position or by content, and checks them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from ragvlc.core.data import Example
from ragvlc.core.errors import DatasetError
from ragvlc.replay.logs.records import Log, LogRecord

__all__ = ["agree", "check_of", "joined"]

FURTHEST_SHIFT = 3
LENGTH = "length "


def normal(text: str) -> str:
    """Returns a text in lower case with single blanks."""
    return " ".join(text.split()).casefold()


def check_of(record: LogRecord) -> tuple[str, ...]:
    """Returns everything that a record says about its question, normalised."""
    references = sorted(map(normal, record.references)) if record.references is not None else ["?"]
    return (normal(record.question), record.check, *references)


def agree(one: LogRecord, other: LogRecord) -> bool:
    """Returns whether two records can be about one question; what a log does not say decides nothing."""
    if one is other:
        return True
    if one.question and other.question and normal(one.question) != normal(other.question):
        return False
    if one.references is None or other.references is None:
        return True
    return set(map(normal, one.references)) == set(map(normal, other.references))


def joined(log: Log, examples: Sequence[Example], way: str, most: float) -> tuple[list[str | None], str, bool]:
    """Returns the question of each record, the way they were found, and whether they could be checked.

    A record of no known question has None, one that fits its question neither in text nor in references has "".

    Args:
        log: with answers.
        examples: of the data set.
        way: `auto`, `id`, `position` or `content`.
        most: the largest share of answers that may not fit.

    Raises:
        DatasetError: the answers are not to these questions.
    """
    ways: dict[str, Callable[[Log, Sequence[Example]], list[Example | None]]] = {
        "id": _by_id,
        "position": _by_position,
        "content": _by_content,
    }
    checked = any(one.question or one.references for one in log.records)
    tried: list[tuple[float, str, list[Example | None]]] = []
    for name in ways if way == "auto" else [way]:
        found = ways[name](log, examples)
        known = [(one, example) for one, example in zip(log.records, found, strict=True) if example is not None]
        if not known or (not checked and name != "id"):
            continue
        unlike = sum(not _fits(one, example) for one, example in known)
        if unlike <= most * len(known):
            pairs = zip(log.records, found, strict=True)
            names = [example and (example.id if _fits(one, example) else "") for one, example in pairs]
            return [None if name is None else str(name) for name in names], name, checked
        tried.append((unlike / len(known), name, found))
    raise DatasetError(_refusal(log, examples, tried, checked))


def _fits(record: LogRecord, example: Example) -> bool:
    """Returns whether a record can be about this question; LongBench's records say how long the document is."""
    length = example.tags.get("length")
    if record.check.startswith(LENGTH) and isinstance(length, (int, float)) and record.check != f"{LENGTH}{length}":
        return False
    if record.question and (asked := normal(record.question)) and example.query.text:
        known = normal(example.query.text)
        if known not in asked and asked not in known:
            return False
    if not record.references:
        return True
    gold = set(map(normal, (*example.references, *_letters(example))))
    return not example.references or bool(gold & set(map(normal, record.references)))


def _letters(example: Example) -> list[str]:
    """Returns the right options as benchmarks write them: `B`, `(B) text`, `B. text`, or `BD` where two are right."""
    choices = example.query.choices[:26]
    right = [(chr(ord("A") + place), choice) for place, choice in enumerate(choices) if choice in example.references]
    forms = [f"{before}{letter}{after} {text}" for letter, text in right for before, after in (("(", ")"), ("", "."))]
    return ["".join(letter for letter, _ in right), *(letter for letter, _ in right), *forms] if right else []


def _by_id(log: Log, examples: Sequence[Example]) -> list[Example | None]:
    known = {example.id: example for example in examples}
    return [known.get(f"{one.id} {one.check}".strip()) or known.get(one.id) for one in log.records]


def _by_position(log: Log, examples: Sequence[Example]) -> list[Example | None]:
    """Returns questions by a running number that is the id, else by the place in the file."""
    numbers = [int(one.id) if one.id.isascii() and one.id.isdigit() and len(one.id) < 10 else -1 for one in log.records]
    places = numbers if numbers and min(numbers) >= 0 else list(range(len(log.records)))
    return [examples[place] if place < len(examples) else None for place in places]


def _by_content(log: Log, examples: Sequence[Example]) -> list[Example | None]:
    """Returns the one question of the data set that has the record's references (and question, where it says one)."""
    found: list[Example | None] = []
    marks = Counter(_gold(one.references) for one in examples)
    known: dict[tuple[str, ...], list[Example]] = {}
    for example in examples:
        known.setdefault(_gold(example.references), []).append(example)
    for one in log.records:
        own = known.get(_gold(one.references or ()), [])
        own = [example for example in own if _fits(one, example)] if marks else own
        found.append(own[0] if len(own) == 1 else None)
    return found


def _gold(references: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(map(normal, references)))


def _refusal(
    log: Log, examples: Sequence[Example], tried: Sequence[tuple[float, str, list[Example | None]]], checked: bool
) -> str:
    if not tried:
        ids = ", ".join(f"'{one.id}'" for one in log.records[:3] if one.id) or "none"
        known = ", ".join(f"'{example.id}'" for example in examples[:3])
        doubt = "" if checked else " It holds neither questions nor references, so that position alone is no proof."
        return f"{log.path}: no answer is to a question of the data set. Its ids: {ids}; known: {known}.{doubt}"
    share, way, found = min(tried, key=lambda one: one[0])
    pairs = zip(log.records, found, strict=True)
    one, example = next((one, asked) for one, asked in pairs if asked is not None and not _fits(one, asked))
    said = one.references[0] if one.references else one.question
    gold = example.references[0] if example.references else example.query.text
    return (
        f"{log.path}: {share:.0%} of its answers, joined by {way}, are to other questions than those of the data set; "
        f"{one.place} has '{said[:60]}', question {example.id} '{gold[:60]}'.{_shift(log, examples)}"
    )


def _shift(log: Log, examples: Sequence[Example]) -> str:
    """Returns a sentence if the answers fit the questions when they are moved by a few places."""
    for step in sorted(range(-FURTHEST_SHIFT, FURTHEST_SHIFT + 1), key=abs):
        pairs = [(one, examples[i + step]) for i, one in enumerate(log.records) if 0 <= i + step < len(examples)]
        if step and pairs and sum(_fits(*pair) for pair in pairs) > 0.9 * len(pairs):
            return f" They fit when they are moved by {step:+d}: the file is shifted."
    return ""
