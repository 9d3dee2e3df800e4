"""Summarises a cell's columns. Costs are given as if the cell ran alone; savings from sharing are listed separately."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import compress
from statistics import fmean, median, quantiles
from typing import Any

from ragvlc.core.data import Example, content_key, documents_key
from ragvlc.core.prices import CACHED_FROM
from ragvlc.core.records import bound_name, score_name
from ragvlc.results.columns import CellColumns, known
from ragvlc.results.cuts import cut_figures
from ragvlc.results.speculation import Speculation, figures_of
from ragvlc.statistics.intervals import mean_interval

MANY = 100

__all__ = ["charged_prefixes", "example_facts", "metric_values", "questions_key", "summarise", "unreported_writes"]


def example_facts(example: Example) -> dict[str, Any]:
    """Returns the stored facts of an example: everything except the documents' texts.

    Of a large collection only documents with evidence or relevance grades are named.
    """
    shown = example.documents
    if len(shown) > MANY:
        named = {*example.relevant, *(span.document_id for span in example.evidence)}
        shown = tuple(document for document in shown if document.id in named)
    return {
        "id": example.id,
        "key": example.key,
        "gold_key": example.gold_key,
        "question": example.query.text,
        "choices": list(example.query.choices),
        "references": list(example.references),
        "unanswerable": example.unanswerable,
        "documents": [document.id for document in shown],
        "characters": [len(document.text) for document in shown],
        "document_count": len(example.documents),
        "group": documents_key(example.documents)[:16],
        "evidence": [[span.document_id, span.start, span.end] for span in example.evidence],
        "cluster": example.cluster,
        "task": example.task,
        "tags": dict(example.tags),
    }


def questions_key(examples: Iterable[Mapping[str, Any]]) -> str:
    """Returns the hash of questions, their documents and their gold, computed from their stored facts."""
    return content_key([[one["key"], one["gold_key"]] for one in examples])


def summarise(
    examples: Sequence[Mapping[str, Any]],
    columns: CellColumns,
    labels: Iterable[str],
    *,
    prices: Mapping[str, Mapping[str, Any]] | None = None,
    skipped: Mapping[str, int] | None = None,
    cold: bool = False,
) -> dict[str, Any]:
    """Returns counts, means with 95 % intervals (by cluster), tokens and seconds of a cell.

    Args:
        examples: facts of all questions.
        columns: of the rows.
        labels: of the metrics.
        prices: of the generators, by role, with which the columns were built.
        skipped: questions that the data set left out, by reason.
        cold: whether the seconds are those of single questions: then their percentiles are included.
    """
    facts = {one["id"]: one for one in examples}
    here = [facts[name] for name in columns.ids]
    clusters = [one["cluster"] for one in here]
    metrics = {}
    for label in labels:
        interval = mean_interval(columns.scored(label), clusters)
        bounds = {"low": interval.low, "high": interval.high}
        metrics[label] = {"mean": interval.mean, **bounds, "n": interval.n, "clusters": interval.clusters}
    flags = Counter(flag for own in columns.flags if own for flag in own)
    finishes = Counter(columns.named("finish"))
    drafts = [columns.speculation[place] for place in sorted(columns.speculation)]
    return {
        "questions": len(examples),
        "answered": columns.answers,
        "failed": len(columns.failures),
        "truncated": sum(dropped > 0 for dropped in columns.of("dropped_tokens")),
        "unparsed": flags["unparsed"],
        "flags": dict(flags),
        "declined": finishes["declined"],
        "cut_short": _cut_short(columns),
        "sampled_by_server": columns.marked("sampled_by_server"),
        **_without_answer(columns),
        "reused": columns.marked("reused"),
        "clusters": len({name or place for place, name in enumerate(clusters)}),
        "skipped": sum((skipped or {}).values()),
        "metrics": metrics,
        **_costs(columns),
        **cut_figures(columns.cuts[place] for place in sorted(columns.cuts)),
        **_agents(columns),
        **_shared_prefixes(columns, [one.get("group", one["id"]) for one in here]),
        **(_latency(columns) if cold else {}),
        **(figures_of(sum(drafts, Speculation())) if drafts else {}),
        "cost": _cost(columns) if prices else None,
        **({"writes_unreported": count} if (count := unreported_writes(columns, prices or {})) else {}),
        "scoring_tokens": sum(columns.scoring_tokens),
    }


def _cut_short(columns: CellColumns) -> int:
    replied = compress(columns.words["finish"], columns.marks["replied"])
    return sum(finish == "length" for finish in replied)


def _without_answer(columns: CellColumns) -> dict[str, Any]:
    """Returns the numbers of rows without an answer, by cause, of inner calls without one, and of thoughts read."""
    causes = Counter(cause for cause in columns.words["cause"] if cause)
    return {
        "no_answer": causes.total(),
        "no_answer_causes": dict(causes),
        "empty_replies": int(sum(columns.of("empty_replies"))),
        "thoughts_read": columns.marked("thoughts_read"),
    }


def _costs(columns: CellColumns) -> dict[str, Any]:
    indexes = columns.index_seconds()
    engine = columns.of("engine_seconds")
    reused = compress(columns.numbers["engine_seconds"], columns.marks["reused"])
    return {
        "prompt_tokens": _mean(columns.of("prompt_tokens")),
        "completion_tokens": _mean(columns.of("completion_tokens")),
        "thought_tokens": _mean(columns.of("thought_tokens")),
        "calls": _mean(columns.of("calls")),
        "dropped_tokens": _mean(columns.of("dropped_tokens")),
        "queue_seconds": _mean(columns.of("queue_seconds")),
        "search_seconds": _mean(columns.of("search_seconds")),
        "first_token_seconds": _mean(_without_nan(columns.of("first_token_seconds"))),
        "index_seconds": sum(indexes.values()),
        "indexes": len(indexes),
        "engine_seconds_total": sum(engine),
        "engine_seconds_reused": sum(reused),
        "process_bytes": int(max(columns.of("process_bytes"), default=0)),
        "device_bytes": int(max(columns.of("device_bytes"), default=0)),
    }


def _agents(columns: CellColumns) -> dict[str, Any]:
    """Returns the mean numbers of agents, calls and tokens per question; empty for a cell without agents."""
    agents = columns.of("agents")
    if not any(agents):
        return {}
    pairs = _without_nan(columns.of("attention_pairs"))
    return {
        "agents": fmean(agents),
        "paths": fmean(columns.of("paths")),
        "prompt_tokens_per_call": fmean(columns.a_call("prompt_tokens")),
        "completion_tokens_per_call": fmean(columns.a_call("completion_tokens")),
        "attention_pairs": fmean(pairs) if len(pairs) == len(agents) else None,
    }


def _shared_prefixes(columns: CellColumns, groups: Sequence[str]) -> dict[str, Any]:
    """Returns the cached tokens and engine seconds of a cell as if it ran alone, and the seconds that sharing saved.

    Some question of a cell must compute the prefix that its prompts over the same documents share. If none has, another
    cell has: the longest such prefix is charged here, once. Answers of several calls are unchanged, because their sums
    do not show which calls hit the prefix cache.
    """
    charged = charged_prefixes(columns, groups)
    cached, saving = columns.numbers["cached_tokens"], columns.numbers["saved_seconds"]
    tokens = sum(cached[place] for place in charged)
    seconds = sum(saving[place] for place in charged)
    saved = sum(columns.of("saved_seconds"))
    n = columns.answers
    return {
        "cached_tokens": (sum(columns.of("cached_tokens")) - tokens) / n if n else None,
        "engine_seconds": (sum(columns.of("engine_seconds")) + seconds) / n if n else None,
        "prefix_seconds_saved": saved - seconds,
        "prefix_seconds_owed": seconds,
    }


def charged_prefixes(columns: CellColumns, groups: Sequence[str]) -> list[int]:
    """Returns, for each group of questions whose shared prefix another cell computed, the place that is charged it."""
    cached, calls = columns.numbers["cached_tokens"], columns.numbers["calls"]
    by_group: dict[str, list[int]] = {}
    for place, group in enumerate(groups):
        if calls[place] == 1:
            by_group.setdefault(group, []).append(place)
    return [
        max(places, key=cached.__getitem__) for places in by_group.values() if all(cached[place] for place in places)
    ]


def _latency(columns: CellColumns) -> dict[str, float]:
    """Returns the median and 95th percentile of the seconds to the first token and to the complete answer.

    The seconds are those of search, reranking and the engine, without indexing.
    """
    first = _without_nan(columns.of("first_token_seconds"))
    found = {}
    for name, seconds in (("first_token", first), ("answer", columns.whole_seconds())):
        if seconds:
            found[f"cold_{name}_seconds_median"] = median(seconds)
            twice = seconds * 2 if len(seconds) == 1 else seconds  # a single value has no quantiles
            found[f"cold_{name}_seconds_p95"] = quantiles(twice, n=20, method="inclusive")[-1]
    return found


def _cost(columns: CellColumns) -> float | None:
    """Returns the mean cost of an answer in money; None without answers, or where one's cost is not known."""
    money = columns.of("money")
    return sum(money) / len(money) if money and len(_without_nan(money)) == len(money) else None


