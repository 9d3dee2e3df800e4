"""JSON Lines data sets: what a line becomes, what is refused and where, filters and clusters."""

from __future__ import annotations

import copy
import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ragvlc.core.answer import Answer
from ragvlc.core.component import find_kind
from ragvlc.core.data import Span
from ragvlc.core.errors import DatasetError
from ragvlc.datasets.jsonl import Jsonl
from ragvlc.families import Dataset, Metric

DOCUMENTS: list[dict[str, Any]] = [
    {"doc_id": "pond", "title": "Pond", "text": "The pond holds forty carp.", "meta": {"length": 1, "kind": "water"}},
    {"doc_id": "hill", "text": "The hill is bare.\nNobody climbs it.", "meta": {"length": 1, "kind": "land"}},
    {"doc_id": "wood", "text": "Three owls live in the wood.", "meta": {"length": 2, "kind": "land"}, "n_words": 6},
]


def question(name: str = "q1", **fields: Any) -> dict[str, Any]:
    row = {"question_id": name, "doc_ids": ["pond"], "question": "How many carp?", "answers": ["forty"], "task": "qa"}
    return {**row, **fields}


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write(folder: Path, questions: list[dict[str, Any]], documents: list[dict[str, Any]] | None = None) -> Jsonl:
    (folder / "documents.jsonl").write_text(lines(DOCUMENTS if documents is None else documents), encoding="utf-8")
    (folder / "questions.jsonl").write_text(lines(questions), encoding="utf-8")
    return Jsonl(path=str(folder))


def refusal(data: Dataset) -> str:
    with pytest.raises(DatasetError) as caught:
        data.load()
    return str(caught.value)


