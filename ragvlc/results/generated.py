"""Questions that a model wrote: how many of a data set, by which model, and how many a person has reviewed.

Such questions carry `generated: true` among their tags (`ragvlc.questions`), with the name of the model, what filters
could not judge, and a person's decision. Whatever is made of them says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ragvlc.documents.dataset import REJECTED

__all__ = ["GeneratedShare", "generated_sentences", "generated_share"]


@dataclass(frozen=True, slots=True)
class GeneratedShare:
    """The questions of a data set that a model wrote.

    Attributes:
        questions: all questions.
        generated: those that a model wrote.
        writers: the names of these models, with the number of their questions.
        reviewed: generated questions that a person has accepted, edited or rejected.
        marked: generated questions that a filter could not judge.
        rejected: those that a person has rejected, which are not asked.
    """

    questions: int
    generated: int
    writers: Mapping[str, int]
    reviewed: int
    marked: int
    rejected: int = 0

    @property
    def review(self) -> str:
        """How many a person has reviewed, such as `34 of 50 reviewed, 4 rejected`."""
        rejected = f", {self.rejected:,} rejected" if self.rejected else ""
        return f"{self.reviewed:,} of {self.generated + self.rejected:,} reviewed{rejected}"

    @property
    def sentence(self) -> str:
        """What to know of the questions, in a sentence."""
        who = ", ".join(self.writers) or "a model"
        number = f"All {self.questions:,}" if self.generated == self.questions else f"{self.generated:,}"
        of = "" if self.generated == self.questions else f" of {self.questions:,}"
        unsure = f"; {self.marked:,} could not be judged by every filter" if self.marked else ""
        done = self.review.replace("reviewed", "reviewed by a person", 1)
        return f"Generated questions: {number}{of} were written by {who}; {done}{unsure}."

    def tags(self) -> dict[str, str]:
        """Returns the facts as tags for a tracker."""
        return {
            "generated": "true",
            "generated.questions": f"{self.generated} of {self.questions}",
            "generated.by": ", ".join(self.writers),
            "generated.reviewed": f"{self.reviewed} of {self.generated + self.rejected}",
            **({"generated.rejected": str(self.rejected)} if self.rejected else {}),
        }


def generated_sentences(sets: Iterable[tuple[Iterable[Mapping[str, Any]], Mapping[str, int]]]) -> list[str]:
    """Returns a sentence for each data set with generated questions, given by the arguments of `generated_share`."""
    shares = [generated_share(tags, skipped) for tags, skipped in sets]
    return list(dict.fromkeys(share.sentence for share in shares if share is not None))


def generated_share(
    tags: Iterable[Mapping[str, Any]], skipped: Mapping[str, int] | None = None
) -> GeneratedShare | None:
    """Returns the generated questions among those with these tags; None if there are none.

    Args:
        tags: of each question.
        skipped: number of questions that the data set left out, by reason.
    """
    listed = list(tags)
    own = [one for one in listed if one.get("generated") is True]
    if not own:
        return None
    rejected = (skipped or {}).get(REJECTED, 0)
    writers = Counter(str(one["written_by"]) for one in own if one.get("written_by"))
    return GeneratedShare(
        questions=len(listed),
        generated=len(own),
        writers=dict(writers.most_common()),
        reviewed=sum(bool(one.get("reviewed")) for one in own) + rejected,
        marked=sum(bool(one.get("marked")) for one in own),
        rejected=rejected,
    )
