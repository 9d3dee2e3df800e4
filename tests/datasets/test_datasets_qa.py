"""Question sets by name: their records become questions, documents, evidence and gold as their authors define them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ragvlc.core.answer import Answer
from ragvlc.core.component import find_kind
from ragvlc.core.data import Example
from ragvlc.core.errors import DatasetError
from ragvlc.documents.dataset import Dataset, Examples
from ragvlc.metrics.qasper_evidence import QasperEvidence
from ragvlc.pipeline import Pipeline
from ragvlc.testing import FunctionEngine, ScriptedPool
from tests import released_qa as made


def load(kind: str, folder: Path, **settings: Any) -> Examples:
    family: Any = Dataset
    given = made.QUESTION_SETS[kind](folder) | settings
    return find_kind(family, kind)(path=str(folder), **given).load()


def evidence(example: Example) -> list[str]:
    texts = {document.id: document.text for document in example.documents}
    return [texts[span.document_id][span.start : span.end] for span in example.evidence]


def sent(example: Example, folder: Path) -> tuple[str, Any]:
    """Returns the prompt that the full context sends, and the request."""
    engine = FunctionEngine(lambda _: "A", window=10_000)
    routes = {"generators": {"main": "scripted"}, "routes": {"r": "full_context"}}
    with ScriptedPool(engine, folder / "cache") as pool:
        pipeline = Pipeline.model_validate({**routes, "router": {"kind": "always", "route": "r"}})
        pipeline.answer(example.query, example.documents, pool=pool)
    return engine.requests[-1].prompt.text(), engine.requests[-1]


def test_hotpotqa_has_supporting_sentences_and_counts_those_that_are_not_there(tmp_path: Path) -> None:
    found = load("hotpotqa", tmp_path)
    one = found[0]
    assert evidence(one) == ["Its keeper was Ada.", "Ada built the north tower."]
    assert one.documents[0].text == "The harbour is old. Its keeper was Ada. Ships call in May."
    assert one.references == ("the north tower",)
    assert (one.tags["type"], one.tags["level"], one.tags["evidence"]) == ("bridge", "hard", "partly located")
    assert one.scoring["supporting_facts"] == made.HOTPOT["supporting_facts"]
    assert found[0].documents[0].id == found[1].documents[0].id, "one paragraph of two questions is one document"
    assert found.notes[0].startswith("hotpot_dev_distractor_v1.json: 2 supporting sentences are not in the paragraphs")


def test_hotpotqa_leaves_out_a_test_set_and_says_what_is_wrong(tmp_path: Path) -> None:
    without = {name: value for name, value in made.HOTPOT.items() if name not in ("answer", "supporting_facts")}
    twice = {**made.HOTPOT, "context": [*made.HOTPOT["context"], made.HOTPOT["context"][2]]}  # type: ignore[misc, index]
    family: Any = Dataset
    file = tmp_path / "hotpot_dev_fullwiki_v1.json"
    file.write_text(json.dumps([without, {**twice, "_id": "t"}]))
    found = find_kind(family, "hotpotqa")(path=str(tmp_path), setting="fullwiki").load()
    assert dict(found.skipped) == {
        "question without an answer (a test set)": 1,
        "paragraph that repeats within a question, read once": 1,
    }
    assert len(found[0].documents) == 3
    file.write_text(json.dumps([{**made.HOTPOT, "context": [["x", "y"]], "supporting_facts": [["x"]]}]))
    with pytest.raises(DatasetError, match=r"2 problems.*\n.*pairs of a title and the number.*\n.*a list of sentences"):
        find_kind(family, "hotpotqa")(path=str(file)).load()


def test_two_wiki_has_triples_and_other_names_of_the_answer(tmp_path: Path) -> None:
    [one] = load("two_wiki", tmp_path)
    assert one.references == ("the north tower", "North Tower")
    assert one.scoring["evidence_triples"] == made.TWO_WIKI["evidences"]
    assert one.documents[0].text == "The harbour is old. Its keeper was Ada. Ships call in May."
    assert evidence(one) == ["Its keeper was Ada.", "Ada built the north tower."]
    [bare] = load("two_wiki", tmp_path, aliases=False)
    assert bare.references == ("the north tower",)


def test_musique_pairs_a_question_with_its_twin(tmp_path: Path) -> None:
    one, twin = load("musique", tmp_path)
    assert (one.cluster, twin.cluster) == ("2hop__482757_12019",) * 2
    assert one.id != twin.id
    assert (one.references, twin.references) == (("north tower", "tower of the north"), ())
    assert (one.unanswerable, twin.unanswerable) == (False, True)
    titles = {document.id: document.title for document in one.documents}
    assert [titles[name] for name in one.scoring["paragraph_support"]] == ["Harbour", "Keeper"], "in order of the hops"
    assert sorted(evidence(one)) == ["Ada built the north tower.", "The keeper was Ada."]
    assert (twin.evidence, twin.scoring["paragraph_support"]) == ((), [])
    assert (one.tags["hops"], one.tags["shape"], one.scoring["answers_to_hops"]) == (2, "2hop", ["Ada", "north tower"])


def test_qasper_has_an_answer_for_each_annotator(tmp_path: Path) -> None:
    found = load("qasper", tmp_path)
    oil, yes, none = found
    assert oil.references == ("whale oil, wicks of cotton", "Unanswerable")
    assert (oil.unanswerable, oil.tags["answer_type"], oil.tags["evidence_floats"]) == (False, "mixed", 1)
    assert evidence(oil) == ["We used whale oil and wicks of cotton."]
    assert oil.scoring["answer_types"] == ["extractive", "none"]
    assert oil.scoring["evidence_texts"][1] == []
    assert len(oil.scoring["evidence_texts"][0]) == 2
    assert len(load("qasper", tmp_path, text_evidence_only=True)[0].scoring["evidence_texts"][0]) == 1
    read = Answer("", context=yes.evidence)
    assert QasperEvidence().score(read, yes) == 1.0, "the lines of the document are the paragraphs of the evidence"
    assert yes.references == ("No",)
    assert evidence(yes) == ["Lamps are old. They burn oil."]
    assert (none.references, none.unanswerable) == (("Unanswerable",), True)
    assert oil.documents[0].text.startswith("Lamps at sea\n\nWe measure lamps.\n\nIntroduction\n\nLamps are old. They")
    assert {one.cluster for one in found} == {"1909.00694"}
    assert dict(found.skipped) == {"question about a paper without a text": 1}


def test_quality_has_options_difficulty_and_one_article_for_two_writers(tmp_path: Path) -> None:
    found = load("quality", tmp_path)
    assert [one.id for one in found] == ["52845_YLZPNNYD_1", "52845_YLZPNNYD-q2", "52845_ABC-q1"]
    assert (found[0].query.choices[1], found[0].references) == ("Oil", ("Oil",))
    assert (found[0].tags["difficulty"], found[0].tags["context"]) == ("hard", "a paragraph or two")
    assert {one.documents[0].id for one in found} == {"52845"}
    [hard] = load("quality", tmp_path, subset="hard")
    assert hard.id == found[0].id
    wrong = {**made.QUALITY, "questions": [{**made.QUALITY["questions"][0], "gold_label": 5}]}  # type: ignore[index, dict-item]
    made.lines(tmp_path / "QuALITY.v1.0.1.dev", [wrong])
    family: Any = Dataset
    with pytest.raises(DatasetError, match="'gold_label' must be a whole number from 1 to 4, not 5"):
        find_kind(family, "quality")(path=str(tmp_path), html=True).load()


def test_narrativeqa_reads_stories_in_their_encoding_and_counts_those_that_are_missing(tmp_path: Path) -> None:
    found = load("narrativeqa", tmp_path)
    texts = {one.cluster: one.documents[0].text for one in found}
    assert texts["book"] == "Für die Lampe.\n\nOil."
    assert "<pre" not in texts["film"]
    assert "The lamp burns." in texts["film"]
    assert [one.references for one in found] == [("Oil.", "A lamp"), ("Oil.", "A lamp"), ("Oil.",)]
    assert dict(found.skipped) == {"question about a story that is not in tmp (download_stories.sh)": 1}


def test_narrativeqa_asks_over_summaries(tmp_path: Path) -> None:
    found = load("narrativeqa", tmp_path, text="summary")
    assert {one.documents[0].text for one in found} == {"Short."}
    assert dict(found.skipped) == {"question about a summary that is not in the table": 2}


def test_beir_shares_its_collection_and_excludes_what_must_not_count(tmp_path: Path) -> None:
    found = load("beir", tmp_path)
    one, two = found
    assert one.documents is two.documents
    assert one.documents[0].text == "Lamp It burns oil."
    assert (one.relevant, two.relevant) == ({"d1": 2.0}, {"d1": 1.0})
    assert (one.scoring, two.scoring) == ({"excluded": ["d2"]}, {"excluded": ["q2"]}), "a document with the query's id"
    assert dict(found.skipped) == {
        "judgement of a document that is not in the corpus": 1,
        "query that qrels/test.tsv does not judge": 1,
        "query without a relevant document in the corpus": 1,
        "judged query that is not in queries.jsonl": 1,
    }
    assert load("beir", tmp_path, judged=True)[1].scoring["judged"] == ["d1", "gone"]
    assert load("beir", tmp_path, titles=False)[0].documents[0].text == "It burns oil."
    made.lines(tmp_path / "corpus.jsonl", [{"_id": "d1", "text": "a"}, {"_id": "d1", "text": "b"}])
    family: Any = Dataset
    with pytest.raises(DatasetError, match="1 ids are repeated, such as 'd1'"):
        find_kind(family, "beir")(path=str(tmp_path)).load()


def test_longmemeval_has_sessions_as_documents_and_turns_as_evidence(tmp_path: Path) -> None:
    one, other = load("longmemeval", tmp_path)
    assert [document.id for document in one.documents] == ["sharegpt_b_0", "answer_a", "sharegpt_b_0@2"]
    assert one.documents[0].title == "2023/05/21 (Sun) 02:21"
    assert one.documents[0].text == "user: Hello.\n\nassistant: Good day."
    assert evidence(one) == ["user: I bought whale oil."]
    assert one.relevant == {"answer_a": 1.0}
    assert one.query.text == "Which oil did I buy?\n(Asked on 2023/05/30 (Tue) 23:40.)"
    assert one.scoring == {"question_type": "single-session-user"}
    assert (other.unanswerable, other.references, other.evidence) == (True, ("3",), ())
    assert (other.tags["question_type"], other.scoring["question_type"]) == ("abstention", "multi-session")
    [typed] = load("longmemeval", tmp_path, question_type="multi-session", dated=False)
    assert typed.query.text == "Which oil did I buy?"
    with pytest.raises(DatasetError, match="no record has 'multi'. They have: multi-session, single-session-user."):
        load("longmemeval", tmp_path, question_type="multi")


def test_longmemeval_official_history_is_sorted_by_date_and_headed(tmp_path: Path) -> None:
    one = load("longmemeval", tmp_path, prompts="official")[0]
    assert [document.id for document in one.documents] == ["answer_a", "sharegpt_b_0", "sharegpt_b_0@2"]
    head = "### Session 1:\nSession Date: 2023/05/20 (Sat) 02:21\nSession Content:\n\n\nuser: I bought whale oil."
    assert one.documents[0].text == f"{head}\n\nassistant: Fine."
    assert evidence(one) == ["user: I bought whale oil."]
    asked = one.query.official
    assert asked is not None
    assert (asked.closed, asked.fields["asked"], asked.max_tokens) == ("{asked}", "Which oil did I buy?", 500)
    text, _ = sent(one, tmp_path)
    assert text.startswith("I will give you several history chats between you and a user. Please answer the question ")
    assert f"chat history.\n\n\nHistory Chats:\n\n\n{head}\n\nassistant: Fine.\n\n### Session 2:\n" in text
    assert text.endswith(
        "Hello again.\n\n\nCurrent Date: 2023/05/30 (Tue) 23:40\nQuestion: Which oil did I buy?\nAnswer:"
    )


def test_natural_questions_compares_places_on_the_same_questions(tmp_path: Path) -> None:
    found = load("natural_questions", tmp_path)
    assert [one.cluster for one in found] == ["Which page 0?", "Which page 1?"]
    assert (found[0].tags["gold"], found[0].tags["gold_place"]) == ("marked", 1)
    assert evidence(found[0]) == ["Passage 1 of -+-."]
    rows = [
        {"q_id": 7, "question": "a?", "answers": ["x"], "ctxs": made.passages("+", "+")},
        {
            "question": "b?",
            "answers": ["x", " "],
            "positive_ctxs": made.passages("-"),
            "negative_ctxs": [],
            "hard_negative_ctxs": made.passages("-", "."),
        },
        {"question": "c?", "answers": ["x"], "ctxs": []},
    ]
    (tmp_path / "biencoder-nq-dev.json").write_text(json.dumps(rows))
    other = load("natural_questions", tmp_path, file="biencoder-nq-dev.json")
    assert [(one.id, one.tags["gold"], len(one.evidence)) for one in other] == [
        ("7", "has the answer", 2),
        ("q2", "marked", 1),
    ]
    assert other[1].references == ("x",)
    assert dict(other.skipped)["question without passages"] == 1


def test_helmet_takes_the_authors_questions_and_depths(tmp_path: Path) -> None:
    found = load("helmet", tmp_path)
    assert [one.id for one in found] == [f"n{n}@{k}" for n in range(3) for k in (1, 2)]
    assert [one.tags["depth"] for one in found[:2]] == [0.0, 1.0]
    assert {one.cluster for one in found} == {"n0", "n1", "n2"}
    assert found[0].query.official is None
    two = load("helmet", tmp_path, samples=2)
    assert {one.cluster for one in two} == {"n2", "n0"}, "random.Random(42).sample of the sorted ids"
    assert len(two) == 4


def test_helmet_shows_two_different_demonstrations_chosen_by_the_id(tmp_path: Path) -> None:
    found = load("helmet", tmp_path, prompts="official")
    assert found[0].documents[0].text == "Document (Title: Page 0): Passage 0 of +--."
    asked = [one.query.official for one in found]
    assert asked[0] is not None
    assert (asked[0].chat, asked[0].max_tokens) == (False, 20)
    shown = [one.fields["demonstrations"] for one in asked if one is not None]
    assert shown[0] == shown[1], "the same for each depth"
    assert all(text.count("Question: Which shot") == 2 and text.endswith("\n\n") for text in shown)
    assert all(text.count("Question: Which shot 0?") < 2 for text in shown), "of different questions"
    assert shown[0].startswith("Document (Title: Page 0): Passage 0")
    text, request = sent(found[0], tmp_path)
    own = "\n\n".join(f"Document (Title: Page {n}): Passage {n} of +--." for n in range(3))
    start = "Use the given documents to write a concise and short answer to the question. Write your answer in the "
    assert text == f"{start}following format:\nAnswer: [answer]\n\n{shown[0]}{own}\n\nQuestion: Which page 0?\nAnswer:"
    assert (request.prompt.raw, request.max_tokens) == (True, 20)


def test_helmet_drops_what_is_read_often(tmp_path: Path) -> None:
    rows = [
        {"id": n, "question": f"{n}?", "answers": ["x"], "ctxs": made.passages("+"), "s_pop": views}
        for n, views in ((10, 999), (9, 1000), (8, 5))
    ]
    made.lines(tmp_path / "popqa_test_1000_k50_dep6.jsonl", rows)
    family: Any = Dataset
    found = find_kind(family, "helmet")(path=str(tmp_path), subset="popqa").load()
    assert [one.id for one in found] == ["10@1", "8@1"]
    assert dict(found.skipped) == {"record about an entity that is read often (log10 of s_pop from 3)": 1}


def changed(folder: Path, kind: str, at: tuple[Any, ...], value: object) -> None:
    """Puts a value into the first record of a kind's file of questions."""
    names = {"two_wiki": "dev.json", "beir": "queries.jsonl", "musique": "musique_full_v1.0_dev.jsonl"}
    names |= {"quality": "QuALITY.v1.0.1.htmlstripped.dev"}
    names |= {"helmet": "data/kilt/nq-dev-multikilt_1000_k50_dep6.jsonl"}
    file = folder / names[kind]
    rows = (
        json.loads(file.read_text())
        if file.suffix == ".json"
        else list(map(json.loads, file.read_text().split("\n")[:-1]))
    )
    place = rows[0]
    for step in at[:-1]:
        place = place[step]
    place[at[-1]] = value
    made.lines(file, rows)


