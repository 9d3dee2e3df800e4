"""Summarises a cell's rows. Costs are given as if the cell ran alone; savings from sharing are listed separately."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean, median, quantiles
from typing import Any

from ragvlc.core.answer import Answer, Prediction
from ragvlc.core.data import Example, content_key, documents_key
from ragvlc.core.prices import mean_money, prices_of
from ragvlc.core.records import bound_name, score_name
from ragvlc.results.attention import telemetry
from ragvlc.results.cuts import cut_texts
from ragvlc.results.speculation import figures_of, speculation_of
from ragvlc.results.unanswered import cause, unanswered
from ragvlc.statistics.intervals import mean_interval

MANY = 100

__all__ = [
    "charged_prefixes",
    "example_facts",
    "metric_values",
    "questions_key",
    "scored_rows",
    "stored_row_key",
    "summarise",
]


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


def stored_row_key(facts: Mapping[str, Any], *, control: bool) -> str:
    """Returns the key that a row of an example must have, computed from the example's stored facts."""
    return content_key([facts["key"], facts["gold_key"]]) if control else str(facts["key"])


def scored_rows(rows: Mapping[str, Prediction]) -> Mapping[str, Prediction]:
    """Returns the rows, without scores if no question was answered.

    A failed question counts as the worst score, so that failing never pays. Where all of them failed, the server was
    down or the settings were wrong: zeros would be scores of something that was never measured.
    """
    if any(row.answer is not None for row in rows.values()):
        return rows
    return {name: replace(row, scores=dict.fromkeys(row.scores)) for name, row in rows.items()}


def summarise(
    examples: Sequence[Mapping[str, Any]],
    rows: Mapping[str, Prediction],
    labels: Iterable[str],
    *,
    prices: Mapping[str, Mapping[str, Any]] | None = None,
    skipped: Mapping[str, int] | None = None,
    cold: bool = False,
) -> dict[str, Any]:
    """Returns counts, means with 95 % intervals (by cluster), tokens and seconds of a cell.

    Args:
        examples: facts of all questions.
        rows: by example id; rows of examples that have changed are ignored.
        labels: of the metrics.
        prices: of the generators, by role.
        skipped: questions that the data set left out, by reason.
        cold: whether the seconds are those of single questions: then their percentiles are included.
    """
    here = [one for one in examples if one["id"] in rows]
    found = scored_rows({one["id"]: rows[one["id"]] for one in here})
    clusters = [one["cluster"] for one in here]
    answers = [row.answer for row in found.values() if row.answer is not None]
    metrics = {}
    for label in labels:
        interval = mean_interval([row.scores.get(label) for row in found.values()], clusters)
        bounds = {"low": interval.low, "high": interval.high}
        metrics[label] = {"mean": interval.mean, **bounds, "n": interval.n, "clusters": interval.clusters}
    flags = [flag for row in found.values() for flag in row.flags]
    return {
        "questions": len(examples),
        "answered": len(answers),
        "failed": sum(row.failure is not None for row in found.values()),
        "truncated": sum(answer.dropped_tokens > 0 for answer in answers),
        "unparsed": flags.count("unparsed"),
        "flags": dict(Counter(flags)),
        "declined": sum(answer.finish == "declined" for answer in answers),
        "cut_short": sum(answer.finish == "length" and answer.answered for answer in answers),
        "sampled_by_server": sum(answer.sampled_by_server for answer in answers),
        **_without_answer(answers),
        "reused": sum(answer.reused for answer in answers),
        "clusters": len({name or place for place, name in enumerate(clusters)}),
        "skipped": sum((skipped or {}).values()),
        "metrics": metrics,
        **_costs(answers),
        **cut_texts(answers),
        **_agents(answers),
        **_shared_prefixes(
            [(one.get("group", one["id"]), found[one["id"]].answer) for one in examples if one["id"] in found]
        ),
        **(_latency(answers) if cold else {}),
        **({} if (drafts := speculation_of(answers)) is None else figures_of(drafts)),
        "cost": mean_money(answers, prices_of(prices)),
        "scoring_tokens": sum(row.scoring.prompt_tokens + row.scoring.completion_tokens for row in found.values()),
    }


def _without_answer(answers: Sequence[Answer]) -> dict[str, Any]:
    """Returns the numbers of rows without an answer, by cause, of inner calls without one, and of thoughts read."""
    causes = Counter(cause(answer) for answer in answers if unanswered(answer))
    empty = sum(max(0, sum(answer.facts("no_answer")) - unanswered(answer)) for answer in answers)
    return {
        "no_answer": causes.total(),
        "no_answer_causes": dict(causes),
        "empty_replies": empty,
        "thoughts_read": sum(any(answer.facts("thoughts_read")) for answer in answers),
    }