def test_half_a_character_is_replaced_in_ids_and_texts_alike(tmp_path):
    pond = {**DOCUMENTS[0], "doc_id": "po\ud83dnd", "text": "The pond \ud83d holds \ud83d\ude00."}
    asked = question("q\ud83d", doc_ids=["po\ud83dnd"], answers=["\ude00"], evidence=[])
    for name, rows in (("documents", [pond]), ("questions", [asked])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (example,) = Jsonl(path=str(tmp_path)).load()
    assert (example.id, example.documents[0].id) == ("q\ufffd", "po\ufffdnd")
    assert example.documents[0].text == "The pond \ufffd holds \U0001f600."


def test_a_question_with_located_evidence(tmp_path):
    evidence = [
        {"doc_id": "pond", "start": 15, "end": 20, "text": "forty"},
        {"doc_id": "pond", "start": None, "end": None, "text": "somewhere"},
    ]
    (example,) = write(tmp_path, [question(evidence=evidence, source="here", meta={"depth": 0.5, "skip": [1]})]).load()
    assert example.id == "q1"
    assert example.query.text == "How many carp?"
    assert example.query.choices == ()
    assert example.query.form == "question"
    assert [document.id for document in example.documents] == ["pond"]
    assert example.documents[0].title == "Pond"
    assert example.documents[0].metadata == {"length": 1, "kind": "water"}
    assert example.references == ("forty",)
    assert example.answer_mode == "any"
    assert not example.unanswerable
    assert example.evidence == (Span("pond", 15, 20),)
    assert example.cluster == "pond"
    assert example.task == "qa"
    assert example.tags == {
        "depth": 0.5,
        "document.length": 1,
        "document.kind": "water",
        "source": "here",
        "documents": 1,
        "document_words": 5,
        "document_characters": 26,
        "evidence": "partly located",
    }


@pytest.mark.parametrize(
    ("fields", "references", "choices"),
    [
        ({"choices": ["ten", "forty"], "answers": ["B"], "answer_index": 1}, ("forty",), ("ten", "forty")),
        ({"choices": ["ten", "forty"], "answers": [], "answer_index": 0}, ("ten",), ("ten", "forty")),
        ({"choices": ["ten", "forty"], "answers": ["A"]}, ("ten",), ("ten", "forty")),
        ({"choices": ["ten", "forty"], "answers": ["Forty"]}, ("forty",), ("ten", "forty")),
        ({"choices": ["B", "A"], "answers": ["A"]}, ("B",), ("B", "A")),
        ({"choices": ["ten", "forty", "more"], "answers": ["A", "C"]}, ("ten", "more"), ("ten", "forty", "more")),
        ({"task": "true_false", "answers": ["false"]}, ("False",), ("True", "False")),
        ({"task": "true_false", "choices": ["Yes", "No"], "answers": ["No"]}, ("No",), ("Yes", "No")),
    ],
)
def test_references_of_a_choice_are_the_texts_of_the_right_options(tmp_path, fields, references, choices):
    (example,) = write(tmp_path, [question(**fields)]).load()
    assert example.references == references
    assert example.query.choices == choices


@pytest.mark.parametrize(
    ("task", "form"),
    [("summarization", "summary"), ("query_summarization", "summary"), ("qa", "question"), ("needle", "question")],
)
def test_summaries_are_asked_for_as_summaries(tmp_path, task, form):
    (example,) = write(tmp_path, [question(task=task)]).load()
    assert example.query.form == form


def test_unanswerable_questions_have_no_references(tmp_path):
    said = question("said", unanswerable=True, answers=["The text does not say."])
    silent = question("silent", unanswerable=True, answers=[])
    first, second = write(tmp_path, [said, silent]).load()
    assert first.unanswerable
    assert second.unanswerable
    assert first.references == second.references == ()
    assert first.tags["said_instead"] == "The text does not say."
    assert "said_instead" not in second.tags


@pytest.mark.parametrize("kind", ["whole section", "whole story"])
def test_coarse_evidence_is_left_out_and_named(tmp_path, kind):
    evidence = [{"doc_id": "pond", "start": 0, "end": 26}]
    (example,) = write(tmp_path, [question(evidence=evidence, meta={"evidence_kind": kind})]).load()
    assert example.evidence == ()
    assert example.tags["evidence"] == kind


@pytest.mark.parametrize(
    ("evidence", "standing"),
    [([], "none"), ([{"doc_id": "pond", "start": None}], "not located"), ([{"start": 4, "end": 8}], "located")],
)
def test_the_evidence_tag_says_how_much_is_known(tmp_path, evidence, standing):
    (example,) = write(tmp_path, [question(evidence=evidence)]).load()
    assert example.tags["evidence"] == standing
    assert len(example.evidence) == (standing == "located")


def test_several_documents_keep_the_order_of_the_question(tmp_path):
    row = question(doc_ids=["wood", "pond"], answers=["forty", "three"], answer_mode="all")
    (example,) = write(tmp_path, [row]).load()
    assert [document.id for document in example.documents] == ["wood", "pond"]
    assert example.answer_mode == "all"
    assert example.cluster == "wood+pond"
    assert example.tags["document_words"] == 11
    assert "document.kind" not in example.tags  # the two differ


def test_one_document_may_be_named_alone(tmp_path):
    row = question(doc_id="hill")
    del row["doc_ids"]
    (example,) = write(tmp_path, [row]).load()
    assert [document.id for document in example.documents] == ["hill"]


def test_a_retrieval_query_searches_the_set(tmp_path):
    documents = [{**row, "meta": {}} for row in DOCUMENTS]
    rows = [question(name, task="retrieval", doc_ids=["hill"], answers=["hill"]) for name in ("a", "b")]
    first, second = write(tmp_path, rows, documents).load()
    assert [document.id for document in first.documents] == ["pond", "hill", "wood"]
    assert first.documents is second.documents
    assert first.relevant == {"hill": 1.0}
    assert first.references == ()
    assert first.cluster == "hill"


def test_a_retrieval_query_searches_documents_of_its_length(tmp_path):
    row = question(task="retrieval", doc_ids=["hill"], meta={"length": 1})
    (example,) = write(tmp_path, [row]).load()
    assert [document.id for document in example.documents] == ["pond", "hill"]
    message = refusal(write(tmp_path, [{**row, "meta": {"length": 2}}]))
    assert "line 1" in message
    assert "'hill'" in message


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"answers": ["E"], "choices": ["a", "b", "c", "d"]}, "no letter from A to D"),
        ({"answer_index": 4, "choices": ["a", "b", "c", "d"], "answers": []}, "from 0 to 3"),
        ({"answer_index": True, "choices": ["a", "b"], "answers": []}, "from 0 to 1"),
        ({"answer_index": 0, "choices": ["a", "b"], "answers": ["B"]}, "but 'answers' says B"),
        ({"answers": [], "choices": ["a", "b"]}, "'answers' is empty"),
        ({"answers": []}, "'answers' is empty"),
        ({"answers": [" "]}, "'answers' must be a list of texts"),
        ({"answers": "forty"}, "'answers' must be a list of texts that are not blank, not \"forty\""),
        ({"answers": [40]}, "'answers' must be a list of texts"),
        ({"answer_index": 1}, "no 'choices'"),
        ({"task": "multiple_choice"}, "needs 'choices'"),
        ({"question": None}, "'question' must be a text that is not blank, not nothing"),
        ({"question_id": 7}, "'question_id' must be a text"),
        ({"doc_ids": ["pnod"]}, "no document has the id 'pnod'. Nearest: pond."),
        ({"doc_ids": []}, "names no document"),
        ({"doc_ids": ["pond", "pond"]}, "twice"),
        ({"doc_id": "hill"}, "'doc_id' is 'hill', but 'doc_ids' names pond"),
        ({"unanswerable": "no"}, "'unanswerable' must be true or false"),
        ({"answer_mode": "some"}, "any or all"),
        ({"meta": []}, "'meta' must be an object"),
        ({"evidence": [4]}, "'evidence' must be a list of objects"),
        ({"evidence": [{"doc_id": "hill", "start": 0, "end": 3}]}, "which is not asked over"),
        ({"evidence": [{"doc_id": "pond", "start": 0, "end": 27}]}, "has characters 0 to 26"),
        ({"evidence": [{"doc_id": "pond", "start": 5, "end": 5}]}, "runs from 5 to 5"),
        ({"evidence": [{"doc_id": "pond", "start": 0.0, "end": 5}]}, "runs from 0.0 to 5"),
        (
            {"evidence": [{"doc_id": "pond", "start": 0, "end": 3, "text": "Thy"}]},
            "says 'Thy', but document 'pond' has",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_its_line(tmp_path, fields, told):
    message = refusal(write(tmp_path, [question("before"), {**question("wrong"), **fields}]))
    assert message.startswith(f"{tmp_path / 'questions.jsonl'}: line 2: ")
    assert told in message
    assert "\n" not in message  # one mistake, one sentence


def test_every_problem_of_a_file_comes_at_once(tmp_path):
    rows = [question("a", answers=[]), question("b"), question("b"), question("c", doc_ids=["x"], answer_mode="x")]
    message = refusal(write(tmp_path, rows))
    assert "4 problems" in message
    assert [line.split(":")[0].strip() for line in message.splitlines()[1:]] == ["line 1", "line 3", "line 4", "line 4"]
    assert "question 'b' stands in line 2 already" in message


def test_only_twenty_problems_are_told(tmp_path):
    message = refusal(write(tmp_path, [question(f"q{number}", answers=[]) for number in range(25)]))
    assert len(message.splitlines()) == 22
    assert message.endswith("... and 5 more.")


def test_a_torn_last_line_is_told_from_broken_json(tmp_path):
    data = write(tmp_path, [question("a"), question("b")])
    file = tmp_path / "questions.jsonl"
    whole = file.read_text(encoding="utf-8")
    file.write_text(whole[:-20], encoding="utf-8")
    message = refusal(data)
    assert "line 2: is not JSON" in message
    assert "not written to its end" in message
    file.write_text("{oops}\n" + whole, encoding="utf-8")
    message = refusal(data)
    assert "line 1: is not JSON" in message
    assert "not written to its end" not in message


@given(cut=st.integers(min_value=1))
def test_wherever_a_line_is_torn_it_is_refused(tmp_path_factory, cut):
    folder = tmp_path_factory.mktemp("torn")
    data = write(folder, [question("a"), question("b")])
    file = folder / "questions.jsonl"
    whole = file.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    file.write_bytes(whole[: last + 1 + cut % (len(whole) - last - 3)])
    assert "line 2: is not JSON" in refusal(data)


def test_a_line_must_hold_an_object_in_utf_8(tmp_path):
    data = write(tmp_path, [question("a")])
    (tmp_path / "questions.jsonl").write_bytes(b'["list"]\n\n{"question_id": "\xff"}\n')
    message = refusal(data)
    assert 'line 1: must hold a JSON object, not ["list"]' in message
    assert "line 3: is not UTF-8" in message


def test_other_line_separators_do_not_end_a_line(tmp_path):
    text = "one\u2028two\x85three"
    (example,) = write(tmp_path, [question()], [{"doc_id": "pond", "text": text}]).load()
    assert example.documents[0].text == text


def test_gzipped_files_read_like_plain_ones(tmp_path):
    plain = write(tmp_path, [question()])
    packed = tmp_path / "packed"
    packed.mkdir()
    for stem in ("documents", "questions"):
        (packed / f"{stem}.jsonl.gz").write_bytes(gzip.compress((tmp_path / f"{stem}.jsonl").read_bytes()))
    assert Jsonl(path=str(packed)).load() == plain.load()
    torn = (packed / "questions.jsonl.gz").read_bytes()[:-12]
    (packed / "questions.jsonl.gz").write_bytes(torn)
    assert "questions.jsonl.gz: cannot be read" in refusal(Jsonl(path=str(packed)))


@pytest.mark.parametrize(
    ("documents", "told"),
    [
        ([{"doc_id": "a", "text": " \n"}], "line 1: 'text' must be a text that is not blank"),
        ([{"doc_id": "a", "text": "x"}, {"doc_id": "a", "text": "y"}], "line 2: document 'a' stands in line 1 already"),
        ([{"text": "x"}], "line 1: 'doc_id' must be"),
        ([{"doc_id": "a", "text": "x", "title": 3}], "line 1: 'title' must be"),
        ([], "holds no documents"),
    ],
)
def test_documents_are_checked(tmp_path, documents, told):
    message = refusal(write(tmp_path, [question()], documents))
    assert message.startswith(str(tmp_path / "documents.jsonl"))
    assert told in message


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_called_so(tmp_path, make):
    data = write(tmp_path, [question()])
    (tmp_path / "documents.jsonl").unlink()
    make(tmp_path / "documents.jsonl")
    assert refusal(data) == f"{tmp_path / 'documents.jsonl'}: is no file, but a folder, a pipe or a device."


def test_files_that_are_not_there(tmp_path):
    data = write(tmp_path, [question()])
    (tmp_path / "documents.jsonl").rename(tmp_path / "document.jsonl")
    assert "no such file, with or without .gz. Nearest: document.jsonl." in refusal(data)
    assert "does not exist or is empty" in refusal(Jsonl(path=str(tmp_path / "nowhere")))
    (tmp_path / "document.jsonl").rename(tmp_path / "documents.jsonl")
    (tmp_path / "questions.jsonl").write_text("", encoding="utf-8")
    assert "holds no questions" in refusal(data)


def test_other_files_are_seen_from_the_folder(tmp_path):
    write(tmp_path, [question("a")])
    (tmp_path / "more.jsonl").write_text(lines([question("b")]), encoding="utf-8")
    data = Jsonl(path=str(tmp_path), questions="more.jsonl")
    assert [example.id for example in data.load()] == ["b"]
    assert data.name == f"{tmp_path.name}/more"
    away = Jsonl(documents=str(tmp_path / "documents.jsonl"), questions=str(tmp_path / "more.jsonl"))
    assert away.load() == data.load()


def test_a_relative_folder_is_relative_to_the_yaml_file(tmp_path):
    (tmp_path / "set").mkdir()
    write(tmp_path / "set", [question()])
    data = Dataset.build({"kind": "jsonl", "path": "set"}, {"folder": tmp_path})
    assert [example.id for example in data.load()] == ["q1"]
    beside = Dataset.build({"kind": "jsonl", "documents": "set/documents.jsonl", "questions": "set/questions.jsonl"},
                           {"folder": tmp_path})  # fmt: skip
    assert [example.id for example in beside.load()] == ["q1"]


TAGGED = [
    question("a", meta={"depth": 0.5, "deep": {"er": "x"}}),
    question("b", meta={"depth": 1.0}, doc_ids=["hill"], task="needle"),
    question("c", doc_ids=["wood"]),
]


@pytest.mark.parametrize(
    ("fields", "ids"),
    [
        ({}, ["a", "b", "c"]),
        ({"tasks": ["qa"]}, ["a", "c"]),
        ({"tasks": ["needle", "qa"]}, ["a", "b", "c"]),
        ({"tags": {"depth": 0.5}}, ["a"]),
        ({"tags": {"depth": [0.5, 1.0]}}, ["a", "b"]),
        ({"tags": {"deep.er": "x"}}, ["a"]),
        ({"tags": {"document.kind": "land"}}, ["b", "c"]),
        ({"tags": {"document.kind": "land"}, "tasks": ["qa"]}, ["c"]),
    ],
)
def test_filters(tmp_path, fields, ids):
    write(tmp_path, TAGGED)
    data = Jsonl(path=str(tmp_path), **fields)
    assert [example.id for example in data.load()] == ids
    assert Dataset.build(data.spec()) == data


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"tasks": ["neddle"]}, "Tasks: needle, qa. Nearest: needle."),
        ({"tags": {"dept": 0.5}}, "no question has the tag 'dept'"),
        ({"tags": {"depth": 0.7}}, "Values: 0.5, 1.0."),
        ({"tags": {"depth": "0.5"}}, "no question has '0.5' as its tag 'depth'"),
        ({"tags": {"depth": 1.0}, "tasks": ["qa"]}, "Loosen the filters"),
    ],
)
def test_filters_that_nothing_passes_are_told(tmp_path, fields, told):
    write(tmp_path, TAGGED)
    assert told in refusal(Jsonl(path=str(tmp_path), **fields))


