"""What every shipped kind is tried with: the least settings it needs, and a folder of examples."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ragvlc.core.component import find_kind, known_kinds
from ragvlc.families import FAMILIES
from ragvlc.testing.contract import clauses_of
from tests.released_files import RELEASED

# Kinds that cannot do with their defaults, and the least they need. Documented in the kind's own docstring.
LEAST: Mapping[tuple[str, str], dict[str, Any]] = {
    ("routers", "always"): {"route": "full"},
    ("routers", "by_budget"): {"prefer": ["full", "closed"], "tokens": 150},
    ("routers", "by_length"): {"rag": "closed", "limit": 40},
    ("routers", "learned"): {"model": str(Path(__file__).parents[1] / "routers" / "learned.json")},
    ("routers", "pre_route"): {"routes": {"closed": "from memory", "full": "the whole text"}},
    ("routers", "rules"): {
        "rules": [{"classes": ["reasoning"], "route": "full"}, {"longer_than": 60, "route": "closed"}],
        "otherwise": "full",
    },
    ("routers", "similarity"): {"rag": "closed"},
    ("generators", "openai_compatible"): {"url": "http://127.0.0.1:8000/v1", "model": "m"},
    ("generators", "langchain"): {"chat_model": "langchain_core.language_models:FakeListChatModel"},
    ("generators", "scripted"): {"replies": {"(?s)^(.{12}).*": r"\1 and so on"}},
    ("metrics", "llm_judge"): {"judge": "scripted"},
    ("metrics", "loogle_meteor"): {"stages": "exact_stem"},
    ("retrievers", "langchain"): {"retriever": "langchain_core.vectorstores:InMemoryVectorStore"},
}
# Kinds that open nothing but memory or a file. Where a kind opens a model, a server or a cluster, the tests of its
# family's folder try the rest of its contract on theirs.
OPENED = {("generators", "scripted"), ("executors", "local"), ("trackers", "none"), ("trackers", "mlflow")}
KINDS = [(family, kind) for family in FAMILIES for kind in known_kinds(family)]
Settings = Callable[[str, str], dict[str, Any]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Gives a test with an argument `order_kind` ... every kind in that family's folder; `clause` every clause too."""
    for family in FAMILIES:
        name = f"{family.removesuffix('s')}_kind"
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, known_kinds(family))
    if "clause" in metafunc.fixturenames:
        tried = [
            pytest.param((family, kind), clause, id=f"{family}-{kind}-{clause.__name__}")
            for family, kind in KINDS
            for clause in clauses_of(find_kind(FAMILIES[family], kind), opened=(family, kind) in OPENED)
        ]
        metafunc.parametrize(("any_kind", "clause"), tried)
    elif "any_kind" in metafunc.fixturenames:
        metafunc.parametrize("any_kind", KINDS, ids=["-".join(kind) for kind in KINDS])


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with one question over one document, in every form that a data set may have."""
    folder = tmp_path_factory.mktemp("data")
    document = {"doc_id": "d", "text": "The tower is 31 metres high."}
    question = {"question_id": "q", "doc_id": "d", "question": "How high?", "answers": ["31 metres"]}
    (folder / "documents.jsonl").write_text(json.dumps(document) + "\n")
    (folder / "questions.jsonl").write_text(json.dumps(question) + "\n")
    (folder / "tower.txt").write_text(document["text"])
    (folder / "questions.csv").write_text("question,answers\nHow high?,31 metres\n")
    task = folder / "qmsum"
    task.mkdir()
    (task / "corpus.jsonl").write_text(json.dumps({"doc_id": "d", "text": document["text"]}) + "\n")
    (task / "queries.jsonl").write_text(json.dumps({"qid": "q", "text": question["question"]}) + "\n")
    (task / "qrels.jsonl").write_text(json.dumps({"qid": "q", "doc_id": "d"}) + "\n")
    row = {"question": question["question"], "answers": question["answers"], "text": document["text"]}
    (folder / "rows.json").write_text(json.dumps(row) + "\n")
    return str(folder)


@pytest.fixture(scope="session")
def settings_of(data_folder: str) -> Settings:
    """Returns a function that gives the least settings of a kind."""
    columns = {"question": "question", "answers": "answers", "document": "text"}
    data: dict[str, dict[str, Any]] = {
        "folder": {"path": data_folder, "questions": "questions.csv"},
        "huggingface": {"path": "json", "data_files": [f"{data_folder}/rows.json"], "columns": columns},
        "jsonl": {"path": data_folder},
        "longembed": {"path": data_folder, "task": "qmsum"},
        "needle": {"length": 128, "documents": 12, "questions": 12},
        "passkey": {"length": 128, "documents": 12, "questions": 12},
    }
    for kind, write in RELEASED.items():
        folder = Path(f"{data_folder}-released") / kind  # beside the folder whose every file is read
        folder.mkdir(parents=True, exist_ok=True)
        data[kind] = {"path": str(folder), **write(folder)}

    def settings(family: str, kind: str) -> dict[str, Any]:
        return data.get(kind, {}) if family == "datasets" else LEAST.get((family, kind), {})

    return settings


@pytest.fixture(scope="session")
def build(settings_of: Settings) -> Callable[..., Any]:
    """Returns a function that builds a kind with the least settings, and others if given."""

    def build(family: str, kind: str, **settings: Any) -> Any:
        return FAMILIES[family].build({"kind": kind, **settings_of(family, kind), **settings})

    return build
