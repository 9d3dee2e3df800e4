"""Questions that a model wrote: how many of a data set, by which model, and how many a person has reviewed.

Such questions carry `generated: true` among their tags (`ragvlc.questions`), with the name of the model, what filters
could not judge, and a person's decision. Whatever is made of them says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["GeneratedShare", "generated_sentences", "generated_share"]


@dataclass(frozen=True, slots=True)
class GeneratedShare:
    """The questions of a data set that a model wrote.

    Attributes:
        questions: all questions.
        generated: those that a model wrote.
        writers: the names of these models, with the number of their questions.
        reviewed: generated questions that a person has accepted or edited.
        marked: generated questions that a filter could not judge.
    """

    questions: int
    generated: int
    writers: Mapping[str, int]
    reviewed: int
    marked: int

    @property
    def sentence(self) -> str:
        """What to know of the questions, in a sentence."""
        who = ", ".join(self.writers) or "a model"
        number = f"All {self.questions:,}" if self.generated == self.questions else f"{self.generated:,}"
        of = "" if self.generated == self.questions else f" of {self.questions:,}"
        unsure = f", {self.marked:,} could not be judged by every filter" if self.marked else ""
        return (
            f"Generated questions: {number}{of} were written by {who}; {self.reviewed:,} reviewed by a person{unsure}."
        )

    def tags(self) -> dict[str, str]:
        """Returns the facts as tags for a tracker."""
        return {
            "generated": "true",
            "generated.questions": f"{self.generated} of {self.questions}",
            "generated.by": ", ".join(self.writers),
            "generated.reviewed": str(self.reviewed),
        }


def generated_sentences(sets: Iterable[Iterable[Mapping[str, Any]]]) -> list[str]:
    """Returns a sentence for each data set, given by the tags of its questions, that has generated questions."""
    shares = map(generated_share, sets)
    return list(dict.fromkeys(share.sentence for share in shares if share is not None))


def generated_share(tags: Iterable[Mapping[str, Any]]) -> GeneratedShare | None:
    """Returns the generated questions among those with these tags; None if there are none."""
    listed = list(tags)
    own = [one for one in listed if one.get("generated") is True]
    if not own:
        return None
    writers = Counter(str(one["written_by"]) for one in own if one.get("written_by"))
    return GeneratedShare(
        questions=len(listed),
        generated=len(own),
        writers=dict(writers.most_common()),
        reviewed=sum(bool(one.get("reviewed")) for one in own),
        marked=sum(bool(one.get("marked")) for one in own),
    )
