"""Pairs the answers of logs question by question, with a check that they are to the same questions.

Without a data set, questions come from the logs: by id where every log has ids, else by their content. What a question
is (its text and references) is what most logs say; a single record that differs is left out, and a file of which more
than a tenth differs is refused, since its ids are those of other questions. With a data set, answers are joined to it
by id, else by position, else by content, with the same check.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ragvlc.core.answer import Answer, Failure, Prediction, Timing
from ragvlc.core.data import Document, Example, Query
from ragvlc.core.errors import DatasetError
from ragvlc.replay.logs.joining import agree, check_of, joined
from ragvlc.replay.logs.records import Log, LogRecord, label_of, short_hash
from ragvlc.replay.logs.scorers import scorers_of
from ragvlc.replay.spec import Answers
from ragvlc.replay.stored import Block, Stored, paired

__all__ = ["stored_logs"]

MOST_UNLIKE = 0.1
"""The largest share of a file's answers to questions that differ from what the others say under the same name."""
UNKNOWN = "(the log does not hold the question)"


@dataclass(frozen=True)
class _Named:
    """A log with the names of its questions; records without a name are left out."""

    log: Log
    model: str
    route: str
    names: tuple[str, ...]


def stored_logs(
    logs: Sequence[Log],
    answers: Answers,
    examples: Sequence[Example] | None = None,
    others: Mapping[str, int] | None = None,
) -> Stored:
    """Returns the answers of logs, a block for each task.

    Args:
        logs: that were read.
        answers: names of systems, and how answers are joined.
        examples: of the data set whose questions were answered; by default the logs hold them.
        others: what was not read, by reason.

    Raises:
        DatasetError: the answers are to other questions, or cannot be told apart.
    """
    dropped: Counter[str] = Counter(others or {})
    notes: list[str] = []
    blocks = []
    by_task: dict[str, list[Log]] = {}
    for log in logs:
        dropped.update(log.dropped)
        by_task.setdefault(log.task, []).append(log)
    _known_systems(logs, answers)
    for task, own in by_task.items():
        named = _with_systems(own, answers)
        if examples is None:
            placed, found = _from_logs(named, answers, dropped)
            if len(by_task) > 1:  # ids are those of one task
                placed, found = _under(task, placed, found)
        else:
            placed, found = _from_data(named, answers, examples, dropped, notes), list(examples)
        notes += [note for one in placed for note in _notes(one.log)]
        if placed and (block := _block(task, placed, found, dropped)).rows:
            blocks.append(block)
    if not blocks:
        reasons = "; ".join(f"{count:,} {reason}" for reason, count in dropped.items() if count)
        raise DatasetError(
            f"{logs[0].path}: no question has an answer of every system. Left out: {reasons or 'nothing'}."
        )
    return Stored(tuple(blocks), {reason: count for reason, count in dropped.items() if count}, tuple(notes))


def _known_systems(logs: Sequence[Log], answers: Answers) -> None:
    known = {log.system for log in logs} | {log.path.name for log in logs}
    if missing := [name for name in answers.systems if name not in known]:
        systems = ", ".join(sorted({log.system for log in logs}))
        raise DatasetError(f"answers.systems: no log is of '{missing[0]}'. Known: {systems}.")


def _with_systems(logs: Sequence[Log], answers: Answers) -> list[tuple[Log, str, str]]:
    """Returns each log with its model and route; logs of one system on one task take the file's name as well."""
    found: list[tuple[Log, str, str]] = []
    names = _names(logs)
    for log, name in zip(logs, names, strict=True):
        given = answers.systems.get(log.path.name) or answers.systems.get(log.system)
        found.append((log, given.model, given.route) if given else (log, "", name))
    twice = [place for place, count in Counter(one[1:] for one in found).items() if count > 1]
    if twice:
        model, route = twice[0]
        files = ", ".join(str(log.path) for log, *place in found if tuple(place) == (model, route))
        of = f" of model '{model}'" if model else ""
        raise DatasetError(
            f"answers.systems: two logs of one task are route '{route}'{of}: {files}. Name one of the two files, or "
            "give each a name: --set 'answers.systems={FILE_NAME: {route: NAME}}'."
        )
    return found


def _names(logs: Sequence[Log]) -> list[str]:
    """Returns the shortest of system, system with the file's stem, and with its full name, that is no other log's."""
    stems = [log.path.name.partition(".json")[0].removesuffix(".eval") for log in logs]
    ways = [
        [log.system for log in logs],
        [f"{log.system} {stem}".strip() for log, stem in zip(logs, stems, strict=True)],
        [f"{log.system} {log.path.name}".strip() for log in logs],
        [f"{log.system} {_shown(log.path)}".strip() for log in logs],
    ]
    counts = [Counter(way) for way in ways]
    return [
        next((way[i] for way, held in zip(ways, counts, strict=True) if way[i] and held[way[i]] == 1), ways[-1][i])
        for i in range(len(logs))
    ]


