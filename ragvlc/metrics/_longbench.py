"""The scorers of LongBench as pure functions, and what its metrics share.

Bai et al. (2024, arXiv 2308.14508), `LongBench/metrics.py` and `LongBench/eval.py`. For the sets trec, triviaqa, samsum
and lsht the script strips newlines before the reply and keeps its first line: `first_line`. Figures are means times
100, rounded to two digits, a set each; LongBench-E has a figure each for fewer than 4,000 words, fewer than 8,000, and
more (`tags["length"]`), shown where a cell has one set or the sets are those of LongBench-E (`_e`).
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from typing import ClassVar, Literal

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import ScoredQuestion
from ragvlc.metrics._published import PublishedMetric, by_set, set_of, token_f1
from ragvlc.text.normalising import normalise
from ragvlc.text.rouge import pltrdy_rouge
from ragvlc.text.segmenting import NEEDS_JIEBA, chinese_words, has_jieba

__all__ = [
    "SCORED_BY",
    "ChineseMetric",
    "LongbenchMetric",
    "RougeMetric",
    "classified",
    "code_similarity",
    "first_line",
    "normalise_chinese",
    "number_share",
    "paragraph_number",
    "qa_f1",
    "qa_f1_zh",
    "rouge",
    "spaced_words",
]

SCORED_BY: Mapping[str, frozenset[str]] = {
    "longbench_qa_f1": frozenset(
        {"narrativeqa", "qasper", "multifieldqa_en", "hotpotqa", "2wikimqa", "musique", "triviaqa"}
    ),
    "longbench_qa_f1_zh": frozenset({"multifieldqa_zh"}),
    "longbench_rouge": frozenset({"gov_report", "qmsum", "multi_news", "samsum"}),
    "longbench_rouge_zh": frozenset({"dureader", "vcsum"}),
    "longbench_classification": frozenset({"trec", "lsht"}),
    "longbench_retrieval": frozenset({"passage_retrieval_en", "passage_retrieval_zh"}),
    "longbench_count": frozenset({"passage_count"}),
    "longbench_code_sim": frozenset({"lcc", "repobench-p"}),
}
"""The sets that each metric scores in LongBench's tables."""
_SETS = frozenset[str]().union(*SCORED_BY.values())
FIRST_LINE_SETS = frozenset({"trec", "triviaqa", "samsum", "lsht"})
DEEPEST = 990
"""Steps back through a table of ROUGE after which the script's recursion fails, and the reply scores 0."""
RECURSION = "rouge_recursion"
_BUCKETS = ((4000, "0-4k"), (8000, "4-8k"), (float("inf"), "8k+"))
_CHINESE_PUNCTUATION = (
    "！？｡。＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟"
    "｠｢｣､、〃》「」『』【】〔〕〖〗〘〙〚〛〜〝〞〟〰〾〿–—‘’‛“”„‟…‧﹏."
)
_PUNCTUATION = str.maketrans("", "", string.punctuation + _CHINESE_PUNCTUATION)
_DIGITS = re.compile(r"\d+")
_NUMBERED = (re.compile(r"Paragraph (\d+)"), re.compile(r"段落(\d+)"))


class LongbenchMetric(PublishedMetric):
    """A metric of LongBench.

    Attributes:
        first_line: whether only the first line of the reply counts; `auto` for the sets trec, triviaqa, samsum, lsht.
    """

    benchmark: ClassVar[str] = "LongBench"
    first_line: Literal["auto", "always", "never"] = "auto"

    def read(self, reply: str, example: Example) -> str:
        """Returns the part of the reply that counts."""
        auto = set_of(example.tags).removesuffix("_e") in FIRST_LINE_SETS
        return first_line(reply) if self.first_line == "always" or (self.first_line == "auto" and auto) else reply

    def official(self, questions: Sequence[ScoredQuestion]) -> Mapping[str, float]:
        """Returns the mean of each set times 100, and those of LongBench-E's lengths; none of another metric's sets."""
        questions = [one for one in questions if self._scores(set_of(one.tags).removesuffix("_e"))]
        found = dict(super().official(questions))
        sets = by_set(questions)
        if len(sets) == 1 or any(name.endswith("_e") for name in sets):
            for name, own in sets.items():
                before = f"{name} " if len(sets) > 1 else ""
                found |= {f"{before}{key}": value for key, value in _lengths(own)}
        return found

    def _scores(self, name: str) -> bool:
        """Returns whether LongBench scores a set by this metric; sets that are not LongBench's may be anyone's."""
        return name not in _SETS or name in SCORED_BY.get(self.kind, _SETS)


