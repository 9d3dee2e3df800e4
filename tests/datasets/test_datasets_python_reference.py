"""The questions over Python's own documentation: well-formed, found in the text, and of the lengths they claim."""

from __future__ import annotations

import copy
import re
import sys
from collections import Counter
from pathlib import Path

import pytest
from pydantic import ValidationError

from ragvlc.core.errors import DatasetError
from ragvlc.datasets import python_reference
from ragvlc.datasets.python_reference import PythonReference
from ragvlc.families import Dataset
from ragvlc.packaged import is_ready, resolve

# Characters, about four to a token; the tokens themselves are counted below where the tokenizer is at hand.
CHARACTERS = {"short": (1_000, 6_000), "medium": (8_000, 26_000), "long": (45_000, 70_000)}

TOPICS = {"walk": "Walking\n*******\n\nOne foot is put before the\nother, left-\nhanded or not.\n\nRepeat it."}
SOURCE = """
walk:
  length: short
  questions:
    - {id: walk-what, kind: short_answer, question: "What is put?", answers: [foot], evidence: [EVIDENCE]}
"""


def entry(**changes: str) -> str:
    fields = {
        "id": "walk-what",
        "kind": "short_answer",
        "question": "'What is put?'",
        "answers": "[foot]",
        "evidence": "[One foot is put]",
        **changes,
    }
    listed = ", ".join(f"{name}: {value}" for name, value in fields.items() if value)
    return f"walk:\n  length: short\n  questions:\n    - {{{listed}}}\n"


def refusal(source: str) -> str:
    with pytest.raises(DatasetError) as caught:
        python_reference._build(source, TOPICS)
    return str(caught.value)


def test_there_are_enough_questions_of_every_kind():
    examples = PythonReference().load()
    kinds = Counter(example.task for example in examples)
    assert len(examples) >= 32
    assert len({example.cluster for example in examples}) >= 8
    assert len({example.id for example in examples}) == len(examples)
    assert kinds["multiple_choice"] >= 5
    assert kinds["several_answers"] >= 3
    assert 2 <= kinds["unanswerable"] <= 4
    assert {example.tags["length"] for example in examples} == {"short", "medium", "long"}
    assert len({example.cluster for example in PythonReference(lengths=("long",)).load()}) == 2


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="written for 3.11 to 3.13")
def test_all_evidence_is_found_and_in_one_place_only():
    for example in PythonReference().load():
        assert example.tags["evidence"] == ("none" if example.unanswerable else "located"), example.id
        text = example.documents[0].text
        for span in example.evidence:
            quoted = text[span.start : span.end]
            assert len(quoted) >= 15, example.id
            assert len(re.findall(r"\s+".join(map(re.escape, quoted.split())), text)) == 1, example.id


def test_questions_needing_two_places_have_two():
    apart = [example for example in PythonReference().load() if example.answer_mode == "all"]
    assert apart
    for example in apart:
        assert len(example.references) == len(example.evidence) == 2


def test_evidence_is_spread_over_the_documents():
    examples = PythonReference().load()
    depths = [span.start / len(example.documents[0].text) for example in examples for span in example.evidence]
    thirds = Counter(min(int(depth * 3), 2) for depth in depths)
    assert all(thirds[third] >= len(depths) / 5 for third in range(3))


def test_answers_are_not_given_away_by_their_place():
    choices = [example for example in PythonReference().load() if example.task == "multiple_choice"]
    places = Counter(example.query.choices.index(example.references[0]) for example in choices)
    assert max(places.values()) <= len(choices) / 2
    truths = Counter(example.references[0] for example in PythonReference().load() if example.task == "true_false")
    assert truths["True"] == truths["False"]


@pytest.mark.parametrize("length", ["short", "medium", "long"])
def test_documents_are_as_long_as_they_say(length):
    low, high = CHARACTERS[length]
    for example in PythonReference(lengths=(length,)).load():
        assert low <= len(example.documents[0].text) <= high, example.cluster


@pytest.mark.skipif(not is_ready("smollm2-135m-instruct"), reason="SmolLM2 is not in the cache")
def test_lengths_in_tokens():
    tokenizers = pytest.importorskip("tokenizers")
    folder = Path(resolve("packaged:smollm2-135m-instruct"))
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    limits = {"short": (1, 1_500), "medium": (2_000, 6_500), "long": (12_000, 16_000)}
    counts = []
    for example in PythonReference().load():
        low, high = limits[example.tags["length"]]
        counts.append(len(tokenizer.encode(example.documents[0].text).ids))
        assert low <= counts[-1] <= high, example.cluster
    assert sum(counts) / len(counts) < 3_500


