"""`ragvlc fit-router` as a user meets it: from a sweep that was run to a router that is asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from command_line import Cli

from ragvlc.core.data import Document
from ragvlc.pipeline import Pipeline

# Half of the questions name what stands in the first lines; the full context gets the others right, too.
TOPICS = ["pump", "mill", "lamp", "ferry", "tower", "bakery"]


@pytest.fixture
def swept(ragvlc: Cli, tmp_path: Path) -> Cli:
    """Runs a sweep in which retrieval is right on look-ups and the full context on why."""
    documents, questions = [], []
    for topic in TOPICS:
        text = " ".join(f"The {topic} of year {year} was painted, and it had a door." for year in range(1900, 1930))
        documents.append({"doc_id": topic, "text": text, "meta": {"pages": len(topic), "level": "x"}})
        for number in range(4):
            asked = f"Why was the {topic} built?" if number % 2 else f"When was the {topic} of 1907 painted?"
            answers = ["because" if number % 2 else "1907"]
            questions.append(
                {"question_id": f"{topic}-{number}", "doc_id": topic, "question": asked, "answers": answers}
            )
    for name, rows in (("documents", documents), ("questions", questions)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    rag = {"kind": "retrieve", "chunker": {"kind": "tokens", "size": 15}, "logprobs": True}
    sweep = {
        "dataset": {"kind": "jsonl", "path": "."},
        "pipelines": {
            "passages": {"generators": {"main": {"kind": "scripted", "default": "1907"}}, "routes": {"rag": rag}},
            "everything": {
                "generators": {
                    "main": {"kind": "scripted", "default": "because", "price": {"prompt": 1, "completion": 1}}
                },
                "routes": {"full": "full_context"},
            },
        },
        "metrics": ["contains"],
        "tracker": "none",
    }
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(sweep))
    assert ragvlc("run", "sweep.yaml").code == 0
    return ragvlc


ROUTES = ("--route", "rag=passages", "--route", "full=everything")
BAD: list[tuple[tuple[str, ...], str]] = [
    (("--route", "rag=passages"), "--route: must be given twice"),
    (("--route", "rag", "--route", "full=everything"), "--route rag: needs NAME=CELL"),
    (("--route", "rag=pasages", "--route", "full=everything"), "Nearest: passages"),
    ((*ROUTES, "--metric", "contain"), "Nearest: contains"),
    ((*ROUTES, "--cost", "token=1"), "no unit 'token'. Known: tokens, seconds, money. Nearest: tokens."),
    ((*ROUTES, "--cost", "tokens=x"), "'x' is not a number"),
    ((*ROUTES, "--cost", "tokens=-1"), "a number of at least 0"),
    ((*ROUTES, "--cost", "money=1"), "passages: generators.main has no price"),
    ((*ROUTES, "--budget", "1"), "belongs to --cascade"),
    ((*ROUTES, "--metadata", "level"), "metadata field 'level'"),
    ((*ROUTES, "--set", "retriver=bm25"), "Nearest: retriever"),
    ((*ROUTES, "--set", "retriever=bm52"), "bm52"),
    ((*ROUTES, "--out", "no/such/folder.json"), "cannot be written"),
]


def test_a_router_is_learned_and_asked(swept: Cli, tmp_path: Path) -> None:
    said = swept("fit-router", "sweep.yaml", *ROUTES, "--metadata", "pages", "--out", "router.json")
    assert (said.code, said.err.strip()) == (0, "")
    assert "24 questions with both answers, quality by contains. Left out: none." in said.out
    assert "'rag' wins 12, 'full' wins 12; 0 ties" in said.out
    # Each of six documents gains on two of its four questions: p is 2 / 2^6, and 24 questions leave that much open.
    gain = "5 folds of 6 documents: +0.5000 [+0.2730, +0.6945], better."
    assert f"Learned router minus the route that is better on other documents, {gain}" in said.out
    assert "metadata.pages" in said.out
    kept = json.loads((tmp_path / "router.json").read_text())
    assert kept["routes"] == ["rag", "full"]
    assert kept["chunker"]["size"] == 15  # the retrieval of the cell that retrieves
    assert kept["made"]["cells"] == {"rag": "passages", "full": "everything"}
    assert kept["estimate"]["learned"] == 1.0
    pipeline = Pipeline.model_validate(
        {
            "generators": {"main": {"kind": "scripted", "default": "x"}},
            "routes": {"rag": {"kind": "retrieve"}, "full": "full_context"},
            "router": {"kind": "learned", "model": str(tmp_path / "router.json")},
        }
    )
    document = Document("new", "The crane of year 1907 was painted. " * 30, metadata={"pages": 4})
    with pipeline:
        assert pipeline.answer("Why was the crane built?", [document]).route == "full"
        assert pipeline.answer("When was the crane of 1907 painted?", [document]).route == "rag"


def test_a_cost_turns_the_choice(swept: Cli, tmp_path: Path) -> None:
    said = swept("fit-router", "sweep.yaml", *ROUTES, "--cost", "tokens=100")
    assert said.code == 0
    assert "minus 100 per unit of cost (1,000 tokens)" in said.out
    assert "'rag' wins 24, 'full' wins 0" in said.out
    assert json.loads((tmp_path / "learned_router.json").read_text())["made"]["cost"] == {
        "unit": "tokens",
        "weight": 100.0,
    }


def test_a_cascade_has_its_whole_curve(swept: Cli) -> None:
    said = swept("fit-router", "sweep.yaml", *ROUTES, "--cascade", "--cost", "tokens=0.1")
    assert said.code == 0
    for words in ("area above random", "share to the second", "on held-out documents", "kind: cascade, quantile: 0,"):
        assert words in said.out
    assert not Path("learned_router.json").exists()
    turned = swept("fit-router", "sweep.yaml", "--route", "b=everything", "--route", "a=passages", "--cascade")
    assert turned.code == 2
    assert "answers of 'b' have no log-probabilities" in turned.err


def test_bad_input_is_one_clear_error(swept: Cli) -> None:
    for words, problem in BAD:
        said = swept("fit-router", "sweep.yaml", *words)
        assert (said.code, problem in said.err) == (2, True), (words, said.err)
        assert "Traceback" not in said.err


def test_a_results_folder_is_needed(ragvlc: Cli) -> None:
    said = ragvlc("fit-router", "nothing", *ROUTES)
    assert said.code == 2
    assert said.err.startswith("error: ")