def _costs(answers: Sequence[Answer]) -> dict[str, Any]:
    first = [found for answer in answers if (found := answer.timing.first_token_seconds) is not None]
    indexes = {
        step.facts["index"]: step.facts["index_seconds"]
        for answer in answers
        for root in answer.trace
        for step in root.walk()
        if "index_seconds" in step.facts
    }
    return {
        "prompt_tokens": _mean([answer.usage.prompt_tokens for answer in answers]),
        "completion_tokens": _mean([answer.usage.completion_tokens for answer in answers]),
        "thought_tokens": _mean([answer.usage.thought_tokens for answer in answers]),
        "calls": _mean([answer.usage.calls for answer in answers]),
        "dropped_tokens": _mean([answer.dropped_tokens for answer in answers]),
        "queue_seconds": _mean([answer.timing.queue_seconds for answer in answers]),
        "search_seconds": _mean([answer.timing.phases.get("search", 0.0) for answer in answers]),
        "first_token_seconds": _mean(first),
        "index_seconds": sum(indexes.values()),
        "indexes": len(indexes),
        "engine_seconds_total": sum(answer.timing.engine_seconds for answer in answers),
        "engine_seconds_reused": sum(answer.timing.engine_seconds for answer in answers if answer.reused),
        "process_bytes": max((answer.memory.get("process", 0) for answer in answers), default=0),
        "device_bytes": max((answer.memory.get("device", 0) for answer in answers), default=0),
    }


def _agents(answers: Sequence[Answer]) -> dict[str, Any]:
    """Returns the mean numbers of agents, calls and tokens per question; empty for a cell without agents."""
    counts = [telemetry(answer) for answer in answers]
    if not any(one.agents for one in counts):
        return {}
    pairs = [one.pairs for one in counts if one.pairs is not None]
    return {
        "agents": fmean(one.agents for one in counts),
        "paths": fmean(one.paths for one in counts),
        "prompt_tokens_per_call": fmean(one.prompt_tokens_per_call for one in counts),
        "completion_tokens_per_call": fmean(one.tokens_per_call for one in counts),
        "attention_pairs": fmean(pairs) if len(pairs) == len(counts) else None,
    }


def _shared_prefixes(rows: Sequence[tuple[str, Answer | None]]) -> dict[str, Any]:
    """Returns the cached tokens and engine seconds of a cell as if it ran alone, and the seconds that sharing saved.

    Some question of a cell must compute the prefix that its prompts over the same documents share. If none has, another
    cell has: the longest such prefix is charged here, once. Answers of several calls are unchanged, because their sums
    do not show which calls hit the prefix cache.
    """
    answers = [answer for _, answer in rows if answer is not None]
    charged = charged_prefixes(rows)
    tokens = sum(answer.usage.cached_tokens for answer in charged)
    seconds = sum(answer.timing.phases.get("saved", 0.0) for answer in charged)
    saved = sum(answer.timing.phases.get("saved", 0.0) for answer in answers)
    n = len(answers) or 1
    return {
        "cached_tokens": (sum(answer.usage.cached_tokens for answer in answers) - tokens) / n if answers else None,
        "engine_seconds": (sum(answer.timing.engine_seconds for answer in answers) + seconds) / n if answers else None,
        "prefix_seconds_saved": saved - seconds,
        "prefix_seconds_owed": seconds,
    }


def charged_prefixes(rows: Sequence[tuple[str, Answer | None]]) -> list[Answer]:
    """Returns, for each group of questions whose shared prefix another cell computed, the answer that is charged it."""
    by_group: dict[str, list[Answer]] = {}
    for group, answer in rows:
        if answer is not None and answer.usage.calls == 1:
            by_group.setdefault(group, []).append(answer)
    return [
        max(group, key=lambda answer: answer.usage.cached_tokens)
        for group in by_group.values()
        if all(answer.usage.cached_tokens for answer in group)
    ]


def _latency(answers: Sequence[Answer]) -> dict[str, float]:
    """Returns the median and 95th percentile of the seconds to the first token and to the complete answer.

    The seconds are those of search, reranking and the engine, without indexing.
    """
    phases = ("search", "rerank")
    whole = [
        answer.timing.engine_seconds + sum(answer.timing.phases.get(name, 0.0) for name in phases) for answer in answers
    ]
    first = [answer.timing.first_token_seconds for answer in answers if answer.timing.first_token_seconds is not None]
    found = {}
    for name, seconds in (("first_token", first), ("answer", whole)):
        if seconds:
            found[f"cold_{name}_seconds_median"] = median(seconds)
            twice = seconds * 2 if len(seconds) == 1 else seconds  # a single value has no quantiles
            found[f"cold_{name}_seconds_p95"] = quantiles(twice, n=20, method="inclusive")[-1]
    return found


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