def test_a_document_is_the_topic_with_its_heading():
    (first, *others) = PythonReference(topics=("with",)).load()
    assert first.documents[0].title == 'The "with" statement'
    assert first.documents[0].text.startswith(first.documents[0].title)
    assert all(other.documents[0] is first.documents[0] for other in others)
    assert first.cluster == first.tags["topic"] == "with"


def test_filters():
    chosen = PythonReference(topics=("with", "import"), lengths=("medium",)).load()
    assert {example.cluster for example in chosen} == {"import"}
    with pytest.raises(DatasetError, match=r"the topic 'wiht'. Known: assert, .* Nearest: with\."):
        PythonReference(topics=("wiht",)).load()
    with pytest.raises(DatasetError, match="Loosen the filters"):
        PythonReference(topics=("with",), lengths=("long",)).load()
    with pytest.raises(ValidationError):
        PythonReference(lengths=("huge",))


def test_limits_nest_and_nothing_changes():
    before = copy.deepcopy(PythonReference().load())
    small = {example.id for example in PythonReference(limit=5, seed=1).load()}
    large = {example.id for example in PythonReference(limit=9, seed=1).load()}
    assert len(small) == 5
    assert small < large
    assert PythonReference().load() == before


def test_it_is_a_kind_and_its_key_stands():
    data = Dataset.build("python_reference")
    assert Dataset.build(data.spec()) == data
    assert data.key == PythonReference(limit=3).key
    assert data.key != PythonReference(topics=("with",)).key
    assert data.identity() == PythonReference().identity()


@pytest.mark.parametrize(
    ("evidence", "quoted"),
    [
        ("put before the other", "put before the\nother"),
        ("other, left-handed or not", "other, left-\nhanded or not"),
        ("Walking ******* One", "Walking\n*******\n\nOne"),
    ],
)
def test_white_space_and_breaks_after_hyphens_do_not_matter(evidence, quoted):
    (example,) = python_reference._build(SOURCE.replace("EVIDENCE", f'"{evidence}"'), TOPICS)
    (span,) = example.evidence
    assert TOPICS["walk"][span.start : span.end] == quoted
    assert example.tags["evidence"] == "located"


def test_another_wording_may_be_given():
    (example,) = python_reference._build(SOURCE.replace("EVIDENCE", "[Do it again, Repeat it]"), TOPICS)
    (span,) = example.evidence
    assert TOPICS["walk"][span.start : span.end] == "Repeat it"


def test_reworded_evidence_leaves_the_question_without():
    (example,) = python_reference._build(SOURCE.replace("EVIDENCE", "One foot is put, Gone by now"), TOPICS)
    assert example.evidence == ()
    assert example.tags["evidence"] == "not located"
    assert example.references == ("foot",)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"answers": ""}, "question 'walk-what' of topic 'walk' needs answers and evidence"),
        ({"kind": "unanswerable"}, "then neither"),
        ({"choices": "[foot, hand]"}, "needs choices if, and only if"),
        ({"kind": "multiple_choice"}, "needs choices if, and only if"),
        ({"kind": "true_false", "choices": "['True', 'False']"}, "one of its choices as its only answer"),
        ({"kind": "riddle"}, "question 'walk-what', kind: "),
        ({"hint": "none"}, "question 'walk-what', hint: "),
        ({"question": "''"}, "question 'walk-what', question: "),
    ],
)
def test_a_wrong_entry_names_question_and_topic(changes, told):
    message = refusal(entry(**changes))
    assert "walk" in message
    assert told in message


def test_other_refusals():
    assert "question 'walk-what': this Python has no topic 'walks'. Nearest: walk." in refusal(
        entry().replace("walk:", "walks:")
    )
    assert "has an id that stands above" in refusal(entry() + entry().splitlines()[-1] + "\n")
    assert "is not YAML" in refusal("walk: [")
    assert "must be a mapping" in refusal("- walk")
    assert "topic 'walk': length: " in refusal(entry().replace("short\n", "tall\n"))
    assert "topic 'walk': " in refusal("walk: 3")