def _from_logs(
    logs: Sequence[tuple[Log, str, str]], answers: Answers, dropped: Counter[str]
) -> tuple[list[_Named], list[Example]]:
    """Returns the logs with names for their questions, and the questions as the logs hold them."""
    own = [log for log, _, _ in logs]
    with_ids = all(record.id for log in own for record in log.records)
    if answers.join == "id" and not with_ids:
        raise DatasetError(f"answers.join: the answers of {own[0].task} have no ids. Known here: content, position.")
    if answers.join == "position":
        named = [tuple(f"{place:06d}" for place, _ in enumerate(log.records)) for log in own]
    elif answers.join == "content" or not with_ids:
        named = _by_content(own, dropped)
    else:
        named = [tuple(f"{one.id} {one.check}".strip() for one in log.records) for log in own]
    agreed = _agreed(own, named)
    kept, refused = [], []
    apart = _apart(named)
    for (log, model, route), names, other in zip(logs, named, apart, strict=True):
        if other:
            refused.append((log, len(names)))
            continue
        unlike = [not name or not agree(one, agreed[name]) for one, name in zip(log.records, names, strict=True)]
        differ = sum(unlike) - names.count("")
        if differ > MOST_UNLIKE * len(names):
            refused.append((log, differ))
            continue
        dropped["answers to a question that differs from that of the other logs under the same name"] += differ
        kept.append(
            _Named(log, model, route, tuple("" if bad else name for name, bad in zip(names, unlike, strict=True)))
        )
    for log, differ in refused:
        if len(kept) < 2:
            raise DatasetError(_refusal(log, differ, agreed, named[own.index(log)]))
        dropped[
            f"answers of {_shown(log.path)}, refused: {differ:,} of {len(log.records):,} questions differ from those "
            "of the other logs under the same names (answers.join: content pairs by references)"
        ] += len(log.records)
    return kept, [_example(name, one, log) for name, (log, one) in _first(kept).items()]


def _under(task: str, logs: Sequence[_Named], examples: Sequence[Example]) -> tuple[list[_Named], list[Example]]:
    """Returns logs and questions with the task before each question's name."""
    placed = [replace(one, names=tuple(f"{task}/{name}" if name else "" for name in one.names)) for one in logs]
    return placed, [replace(one, query=replace(one.query, id=f"{task}/{one.id}")) for one in examples]


def _by_content(logs: Sequence[Log], dropped: Counter[str]) -> list[tuple[str, ...]]:
    """Returns names made from content; questions of equal content are told apart by their order, if all logs agree."""
    keys = [[short_hash(*check_of(one)) for one in log.records] for log in logs]
    orders = {tuple(one) for one in keys}
    found = []
    for own in keys:
        counts, seen, names = Counter(own), Counter[str](), list[str]()
        for key in own:
            seen[key] += 1
            if counts[key] > 1 and len(orders) > 1:
                dropped["answers to questions that cannot be told apart (equal content, in different orders)"] += 1
                names.append("")
            else:
                names.append(key if seen[key] == 1 else f"{key}-{seen[key]}")
        found.append(tuple(names))
    return found


def _agreed(logs: Sequence[Log], named: Sequence[Sequence[str]]) -> dict[str, LogRecord]:
    """Returns for each name the first record that says of the question what most logs say."""
    votes: dict[str, dict[tuple[str, ...], list[LogRecord]]] = defaultdict(dict)
    for log, names in zip(logs, named, strict=True):
        for name, record in zip(names, log.records, strict=True):
            if name and not record.repeat:
                votes[name].setdefault(check_of(record), []).append(record)
    for log, names in zip(logs, named, strict=True):
        for name, record in zip(names, log.records, strict=True):
            if name and name not in votes:
                votes[name].setdefault(check_of(record), []).append(record)
    return {name: max(own.values(), key=len)[0] for name, own in votes.items()}


def _first(kept: Sequence[_Named]) -> dict[str, tuple[Log, LogRecord]]:
    """Returns each question with the log and record that say most of it, in the order of the logs."""
    found: dict[str, tuple[Log, LogRecord]] = {}
    for one in kept:
        for name, record in zip(one.names, one.log.records, strict=True):
            held = found.get(name)
            if name and (held is None or len(record.document) > len(held[1].document)):
                found[name] = (one.log, record)
    return found


def _refusal(log: Log, differ: int, agreed: Mapping[str, LogRecord], names: Sequence[str]) -> str:
    unlike = [i for i, name in enumerate(names) if name and not agree(log.records[i], agreed[name])]
    if not unlike:
        return (
            f"{log.path}: none of its {len(log.records):,} questions is in the other logs of {log.task}, by question "
            f"and references; {log.records[0].place}: {_said(log.records[0])}. Pair by place in the file with --set "
            "answers.join=position, which checks the references, or name the logs that fit."
        )
    one, other = log.records[unlike[0]], agreed[names[unlike[0]]]
    return (
        f"{log.path}: {differ:,} of its {len(log.records):,} answers are to other questions than those of the other "
        f"logs under the same names; {one.place}: {_said(one)}, elsewhere {_said(other)}. Its ids are shifted, or of "
        "another version of the data. Pair by content with --set answers.join=content, or name the logs that fit."
    )


