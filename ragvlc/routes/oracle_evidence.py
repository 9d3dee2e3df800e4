"""Oracle evidence: the gold evidence with a little text around it. A control: the ceiling of perfect retrieval.

Source: the oracle-provenance setting of BERGEN (Rau et al. 2024, arXiv 2407.01102) and the oracle condition of Lost in
the Middle (Liu et al. 2023, arXiv 2307.03172). Differences: evidence is located by characters, so it is widened by
`margin_tokens` on each side instead of being a passage of some corpus. Reads gold: its rows are marked as controls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from ragvlc.core.answer import Answer
from ragvlc.core.data import Document, Query, Span, covered
from ragvlc.core.engines import Tokenizer
from ragvlc.core.run import Run
from ragvlc.reading.asking import Reading, whole


class OracleEvidence(Reading):
    """Reads only the gold evidence, or the whole documents if no evidence is located.

    Attributes:
        margin_tokens: read on each side of an evidence span.
    """

    reads_at_once: ClassVar[bool] = True
    gives: ClassVar[frozenset[str]] = frozenset({"answer", "context"})
    uses_gold: ClassVar[bool] = True

    margin_tokens: Annotated[int, Field(ge=0)] = 64

    def answer(self, query: Query, documents: Sequence[Document], run: Run) -> Answer:
        """Returns the answer from the gold evidence, in (document, start) order."""
        evidence = run.gold.evidence
        tokenizer = run.generator(self.generator).tokenizer
        place = {document.id: i for i, document in enumerate(documents)}
        wide = [self._widened(span, documents[place[span.document_id]], tokenizer) for span in evidence]
        spans = sorted(covered(wide), key=lambda span: (place[span.document_id], span.start))
        with run.step("gold", located=len(evidence)):
            return self.read(query, documents, run, spans=spans or whole(documents))

    def _widened(self, span: Span, document: Document, tokenizer: Tokenizer) -> Span:
        before = tokenizer.spans(document.text[: span.start])
        after = tokenizer.spans(document.text[span.end :])
        margin = self.margin_tokens
        start = before[-margin][0] if 0 < margin < len(before) else 0 if margin else span.start
        end = span.end + (after[margin - 1][1] if 0 < margin < len(after) else len(document.text) if margin else 0)
        return Span(span.document_id, start, min(end, len(document.text)))
