"""LongBench's ROUGE-L for summaries and English few-shot dialogues.

Bai et al. (2024, arXiv 2308.14508), `LongBench/metrics.py`, `rouge_score`: ROUGE-L by sentences of the package `rouge`
1.0.1 (`ragvlc.text.rouge`), where a text equal to its reference scores 0.999999995; 0 where a text has no sentence.

Differences: on sentences of about 500 words and more (a reply without full stops) the package's recursion fails and the
script counts 0. Here the score is computed, the reply is flagged `rouge_recursion`, and the official figure counts 0.
"""

from __future__ import annotations

from ragvlc.metrics._longbench import RougeMetric


class LongbenchRouge(RougeMetric):
    """ROUGE-L of the reply by LongBench's script."""
