"""NeedleBench: values of its evaluators in OpenCompass, run once."""

from __future__ import annotations

from published import cases

CASES = [
    *cases(
        "needlebench_single",
        "needlebench/origin.py NeedleBenchOriginEvaluator",
        ("It is 31 metres high.", "The tower is 31 metres high.*31 metres", 1.0),
        ("It is 31 Metres high.", "The tower is 31 metres high.*31 metres", 0.13043478260869568),
        ("The tower is 30 metres high.", "The tower is 31 metres high.*31 metres", 0.191304347826087),
        ("", "The tower is 31 metres high.*31 metres", 0.0),
        ("The tower", "The tower is 31 metres high.*31 metres", 0.06956521739130435),
        settings={"rule": "v1"},
    ),
    *cases(
        "needlebench_single",
        "needlebench/origin.py NeedleBenchOriginEvaluator",
        ("It is 31 metres high.", "The tower is 31 metres high.*31 metres", 1.0),
        ("It is 31 Metres high.", "The tower is 31 metres high.*31 metres", 0.13043478260869568),
        ("The tower is 30 metres high.", "The tower is 31 metres high.*31 metres", 0.191304347826087),
        ("", "The tower is 31 metres high.*31 metres", 0.0),
        ("The tower", "The tower is 31 metres high.*31 metres", 0.06956521739130435),
        ("The tower is 30 metres high. And it is old.", "The tower is 31 metres high.*31 metres", 0.191304347826087),
        ("A tower", "*31 metres", 0.2),
        settings={"rule": "v1", "trim": True},
    ),
    *cases(
        "needlebench_single",
        "needlebench_v2/origin.py NeedleBenchOriginEvaluator",
        ("It is 31 metres high.", "The tower is 31 metres high.*31 metres", 1.0),
        ("It is 31 Metres high.", "The tower is 31 metres high.*31 metres", 0.0),
        ("The tower is 30 metres high.", "The tower is 31 metres high.*31 metres", 0.0),
        ("", "The tower is 31 metres high.*31 metres", 0.0),
        ("The tower", "The tower is 31 metres high.*31 metres", 0.0),
    ),
    *cases(
        "needlebench_parallel",
        "needlebench/parallel.py NeedleBenchParallelEvaluator",
        ("red and blue", "red*blue*green#10*50*90", 0.6666666666666667),
        ("Red", "red*blue#10*50", 0.0),
        ("", "red#10", 0.0),
        ("red blue green", "red*blue*green#10*50*90", 1.0),
        ("red blue green", "red*blue*green#10*50", 1.0),
        ("red blue", "red*blue#10*10", 2.0, 1.0, "keywords at equal depths add up there"),
    ),
    *cases(
        "needlebench_reasoning",
        "needlebench/multi.py NeedleBenchMultiEvaluator",
        ("Anna and Bob", "It is Bob*Anna Bob Carl", 0.6666666666666667),
        ("annabel", "x*Anna", 1.0),
        ("", "x*Anna", 0.0),
        ("x", "x*", 0.0),
    ),
]