def test_filters_show_in_the_name(tmp_path):
    data = Jsonl(path=str(tmp_path / "owls"), tasks=("qa",), tags={"depth": (0.5, 1.0)})
    assert data.name == "owls[qa depth=0.5,1.0]"
    assert Jsonl(path=str(tmp_path / "owls")).name == "owls"


@pytest.mark.parametrize(
    ("cluster", "clusters"),
    [
        ("document", ["pond", "pond", "hill"]),
        ("question", ["one@short", "two", "one@long"]),
        ("id_prefix", ["one", "two", "one"]),
        ("meta.pair", ["1", "2", "1"]),
        ("meta.in.side", ["x", "y", "x"]),
    ],
)
def test_clusters(tmp_path, cluster, clusters):
    rows = [
        question("one@short", meta={"pair": 1, "in": {"side": "x"}}),
        question("two", meta={"pair": 2, "in": {"side": "y"}}),
        question("one@long", doc_ids=["hill"], meta={"pair": 1, "in": {"side": "x"}}),
    ]
    write(tmp_path, rows)
    examples = Jsonl(path=str(tmp_path), cluster=cluster).load()
    assert [example.cluster for example in examples] == clusters


def test_a_cluster_field_must_be_there(tmp_path):
    write(tmp_path, [question(meta={"pair": 1})])
    message = refusal(Jsonl(path=str(tmp_path), cluster="meta.pear"))
    assert "line 1: 'cluster: meta.pear' needs a 'meta.pear', which is absent. Nearest: pair." in message
    with pytest.raises(ValidationError):
        Jsonl(path=str(tmp_path), cluster="documents")