def unreported_writes(columns: CellColumns, prices: Mapping[str, Mapping[str, Any]]) -> int:
    """Returns how many answers were charged without cache writes that a price has and that no reply of a model reports.

    Answers with prompts too short for a provider's prefix cache do not count.
    """
    roles = {role for role, price in prices.items() if (price or {}).get("cache_write") is not None}
    if not roles:
        return 0
    written: Counter[str] = Counter()
    silent: Counter[str] = Counter()
    for bills, _ in columns.bills.values():
        for role, usage in bills.items():
            written[role] += usage.written_tokens
            silent[role] += usage.prompt_tokens >= CACHED_FROM * max(1, usage.calls)
    names = ("prompt_tokens", "calls", "written_tokens")
    for role, prompt, calls, wrote in zip(columns.words["role"], *(columns.numbers[one] for one in names), strict=True):
        if role:
            written[role] += int(wrote)
            silent[role] += prompt >= CACHED_FROM * max(1.0, calls)
    return sum(count for role, count in silent.items() if role in roles and not written[role])


def _without_nan(values: Iterable[float]) -> list[float]:
    return [value for value in known(values) if value is not None]


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def metric_values(summary: Mapping[str, Any]) -> dict[str, float]:
    """Returns the figures of a summary as a flat mapping of names to numbers, for a tracker.

    Names are `group/name`, because MLflow shows a section for each group. It sorts them alphabetically and puts names
    without a group last, so that they come in reading order: `score/`, `score/high/` and `score/low/` (its
    bounds), `seconds/`, `speculation/`, `spend/` (money, memory), `tokens/` and `totals/`.
    """
    flat: dict[str, float] = {}
    for label, figures in summary["metrics"].items():
        places = {"mean": score_name(label), "low": bound_name(label, "low"), "high": bound_name(label, "high")}
        flat |= {place: float(figures[name]) for name, place in places.items() if figures[name] is not None}
    for name, value in summary.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            flat[f"{_group(name)}/{name.removeprefix('speculation_')}"] = float(value)
    return flat


def _group(name: str) -> str:
    if name.startswith("speculation_"):
        return "speculation"
    if "_seconds" in name:
        return "seconds"
    if name.endswith(("_tokens", "_tokens_per_call")) or name in {"calls", "agents", "paths", "attention_pairs"}:
        return "tokens"
    return "spend" if name == "cost" or name.endswith("_bytes") else "totals"
