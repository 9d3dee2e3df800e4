"""What there is to ask over: read, measured, and what should be mended."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from ragvlc.check import Check, Lengths, check
from ragvlc.core.data import Document
from ragvlc.core.errors import ConfigError, DatasetError
from ragvlc.datasets.jsonl import Jsonl
from ragvlc.datasets.longbench_v2 import LongbenchV2
from ragvlc.datasets.python_reference import PythonReference
from ragvlc.datasets.toy import Toy
from ragvlc.documents.duplicates import equal_texts, near_texts

WORDS = [f"word{n}" for n in range(400)]


@pytest.fixture
def words(tmp_path) -> str:
    """A folder of a model with a window of 300 words."""
    folder = tmp_path / "model"
    folder.mkdir()
    model = {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"}
    special = {"content": "<|stop|>", "id": 1, "special": True}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    state = {"version": "1.0", "model": model, "pre_tokenizer": {"type": "WhitespaceSplit"}}
    state["added_tokens"] = [{**special, **flags}]
    (folder / "tokenizer.json").write_text(json.dumps(state), encoding="utf-8")
    (folder / "config.json").write_text('{"max_position_embeddings": 300}', encoding="utf-8")
    return str(folder)


@pytest.fixture
def papers(tmp_path) -> Path:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "a.txt").write_text("The pond holds forty carp. " * 3)
    (folder / "b.md").write_text(" ".join(WORDS))
    (folder / "copy.md").write_text("  \n".join(WORDS).upper())
    (folder / "near.txt").write_text(" ".join([*WORDS[:390], "and", "more"]))
    (folder / "control.txt").write_text("Say <|stop|> or <|im_end|> now.")
    (folder / "blank.txt").write_text("\n")
    (folder / "slides.ppt").write_bytes(b"PK")
    (folder / "talk.mp4").write_bytes(b"0")
    (folder / ".hidden.md").write_text("x")
    (folder / "old.txt").write_bytes(("Мельница стоит у реки, и каждое утро она мелет. " * 4).encode("cp1251"))
    return folder


def shown(found: Check) -> str:
    console = Console(width=140, record=True, markup=False, highlight=False, file=StringIO())
    for part in found.renderables():
        console.print(part)
    return console.export_text()


def test_a_folder_of_files(papers, words):
    (found,) = check(papers, words)
    facts = dict(found.facts)
    assert (facts["txt files"], facts["md files"], facts["files not read"]) == ("4", "2", "2")
    assert (facts["no documents, not read"], facts["hidden files, not read"]) == ("1 .mp4", "1")
    assert facts["documents"] == "6"
    unread = ["blank.txt: empty.", "slides.ppt: .ppt files are not read: save it as .pptx or .pdf."]
    assert found.problems == [*unread, "the same text 2 times: b.md, copy.md. Keep one."]
    told = "\n".join(found.remarks)
    assert "old.txt: not UTF-8, read as cp1251" in told
    assert "of its word groups): b.md and near.txt" in told
    assert "'<|stop|>' in 1, '<|im_end|>' in 1" in told or "'<|im_end|>' in 1, '<|stop|>' in 1" in told
    assert "There are no questions" in told
    (lengths,) = found.lengths
    assert lengths.sizes == (5, 15, 36, 392, 400, 400)
    assert lengths.over == {"4k": 0, "8k": 0, "16k": 0, "32k": 0, "128k": 0, "300 (the reader's)": 3}
    text = shown(found)
    assert "To mend: 3." in text
    assert "over 300 (the" in text
    assert "Keep one." in text


def test_questions_of_a_folder(papers):
    (papers / "questions.csv").write_text(
        "question,answers,documents,evidence\n"
        "How many?,forty,a.txt,forty carp\nHow?,fifty,a.txt,fifty carp\nWhy?,,a.txt,\n"
    )
    (found,) = check(papers)
    assert dict(found.facts)["questions"] == "3"
    assert dict(found.facts)["with located evidence"] == "1"
    assert "evidence that stands in no document, of 1 questions: q3." in found.problems
    told = "\n".join(found.remarks)
    assert "questions with no answer to compare with: 1 (q4)." in told
    assert "word for word in their documents (usual where answers are worded freely): 1 (q3)." in told
    assert found.lengths[1].sizes == (19, 19, 19)
    assert "an estimate" in found.counted_by
    (papers / "questions.csv").write_text("question,documents\nHow?,x.txt\n")
    assert any("no document has the id 'x.txt'" in problem for problem in check(papers)[0].problems)


def test_a_folder_in_the_schema(tmp_path):
    rows = [{"doc_id": "a", "text": "One two."}, {"doc_id": "b", "text": "one  two."}, {"doc_id": "c", "text": "Three"}]
    (tmp_path / "documents.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert any("no questions" in remark for remark in check(tmp_path)[0].remarks)
    row = {"question_id": "q", "doc_id": "a", "question": "What?", "answers": ["two"]}
    (tmp_path / "questions.jsonl").write_text(json.dumps(row) + "\n" + json.dumps({**row, "doc_id": "x"}) + "\n")
    (found,) = check(tmp_path)
    assert dict(found.facts)["documents"] == "3"
    assert any("line 2: no document has the id 'x'" in problem for problem in found.problems)
    assert "the same text 2 times: a, b. Keep one." in found.problems
    (tmp_path / "questions.jsonl").write_text(json.dumps(row) + "\n")
    (found,) = check(Jsonl(path=str(tmp_path), scope="corpus"))
    assert found.lengths[1].sizes == (sum(found.lengths[0].sizes),)


def test_an_experiment_by_its_own_reader(tmp_path):
    full = {"generators": {"main": {"kind": "scripted", "window": 50}}, "routes": {"full": "full_context"}}
    (tmp_path / "full.yaml").write_text(json.dumps(full))
    spec = {"dataset": "toy", "pipelines": ["full.yaml"], "metrics": ["contains"], "tracker": "none"}
    (tmp_path / "sweep.yaml").write_text(json.dumps({**spec, "axes": {"dataset.scope": ["example", "corpus"]}}))
    own, corpus = check(tmp_path / "sweep.yaml")
    assert (own.name, corpus.name) == ("toy", "toy, corpus")
    assert own.counted_by == "scripted"
    assert own.lengths[1].over["50 (the reader's)"] > 0
    assert set(corpus.lengths[1].sizes) == {sum(corpus.lengths[0].sizes)}
    assert own.problems == []


def test_shipped_data_sets_have_nothing_to_mend():
    for dataset in (Toy(), PythonReference(), PythonReference(scope="corpus")):
        (found,) = check(dataset)
        assert found.problems == []
        assert dict(found.facts)["questions"] == str(len(dataset.load()))


def test_one_file(papers):
    (found,) = check(papers / "a.txt")
    assert found.lengths[0].sizes == (19,)
    assert "Nothing to mend." in shown(found)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("paperz", r"paperz: no such folder, file or experiment\. Nearest: papers"),
        ("none.yaml", "neither a file nor one"),
    ],
)
def test_what_is_not_there(papers, place, told):
    with pytest.raises((DatasetError, ConfigError), match=told):
        check(papers.parent / place)


def test_a_folder_with_nothing_to_read(tmp_path):
    assert check(tmp_path)[0].problems == ["no documents with text."]
    unread = check(LongbenchV2(path=str(tmp_path)))[0].problems
    assert len(unread) == 1
    assert "longbench_v2 needs data.json (450 MB). It holds no files." in unread[0]
    with pytest.raises(DatasetError, match=r"holds no tokenizer\.json"):
        check(tmp_path, str(tmp_path))


def test_shares_of_lengths():
    lengths = Lengths("x", tuple(range(1, 21)), {})
    assert [lengths.quantile(share) for share in (0.0, 0.5, 0.95, 1.0)] == [1, 10, 19, 20]
    assert Lengths("x", (7,), {}).quantile(0.95) == 7


def test_nearly_equal_texts_are_found_and_others_not():
    texts = [WORDS, [*WORDS[:395], "x"], WORDS[::-1], WORDS[:200], [word.title() for word in WORDS], ["short", "text"]]
    documents = [Document(str(place), " ".join(text)) for place, text in enumerate(texts)]
    assert equal_texts(documents) == [["0", "4"]]
    assert {(one, other) for one, other, _ in near_texts(documents)} == {("0", "1"), ("1", "4")}
    assert near_texts(documents[2:4]) == []
