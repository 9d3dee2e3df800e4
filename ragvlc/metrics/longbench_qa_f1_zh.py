"""LongBench's token F1 for Chinese answers: words that jieba cuts.

Bai et al. (2024, arXiv 2308.14508), `LongBench/metrics.py`, `qa_f1_zh_score`: jieba (precise mode) cuts the raw texts,
then each word is put in lower case and loses punctuation and white space. The list of punctuation lacks `《`, `〈` and
`〉`. Where words are cut decides: `香港 大学` and `香港大学` have none in common. Needs jieba: `pip install
'ragvlc[benchmarks]'`.

Differences: none in value.
"""

from __future__ import annotations

from ragvlc.core.data import Example
from ragvlc.metrics._longbench import ChineseMetric, qa_f1_zh


class LongbenchQaF1Zh(ChineseMetric):
    """Token F1 of a Chinese reply by LongBench's script."""

    def compare(self, reply: str, reference: str, example: Example) -> float:  # noqa: ARG002 - needs no more gold
        """Returns F1 of the words."""
        return qa_f1_zh(reply, reference)
