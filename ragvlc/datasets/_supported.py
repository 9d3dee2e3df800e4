"""Questions over paragraphs of sentences, with supporting sentences named by title and number: HotpotQA's form.

A record: `_id`, `question`, `answer`, `supporting_facts` ([title, number of the sentence from 0]), `context` ([title,
sentences]), and labels such as `type`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ragvlc.core.data import Example, Query, Span, covered
from ragvlc.datasets._passages import Passages, evidence_state, joined_sentences, spans_in
from ragvlc.documents.json_lines import Row
from ragvlc.documents.released import Files, size_tags

__all__ = ["supported"]

REPEATED = "paragraph that repeats within a question, read once"


def supported(
    files: Files,
    name: str,
    labels: tuple[str, ...],
    more: Callable[[Row], tuple[tuple[str, ...], Mapping[str, Any]]] = lambda _: ((), {}),
) -> Iterator[Example]:
    """Yields one example a record.

    Args:
        files: that were located.
        name: of the file.
        labels: fields that become tags.
        more: further references and further gold of a record.
    """
    lost = 0
    for row in files.rows(name, "json"):
        facts = _facts(row)
        if "answer" not in row.values:
            files.skipped["question without an answer (a test set)"] += 1
            continue
        passages, found = _read(row, facts)
        files.skipped[REPEATED] += passages.repeated
        spans = [span for own in found for span in own]
        lost += sum(not own for own in found)
        references, gold = more(row)
        yield Example(
            query=Query(row.text("_id"), row.text("question")),
            documents=tuple(passages.documents),
            references=tuple(dict.fromkeys([row.text("answer"), *references])),
            evidence=covered(spans),
            cluster=row.text("_id"),
            task="multi_hop",
            tags={
                **{label: row.text(label) for label in labels if label in row.values},
                **size_tags(passages.documents),
                "evidence": evidence_state(sum(map(bool, found)), len(facts)),
                "supporting_facts": len(facts),
                "language": "en",
            },
            scoring={"supporting_facts": [list(fact) for fact in facts], **gold},
        )
    if lost:
        files.notes.append(
            f"{name}: {lost:,} supporting sentences are not in the paragraphs of their questions (tag evidence: "
            "'partly located' or 'not located')."
        )


def _facts(row: Row) -> list[tuple[str, int]]:
    given = row.values.get("supporting_facts", [])
    pairs = given if isinstance(given, list) else [None]
    facts = [(one[0], one[1]) for one in pairs if isinstance(one, list) and len(one) == 2]
    if len(facts) < len(pairs) or not all(isinstance(a, str) and type(b) is int for a, b in facts):
        row.complain("'supporting_facts' must be a list of pairs of a title and the number of a sentence.")
        return []
    return facts


def _read(row: Row, facts: list[tuple[str, int]]) -> tuple[Passages, list[list[Span]]]:
    """Returns the paragraphs, and where each supporting sentence is."""
    passages, places = Passages(), dict[tuple[str, int], list[Span]]()
    given: Any = row.values.get("context")
    for one in given if isinstance(given, list) and given else [None]:
        pair = one if isinstance(one, list) and len(one) == len(("title", "sentences")) else ["", None]
        title, own = pair
        if not isinstance(title, str) or not isinstance(own, list) or not all(isinstance(s, str) for s in own):
            row.complain("'context' must be a list of pairs of a title and a list of sentences.")
            break
        text, sentences = joined_sentences(own)
        if not text.strip():
            continue
        document = passages.add(title, text)
        for number, place in enumerate(sentences):
            places.setdefault((title, number), spans_in(document, [place]))
    return passages, [places.get(fact, []) for fact in facts]
