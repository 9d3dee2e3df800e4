"""RULER: values of its `constants.py` behind `postprocess_pred`, run once."""

from __future__ import annotations

from published import cases

CASES = [
    *cases(
        "ruler_match",
        "scripts/eval/synthetic/constants.py string_match_all",
        ("12345678", "1234567", 1.0),
        ("The Words: A, b", ("a", "B", "c"), 0.6666666666666666),
        ("", "a", 0.0),
        ("x", "", 1.0),
        ("a\x00b", "a\nb", 1.0),
        ("new-york", "New York", 0.0),
        ("İ", "i̇", 1.0),
        ("one two", ("one", "two"), 1.0),
        settings={"match": "all"},
    ),
    *cases(
        "ruler_match",
        "scripts/eval/synthetic/constants.py string_match_part",
        ("12345678", "1234567", 1.0),
        ("The Words: A, b", ("a", "B", "c"), 1.0),
        ("", "a", 0.0),
        ("x", "", 1.0),
        ("a\x00b", "a\nb", 1.0),
        ("new-york", "New York", 0.0),
        ("İ", "i̇", 1.0),
        ("one two", ("one", "two"), 1.0),
        settings={"match": "part"},
    ),
]
