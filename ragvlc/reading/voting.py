"""Majority vote: the answer given by most of several replies."""

from __future__ import annotations

from collections.abc import Sequence

from ragvlc.text.choices import parse_choice
from ragvlc.text.normalising import has_cjk, normalise

__all__ = ["majority"]


def majority(replies: Sequence[str], choices: Sequence[str] = ()) -> tuple[int, int]:
    """Returns the index of the first reply with the most frequent answer, and the number of replies with that answer.

    Replies are equal after the normalisation of SQuAD (`text.normalising`); of multiple choice, when they name the
    same options. Of several answers with equally many votes the one that was given first wins. Replies without a word
    vote only when there is no other.

    Args:
        replies: at least one.
        choices: options of a multiple-choice question.
    """
    cjk = has_cjk(*replies)
    said: list[object] = []
    for reply in replies:
        named = parse_choice(reply, choices)
        said.append(named or normalise(reply, cjk=cjk))
    voting = [vote for vote in said if vote] or said
    counts = {vote: voting.count(vote) for vote in voting}  # in the order of their first appearance
    winner = max(counts, key=lambda vote: counts[vote])
    return said.index(winner), counts[winner]