def _said(record: LogRecord) -> str:
    words = record.references[0] if record.references else record.question
    return f"'{words[:60]}'" if words else "nothing"


def _shown(path: Path) -> str:
    return "/".join(path.parts[-2:])


def _from_data(
    logs: Sequence[tuple[Log, str, str]],
    answers: Answers,
    examples: Sequence[Example],
    dropped: Counter[str],
    notes: list[str],
) -> list[_Named]:
    found = []
    for log, model, route in logs:
        names, way, checked = joined(log, examples, answers.join, MOST_UNLIKE)
        dropped["answers to unknown questions"] += sum(one is None for one in names)
        dropped["answers to a question that differs from that of the data set under the same name"] += names.count("")
        doubt = "" if checked else ", without a check: the log holds neither questions nor references"
        notes.append(f"{_shown(log.path)}: joined to the data set by {way}{doubt}.")
        found.append(_Named(log, model, route, tuple(one or "" for one in names)))
    return found


def _block(task: str, logs: Sequence[_Named], examples: Sequence[Example], dropped: Counter[str]) -> Block:
    rows: dict[str, dict[str, dict[str, Prediction]]] = {}
    for one in logs:
        for name, record in zip(one.names, one.log.records, strict=True):
            if not name:
                continue
            repeat = f"repeat {record.repeat + 1}" if record.repeat else ""
            model = ", ".join(filter(None, [one.model, repeat]))
            held = rows.setdefault(model, {}).setdefault(one.route, {})
            dropped["answers given twice"] += name in held
            held[name] = _row(name, record, one.route)
    both, unpaired = _each_model(rows, [example.id for example in examples])
    dropped["questions without an answer of every route"] += unpaired
    kept = {name for own in both.values() for given in own.values() for name in given}
    labels = dict.fromkeys(label_of(name) for one in logs for record in one.log.records for name in record.scores)
    asked = tuple(example for example in examples if example.id in kept)
    first = logs[0].log
    evaluation = str(first.records[0].tags.get("evaluation", "")) if first.records else ""
    metrics = scorers_of(first.format, task, evaluation)
    return Block(task, asked, both, tuple(labels), foreign=True, scorers=metrics)


def _each_model(
    rows: Mapping[str, Mapping[str, Mapping[str, Prediction]]], order: Sequence[str]
) -> tuple[dict[str, dict[str, dict[str, Prediction]]], int]:
    """Returns each model's answers to questions that all of its own routes answered, and the number of others."""
    found, unpaired = dict[str, dict[str, dict[str, Prediction]]](), 0
    for model, own in rows.items():
        both, count = paired({model: own}, list(own), order)
        found |= both
        unpaired += count
    return found, unpaired


def _row(name: str, record: LogRecord, route: str) -> Prediction:
    scores = {label_of(one): value for one, value in record.scores.items()}
    if record.failure:
        return Prediction(name, failure=Failure("generate", "LogError", record.failure[:2000]), scores=scores)
    answer = Answer(
        text=record.text.strip(),
        route=route,
        usage=record.usage if record.usage.calls else type(record.usage)(calls=1),
        timing=Timing(engine_seconds=max(record.seconds, 0.0)),
        finish=record.finish,
    )
    return Prediction(name, answer=answer, scores=scores)


def _apart(named: Sequence[Sequence[str]]) -> list[bool]:
    """Returns whether each log has no question in common with the others, while some others have."""
    held = Counter(name for names in named for name in set(names) if name)
    alone = [bool(names) and not any(held[name] > 1 for name in names) for names in named]
    return alone if len(named) > 1 else [False] * len(named)


def _example(name: str, record: LogRecord, log: Log) -> Example:
    """Returns a question as the log holds it; questions over one document are one cluster."""
    mark = short_hash(record.document) if record.document else ""
    return Example(
        Query(name, record.question or UNKNOWN, record.choices),
        (Document(mark, record.document),) if record.document else (),
        record.references or (),
        cluster=record.cluster or mark,
        task=log.task,
        tags=record.tags,
        scoring=record.scoring,
    )


def _notes(log: Log) -> list[str]:
    """Returns what is to be known of a log, in sentences; the empty replies too."""
    counts = Counter({reason: count for reason, count in log.noted.items() if count})
    if not log.records:
        return [f"{_shown(log.path)}: no answers."]
    counts["empty replies"] += sum(not one.text.strip() and not one.failure for one in log.records)
    counts["questions without references, which no answer score applies to"] += sum(
        one.references == () for one in log.records
    )
    return [f"{_shown(log.path)}: {count:,} {reason}." for reason, count in counts.items() if count]