def _lengths(questions: Sequence[ScoredQuestion]) -> list[tuple[str, float]]:
    """Returns the figures of questions by length; none if the length of one is not known."""
    parts: dict[str, list[float]] = {name: [] for _, name in _BUCKETS}
    for one in questions:
        length = one.tags.get("length")
        if not isinstance(length, (int, float)):
            return []
        parts[next(name for limit, name in _BUCKETS if length < limit)].append(one.score or 0.0)
    return [(name, round(100 * sum(scores) / len(scores), 2)) for name, scores in parts.items() if scores]


class ChineseMetric(LongbenchMetric):
    """A metric of LongBench that cuts Chinese words."""

    def refusals(self) -> Sequence[str]:
        """Returns what is missing where jieba is not installed."""
        return () if has_jieba() else (f"{self.kind} {NEEDS_JIEBA}.",)


class RougeMetric(LongbenchMetric):
    """ROUGE-L of LongBench: pltrdy's, by sentences."""

    def words(self, text: str) -> str:
        """Returns the text with blanks between its words."""
        return text

    def compare(self, reply: str, reference: str, example: Example) -> float:  # noqa: ARG002 - needs no more gold
        """Returns ROUGE-L; 0 where a text has no sentence."""
        return rouge(self.words(reply), self.words(reference))[0]

    def flags(self, answer: Answer, example: Example) -> tuple[str, ...]:
        """Returns `rouge_recursion` where the script fails on long sentences and counts 0."""
        reply = self.words(self.read(answer.text, example))
        deep = any(rouge(reply, self.words(reference))[1] > DEEPEST for reference in example.references)
        return (RECURSION,) if deep else ()

    def figure(self, questions: Sequence[ScoredQuestion]) -> float:
        """Returns the mean times 100, in which replies on which the script fails count 0."""
        total = sum(0.0 if RECURSION in one.flags else one.score or 0.0 for one in questions)
        return round(100 * total / len(questions), 2)


def first_line(reply: str) -> str:
    """Returns the first line of a reply that is not empty, or an empty text."""
    return reply.lstrip("\n").partition("\n")[0]


def qa_f1(reply: str, reference: str) -> float:
    """Returns F1 of the words after SQuAD's normalisation; two texts without words score 0."""
    return token_f1(normalise(reply).split(), normalise(reference).split())


def qa_f1_zh(reply: str, reference: str) -> float:
    """Returns F1 of words that jieba cuts from the raw texts, normalised one by one."""
    return token_f1(_words_zh(reply), _words_zh(reference))


@lru_cache(maxsize=8)
def _words_zh(text: str) -> tuple[str, ...]:
    """Returns the normalised words of a text; a reply is cut once for all its references."""
    return tuple(filter(None, map(normalise_chinese, chinese_words(text))))


def normalise_chinese(text: str) -> str:
    """Returns a text in lower case without white space, ASCII punctuation and LongBench's list of Chinese ones."""
    return "".join(text.lower().translate(_PUNCTUATION).split())


@lru_cache(maxsize=8)
def rouge(reply: str, reference: str) -> tuple[float, int]:
    """Returns ROUGE-L's F by sentences, 0 where a text has none, and the steps of the longest walk."""
    try:
        found = pltrdy_rouge("L", reference, reply)
    except ValueError:
        return 0.0, 0
    return found.f, found.steps


@lru_cache(maxsize=8)
def spaced_words(text: str) -> str:
    """Returns a text with blanks between the words that jieba cuts."""
    return " ".join(chinese_words(text))


def classified(reply: str, reference: str, classes: Sequence[str]) -> float:
    """Returns 1 divided by the number of class names in the reply if the right one is among them, else 0.

    Names that are part of the right one are taken out first, while the script goes over the same list: the name after
    one that is taken out is not looked at, and remains.
    """
    found = [name for name in classes if name in reply]
    place = 0
    while place < len(found):
        name = found[place]
        if name in reference and name != reference:
            found.remove(name)  # its first occurrence, which may be an earlier one
        place += 1
    return 1.0 / len(found) if reference in found else 0.0


def number_share(reply: str, number: str) -> float:
    """Returns the share of the reply's runs of digits that equal a number as text; 0 without any."""
    found = _DIGITS.findall(reply)
    return found.count(number) / len(found) if found else 0.0


def paragraph_number(reference: str) -> str | None:
    """Returns the number in `Paragraph 3` or `段落3`, or None."""
    return next((found[1] for pattern in _NUMBERED if (found := pattern.search(reference))), None)


def code_similarity(reply: str, reference: str) -> float:
    """Returns the similarity of the first line without a backtick, `#` or `//` to the reference.

    It is difflib's ratio in whole per cent, as fuzzywuzzy computes it without python-Levenshtein.
    """
    lines = reply.lstrip("\n").split("\n")
    line = next((one for one in lines if not any(mark in one for mark in ("`", "#", "//"))), "")
    if line == reference:
        return 1.0
    if not line or not reference:
        return 0.0
    return round(100 * SequenceMatcher(None, line, reference).ratio()) / 100
