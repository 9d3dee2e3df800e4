"""Answer in context: whether a reference occurs in the text sent to the model.

The ceiling of a reader that only copies, and the recall of a retriever where evidence is not located. As `has_answer`
of DPR (Karpukhin et al. 2020, arXiv 2004.04906), words must match whole (`5` is not in `1955`), here after the
normalisation of `normalising` in folded typography (`ragvlc.text.folding`); so an answer that is part of a hyphenated
word is missed, and a short or common one may occur by chance. Where all references are required, the share that occurs.

The text is the union of the spans sent: an answer cut by the border of two neighbouring chunks counts where both were
sent, so numbers are comparable across chunk sizes. References without a word after normalisation are skipped.
"""

from __future__ import annotations

from typing import ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example, covered
from ragvlc.core.families import Metric
from ragvlc.metrics._references import Script, by_character, share_found, sought
from ragvlc.text.matching import normalise


class AnswerInContext(Metric):
    """1 if any reference occurs in the context, else 0; the share that occurs if all references are required.

    Attributes:
        script: `cjk` compares Chinese and Japanese by character, `latin` compares by word; `auto` takes `cjk` where a
            reference or the question is mostly Chinese or Japanese.
    """

    version: ClassVar[int] = 2

    script: Script = "auto"

    needs: ClassVar[frozenset[str]] = frozenset({"context"})

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1; None for unanswerable examples, references without words, and cut prompts."""
        cjk = by_character(self.script, example)
        references = sought(example, cjk=cjk)
        if not references or answer.unread_tokens:  # cut by the server, nobody knows where
            return None
        documents = {document.id: document.text for document in example.documents}
        texts = [
            normalise(documents[span.document_id][span.start : span.end], cjk=cjk) for span in covered(answer.context)
        ]
        return share_found([any(reference in text for text in texts) for reference in references], example)
