"""LooGLE's METEOR: alignment of words, stems and synonyms of reply and reference.

The script of Li et al. (2024, arXiv 2311.04939), `automatic_metrics.py`, which calls nltk's `single_meteor_score`
(Lavie and Agarwal 2007, https://aclanthology.org/W07-0734) on the **sets** of the words between blanks: lower-cased
words are aligned if they are equal, then if their Porter stems are, then if WordNet has one stem as a synonym of the
other. The score is a mean of precision and recall that weighs recall nine times as much, times 1 - .5 x (runs of
aligned neighbours / aligned words)³. An empty reply is read as the word `None`.

The last stage needs WordNet, which is looked for where nltk and Debian keep it (`wordnet` names another folder). Where
there is none, the metric is refused; `stages: exact_stem` leaves that stage out, and has a name of its own.

Differences: Python orders a set of words anew in every process, by a hash with a random key, and the runs of neighbours
depend on that order, so that the script's own figure is not the same twice, and lower than METEOR of the texts. Here
`order: hashed` takes the order of a table like Python's with a fixed hash: one of the orders that the script may meet,
always the same; on its stored answers the mean lies within those of the script. `order: text` takes words in the order
of their first place, and has a name of its own. With several references the best counts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from ragvlc.core.answer import Answer
from ragvlc.core.component import Execution
from ragvlc.core.data import Example
from ragvlc.core.families import Metric
from ragvlc.metrics._loogle import words_of
from ragvlc.metrics._overlap import best
from ragvlc.metrics._wordnet import find_wordnet, wordnet

__all__ = ["LoogleMeteor", "as_in_a_set", "meteor"]

_Word = tuple[int, str]
_KEY = b"3"
"""Of the fixed hash: with it the means of LooGLE's stored answers are in the middle of those of Python's own keys."""
Synonyms = Callable[[str], Collection[str]]


class LoogleMeteor(Metric):
    """METEOR on sets of words, best over the references.

    Attributes:
        stages: `all`, or `exact_stem`, without WordNet.
        order: of the words in a set: `hashed`, as in a table of Python's, or `text`.
        wordnet: the folder, or nltk's zip file, of WordNet's database; None looks for it.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"answer"})
    stages: Literal["all", "exact_stem"] = "all"
    order: Literal["hashed", "text"] = "hashed"
    wordnet: Annotated[Path | None, Execution] = None

    @property
    def label(self) -> str:
        """The label, such as `loogle_meteor`, `loogle_meteor_exact_stem` or `loogle_meteor_text`."""
        stages, order = "" if self.stages == "all" else "_exact_stem", "" if self.order == "hashed" else "_text"
        return self.kind + stages + order

    def refusals(self) -> list[str]:
        """Returns a sentence if WordNet is needed and is not on this machine."""
        if self.stages != "all" or self._place is not None:
            return []
        message = (
            "METEOR's last stage needs WordNet, which is not on this machine. Install it (Debian: wordnet-base; nltk: "
            "python -m nltk.downloader wordnet), name its folder in `wordnet`, or set stages: exact_stem."
        )
        return [message]

    def identity(self) -> Mapping[str, Any]:
        """Returns the hash of WordNet's files if they are used."""
        return {"wordnet": self._database.key} if self.stages == "all" and self._place is not None else {}

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None for unanswerable examples and those without references."""
        synonyms = self._database.synonyms if self.stages == "all" else None

        def score(reply: str, reference: str) -> float:
            found, wanted = dict.fromkeys(words_of(reply)), dict.fromkeys(reference.split())
            if self.order == "text":
                return meteor(found, wanted, synonyms)
            return meteor(as_in_a_set(found), as_in_a_set(wanted), synonyms)

        return best(score, answer, example)

    @property
    def _place(self) -> Path | None:
        return find_wordnet() if self.wordnet is None else self.wordnet.expanduser()

    @property
    def _database(self) -> Any:  # noqa: ANN401
        return wordnet(self._place)


def as_in_a_set(words: Collection[str]) -> list[str]:
    """Returns different words in the order of a table of the size that Python's sets have, by a fixed hash."""
    size = 8
    while len(words) * 5 >= (size - 1) * 3:
        filled = -(-(size - 1) * 3 // 5)
        while size <= filled * (4 if filled <= 50_000 else 2):
            size *= 2
    return sorted(words, key=lambda word: (_hash(word) % size, _hash(word)))


@lru_cache(maxsize=100_000)
def _hash(word: str) -> int:
    return int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8, key=_KEY).digest(), "big")


def meteor(reply: Iterable[str], reference: Iterable[str], synonyms: Synonyms | None = None) -> float:
    """Returns METEOR of two lists of words, as nltk computes it; without `synonyms` by equal words and stems only."""
    found, wanted = (list(enumerate(map(str.lower, side))) for side in (reply, reference))
    lengths = len(found), len(wanted)
    aligned: list[tuple[int, int]] = []
    found, wanted = _align(found, wanted, _itself, aligned)
    found, wanted = ([(place, _stem(word)) for place, word in side] for side in (found, wanted))
    found, wanted = _align(found, wanted, _itself, aligned)
    if synonyms is not None:
        _align(found, wanted, lambda stem: {stem, *synonyms(stem)}, aligned)
    if not aligned:
        return 0.0
    aligned.sort()
    precision, recall = (len(aligned) / length for length in lengths)
    mean = precision * recall / (0.9 * precision + (1 - 0.9) * recall)
    runs = 1 + sum((left + 1, right + 1) != after for (left, right), after in pairwise(aligned))
    return (1 - 0.5 * (runs / len(aligned)) ** 3) * mean


def _itself(word: str) -> tuple[str, ...]:
    return (word,)


def _align(
    found: Sequence[_Word], wanted: Sequence[_Word], names: Synonyms, aligned: list[tuple[int, int]]
) -> tuple[list[_Word], list[_Word]]:
    """Aligns words from the last to the first with the last free word of one of their names; returns the others."""
    free: dict[str, list[int]] = {}
    for place, (_, word) in enumerate(wanted):
        free.setdefault(word, []).append(place)
    left, taken = [], set()
    for number, word in reversed(found):
        places = max((free[name] for name in names(word) if free.get(name)), key=lambda one: one[-1], default=None)
        if places is None:
            left.append((number, word))
            continue
        taken.add(places[-1])
        aligned.append((number, wanted[places.pop()][0]))
    return left[::-1], [one for place, one in enumerate(wanted) if place not in taken]


@lru_cache(maxsize=100_000)
def _stem(word: str) -> str:
    return str(_stemmer().stem(word))


@cache
def _stemmer() -> Any:  # noqa: ANN401 - an untyped library's object; it keeps no state between calls
    from nltk.stem.porter import PorterStemmer

    return PorterStemmer()
