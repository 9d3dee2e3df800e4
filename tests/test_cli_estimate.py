"""`ragvlc estimate` as a user meets it: tables, JSON, and one clear error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import Cli

FULL = {"generators": {"main": {"kind": "scripted", "default": "B"}}, "routes": {"full": "full_context"}}
RAG = {"generators": {"main": {"kind": "scripted", "default": "B"}}, "routes": {"rag": "retrieve"}}
SERVED = {"kind": "openai_compatible", "url": "http://127.0.0.1:9/v1", "model": "m"}
SWEEP: dict[str, Any] = {
    "dataset": "toy",
    "pipelines": {"full": FULL, "rag": RAG},
    "axes": {"routes.rag.selector.k": [2, 100, 200]},
    "metrics": ["contains"],
    "tracker": "none",
}


def write(folder: Path, name: str, what: dict[str, Any]) -> str:
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(what), encoding="utf-8")
    return str(path)


def test_a_table_of_what_is_owed_then_nothing_is(ragvlc: Cli, tmp_path: Path) -> None:
    file = write(tmp_path, "toys", SWEEP)
    code, said, _ = ragvlc("estimate", file)
    assert code == 0
    assert said.splitlines()[0].startswith("toys: pending questions")
    assert "total" in said
    assert "to compute" in said
    figures = json.loads(ragvlc("estimate", file, "--json")[1])
    assert figures["shows"] == "what is owed"
    assert [cell["name"] for cell in figures["cells"]] == ["full", "rag k=2", "rag k=100", "rag k=200"]
    assert 0 < figures["total"]["calls"] < figures["total"]["calls_asked"]
    assert sum(cell["calls"] for cell in figures["cells"]) == figures["total"]["calls"]
    assert ragvlc("run", file)[0] == 0
    left = json.loads(ragvlc("estimate", file, "--json")[1])
    assert (left["total"]["calls"], left["answered"]) == (0, figures["total"]["questions"])
    everything = json.loads(ragvlc("estimate", file, "--all", "--json")[1])
    assert everything["shows"] == "everything"
    assert everything["total"]["prompt_tokens"] == figures["total"]["prompt_tokens"]


def test_settings_and_limits_count(ragvlc: Cli, tmp_path: Path) -> None:
    file = write(tmp_path, "toys", SWEEP)
    few = json.loads(ragvlc("estimate", file, "--limit", "2", "--set", "routes.rag.selector.k=1", "--json")[1])
    assert [cell["questions"] for cell in few["cells"]] == [2, 2]


def test_a_pipeline_over_a_document_of_a_given_length(ragvlc: Cli, tmp_path: Path) -> None:
    file = write(tmp_path, "served", {**FULL, "generators": {"main": SERVED}})
    words = ("estimate", file, "--context", "3000", "--questions", "4", "--set", "routes.full.answer_tokens=8")
    found = json.loads(ragvlc(*words, "--json")[1])
    assert (found["total"]["calls"], found["total"]["completion_tokens_most"]) == (4, 32)
    assert (found["total"]["money"], found["total"]["seconds"]) == (None, None)
    code, said, _ = ragvlc(*words)
    assert code == 0
    assert said.count("unknown") >= 2


RAPID = {
    "generators": {"main": {"kind": "scripted", "default": "B"}, "draft": {"kind": "scripted", "default": "B"}},
    "routes": {"rag": {"kind": "rapid", "retriever": "bm25", "floor": None, "gamma": 4}},
}
SIZES = ("--shape", "main=llama-3.1-8b", "--shape", "draft=llama-3.2-1b", "--device", "h200")


def test_a_pipeline_that_speculates_says_when_that_pays(ragvlc: Cli, tmp_path: Path) -> None:
    file = write(tmp_path, "rapid", RAPID)
    words = ("estimate", file, "--context", "3000", *SIZES, "--acceptance", "0.75")
    code, said, _ = ragvlc(*words)
    assert code == 0
    assert "route 'rag' (llama-3.1-8b from llama-3.2-1b), after 3,000 tokens" in said
    for words_of_it in ("drafts of 4, as set", "the best here", "pays always", "Acceptance 0.75", "4,224 GB/s"):
        assert words_of_it in said
    found = json.loads(ragvlc(*words, "--json")[1])
    [told] = found["speculation"]
    assert told["asked"]["gamma"] == 4
    assert told["asked"]["tokens_a_round"] == pytest.approx((1 - 0.75**5) / 0.25)
    assert told["best"]["seconds"] <= told["asked"]["seconds"]
    assert told["break_even"] == {"context": 1, "until": None}
    assert found["total"]["calls"] == 2
    never = json.loads(ragvlc(*words, "--acceptance", "0", "--json")[1])["speculation"][0]
    assert never["break_even"]["context"] is None


def test_a_name_of_both_means_what_the_options_are_for(ragvlc: Cli) -> None:
    scripted = "{kind: scripted, default: B}"
    changes = (f"generators.main={scripted}", f"generators.draft={scripted}", "routes.rag.retriever=bm25")
    words = [word for change in changes for word in ("--set", change)]
    code, said, _ = ragvlc("estimate", "rapid", "--context", "131072", *SIZES, *words, "--acceptance", "0.75")
    assert code == 0
    assert "after 131,072 tokens" in said


def test_an_experiment_takes_the_acceptance_it_is_told(ragvlc: Cli, tmp_path: Path) -> None:
    """Of 40 tokens with drafts of 4: 40 rounds where nothing is accepted, 8 where everything is."""
    write(tmp_path, "rapid", RAPID)
    sweep = {"dataset": "toy", "pipelines": ["rapid.yaml"], "metrics": ["contains"], "tracker": "none"}
    words = ("estimate", write(tmp_path, "sweep", sweep), "--new-tokens", "40", "--json", "--acceptance")
    never, always = (json.loads(ragvlc(*words, given)[1])["total"]["completion_tokens"] for given in ("0", "1"))
    assert never / always == pytest.approx((40 + 40 * 4) / (40 + 8 * 4), rel=0.05), (never, always)


def test_only_pipelines_that_speculate_say_so(ragvlc: Cli, tmp_path: Path) -> None:
    file = write(tmp_path, "one", FULL)
    assert "speculation" not in json.loads(ragvlc("estimate", file, "--context", "100", "--json")[1])


def test_a_model_of_unknown_size_costs_no_more_than_that_forecast(ragvlc: Cli, tmp_path: Path) -> None:
    found = json.loads(ragvlc("estimate", write(tmp_path, "rapid", RAPID), "--context", "100", "--json")[1])
    assert found["total"]["calls"] == 2
    assert "Give one with --shape main=NAME" in found["notes"][-1]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("{pipeline}", "--context", "10", "--acceptance", "0.5"), "no route of this pipeline decodes speculatively"),
        (("{sweep}", "--shape", "main=llama-3.1-8b"), "--shape is for pipelines"),
        (("{rapid}", "--context", "10", "--shape", "main"), "needs ROLE=NAME"),
        (("{rapid}", "--context", "10", "--shape", "main=llama-3.1-8c"), "Nearest: llama-3.1-8b"),
        (("{rapid}", "--context", "10", "--acceptance", "0.5"), "Give one with --shape main=NAME"),
        (("{pipeline}",), "give --context TOKENS"),
        (("{pipeline}", "--context", "10", "--limit", "3"), "--limit is for experiments"),
        (("{pipeline}", "--context", "10", "--set", "routes.nothing=3"), "has no such setting"),
        (("{sweep}", "--context", "10"), "is an experiment"),
        (("{sweep}", "--device", "h2000"), "Nearest: h200"),
        (("{sweep}", "--set", "nothing"), "needs PATH=VALUE"),
        (("no_such_thing",), "neither a file nor one of the shipped"),
    ],
)
def test_bad_input_is_one_clear_error(ragvlc: Cli, tmp_path: Path, words: tuple[str, ...], problem: str) -> None:
    files = {"{pipeline}": write(tmp_path, "one", FULL), "{sweep}": write(tmp_path, "toys", SWEEP)}
    files["{rapid}"] = write(tmp_path, "rapid", RAPID)
    code, _, said = ragvlc("estimate", *(files.get(word, word) for word in words))
    assert code == 2
    assert problem in said
    assert "Traceback" not in said
