"""Logs that hold predictions only: joined to a data set by id, position or content, with a check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import log_things as made
import pytest

from ragvlc.core.errors import DatasetError
from ragvlc.replay.folders import read_stored
from ragvlc.replay.spec import Replay
from ragvlc.replay.stored import Stored

RIGHT = ("q0", "q1", "q2")


def given(*files: Path, **more: Any) -> Replay:
    logs = {"logs": [str(file) for file in files], **more.pop("answers", {})}
    return Replay.model_validate({"name": "tried", "answers": logs, **more})


def stored(*files: Path, **more: Any) -> Stored:
    return read_stored(given(*files, **more))


def questions(folder: Path, names: tuple[str, ...] = tuple(made.GOLD)) -> Path:
    folder.mkdir()
    documents = [{"doc_id": "d", "text": " ".join(made.DOCUMENTS.values())}]
    rows = [
        {"question_id": f"set-{n}", "doc_id": "d", "question": made.QUESTIONS[n], "answers": [made.GOLD[n]]}
        for n in names
    ]
    made.lines(folder / "documents.jsonl", documents)
    made.lines(folder / "questions.jsonl", rows)
    return folder


def test_predictions_are_joined_to_a_data_set_by_position_with_a_check(tmp_path: Path) -> None:
    folder = str(questions(tmp_path / "set"))
    file = made.infinitebench(tmp_path / "a" / "preds_x.jsonl", RIGHT)
    found = stored(file, questions=folder)
    [block] = found.blocks
    assert list(block.rows[""]["a"]) == [f"set-{n}" for n in made.GOLD]
    assert [one.documents[0].id for one in block.examples] == ["d"] * 4
    assert found.notes[0] == "a/preds_x.jsonl: joined to the data set by position."
    named = stored(file, dataset={"kind": "jsonl", "path": folder})
    assert named.blocks[0].rows == block.rows
    shifted = made.infinitebench(tmp_path / "b" / "preds_x.jsonl", RIGHT, shift=1)
    with pytest.raises(DatasetError, match=r"100% of its answers, joined by position, .* moved by [+-]1: the file is"):
        stored(shifted, questions=folder, answers={"join": "position"})
    by_content = stored(shifted, questions=folder)
    assert by_content.notes[0].endswith("joined to the data set by content.")
    assert set(by_content.blocks[0].rows[""]["b"]) == {f"set-{n}" for n in made.GOLD}


@pytest.mark.parametrize("gold", ["B", "(B) a clay lamp", "B. a clay lamp", "a clay lamp", "BD"])
def test_options_are_known_by_their_letters(tmp_path: Path, gold: str) -> None:
    both = gold == "BD"
    rows = [
        {
            "query": "What?\n(A) a cart (B) a clay lamp (C) oars (D) a bell",
            "gt": gold,
            "x_pred": "B",
            "evaluation": "exam",
        }
    ]
    file = made.lines(tmp_path / "x" / "coursera.pred.jsonl", rows)
    asked = {
        "question_id": "q",
        "doc_id": "d",
        "question": "What?",
        "choices": ["a cart", "a clay lamp", "oars", "a bell"],
    }
    made.lines(tmp_path / "set" / "documents.jsonl", [{"doc_id": "d", "text": "Lamps."}])
    answers = ["a clay lamp", "a bell"] if both else ["a clay lamp"]
    made.lines(tmp_path / "set" / "questions.jsonl", [{**asked, "answers": answers}])
    [block] = stored(file, questions=str(tmp_path / "set")).blocks
    assert list(block.rows[""]["x"]) == ["q"]


def test_answers_to_questions_that_the_data_set_lacks_are_counted(tmp_path: Path) -> None:
    folder = questions(tmp_path / "set", ("q0", "q1"))
    found = stored(made.longbench(tmp_path / "m" / "x.jsonl", RIGHT), questions=str(folder))
    assert found.dropped["answers to unknown questions"] == 2


def test_longbench_lines_are_known_by_references_and_length(tmp_path: Path) -> None:
    """Two questions have the same answer, and the lines are in another order."""
    about = {"answers": ["x"], "all_classes": None, "dataset": "qasper", "language": "en", "context": "A text."}
    rows = [{**about, "_id": name, "input": f"{name}?", "length": size} for name, size in (("a", 1), ("b", 2))]
    made.lines(tmp_path / "set" / "qasper.jsonl", rows)
    replies = [{"pred": str(one["length"]), **about, "length": one["length"]} for one in rows[::-1]]
    file = made.lines(tmp_path / "pred" / "m" / "qasper.jsonl", replies)
    [block] = stored(file, dataset={"kind": "longbench", "path": str(tmp_path / "set"), "subset": "qasper"}).blocks
    assert {name: one.answer.text for name, one in block.rows[""]["m"].items() if one.answer} == {"a": "1", "b": "2"}
