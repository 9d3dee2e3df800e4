"""Data sets of one's own: asked over anything like the shipped ones, and wrong ones are told in a sentence."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import own_sets
import pytest
import yaml
from command_line import Cli

from ragvlc.check import check
from ragvlc.core.errors import DatasetError
from ragvlc.families import Dataset


def built(name: str, **settings: Any) -> Dataset:
    return Dataset.build({"kind": f"own_sets:{name}", **settings})


@pytest.fixture
def padding(tmp_path: Path) -> dict[str, str]:
    """A tokenizer of words and marks, and documents to fill up with."""
    words = {"type": "WordLevel", "vocab": {"word": 0}, "unk_token": "word"}
    rules = {"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"}, "model": words}
    (tmp_path / "tokens").mkdir()
    (tmp_path / "tokens" / "tokenizer.json").write_text(json.dumps(rules), encoding="utf-8")
    (tmp_path / "more").mkdir()
    for number in range(20):
        text = f"The river runs past mill {number}. So it goes on."
        (tmp_path / "more" / f"{number}.txt").write_text(text, encoding="utf-8")
    return {"pad_tokenizer": str(tmp_path / "tokens" / "tokenizer.json"), "pad_from": str(tmp_path / "more")}


def test_they_are_asked_over_all_their_documents() -> None:
    own_sets.READS.clear()
    found = built("Notes", scope="corpus", limit=4).load()
    assert len(own_sets.READS) == 1  # nothing is read twice for the documents
    assert found.skipped == {"left out": 2}
    assert len(found) == 4
    for example in found:
        assert [document.id for document in example.documents] == [note.id for note in own_sets.NOTES]
        assert example.relevant == {example.cluster: 1.0}
    assert built("Notes", scope="corpus").name == "own_sets:Notes, corpus"
    everything = built("Grouped", scope="corpus").load()
    assert {len(example.documents) for example in everything} == {7}


def test_they_are_asked_over_groups() -> None:
    for example in built("Grouped", scope="corpus", group_by="group").load():
        group = example.cluster.removeprefix("note ") in "024"
        assert len(example.documents) == (4 if group else 3)
        assert len({document.metadata["group"] for document in example.documents}) == 1
    with pytest.raises(DatasetError, match="group_by: no document has 'group'. Known: none"):
        built("Notes", scope="corpus", group_by="group").load()


@pytest.mark.parametrize("tokens", [40, 80])
def test_they_are_asked_over_contexts_of_one_length(padding: dict[str, str], tokens: int) -> None:
    for example in built("Notes", pad_to_tokens=tokens, **padding).load():
        own = next(note for note in own_sets.NOTES if note.id == example.cluster)
        assert own in example.documents
        assert tokens * 0.98 <= example.tags["context_tokens"] <= tokens


@pytest.mark.parametrize("kind", ["needle", "passkey"])
def test_so_are_the_sets_of_hidden_facts(padding: dict[str, str], kind: str) -> None:
    small = {"kind": kind, "length": 128, "documents": 12, "questions": 3, "tokenizer": padding["pad_tokenizer"]}
    for example in Dataset.build({**small, "pad_to_tokens": 200, **padding}).load():
        [relevant] = example.relevant
        assert relevant in {document.id for document in example.documents}
        assert 196 <= example.tags["context_tokens"] <= 200
    plain = Dataset.build(small)
    assert Dataset.build({**small, "scope": "corpus"}).load() == plain.load()  # they search a collection already
    assert len(plain.collection()) == 12
    assert Dataset.build({**small, "scope": "corpus"}).name == f"{kind}, corpus"


STORED = {
    "needle": "b387bff20ae3bf9806225534bdd5b8c5ac50e94886eaa063ca757125bf44d524",
    "passkey": "7f7c02942c433d8295549dc1b63d11e7d18d6595a2ead665adb3fbe979e23f5a",
    "longembed": "4ff2da0e0232e09f7e539a64ae4abc7f3e3cae751f670a3a2d4295367e557b32",
    "toy": "6a66ab810b4395c791f1ab71ed222b93c0efb15d73eb92da7a88e69f70ab52ed",
    "own_sets:Notes": "7d2fd2f95ac205a615ae0d487a5581367ae561c7e25dd1c1e9ad3a07d4bc1c07",
}


@pytest.mark.parametrize("kind", STORED)
def test_keys_of_results_stored_before_are_the_same(kind: str) -> None:
    """Sets that had no scope and padding when results were stored under their keys hash those when they are used."""
    assert Dataset.build(kind).key == STORED[kind]
    changed = [{"scope": "corpus"}, {"pad_to_tokens": 9}, {"pad_depth": 0.5}, {"group_by": "x"}, {"pad_seed": 1}]
    keys = {Dataset.build({"kind": kind, **settings}).key for settings in changed}
    assert len(keys | {STORED[kind]}) == len(changed) + 1


def test_what_pads_is_in_the_key_even_where_a_kind_has_an_identity_of_its_own(padding: dict[str, str]) -> None:
    padded = {"kind": "needle", "pad_to_tokens": 200, **padding}
    assert Dataset.build(padded).key != Dataset.build({**padded, "pad_from": "elsewhere/others"}).key


def test_an_id_that_is_there_twice_is_told_with_both_places() -> None:
    with pytest.raises(DatasetError) as refused:
        built("Twice", limit=1).load()
    assert str(refused.value) == (
        "own_sets:Twice: two questions have the same id: 'q3' is question 4 ('What is fact 3?') and question 13 "
        "('What is fact 3?'). 'q5' is question 6 ('What is fact 5?') and question 14 ('What is fact 5?'). "
        "Give each its own id."
    )


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "TwoForms": ({"scope": "corpus"}, r"two documents have the id 'note 0'\. Give each its own id"),
    "Lazy": ({}, r"own_sets:Lazy: read\(\) must return a list of Example, not generator"),
    "Rows": ({}, r"own_sets:Rows: read\(\) must return a list of Example; item 13 is dict"),
    "NoCollection": (
        {"scope": "corpus"},
        r"own_sets:NoCollection: collection\(\) failed with LookupError: the archive is closed \(.*own_sets\.py, line",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_set_is_told_in_a_sentence(name: str) -> None:
    settings, told = WRONG[name]
    with pytest.raises(DatasetError, match=told):
        built(name, **settings).load()


def test_errors_of_its_code_name_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "lines.json").write_text("[]", encoding="utf-8")
    with pytest.raises(DatasetError) as missing:
        built("Lines", path=str(tmp_path / "line.json")).load()
    assert re.fullmatch(
        r"own_sets:Lines: .*/line\.json: No such file or directory \(.*own_sets\.py, line \d+\)\. "
        r"Nearest: lines\.json\.",
        str(missing.value),
    )
    (tmp_path / "lines.json").write_text('[{"nmber": 3}]', encoding="utf-8")
    with pytest.raises(DatasetError, match=r"own_sets:Lines: read\(\) failed with KeyError: 'number' \(.*own_sets\.py"):
        built("Lines", path=str(tmp_path / "lines.json")).load()
    assert isinstance(missing.value.__cause__, FileNotFoundError)


def test_check_looks_at_them_and_at_their_mistakes() -> None:
    [found] = check(built("Notes", scope="corpus"))
    assert dict(found.facts)["documents"] == "6"
    [broken] = check(built("NoCollection", scope="corpus"))
    assert any("the archive is closed" in problem for problem in broken.problems)


@pytest.mark.parametrize(
    ("dataset", "told"),
    [
        ({"kind": "own_sets:Twice"}, "two questions have the same id: 'q3' is question 4"),
        ({"kind": "own_sets:Lines", "path": "nowhere.json"}, "nowhere.json: No such file or directory"),
        ({"kind": "own_sets:Lazy"}, "read() must return a list of Example, not generator"),
    ],
)
def test_nothing_is_asked_of_a_wrong_set(ragvlc: Cli, dataset: dict[str, str], told: str) -> None:
    pipeline = {"generators": {"main": "scripted"}, "routes": {"full": "full_context"}}
    sweep = {"dataset": dataset, "pipelines": {"full": pipeline}, "metrics": ["contains"], "tracker": "none"}
    Path("sweep.yaml").write_text(yaml.safe_dump(sweep), encoding="utf-8")
    for command in ("plan", "estimate", "run"):
        said = ragvlc(command, "sweep.yaml")
        assert said.code == 2
        assert said.err.startswith("error: own_sets:")
        assert told in said.err
        assert "Traceback" not in said.err
    assert not list(Path().rglob("predictions.jsonl"))
