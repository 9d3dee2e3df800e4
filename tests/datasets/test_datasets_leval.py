"""L-Eval: options, several right ones, two questions of a statement, and prompts read from the authors' code."""

from __future__ import annotations

import pytest

from ragvlc.core.errors import DatasetError
from ragvlc.datasets.leval import Leval
from tests.released_files import RELEASED, TOWER, lines


@pytest.fixture
def read(tmp_path):
    RELEASED["leval"](tmp_path)
    return lambda subset, **settings: Leval(path=str(tmp_path), subset=subset, **settings).load()


def test_options_become_choices_where_they_can_be_told_apart(read):
    examples = read("quality")
    first, alike = examples
    assert (first.query.text, first.query.choices, first.references) == ("Who?", ("Ada", "Bo"), ("Bo",))
    assert (alike.query.choices, alike.references) == ((), ("A",))
    assert first.cluster == alike.cluster == first.documents[0].id
    assert examples.notes == ("questions whose options stay in their text, as they cannot be told apart: 1.",)
    [several] = read("coursera")
    assert (several.references, several.answer_mode) == (("a", "c"), "all")


def test_a_statement_is_asked_by_the_text_or_by_the_world(read):
    [by_text], [by_world] = read("sci_fi"), read("sci_fi", question="fact", prompts="official")
    assert (by_text.references, by_text.scoring) == (("True",), {"fact": "False"})
    assert (by_world.references, by_world.query.official) == (("False",), None)
    assert "world described" not in by_world.query.text
    assert Leval(subset="sci_fi", question="fact").source == "leval/sci_fi/fact"


def test_prompts_come_from_the_authors_code(read):
    [first, _] = read("quality", prompts="official", cut="official")
    official = first.query.official
    assert official.template == "Text: {document} Asked: {instruction} \nAnswer: "
    assert (official.system, official.cut, official.max_tokens) == ("Name the letter.", "words_right", 512)
    assert official.fields["instruction"].startswith("Who?\n\n (A) Ada")
    news = read("news_summ", prompts="official", evaluation=["rouge"])
    [summary] = news
    assert summary.query.official.template.endswith("About {length} words. ")
    assert (summary.query.official.fields["length"], summary.query.official.system) == ("3", "Write.")
    assert (summary.query.form, news.skipped) == ("summary", {"instruction without a word": 1})
    solved = read("gsm100", prompts="official")
    assert [one.query.official.template for one in solved] == ["{document}\n\n{instruction}"] * 2
    assert len({one.cluster for one in solved}) == 2


def test_without_the_authors_code_it_is_said_where_it_is(tmp_path):
    (tmp_path / "data").mkdir()
    RELEASED["leval"](tmp_path / "data")
    (tmp_path / "data" / "Baselines" / "LEval_config.py").unlink()
    with pytest.raises(DatasetError, match="GPL-3.0"):
        Leval(path=str(tmp_path / "data"), prompts="official").load()
    (tmp_path / "data" / "Baselines" / "LEval_config.py").write_text("import os\nos.abort()\n")
    with pytest.raises(DatasetError, match="no prompts in the form"):
        Leval(path=str(tmp_path / "data"), prompts="official").load()
    assert len(Leval(path=str(tmp_path / "data"), cut="official").load()) == 2


def test_lists_of_other_lengths_are_named(tmp_path):
    row = {"input": TOWER, "instructions": ["a", "b"], "outputs": ["c"], "evaluation": "exam"}
    lines(tmp_path / "quality.jsonl", [row])
    with pytest.raises(DatasetError, match="line 1: has 2 instructions, but 1 outputs"):
        Leval(path=str(tmp_path)).load()


def test_an_unknown_kind_of_scoring_is_answered_with_those_of_the_file(read):
    with pytest.raises(DatasetError, match="evaluation: no record has 'exams'. They have: exam."):
        read("quality", evaluation=["exam", "exams"])
