"""LongBench's ROUGE-L for Chinese texts: words that jieba cuts.

Bai et al. (2024, arXiv 2308.14508), `LongBench/metrics.py`, `rouge_zh_score`: words cut by jieba are joined by blanks,
then scored as in `longbench_rouge`. `。` ends no sentence. Needs jieba: `pip install 'ragvlc[benchmarks]'`.

Differences: those of `longbench_rouge`; texts of about 500 words in all are deep enough, as they are one sentence.
The official figure counts such replies from 990 steps on; the script's own limit for Chinese is one step less.
"""

from __future__ import annotations

from ragvlc.metrics._longbench import ChineseMetric, RougeMetric, spaced_words


class LongbenchRougeZh(RougeMetric, ChineseMetric):
    """ROUGE-L of a Chinese reply by LongBench's script."""

    def words(self, text: str) -> str:
        """Returns the text with blanks between the words that jieba cuts."""
        return spaced_words(text)