@given(small=st.integers(1, 12), large=st.integers(1, 14), seed=st.integers(0, 3))
def test_limits_nest_and_keep_the_order(tmp_path_factory, small, large, seed):
    folder = tmp_path_factory.mktemp("nest")
    write(folder, [question(f"q{number:02}") for number in range(12)])
    ids = [
        [example.id for example in Jsonl(path=str(folder), limit=limit, seed=seed).load()]
        for limit in sorted((small, large))
    ]
    assert set(ids[0]) <= set(ids[1])
    assert all(part == sorted(part) for part in ids)
    assert len(ids[1]) == min(max(small, large), 12)


def test_documents_are_read_once_and_shared(tmp_path):
    data = write(tmp_path, [question("a"), question("b")])
    first, second = data.load()
    again = data.load()
    assert first.documents[0] is second.documents[0]
    assert first.documents[0] is again[0].documents[0]
    file = tmp_path / "documents.jsonl"
    file.write_text(file.read_text(encoding="utf-8").replace("forty carp", "fifty carp"), encoding="utf-8")
    os.utime(file, ns=(1, 1))  # the size is unchanged: the time must tell
    assert data.load()[0].documents[0].text == "The pond holds fifty carp."


def test_reading_leaves_examples_alone(tmp_path):
    data = write(tmp_path, [question(meta={"depth": 0.5})])
    before = copy.deepcopy(data.load())
    data.load()[0].tags["depth"] = 9  # type: ignore[index]
    assert data.load() == before


