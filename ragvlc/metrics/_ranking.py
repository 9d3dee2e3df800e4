"""Base class of the ranking metrics: ranked units, relevance grades, and the call of trec_eval.

Two units.

`document`: chunks count for their documents. A document's rank is that of its best chunk, further chunks of it are
passed over, and `k` counts documents. Relevant are the documents that `Example.relevant` gives a grade above 0; only
nDCG looks at how high the grade is (linear gain).

Documents named in `Example.scoring["excluded"]` are taken out of the ranking before anything is counted, as BRIGHT does
with the passages that a question quotes (Su et al. 2024, arXiv 2407.12883): they take no rank and are never relevant.

`span`: `k` counts chunks. A chunk is relevant when it holds evidence: at least one character of a located span, and at
least the share `min_overlap` of it. Grades are 0 and 1.

Values are those of trec_eval, through pytrec_eval-terrier (Van Gysel and de Rijke 2018, arXiv 1805.01597). It sorts by
score, which it keeps in 32 bits, and breaks ties by name, downwards: the order of a run is not its own. Here scores are
replaced by strictly falling whole numbers, so the order of `Answer.ranking` alone decides: chunks with equal scores
count in the order in which the retriever gave them, which is that of the documents.

`Answer.ranking` ends at the retriever's `candidates` chunks. Where that leaves fewer than `k` and something relevant is
not among them, the row is flagged `ranking_cut`: raise `candidates`. A ranking that is short because there is no more
to rank has no flag; nothing found is 0.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example, Hit, Span
from ragvlc.core.families import Metric
from ragvlc.metrics._passages import evidence_of, holds

__all__ = [
    "Judged",
    "RankedUnits",
    "RankingMetric",
    "excluded",
    "judged_evidence",
    "ranked_chunks",
    "ranked_documents",
    "relevant_of",
    "trec",
]


_UNCUT = {"recip_rank", "Rprec"}
"""Measures that have no cut-off in their name."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A ranking with its relevance grades.

    Attributes:
        grades: of the ranked items, best first; 0 is not relevant.
        missed: grades of the relevant items that were not ranked.
        complete: whether every item was ranked.
    """

    grades: tuple[float, ...]
    missed: tuple[float, ...]
    complete: bool


class RankedUnits(Metric):
    """A metric that scores the ranking in `Answer.ranking`.

    Attributes:
        unit: the ranked unit: `document`, against the data's relevant documents, or `span`, chunks against the data's
            located evidence.
        min_overlap: of unit `span`: the share of an evidence span's characters that a chunk must have; 0 asks for one
            character.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"ranking"})
    unit: Literal["document", "span"] = "document"
    min_overlap: Annotated[float, Field(ge=0, le=1)] = 0.0

    @property
    def label(self) -> str:
        """The kind, with `_span` or `_span_0.5` for relevance by evidence."""
        label = self.named
        if self.unit == "span":
            label += "_span" + (f"_{self.min_overlap:g}" if self.min_overlap else "")
        return label

    @property
    def named(self) -> str:
        """The label of unit `document`."""
        return self.kind

    def judged(self, answer: Answer, example: Example) -> Judged | None:
        """Returns the ranking with its relevance grades, or None if no relevant item is known."""
        if self.unit == "document":
            return _documents(answer, example)
        evidence = judged_evidence(example)
        return _chunks(answer, example, evidence, self.min_overlap) if evidence else None

    @abstractmethod
    def depth(self, judged: Judged) -> int:
        """Returns how many of the ranked items count."""

    def flags(self, answer: Answer, example: Example) -> tuple[str, ...]:
        """Returns `ranking_cut` if ranking more candidates could have raised the score."""
        judged = self.judged(answer, example)
        if judged is None or judged.complete or not judged.missed or len(judged.grades) >= self.depth(judged):
            return ()
        return ("ranking_cut",)


