"""A small set of generated questions to review, with hostile texts in it."""

from __future__ import annotations

from pathlib import Path

from expert import Expert, corpus, pool, spec

from ragvlc.core.data import Document
from ragvlc.questions.files import SetFiles
from ragvlc.questions.runner import make_questions

HOSTILE = '</script><script>document.title = "taken"</script><img src=x onerror="document.title=1">'
FILTERS = [
    *("names_subject", "refers_to_text", "answer_in_question", "shared_words", "evidence_alone", "closed_book"),
    {"kind": "duplicate", "embedder": None},
]


def made_set(folder: Path, count: int = 6, kinds: tuple[str, ...] = ("one_place",)) -> SetFiles:
    """Returns the files of a set; each document has hostile text after its facts, and a hostile title."""
    documents = [Document(one.id, f"{one.text} {HOSTILE}", f"{one.title} {HOSTILE}") for one in corpus(8)]
    given = spec(folder, documents, count=count, kinds=list(kinds), filters=FILTERS)
    with pool(folder, Expert()) as engines:
        made = make_questions(given, folder / "set.jsonl", pool=engines)
    assert made.status == "complete"
    return made.files
