"""GraphWalks: F1 of the set of nodes that the reply lists.

From the card of the data set (`openai/graphwalks`): the last line must hold `Final Answer: [a, b]`; its items, split at
commas, are compared as a set with the wanted nodes; two empty sets score 1.

Differences. The code on the card does something else than its text says, in two ways: it does not take the words
`Final Answer: [` off the first node, which is therefore never right; and it gives 1 to every reply without a right node
(`f1 = ... if recall + precision > 0 else 1`), also where the line is missing. `as_published: true` computes that. By
default the first node is read like the others, and a wrong or unreadable reply scores 0.

Reads `Example.scoring["nodes"]`, a list of names; does not apply without it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric
from ragvlc.metrics._overlap import harmonic

__all__ = ["Graphwalks", "as_on_the_card", "listed_nodes", "node_f1"]

_MARK = "Final Answer:"


class Graphwalks(Metric):
    """F1 of the nodes in the last line of the reply.

    Attributes:
        as_published: compute what the code on the data set's card computes, its two mistakes included.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"answer"})
    as_published: bool = False

    @property
    def label(self) -> str:
        """The label, `graphwalks` or `graphwalks_as_published`."""
        return self.kind + "_as_published" * self.as_published

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None if the example has no nodes."""
        if "nodes" not in example.scoring:
            return None
        wanted = frozenset(map(str, example.scoring["nodes"]))
        reply = answer.text
        if self.as_published:
            return as_on_the_card(reply, wanted)
        found = listed_nodes(reply)
        return 0.0 if found is None else node_f1(found, wanted)

    def flags(self, answer: Answer, example: Example) -> tuple[str, ...]:
        """Returns `unparsed` if the last line of the reply lists no nodes."""
        return ("unparsed",) if "nodes" in example.scoring and listed_nodes(answer.text) is None else ()


def listed_nodes(reply: str) -> frozenset[str] | None:
    """Returns the nodes in the last line of a reply, or None if it has no list of the wanted form."""
    found = _list_in(reply)
    return None if found is None else _items(found.removeprefix(_MARK).strip().strip("[]"))


def node_f1(found: Collection[str], wanted: Collection[str]) -> float:
    """Returns F1 of two sets of nodes; 1 if both are empty."""
    found, wanted = frozenset(found), frozenset(wanted)
    if not found and not wanted:
        return 1.0
    same = len(found & wanted)
    return harmonic(same / len(found), same / len(wanted)) if same else 0.0


def as_on_the_card(reply: str, wanted: Collection[str]) -> float:
    """Returns what the code on the data set's card gives."""
    found = _items((_list_in(reply) or "").strip("[]"))
    return node_f1(found, wanted) if frozenset(found) & frozenset(wanted) else 1.0


def _items(text: str) -> frozenset[str]:
    return frozenset(item.strip() for item in text.split(",") if item.strip())


def _list_in(reply: str) -> str | None:
    """Returns `Final Answer: [...]` in the last line, from the first such list to the last bracket."""
    line = reply.rpartition("\n")[2]
    end = line.rfind("]") + 1
    starts = [place for bracket in ("[", " [") if (place := line.find(_MARK + bracket)) != -1]
    return line[min(starts) : end] if starts and end > min(starts) else None
