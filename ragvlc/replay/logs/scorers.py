"""Metrics by the rules of the benchmarks whose prediction files are read, by format and task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ragvlc.core.component import find_kind, known_kinds
from ragvlc.core.families import Metric

__all__ = ["scorers_of"]

LONGBENCH: Mapping[str, Iterable[str]] = {
    "qa_f1": ("narrativeqa", "qasper", "multifieldqa_en", "hotpotqa", "2wikimqa", "musique", "triviaqa"),
    "qa_f1_zh": ("multifieldqa_zh",),
    "rouge": ("gov_report", "qmsum", "multi_news", "samsum"),
    "rouge_zh": ("dureader", "vcsum"),
    "classification": ("trec", "lsht"),
    "retrieval": ("passage_retrieval_en", "passage_retrieval_zh"),
    "count": ("passage_count",),
    "code_sim": ("lcc", "repobench-p"),
}
LEVAL: Mapping[str, tuple[tuple[str, Mapping[str, Any]], ...]] = {
    **dict.fromkeys(("coursera", "quality", "tpo"), (("leval_exam", {}),)),
    "gsm100": (("leval_math", {}),),
    "sci_fi": (("leval_sci_fi", {}),),
    "topic_retrieval_longchat": (("leval_em", {}),),
    "codeU": (("leval_em", {"code": True}),),
}
LEVAL_EVALUATION: Mapping[str, tuple[tuple[str, Mapping[str, Any]], ...]] = {
    "f1": (("leval_f1", {}),),
    "rouge": tuple(("leval_rouge", {"type": kind}) for kind in (1, 2, "L")),
}


def scorers_of(tool: str, task: str, evaluation: str = "") -> tuple[Metric, ...]:
    """Returns the metrics that score a task as its authors do; empty where there is none here.

    Args:
        tool: the format of the log.
        task: in the words of the log.
        evaluation: how L-Eval's file says that it is scored.
    """
    found: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    if tool in ("LongBench", "lm-evaluation-harness"):
        bare = task.removeprefix("longbench_").removesuffix("_e")
        names = [name for name, tasks in LONGBENCH.items() if bare in tasks]
        own = tool == "LongBench" or task.startswith("longbench_")
        found = tuple((f"longbench_{name}", {}) for name in names) if own else ()
    elif tool == "LongBench v2":
        found = (("longbench_v2_accuracy", {}),)
    elif tool == "L-Eval":
        found = LEVAL.get(task, LEVAL_EVALUATION.get(evaluation, ()))
    elif tool == "InfiniteBench" and _metric("infinitebench", {"task": task}):
        found = (("infinitebench", {}),)
    elif tool == "HELMET":
        found = (("helmet_substring", {}),)
    return tuple(one for kind, settings in found if (one := _metric(kind, settings)) is not None)


def _metric(kind: str, settings: Mapping[str, Any]) -> Metric | None:
    """Returns the metric if there is one of that kind with these settings, and nothing that it needs is missing."""
    family: Any = Metric
    if kind not in known_kinds(Metric.family):
        return None
    try:
        made: Metric = find_kind(family, kind)(**settings)
    except ValueError:  # a task that it does not know
        return None
    return None if made.all_refusals() else made
