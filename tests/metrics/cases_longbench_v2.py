"""LongBench v2: what its `extract_answer` names, run once."""

from __future__ import annotations

from published import cases

CASES = [
    *cases(
        "longbench_v2_accuracy",
        "pred.py extract_answer",
        ("The correct answer is (B)", "A house", 1.0),
        ("**The correct answer is (B)**", "A house", 1.0),
        ("The correct answer is B", "A house", 1.0),
        ("The correct answer is B.", "A tower", 0.0),
        ("the correct answer is (B)", "A house", 0.0),
        ("(B)", "A house", 0.0),
        ("The correct answer is A house", "A house", 0.0),
        ("The correct answer is Apple", "A tower", 1.0),
        ("The correct answer is C, no: The correct answer is (B)", "A house", 1.0),
        ("The correct answer is ( B )", "A house", 0.0),
        ("The correct answer is (E)", "A tower", 0.0),
        ("The correct answer is: (B)", "A house", 0.0),
        ("The correct answer is (A) or (B)", "A house", 0.0),
        ("The correct answer is (*B*)", "A house", 1.0),
        ("", "A tower", 0.0),
        ("A", "A tower", 0.0),
        choices=("A tower", "A house", "A ship", "A bridge"),
    ),
]
