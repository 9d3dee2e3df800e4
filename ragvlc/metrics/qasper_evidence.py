"""Qasper's evidence F1: the paragraphs that were read against those that an annotator marked.

The script of Dasigi et al. (2021, arXiv 2105.03011), `evaluator.py`: common paragraphs are counted as sets of texts,
but precision divides by the length of the predicted list, so that naming a paragraph twice is punished; two empty lists
score 1; the maximum over the annotators.

Reads `Example.scoring["evidence_texts"]`: for each annotator the list of evidence paragraphs (empty where the question
was found unanswerable). Differences: Qasper's model names paragraphs; here those that were read stand for them: lines
of the documents that the context has a character of, or the share `min_overlap`. Texts are stripped before they are
compared. An option of the script leaves out evidence in figures and tables: that is the data set's part here.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from ragvlc.core.answer import Answer
from ragvlc.core.data import Document, Example, covered
from ragvlc.core.families import Metric
from ragvlc.metrics._overlap import harmonic

__all__ = ["QasperEvidence", "paragraph_f1"]

_LINE = re.compile(r"[^\n]+")


class QasperEvidence(Metric):
    """F1 of the paragraphs that were read, best over the annotators.

    Attributes:
        min_overlap: the share of a paragraph's characters that must have been read; 0 asks for one character.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"context"})
    min_overlap: Annotated[float, Field(ge=0, le=1)] = 0.0

    @property
    def label(self) -> str:
        """The label, `qasper_evidence`, with the overlap if one is asked for."""
        return self.kind + (f"_{self.min_overlap:g}" if self.min_overlap else "")

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None without annotated evidence or if a server cut the prompt."""
        if "evidence_texts" not in example.scoring or answer.unread_tokens:
            return None
        read = list(self._read(answer, example.documents))
        annotators = [[text.strip() for text in texts] for texts in example.scoring["evidence_texts"]]
        return max((paragraph_f1(read, texts) for texts in annotators), default=None)

    def _read(self, answer: Answer, documents: Iterable[Document]) -> Iterator[str]:
        spans = covered(answer.context)
        read = {span.document_id for span in spans}
        for document in documents:
            if document.id not in read:
                continue
            own = [span for span in spans if span.document_id == document.id]
            starts = [span.start for span in own]
            for line in _LINE.finditer(document.text):
                shared, place = 0, max(0, bisect_right(starts, line.start()) - 1)
                while place < len(own) and own[place].start < line.end():
                    shared += max(0, min(own[place].end, line.end()) - max(own[place].start, line.start()))
                    place += 1
                if line[0].strip() and shared and shared >= self.min_overlap * len(line[0]):
                    yield line[0].strip()


def paragraph_f1(read: Sequence[str], evidence: Sequence[str]) -> float:
    """Returns F1 of a list of paragraphs against an annotator's, by Qasper's script."""
    if not read and not evidence:
        return 1.0
    same = len(set(evidence) & set(read))
    return harmonic(same / len(read), same / len(evidence)) if same else 0.0