def test_the_key_is_the_sets_name_and_filters_not_its_content(tmp_path):
    for folder in ("one/set", "two/set"):
        (tmp_path / folder).mkdir(parents=True)
    here, other = write(tmp_path / "one/set", [question()]), write(tmp_path / "two/set", [question()])
    assert here.key != other.key
    assert here.key != Jsonl(path=here.path, tasks=("qa",)).key
    assert here.key == Jsonl(path=here.path, limit=1, seed=4, cluster="question").key
    before = here.key, here.load()[0].gold_key
    changed = write(tmp_path / "one/set", [question(answers=["40"])])
    assert (changed.key, changed.load()[0].key) == (before[0], here.load()[0].key)
    assert changed.load()[0].gold_key != before[1]


def test_the_language_of_the_set_is_a_tag(tmp_path):
    data = write(tmp_path, [question("a"), question("b", meta={"lang": "de"})])
    (tmp_path / "dataset.json").write_text('{"language": "en"}', encoding="utf-8")
    assert [example.tags["language"] for example in data.load()] == ["en", "de"]
    (tmp_path / "dataset.json").write_text('{"language": "en, de"}', encoding="utf-8")
    assert ["language" in example.tags for example in data.load()] == [False, True]
    (tmp_path / "dataset.json").write_text("{", encoding="utf-8")
    assert "dataset.json: cannot be read" in refusal(data)


