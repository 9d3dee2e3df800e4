"""Files of a replay: stored answers are found and read, and results are written as a results folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ragvlc import config
from ragvlc.analysis.results import Results
from ragvlc.core.errors import ConfigError, StoreError
from ragvlc.core.given_paths import path_of
from ragvlc.datasets.jsonl import Jsonl
from ragvlc.documents.dataset import Dataset
from ragvlc.memo.disk import write_whole
from ragvlc.replay.logs.finding import FORMATS, read_logs
from ragvlc.replay.logs.pairing import stored_logs
from ragvlc.replay.replaying import Replayed
from ragvlc.replay.runs import read_runs
from ragvlc.replay.spec import Replay
from ragvlc.replay.stored import Stored, read_file
from ragvlc.results.lines import sealed
from ragvlc.results.store import SweepStore, is_results

__all__ = ["read_stored", "write_replayed"]


def read_stored(replay: Replay) -> Stored:
    """Returns the stored answers that a replay names, paired with their questions.

    A results folder brings its own questions; a file needs `questions`.

    Raises:
        ConfigError: something is not named.
        DatasetError: questions or answers cannot be read.
        StoreError: a results folder cannot be read.
    """
    if replay.answers.logs:
        return _limited(_of_logs(replay), replay.limit)
    if not replay.answers.file:
        raise ConfigError(
            f"{replay.name}: answers.file: name a file of answers or a results folder, or answers.logs: other tools' "
            "logs."
        )
    path = path_of(replay.answers.file)
    beside = path_of(replay.questions) / path if replay.questions else path
    found = path if path.exists() or not beside.exists() else beside
    if is_results(found):
        return _limited(read_runs(found, replay.answers), replay.limit)
    dataset = _dataset(replay, replay.limit)
    if dataset is None:
        raise ConfigError(
            f"{replay.name}: questions: name the folder of questions and documents (--questions DIR) that "
            f"{found} answers. Only logs of known tools hold theirs, and this file is none: {', '.join(FORMATS)}."
        )
    return read_file(found, replay.answers, dataset.load(), dataset.name)


def _dataset(replay: Replay, limit: int | None = None) -> Dataset | None:
    if replay.dataset is not None:
        return replay.dataset
    return Jsonl(path=replay.questions, limit=limit) if replay.questions else None


def _of_logs(replay: Replay) -> Stored:
    """Returns the answers of other tools' logs; a data set is loaded whole, since positions count in it."""
    answers = replay.answers
    logs, others = read_logs([path_of(name) for name in answers.logs], answers.tasks, answers.filter)
    dataset = _dataset(replay)
    return stored_logs(logs, answers, None if dataset is None else dataset.load(), others)


def _limited(stored: Stored, limit: int | None) -> Stored:
    if limit is None:
        return stored
    from dataclasses import replace

    return replace(stored, blocks=tuple(replace(block, examples=block.examples[:limit]) for block in stored.blocks))


def write_replayed(replayed: Replayed, replay: Replay, folder: Path) -> Results:
    """Writes a replay's results as a results folder, replacing an earlier replay's, and returns them as loaded.

    Raises:
        StoreError: the folder holds the results of a sweep that was run, or cannot be written.
    """
    store = SweepStore(folder)
    with store:
        _is_free(folder)
        files: dict[str, str] = {}
        facts_of: dict[str, dict[str, Mapping[str, Any]]] = {}
        rows = []
        for cell in replayed.results.cells:
            name = str(cell.facts["examples"])
            if name not in files:
                everything = [other for other in replayed.results.cells if other.facts["examples"] == name]
                facts_of[name] = {one: facts for other in everything for one, facts in other.examples.items()}
                files[name] = store.write_examples(f"{len(files):016d}", list(facts_of[name].values()))
            own = store.cell(str(cell.facts["key"]))
            own.reopen(config.to_yaml({"name": cell.name, "replay": replay.spec()}))
            lines = [sealed(row, own.folder.name) for row in cell.rows.values()]
            write_whole(own.folder / "predictions.jsonl", b"".join(lines))
            about = {"key": cell.facts["key"], "name": cell.name, "status": "complete"}
            left_out = {"left_out": len(facts_of[name]) - len(cell.rows)}
            own.write_summary({**about, **cell.summary, **left_out})
            rows.append({**cell.facts, "examples": files[name], **left_out})
        store.write_cells(config.to_yaml(replay.spec()), rows)
    return Results.load(folder)


def _is_free(folder: Path) -> None:
    file = folder / "sweep.yaml"
    if file.is_file() and "answers" not in config.read_yaml(file):
        raise StoreError(f"{folder}: holds the results of a sweep. Give the replay another name: --set name=NAME.")