@pytest.mark.parametrize(
    ("kind", "at", "value", "said"),
    [
        ("two_wiki", ("evidences",), None, "'evidences' must be a list of triples"),
        ("helmet", ("question",), None, "'question' must be a text that is not blank, not nothing"),
        ("helmet", ("answers",), 5, "'answers' must be a list of texts, not 5"),
        ("helmet", ("ctxs", 0, "text"), 5, "'text' must be a text that is not blank, not 5"),
    ],
)
def test_a_wrong_field_is_named_with_its_line_whenever_it_is_read(
    tmp_path: Path, kind: str, at: tuple[Any, ...], value: object, said: str
) -> None:
    settings = made.QUESTION_SETS[kind](tmp_path)
    changed(tmp_path, kind, at, value)
    family: Any = Dataset
    with pytest.raises(DatasetError, match="line 1: ") as raised:
        find_kind(family, kind)(path=str(tmp_path), **settings).load()
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "at", "value", "skipped"),
    [
        ("musique", ("id",), "²", {}),
        ("musique", ("paragraphs",), None, {"question without paragraphs": 1}),
        ("quality", ("questions", 0, "validation", 0, "untimed_eval2_context"), [2], {}),
        ("beir", ("metadata", "excluded_ids"), [["d2"], "d2"], {}),
        ("helmet", ("ctxs",), [], {"record without passages": 1}),
    ],
)
def test_records_of_unusual_form_are_read_or_counted(
    tmp_path: Path, kind: str, at: tuple[Any, ...], value: object, skipped: dict[str, int]
) -> None:
    settings = made.QUESTION_SETS[kind](tmp_path)
    changed(tmp_path, kind, at, value)
    family: Any = Dataset
    found = find_kind(family, kind)(path=str(tmp_path), **settings).load()
    assert all(one.documents for one in found)
    assert skipped.items() <= found.skipped.items()