def test_answers_under_another_name_are_told(tmp_path: Path) -> None:
    row = question(answers=[], ground_truth="forty")
    assert "If 'ground_truth' holds the answers, call it 'answers'." in refusal(write(tmp_path, [row]))
    plain = refusal(write(tmp_path, [question(answers=[], answer_mode="any")]))
    assert "call it" not in plain
    (example,) = write(
        tmp_path, [question(answers=[], choices=["a", "b"], answer_index=1.0, task="multiple_choice")]
    ).load()
    assert example.references == ("b",)


def test_gold_of_published_metrics_is_read(tmp_path):
    gold = {"nodes": ["a", "b"], "order": [2, 1], "masks": {"<mask-0>": "Ada"}, "own": [1, {"x": None}]}
    (example,) = write(tmp_path, [question(scoring=gold, meta={"dataset": "walks"})]).load()
    assert (example.scoring, example.tags["dataset"]) == (gold, "walks")
    assert find_kind(Metric, "graphwalks")().score(Answer("Final Answer: [b, a]"), example) == 1
    (example,) = write(tmp_path, [question()]).load()
    assert example.scoring == {}


@pytest.mark.parametrize(
    ("gold", "said"),
    [
        (["a"], "'scoring' must be an object, not"),
        ({"nodes": "a, b"}, "'scoring.nodes' must be a list of texts, not 'a, b'."),
        ({"labels": [1]}, "'scoring.labels' must be a list of texts"),
        ({"order": ["I", "II"]}, "'scoring.order' must be a list of whole numbers from 1"),
        ({"order": [0, 1]}, "'scoring.order' must be a list of whole numbers from 1"),
        ({"masks": ["Ada"]}, "'scoring.masks' must be an object"),
        ({"evidence_texts": ["a"]}, "'scoring.evidence_texts' must be a list of lists of texts"),
        ({"prefix": None}, "'scoring.prefix' must be a text, not 'None'."),
    ],
)
def test_gold_of_another_form_is_refused(tmp_path, gold, said):
    assert said in refusal(write(tmp_path, [question(scoring=gold)]))
