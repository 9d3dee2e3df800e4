"""LongEmbed's tasks, from small copies of their files."""

from __future__ import annotations

import json

import pytest

from ragvlc.core.errors import DatasetError
from ragvlc.datasets.longembed import Longembed

datasets = pytest.importorskip("datasets", reason="the extra huggingface is not installed")

STORIES = [{"doc_id": f"doc_{n}", "text": f"Story number {n} is about a heron."} for n in range(3)]
ASKED = [{"qid": "query_0", "text": "Which is number 1?"}, {"qid": "query_1", "text": "Which is number 2?"},
         {"qid": "query_2", "text": "Which is number 9?"}]  # fmt: skip
RIGHT = [{"qid": "query_0", "doc_id": "doc_1"}, {"qid": "query_1", "doc_id": "doc_2"}]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def write(folder, corpus, queries, qrels):
    folder.mkdir(exist_ok=True)
    for name, rows in {"corpus": corpus, "queries": queries, "qrels": qrels}.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def sized(rows, *lengths):
    return [{**row, "context_length": length} for length in lengths for row in rows]


@pytest.fixture
def copy(tmp_path):
    write(tmp_path / "qmsum", STORIES, ASKED, RIGHT)
    # The same ids stand at both lengths; at 512 the answers are swapped.
    swapped = [{**right, "doc_id": other["doc_id"]} for right, other in zip(RIGHT, RIGHT[::-1], strict=True)]
    long = [{**row, "text": row["text"] * 9} for row in STORIES]
    write(
        tmp_path / "passkey",
        sized(STORIES, 256) + sized(long, 512),
        sized(ASKED[:2], 256, 512),
        sized(RIGHT, 256) + sized(swapped, 512),
    )
    return str(tmp_path)


def test_a_real_task(copy):
    data = Longembed(task="qmsum", path=copy)
    first, second = found = data.load()
    assert found.skipped == {"query without a relevant document": 1}
    assert (first.id, first.query.text, first.relevant) == ("query_0", "Which is number 1?", {"doc_1": 1.0})
    assert [document.text for document in first.documents] == [row["text"] for row in STORIES]
    assert first.documents is second.documents
    assert (first.cluster, first.task, data.name) == ("doc_1", "retrieval", "qmsum")
    assert "length" not in first.tags


def test_a_query_ranks_the_documents_of_its_length(copy):
    found = Longembed(task="passkey", path=copy).load()
    assert [example.id for example in found] == ["query_0@256", "query_1@256", "query_0@512", "query_1@512"]
    assert [example.tags["length"] for example in found] == [256, 256, 512, 512]
    assert [list(example.relevant) for example in found] == [["doc_1"], ["doc_2"], ["doc_2"], ["doc_1"]]
    assert {len(example.documents[0].text) for example in found[:2]} == {len(STORIES[0]["text"])}
    assert {len(example.documents[0].text) for example in found[2:]} == {9 * len(STORIES[0]["text"])}
    assert found[0].cluster == found[2].cluster  # one question at two lengths
    [one, other] = Longembed(task="passkey", path=copy, length=512).load()
    assert (one.id, list(one.relevant), len(one.documents)) == ("query_0", ["doc_2"], 3)
    assert other.documents is one.documents


def test_what_is_wrong_is_said(copy, tmp_path):
    def refusal(**fields):
        with pytest.raises(DatasetError) as caught:
            Longembed(**{"path": copy, "task": "passkey", **fields}).load()
        return str(caught.value)

    assert "no line of length 1,024. Known: 256, 512." in refusal(length=1024)
    assert "leave out length" in refusal(task="qmsum", length=512)
    assert "cannot load it" in refusal(task="2wikimqa")
    assert "no such folder" in refusal(path=str(tmp_path / "elsewhere"))
    write(tmp_path / "qmsum", [{"doc": "a", "text": "b"}], ASKED, RIGHT)
    assert "corpus.jsonl: no field 'doc_id'. Known: doc, text." in refusal(task="qmsum")
    write(tmp_path / "qmsum", STORIES, ASKED, [{"qid": "query_0", "doc_id": "doc_9"}])
    assert "no query has a relevant document" in refusal(task="qmsum")


def test_the_hub_is_asked_for_one_commit(monkeypatch):
    asked = []

    def load(kind, data_files, split):
        asked.append((kind, data_files, split))
        rows = {"corpus": STORIES, "queries": ASKED, "qrels": RIGHT}
        name = data_files.rpartition("/")[2].removesuffix(".jsonl")
        return datasets.Dataset.from_list(rows[name])

    monkeypatch.setattr(datasets, "load_dataset", load)
    data = Longembed(task="2wikimqa")
    assert len(data.load()) == 2
    root = f"hf://datasets/dwzhu/LongEmbed@{data.revision}/2wikimqa"
    assert asked == [("json", f"{root}/{name}.jsonl", "train") for name in ("corpus", "queries", "qrels")]
