"""What all routes that read in pieces have in common: nothing is left out, calls go together, notes can be scored."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reading_engines import FACT, read, sentences

from ragvlc.core.data import Document, Example, Query
from ragvlc.core.errors import WindowExceeded
from ragvlc.metrics.best_path import BestPath
from ragvlc.metrics.information_loss import InformationLoss
from ragvlc.testing import FunctionEngine, ScriptedPool

NOTES = {"note_tokens": 24, "answer_tokens": 8, "window": 300}
ROUTES = {
    "chain_of_agents": {"kind": "chain_of_agents", **NOTES},
    "map_reduce": {"kind": "map_reduce", **NOTES},
    "hierarchical_agents": {"kind": "hierarchical_agents", **NOTES},
    "refine": {"kind": "refine", "answer_tokens": 8, "window": 300},
    "merge_vote": {"kind": "merge_vote", "answer_tokens": 8, "window": 300},
    "retrieve_then_reason": {"kind": "retrieve_then_reason", "window": 300, "quote_tokens": 24},
}
EXAMPLE = Example(Query("q", "Which code?"), (Document("d", ""),), ("amber7",))

texts = st.text(st.sampled_from("ab .\n!?茶馆。🫖é\u0301\u200f\u0600\t7") | st.characters(codec="utf-8"), max_size=400)


@pytest.mark.parametrize("kind", ROUTES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(several=st.lists(texts, min_size=1, max_size=3), window=st.integers(120, 400))
def test_every_visible_character_is_read_whatever_the_script(tmp_path, kind, several, window):
    documents = [Document(f"d{place}", text) for place, text in enumerate(several)]
    try:
        asked = read({**ROUTES[kind], "window": window}, "Which?", documents, lambda prompt: "", tmp_path)
    except WindowExceeded:
        assert window < 160
        return
    for document in documents:
        spans = [span for span in asked.answer.context if span.document_id == document.id]
        assert "".join("".join(document.text[span.start : span.end] for span in spans).split()) == "".join(
            document.text.split()
        )


@pytest.mark.parametrize("kind", ROUTES)
def test_calls_that_need_nothing_of_each_other_go_to_the_engine_together(tmp_path, kind):
    asked = read(ROUTES[kind], "Which?", sentences(150), lambda prompt: f"said {len(prompt)}", tmp_path)
    pieces = sum("number" in prompt for prompt in asked.prompts)
    if kind in {"chain_of_agents", "refine"}:  # each needs the note of the one before
        assert asked.batches == [1] * len(asked.prompts)
    elif kind == "retrieve_then_reason":  # no quote stands, so that everything is read once more
        assert asked.batches == [pieces - 1, 1]
    else:
        assert asked.batches[0] == pieces
    assert pieces > 4


def forgetting(prompt: str) -> str:
    """Workers note the fact where they read it; whoever answers, or comes later, does not pass it on."""
    piece = prompt.partition("Summary of the text before")[0].partition("Answer so far")[0]
    found = None if "notes alone" in prompt or "neighbouring parts" in prompt else FACT.search(piece)
    return found[0] if found and "answer this question in a few words" not in prompt else "unknown"


@pytest.mark.parametrize("kind", [kind for kind in ROUTES if kind != "merge_vote"])
def test_what_was_noted_and_lost_is_information_lost(tmp_path, kind):
    """The fact stands in an early piece; `information_loss` finds it among the notes that the route keeps."""
    asked = read(ROUTES[kind], "Which code?", sentences(60, planted=2), forgetting, tmp_path)
    assert "amber7" not in asked.answer.text
    with ScriptedPool(FunctionEngine(lambda prompt: ""), tmp_path / "scoring") as engines:
        assert InformationLoss(of="contains").assess(asked.answer, EXAMPLE, engines).value == 1.0


def test_an_oracle_finds_the_path_that_a_vote_passed_over(tmp_path):
    """Read forwards the fact of the first piece is forgotten, read backwards it is met last."""

    def reply(prompt):
        if "notes alone" in prompt:
            return found[1] if (found := FACT.search(prompt)) else "unknown"
        return forgetting(prompt)

    route = {**ROUTES["chain_of_agents"], "paths": "bidirectional"}
    asked = read(route, "Which code?", sentences(60, planted=0), reply, tmp_path)
    assert asked.answer.text == "unknown"
    assert sorted(asked.answer.facts("path_answer")) == ["amber7", "unknown"]
    with ScriptedPool(FunctionEngine(lambda prompt: ""), tmp_path / "scoring") as engines:
        assert BestPath(of="contains").assess(asked.answer, EXAMPLE, engines).value == 1.0
    judged = read({**route, "combine": "judge"}, "Which code?", sentences(60, planted=0), reply, tmp_path / "judged")
    assert "The code is amber7." in judged.prompts[-1]
