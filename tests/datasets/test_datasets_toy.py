"""The toy set: every form of question once."""

from __future__ import annotations

import copy

from ragvlc.datasets.toy import Toy
from ragvlc.families import Dataset


def test_every_form_occurs():
    examples = Toy().load()
    assert 8 <= len(examples) <= 10
    assert len({example.id for example in examples}) == len(examples)
    assert len({document.id for example in examples for document in example.documents}) == 4
    assert any(len(example.query.choices) == 4 for example in examples)
    assert any(example.query.choices == ("True", "False") for example in examples)
    assert any(example.unanswerable and not example.references for example in examples)
    assert any(example.query.form == "summary" for example in examples)
    assert any(len({span.document_id for span in example.evidence}) == 2 for example in examples)
    assert any(example.answer_mode == "all" and len(example.references) == 3 for example in examples)
    assert any("茶" in example.query.text for example in examples)
    assert any(example.relevant for example in examples)


def test_evidence_stands_where_it_says():
    quoted = {
        example.id: [
            document.text[span.start : span.end]
            for span in example.evidence
            for document in example.documents
            if document.id == span.document_id
        ]
        for example in Toy().load()
    }
    assert quoted["toy-height"] == ["31 metres"]
    assert quoted["toy-before"] == ["finished in 1868", "since 1951"]
    assert quoted["toy-tea"] == ["茉莉花茶"]
    assert quoted["toy-price"] == []


def test_choices_hold_the_right_answer():
    for example in Toy().load():
        assert not example.query.choices or set(example.references) <= set(example.query.choices)
        assert bool(example.references) == (not example.unanswerable and not example.relevant)


def test_it_is_a_kind_and_never_changes():
    data = Dataset.build({"kind": "toy", "limit": 3})
    assert data.name == "toy"
    ids = [example.id for example in data.load()]
    assert len(ids) == 3
    assert set(ids) < {example.id for example in Dataset.build({"kind": "toy", "limit": 5}).load()}
    before = copy.deepcopy(Toy().load())
    assert Toy().load() == before
