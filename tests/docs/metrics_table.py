"""The table of published metrics: their sources, official aggregates, cases equal, and deviations with reasons."""

from __future__ import annotations

import inspect
import re
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

from ragvlc.core.component import find_kind
from ragvlc.families import Metric

__all__ = ["metrics_table", "published_cases"]

CASES = Path(__file__).parents[1] / "metrics"
WORKED = {
    "hotpotqa_joint": "worked examples; answer and facts as in `hotpotqa_f1` and `supporting_facts`",
    "llm_judge": "prompts of `lara`, `longmemeval` and `loogle` equal to the letter, verdicts by examples",
    "qasper_evidence": "worked examples, and its formula beside the script on drawn lists",
}
"""Metrics that need more than a text or a ranking, and how they are checked."""
_ARXIV = re.compile(r"arXiv (\d{4}\.\d{4,5})")
_ADDRESS = re.compile(r"https?://[^\s),]+")


def published_cases() -> dict[str, list[Any]]:
    """Returns the cases of every metric that has some, with values of the authors' code, by kind."""
    if str(CASES) not in sys.path:
        sys.path.append(str(CASES))
    found: dict[str, list[Any]] = {}
    for path in sorted(CASES.glob("cases_*.py")):
        module = import_module(path.stem)
        for case in (*module.CASES, *getattr(module, "WITH_WORDNET", ())):
            found.setdefault(case.kind, []).append(case)
    return dict(sorted(found.items()))


def metrics_table() -> str:
    """Returns the table, a row for each metric."""
    rows = [
        "| metric | source | official aggregate | cases equal | deviations, with reasons |",
        "| --- | --- | --- | --- | --- |",
    ]
    cases = published_cases()
    for kind in sorted({*cases, *WORKED}):
        own = cases.get(kind, [])
        equal = f"{sum(not case.why for case in own)} of {len(own)}" if own else WORKED[kind]
        rows.append(f"| `{kind}` | {_source(kind, own)} | {_aggregate(kind)} | {equal} | {_deviations(kind, own)} |")
    return "\n".join(rows) + "\n"


def _source(kind: str, cases: list[Any]) -> str:
    head = _head(kind)
    paper = _ARXIV.search(head)
    link = f"[{paper[1]}](https://arxiv.org/abs/{paper[1]})" if paper else ""
    if not link and (address := _ADDRESS.search(head)):
        link = f"[paper]({address[0]})"
    files = ", ".join(f"`{source}`" for source in dict.fromkeys(case.source for case in cases))
    return "; ".join(part for part in (link, files) if part)


def _aggregate(kind: str) -> str:
    """Returns what `official` says that it returns; the mean where a metric has none."""
    metric = find_kind(Metric, kind)
    if metric.official is Metric.official:
        return "mean"
    sentence = " ".join(inspect.cleandoc(metric.official.__doc__ or "").split("\n\n")[0].split())
    return sentence.removeprefix("Returns ").removesuffix(".").replace("|", "\\|")


def _deviations(kind: str, cases: list[Any]) -> str:
    reasons = Counter(case.why for case in cases if case.why)
    found = [f"{reason} ({count})" for reason, count in reasons.items()]
    _, _, differences = _head(kind).partition("Differences")
    said = " ".join(re.split(r"\n\n", differences.lstrip(":.* "))[0].split())
    said = re.sub(r"^none( in value| in the score)?(\.|; | to google\.)? *", "", said)
    return "; ".join([*found, *([said.removesuffix(".")] if said else [])]).replace("|", "\\|") or "none"


def _head(kind: str) -> str:
    return sys.modules[find_kind(Metric, kind).__module__].__doc__ or ""
