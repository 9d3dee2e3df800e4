"""HELMET: values of its `utils.py`, the better of both readings, run once."""

from __future__ import annotations

from published import cases

CASES = [
    *cases(
        "helmet_substring",
        "utils.py substring_exact_match_score",
        ("Answer: The Eiffel Tower", "Eiffel tower", 1.0),
        ("It is the Eiffel Tower.", "eiffel tower", 1.0),
        ("12345678", "1234567", 1.0),
        ("", "x", 0.0),
        ("x", "the", 1.0),
        ("Answer: no\nEiffel", ("Eiffel", "Louvre"), 1.0),
        ("E-i-f-f-e-l", "Eiffel", 1.0),
        ("answer: answer: yes", "yes", 1.0),
        ("naïve", "naive", 0.0),
        ("“x”", "x", 1.0),
    ),
]
