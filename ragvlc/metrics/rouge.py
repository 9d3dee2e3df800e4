"""ROUGE-1, -2, -L and -Lsum, as Google's package or pltrdy's computes them.

Lin (2004, https://aclanthology.org/W04-1013). Papers mean one of two packages, whose values differ: `google` is
`rouge-score` (L-Eval, HELMET, InfiniteBench, SQuALITY), with or without its Porter stemmer; `pltrdy` is `rouge` 1.0.1
(LongBench, LV-Eval, LooGLE), where repeats vanish. The rules of both, and in what they differ from the packages, are in
`ragvlc.text.rouge`. Best reference; `Lsum` takes lines for sentences.

Differences: none in value to `google`. pltrdy's package raises where a text has no sentence, which is 0 here, and on
long sentences, which are computed here. A declined reply scores 0. Where all references are required they are joined.
Google's words are ASCII letters and digits, so that Chinese scores 0: `rouge_l` compares other scripts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric
from ragvlc.metrics._references import reply_text
from ragvlc.metrics._texts import texts_wanted
from ragvlc.text.rouge import RougeType, google_rouge, pltrdy_rouge

_KINDS: Mapping[object, RougeType] = {1: "1", 2: "2", "L": "L", "Lsum": "Lsum"}


class Rouge(Metric):
    """ROUGE of the reply against the best reference.

    Attributes:
        type: `1` and `2` count words and pairs of words, `L` is the longest common subsequence, `Lsum` that by lines.
        package: whose computation: `google` or `pltrdy`.
        stemmer: whether words lose their endings before they are compared (`google`).
        measure: `f`, `precision` or `recall`.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"answer"})
    type: Literal[1, 2, "L", "Lsum"] = "L"
    package: Literal["google", "pltrdy"] = "google"
    stemmer: bool = False
    measure: Literal["f", "precision", "recall"] = "f"

    @model_validator(mode="after")
    def _is_computed_by_the_package(self) -> Self:
        if self.package == "pltrdy" and (self.stemmer or self.type == "Lsum"):
            what = "stemmer" if self.stemmer else "type Lsum"
            raise PydanticCustomError("package", "the package pltrdy has no {what}. Take google.", {"what": what})
        return self

    @property
    def label(self) -> str:
        """The label, such as `rouge_2`, `rouge_L_stemmed` or `rouge_1_pltrdy_recall`."""
        words = ["rouge", str(self.type), *(["stemmed"] if self.stemmer else [])]
        words += [self.package] if self.package != "google" else []
        return "_".join([*words, *([self.measure] if self.measure != "f" else [])])

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None for unanswerable examples and those without references."""
        reply = reply_text(answer)
        return max((self._score(reply, reference) for reference in texts_wanted(example)), default=None)

    def _score(self, reply: str, reference: str) -> float:
        kind = _KINDS[self.type]
        if self.package == "google":
            found = google_rouge(kind, reference, reply, stemmer=self.stemmer)
        else:
            try:
                found = pltrdy_rouge(kind, reference, reply)
            except ValueError:
                return 0.0
        return {"f": found.f, "precision": found.precision, "recall": found.recall}[self.measure]
