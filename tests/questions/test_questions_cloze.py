"""The scripted expert of the study of question sets: its questions over real text pass all filters."""

from pathlib import Path

import pytest
from _cloze import ClozeExpert

from ragvlc.questions.runner import make_questions
from ragvlc.questions.sources import spec_of
from ragvlc.testing import FunctionEngine, ScriptedPool


@pytest.mark.parametrize("every", [0, 2])
def test_questions_of_the_expert_are_made_over_articles(every: int, shared_data: Path, tmp_path: Path) -> None:
    kinds = {"one_place": 3.0, "numbers": 1.0}
    spec = spec_of(str(shared_data / "squad_articles"), {"writer": "scripted"}, {"count": 12, "seed": 1}, kinds=kinds)
    with ScriptedPool(FunctionEngine(ClozeExpert(every)), tmp_path / "store") as engines:
        made = make_questions(spec, tmp_path / "set.jsonl", pool=engines)
    assert made.status == "complete"
    assert not made.chosen.marks()
    overlaps = [item.overlap or 0.0 for item in made.chosen.kept]
    assert len(overlaps) == 12
    for item in made.chosen.kept:
        assert "_____" in item.question
        assert item.answers[0] in item.evidence[0].text
    assert (sum(overlaps) / 12 < 0.6) == bool(every)  # fewer words of the evidence are left in the question
