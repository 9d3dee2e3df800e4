"""LV-Eval's score: F1 that counts only where the reply has the keywords of the answer.

Yuan et al. (2024, arXiv 2402.05136), `metrics.py`, `config.py` and `evaluation.py` (MIT licence). A rule for each set,
by `tags["dataset"]`, or by the example's language where that names none:

- `english`: F1 of words after SQuAD's normalisation, 0 if fewer than 0.2 of the keywords' words are in the reply;
- `chinese`: F1 of words that jieba cuts, 0 if fewer than 0.4 of them are;
- `english_plain`, `chinese_plain` (factrecall_en, factrecall_zh): without that condition;
- `chinese_rouge` (dureader_mixup): LongBench's ROUGE-L of the words that jieba cuts, without 85 common ones.

Keywords are `Example.scoring["answer_keywords"]`, a text; without it `english` has no condition and `chinese` takes the
reference. Words of a list (38 English, 85 Chinese) do not count as found, but remain in the denominator, so that an
answer of common words can never pass. Only the first reference counts. The figure is the mean times 100 to two digits,
for each set.

Differences: keywords without a word score 0, where the script divides by zero. `chinese_rouge` is computed on long
replies on which the script's recursion fails and counts 0 (see `longbench_rouge`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, Literal

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.metrics._longbench import normalise_chinese, rouge, spaced_words
from ragvlc.metrics._published import PublishedMetric, set_of, token_f1
from ragvlc.text.normalising import mostly_cjk, normalise
from ragvlc.text.segmenting import NEEDS_JIEBA, chinese_words, has_jieba

__all__ = ["LvevalF1", "gated_f1"]

Rule = Literal["english", "chinese", "english_plain", "chinese_plain", "chinese_rouge"]
_SETS: dict[str, Rule] = {
    "hotpotwikiqa_mixup": "english",
    "loogle_SD_mixup": "english",
    "loogle_CR_mixup": "english",
    "loogle_MIR_mixup": "english",
    "multifieldqa_en_mixup": "english",
    "multifieldqa_zh_mixup": "chinese",
    "factrecall_en": "english_plain",
    "factrecall_zh": "chinese_plain",
    "cmrc_mixup": "chinese",
    "lic_mixup": "chinese",
    "dureader_mixup": "chinese_rouge",
}
_LEVEL = re.compile(r"_.{1,3}k")
COMMON_ENGLISH = frozenset(
    (  # noqa: SIM905 - a table
        "and to of in her was with for it from is that his he by she they or at because be on are their what "
        "as had were about being this who but have has when which does"
    ).split()
)
COMMON_CHINESE = frozenset(
    (  # noqa: SIM905 - a table
        "的 和 是 等 在 年 可以 为 与 ‰ 了 或 一种 月 c 至 日 有 进行 于 不 中 × 根据 小 由 亩 也 要 指 法 "
        "会 元 主要 以及 通过 首先 对 然后 号 以 所 后 丁 包括 无 将 用 能 形 方面 因素 位于 而 从 到 一定 "
        "用于 但 使用 让 具有 并 亿元 万元 上 类 基于 才 来 地 片 其他 个 或者 变得 时 给 你 使 条 受 已经 带 "
        "度"
    ).split()
)


class LvevalF1(PublishedMetric):
    """F1 of the reply where it has the keywords, by LV-Eval's script.

    Attributes:
        rule: of the five above; `auto` for that of the example's set.
    """

    benchmark: ClassVar[str] = "LV-Eval"
    rule: Literal["auto", "english", "chinese", "english_plain", "chinese_plain", "chinese_rouge"] = "auto"

    def refusals(self) -> Sequence[str]:
        """Returns what is missing for a Chinese rule where jieba is not installed."""
        return () if has_jieba() or not self.rule.startswith("chinese") else (f"{self.kind} {NEEDS_JIEBA}.",)

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns the score by the first reference, or None without one."""
        return self.compare(answer.text, example.references[0], example) if example.references else None

    def compare(self, reply: str, reference: str, example: Example) -> float:
        """Returns the score against a reference."""
        rule = self._rule(example)
        if rule == "chinese_rouge":
            return rouge(_without_common(reply), _without_common(reference))[0]
        chinese = rule.startswith("chinese")
        if rule.endswith("_plain"):
            return token_f1(_words(reply, chinese=chinese), _words(reference, chinese=chinese))
        return gated_f1(reply, reference, str(example.scoring.get("answer_keywords") or ""), chinese=chinese)

    def _rule(self, example: Example) -> Rule:
        if self.rule != "auto":
            return self.rule
        name = _LEVEL.split(set_of(example.tags))[0]
        if name in _SETS:
            return _SETS[name]
        return "chinese" if any(map(mostly_cjk, (*example.references, example.query.text))) else "english"


def gated_f1(reply: str, reference: str, keywords: str, *, chinese: bool) -> float:
    """Returns F1 of the words; 0 if too few of the keywords' words are in the reply."""
    given = _words(reply, chinese=chinese)
    if keywords or chinese:
        wanted = _words(keywords or reference, chinese=chinese)
        common = COMMON_CHINESE if chinese else COMMON_ENGLISH
        found = sum(count for word, count in (Counter(given) & Counter(wanted)).items() if word not in common)
        if not wanted or found / len(wanted) < (0.4 if chinese else 0.2):
            return 0.0
    return token_f1(given, _words(reference, chinese=chinese))


def _words(text: str, *, chinese: bool) -> list[str]:
    if chinese:
        return [word for word in map(normalise_chinese, chinese_words(text)) if word]
    return normalise(text).split()


def _without_common(text: str) -> str:
    """Returns the words of a text without the common ones; cut twice, as the script does."""
    words = map(normalise_chinese, chinese_words(spaced_words(text)))
    return " ".join(word for word in words if word not in COMMON_CHINESE)
