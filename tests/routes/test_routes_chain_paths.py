"""C7: a text read in several ways: how many calls, side by side, and how the paths come to one answer."""

from __future__ import annotations

import re

import pytest
from reading_engines import CHAIN as ROUTE
from reading_engines import MANAGER, echo, numbering, pieces_read, read, sentences, units

from ragvlc.core.data import Query
from ragvlc.results.row_form import steps_form
from ragvlc.results.trace_facts import TraceFacts


class TestC7Paths:
    @pytest.mark.parametrize(
        ("paths", "count"), [("single", 1), ("bidirectional", 2), ("self_consistency", 3), ("permutations", 3)]
    )
    @pytest.mark.parametrize("combine", ["vote", "judge"])
    def test_how_many_calls(self, tmp_path, paths, count, combine):
        route = {**ROUTE, "window": 400, "paths": paths, "path_count": 3, "combine": combine}
        asked = read(route, "Which?", sentences(60), echo, tmp_path)
        [agents] = set(asked.answer.facts("agents"))
        judged = combine == "judge" and count > 1
        assert asked.answer.usage.calls == (count * agents + 1 if judged else count * (agents + 1))
        assert TraceFacts(steps_form(asked.answer.trace)).paths == count

    def test_paths_are_read_side_by_side(self, tmp_path):
        route = {**ROUTE, "window": 300, "paths": "self_consistency", "path_count": 4}
        asked = read(route, "Which?", sentences(90), numbering(), tmp_path)
        [agents] = set(asked.answer.facts("agents"))
        assert agents > 4
        assert asked.batches == [4] * agents + [4]

    def test_both_directions(self, tmp_path):
        asked = read({**ROUTE, "window": 300, "paths": "bidirectional"}, "Which?", sentences(60), numbering(), tmp_path)
        found = pieces_read(asked)
        assert found[0::2] == found[1::2][::-1]

    def test_samples_differ_in_seed_and_temperature_only(self, tmp_path):
        route = {**ROUTE, "window": 400, "paths": "self_consistency", "path_temperature": 0.9}
        asked = read(route, "Which?", sentences(20), lambda prompt: "x", tmp_path)
        workers = [request for request in asked.requests if "Read this part" in request.prompt.text()]
        assert {request.temperature for request in workers} == {0.9}
        assert len({request.seed for request in workers}) == len(workers) == 5
        assert len({request.prompt.text() for request in workers}) == 1

    @pytest.mark.parametrize(
        ("answers", "winner"),
        [
            (["a red one", "Blue!", "the blue"], "Blue!"),
            (["red", "blue", "green"], "red"),  # a tie goes to the first path
            (["red", "blue", "blue", "red"], "red"),
            (["", "...", "green"], "green"),  # silence is no vote
        ],
    )
    def test_a_vote_is_normalised_and_ties_are_decided(self, tmp_path, answers, winner):
        said, notes = iter(answers), iter(range(100))
        route = {**ROUTE, "paths": "self_consistency", "path_count": len(answers)}

        def reply(prompt):  # notes that differ, or the paths would ask the manager the same
            return next(said) if MANAGER in prompt else f"note {next(notes)}"

        asked = read(route, "Which?", sentences(3), reply, tmp_path)
        assert asked.answer.text == winner
        answered = ["" if answer == "..." else answer for answer in answers]  # dots alone are no answer
        assert sorted(asked.answer.facts("path_answer")) == sorted(answered)

    def test_a_vote_on_options_compares_options(self, tmp_path):
        said = iter(["A", "B. blue", "(B)"])
        route = {**ROUTE, "paths": "self_consistency", "path_count": 3}
        replies = iter(range(100))
        asked = read(
            route,
            Query("q", "Which?", ("red", "blue")),
            "A cat.",
            lambda prompt: next(said) if MANAGER in prompt else f"note {next(replies)}",
            tmp_path,
        )
        assert asked.answer.text == "B. blue"

    def test_a_judge_sees_the_last_note_of_every_path(self, tmp_path):
        route = {**ROUTE, "window": 400, "paths": "permutations", "path_count": 3, "combine": "judge"}
        asked = read(route, "Which?", sentences(60), numbering(), tmp_path)
        judged = asked.prompts[-1]
        assert re.findall(r"unit\d+", judged) == units(asked)[-3:]
        assert "Sentence number" not in judged
        assert asked.answer.text == f"unit{len(asked.prompts) - 1}"

    @pytest.mark.parametrize(
        ("query", "route", "request_of_the_judge"),
        [
            (Query("q", "Sum up the storm.", form="summary"), {}, "Sum up the storm."),
            (Query("q", "Sum up the storm.", form="summary"), {"summaries": "whole"}, "a summary of the whole text."),
            (Query("q", "Which?", ("red", "blue")), {}, "Which?\nA. red\nB. blue"),
        ],
    )
    def test_a_judge_is_asked_for_what_was_asked(self, tmp_path, query, route, request_of_the_judge):
        route = {**ROUTE, **route, "window": 600, "paths": "bidirectional", "combine": "judge", "summary_tokens": 40}
        asked = read(route, query, sentences(20), numbering(), tmp_path)
        assert asked.prompts[-1].endswith(request_of_the_judge)
        assert ("final summary that answers" in asked.prompts[-1]) == (query.form == "summary")
        assert asked.requests[-1].max_tokens == (40 if query.form == "summary" else 8)