class RankingMetric(RankedUnits):
    """A metric of the first `k` items of a ranking.

    Attributes:
        k: the number of top-ranked items that count.
    """

    k: Annotated[int, Field(ge=1)] = 10

    @property
    def named(self) -> str:
        """The label, such as `ndcg_at_10`, or `ndcg_at_10_span` and `ndcg_at_10_span_0.5` for relevance by evidence."""
        return f"{self.kind.removesuffix('_at')}_at_{self.k}"

    def depth(self, judged: Judged) -> int:  # noqa: ARG002 - the same for all
        """Returns k."""
        return self.k


def trec(measure: str, judged: Judged, k: int) -> float:
    """Returns a trec_eval measure, from 0 to 1, of the first `k` items of a ranking.

    Args:
        measure: name of the measure, such as `recall` or `ndcg_cut`.
        judged: the ranking.
        k: the cut-off, also for measures that have none in their name.
    """
    from pytrec_eval import RelevanceEvaluator

    if not judged.grades:
        return 0.0
    grades = _whole((*judged.grades, *judged.missed))
    relevant = {str(place): grade for place, grade in enumerate(grades)}
    ranked = min(k, len(judged.grades))
    run = {str(place): float(ranked - place) for place in range(ranked)}
    name = measure if measure in _UNCUT else f"{measure}.{k}"
    found: Mapping[str, float] = RelevanceEvaluator({"q": relevant}, {name}).evaluate({"q": run})["q"]
    return float(found[name.replace(".", "_")])


def excluded(example: Example) -> frozenset[str]:
    """Returns the ids of the documents that are not to be counted for this question; most data sets have none."""
    return frozenset(map(str, example.scoring.get("excluded", ())))


def relevant_of(example: Example) -> dict[str, float]:
    """Returns the grades above 0 of the documents that count, by id."""
    left_out = excluded(example)
    return {name: grade for name, grade in example.relevant.items() if grade > 0 and name not in left_out}


def ranked_documents(answer: Answer, example: Example) -> list[str]:
    """Returns the ids of the ranked documents, each at the rank of its best chunk, without excluded ones."""
    return list(dict.fromkeys(hit.chunk.document_id for hit in ranked_chunks(answer, example)))


def ranked_chunks(answer: Answer, example: Example) -> Sequence[Hit]:
    """Returns the ranked chunks, without those of excluded documents."""
    left_out = excluded(example)
    return [hit for hit in answer.ranking if hit.chunk.document_id not in left_out] if left_out else answer.ranking


def judged_evidence(example: Example) -> tuple[Span, ...]:
    """Returns the located evidence spans without repeats, without those in excluded documents."""
    left_out = excluded(example)
    return tuple(span for span in evidence_of(example) if span.document_id not in left_out)


def _documents(answer: Answer, example: Example) -> Judged | None:
    relevant = relevant_of(example)
    if not relevant:
        return None
    ranked = ranked_documents(answer, example)
    found = set(ranked)
    missed = tuple(grade for name, grade in relevant.items() if name not in found)
    left_out = excluded(example)
    complete = _all_chunks(answer) or len(ranked) >= sum(
        bool(document.text) and document.id not in left_out for document in example.documents
    )
    return Judged(tuple(relevant.get(name, 0.0) for name in ranked), missed, complete)


def _chunks(answer: Answer, example: Example, evidence: Sequence[Span], min_overlap: float) -> Judged:
    def grade(hit: Hit) -> float:
        return float(any(holds(hit.chunk.span, span, min_overlap) for span in evidence))

    ranking = ranked_chunks(answer, example)
    found = [any(holds(hit.chunk.span, span, min_overlap) for hit in ranking) for span in evidence]
    return Judged(tuple(map(grade, ranking)), (1.0,) * found.count(False), _all_chunks(answer))


def _all_chunks(answer: Answer) -> bool:
    """Returns whether every chunk was ranked; True if the trace does not give the number of chunks."""
    steps = [step.facts for root in answer.trace for step in root.walk() if "ranked" in step.facts]
    return all(facts.get("chunks", 0) <= facts["ranked"] for facts in steps)


def _whole(grades: Sequence[float]) -> list[int]:
    """Returns grades scaled to integers, which the trec_eval library expects; only their ratios matter."""
    scale = 1 if all(float(grade).is_integer() for grade in grades) else 1000
    return [max(round(grade * scale), int(grade > 0)) for grade in grades]
