"""C2 to C9: what each agent is told, in which order, how many calls; several paths (C7) have a file of their own."""

from __future__ import annotations

import re
import threading
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from reading_engines import CHAIN as ROUTE
from reading_engines import MANAGER, WORDS, echo, lossy, numbering, pieces_read, read, sentences

from ragvlc.core.data import Document, Example, Query
from ragvlc.core.errors import WindowExceeded
from ragvlc.pipeline import Pipeline
from ragvlc.results.attention import attention_pairs, chain_pairs
from ragvlc.results.row_form import steps_form
from ragvlc.results.trace_facts import TraceFacts
from ragvlc.routes.chain_of_agents import ChainOfAgents
from ragvlc.testing import FunctionEngine, ScriptedPool


class TestC2Window:
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        window=st.integers(60, 900),
        words=st.integers(0, 400),
        talk=st.integers(0, 700),
        paths=st.sampled_from(["single", "bidirectional", "permutations"]),
        combine=st.sampled_from(["vote", "judge"]),
    )
    def test_no_prompt_exceeds_the_window_whatever_workers_say(self, tmp_path, window, words, talk, paths, combine):
        """The engine asserts the length of every prompt; workers talk up to their limit."""
        text = " ".join(f"w{n}{'.' if n % 9 == 8 else ''}" for n in range(words))
        route = {"kind": "chain_of_agents", "paths": paths, "combine": combine, "path_count": 3}
        try:
            read(route, "Which word?", text, lambda prompt: "talk " * talk, tmp_path, window=window)
        except WindowExceeded:
            assert window < 260

    def test_a_smaller_window_than_the_models_makes_a_chain(self, tmp_path):
        text = sentences(60)
        whole = read(ROUTE, "Which?", text, echo, tmp_path / "a")
        chain = read({**ROUTE, "window": 300}, "Which?", text, echo, tmp_path / "b")
        assert len(whole.prompts) == 2
        assert len(chain.prompts) > 4
        assert all(len(WORDS.render(r.prompt)) + r.max_tokens <= 300 for r in chain.requests)

    def test_room_is_kept_for_a_whole_note_in_and_out(self, tmp_path):
        """A full note reaches the next worker uncut."""
        full = " ".join(f"n{place}" for place in range(24))
        asked = read({**ROUTE, "window": 300}, "Which?", sentences(60), lambda prompt: full, tmp_path)
        workers = [prompt for prompt in asked.prompts if "Read this part" in prompt]
        assert all(full in prompt for prompt in workers[1:])

    @pytest.mark.parametrize("window", [20, 60])
    def test_a_window_too_small_is_refused_before_anything_is_asked(self, tmp_path, window):
        calls = []
        with pytest.raises(WindowExceeded, match="window"):
            read(ROUTE, "Which?", sentences(9), lambda prompt: calls.append(prompt) or "x", tmp_path, window=window)
        assert calls == []


class TestC3Calls:
    def test_each_worker_reads_its_piece_and_the_note_before_and_the_manager_the_last(self, tmp_path):
        asked = read({**ROUTE, "window": 300}, "Which?", sentences(60), numbering(), tmp_path)
        *workers, manager = asked.prompts
        assert len(workers) > 3
        assert asked.answer.usage.calls == len(workers) + 1
        assert "who read it:\n\n" in workers[0]
        for place, prompt in enumerate(workers):
            assert re.findall(r"unit\d+", prompt) == ([f"unit{place - 1}"] if place else [])
            assert "Which?" in prompt
        assert re.findall(r"unit\d+", manager) == [f"unit{len(workers) - 1}"]
        assert "Sentence number" not in manager
        assert asked.answer.text == f"unit{len(workers)}"

    def test_the_context_is_every_piece(self, tmp_path):
        text = sentences(40)
        asked = read({**ROUTE, "window": 300}, "Which?", text, echo, tmp_path)
        assert "".join(text[span.start : span.end] for span in asked.answer.context) == text

    def test_options_are_known_to_workers_and_manager(self, tmp_path):
        query = Query("q", "Which?", ("red", "blue"))
        asked = read({**ROUTE, "window": 300}, query, sentences(40), echo, tmp_path)
        assert all("A. red\nB. blue" in prompt for prompt in asked.prompts)
        assert "letter of the right option" in asked.prompts[-1]

    @pytest.mark.parametrize(
        ("query", "route", "focused"),
        [
            (Query("q", "Sum up the storm.", form="summary"), {}, True),
            (Query("q", "Sum up the storm.", form="summary"), {"summaries": "whole"}, False),
            (Query("q", " ", form="summary"), {}, False),
        ],
    )
    def test_summaries_with_and_without_a_request(self, tmp_path, query, route, focused):
        asked = read({**ROUTE, **route, "window": 600}, query, sentences(60), echo, tmp_path)
        assert all(("storm" in prompt) == focused for prompt in asked.prompts)
        assert all(("summary of the whole text" in prompt) != focused for prompt in asked.prompts)

    def test_the_last_worker_may_answer(self, tmp_path):
        route = {**ROUTE, "window": 300, "answered_by": "last_worker"}
        asked = read(route, "Which?", sentences(40), numbering(), tmp_path)
        assert asked.answer.text == f"unit{len(asked.prompts) - 1}"
        assert not asked.with_word(MANAGER)

    @pytest.mark.parametrize("answer_tokens", [8, 120])
    def test_the_last_worker_may_answer_by_the_managers_prompt(self, tmp_path, answer_tokens):
        text = sentences(60)
        route = {**ROUTE, "window": 400, "answer_tokens": answer_tokens}
        asked = read({**route, "answered_by": "last_worker_answers"}, "Which?", text, numbering(), tmp_path)
        *workers, last = asked.prompts
        assert len(workers) > 1
        assert all(MANAGER not in prompt for prompt in workers)
        assert MANAGER in last
        assert re.findall(r"unit\d+", last) == [f"unit{len(workers) - 1}"]
        # It reads all of the last piece, after the note, and nothing before it; the paths' context is the whole text.
        assert last.index(f"unit{len(workers) - 1}") < last.index("Sentence number")
        assert text.split(". ")[-1].rstrip(". ") in last
        read_by_workers = "".join(workers)
        assert all(one in read_by_workers or one in last for one in text.split(". "))
        assert "".join(text[span.start : span.end] for span in asked.answer.context) == text
        assert asked.answer.text == f"unit{len(workers)}"
        assert asked.answer.usage.calls == len(asked.prompts)

    def test_the_last_worker_answers_from_one_piece_or_from_none(self, tmp_path):
        route = {**ROUTE, "answered_by": "last_worker_answers"}
        one = read(route, "Which?", "A cat sat.", numbering(), tmp_path)
        assert len(one.prompts) == 1
        assert "A cat sat." in one.prompts[0]
        assert MANAGER in one.prompts[0]
        assert len(read(route, "Which?", "", numbering(), tmp_path).prompts) == 1

    def test_a_judge_sees_the_answers_of_last_workers(self, tmp_path):
        route = {**ROUTE, "window": 400, "answered_by": "last_worker_answers", "paths": "bidirectional"}
        judged = read({**route, "combine": "judge"}, "Which?", sentences(40), numbering(), tmp_path)
        *_, first, second, judge = judged.prompts
        assert MANAGER in first
        assert MANAGER in second
        count = len(judged.prompts)
        assert re.findall(r"unit\d+", judge) == [f"unit{count - 3}", f"unit{count - 2}"]
        voted = read(route, "Which?", sentences(40), numbering(), tmp_path)
        assert MANAGER in voted.prompts[-1]
        assert voted.answer.text == f"unit{len(voted.prompts) - 2}"

    def test_a_model_for_each_role(self, tmp_path):
        route = {**ROUTE, "worker": "small", "generator": "large"}
        pipeline = Pipeline(
            generators={"small": "scripted", "large": "scripted"}, routes={"it": {**route, "judge": "large"}}
        )
        engine = FunctionEngine(lambda prompt: "x")
        example = Example(Query("q", "Which?"), (Document("d", "A cat."),))
        answer = pipeline.answer_example(example, pool=ScriptedPool(engine, tmp_path))
        assert {role: usage.calls for role, usage in answer.bills.items()} == {"small": 1, "large": 1}

    def test_declining(self, tmp_path):
        route = {**ROUTE, "decline": "unanswerable"}
        assert read(route, "Which?", "A cat.", lambda prompt: "Unanswerable.", tmp_path).answer.finish == "declined"


class TestC4Orders:
    @pytest.mark.parametrize("order", ["left_to_right", "right_to_left", "permutation"])
    def test_an_order_is_a_bijection_on_the_same_pieces(self, tmp_path, order):
        forwards = pieces_read(read({**ROUTE, "window": 300}, "Which?", sentences(90), echo, tmp_path / "a"))
        found = pieces_read(
            read({**ROUTE, "window": 300, "order": order}, "Which?", sentences(90), echo, tmp_path / "b")
        )
        assert len(forwards) > 4
        assert Counter(found) == Counter(forwards)
        if order != "permutation":
            assert found == (forwards if order == "left_to_right" else forwards[::-1])

    def test_a_permutation_is_that_of_the_seed(self, tmp_path):
        route = {**ROUTE, "window": 300, "order": "permutation"}

        def order(seed, folder):
            return tuple(pieces_read(read(route, "Which?", sentences(90), echo, tmp_path / folder, seed=seed)))

        assert order(1, "a") == order(1, "b")
        assert len({order(seed, str(seed)) for seed in range(6)}) > 1

    def test_what_is_drawn_says_so(self):
        assert ChainOfAgents().random is False
        assert ChainOfAgents(paths="bidirectional").random is False
        drawn = [
            {"order": "permutation"},
            {"paths": "self_consistency"},
            {"paths": "permutations"},
            {"on_refusal": "retry"},
        ]
        assert all(ChainOfAgents(**settings).random for settings in drawn)


class TestC5Edges:
    def test_a_text_shorter_than_the_window_is_one_worker_and_a_manager(self, tmp_path):
        asked = read(ROUTE, "Which?", "A cat.", echo, tmp_path)
        assert len(asked.prompts) == 2

    @pytest.mark.parametrize("documents", [[], [Document("a", "")], [Document("a", " ")]])
    def test_without_text_the_manager_is_asked_with_an_empty_note(self, tmp_path, documents):
        asked = read(ROUTE, "Which?", documents, echo, tmp_path)
        assert len(asked.prompts) == 1
        assert "what was noted:\n\n\n\n" in asked.prompts[0]
        assert asked.answer.context == ()
        assert asked.answer.text == "unknown"


class TestC6PlantedFact:
    def places(self, tmp_path):
        """Returns a sentence in every piece."""
        asked = read({**ROUTE, "window": 300}, "Which?", sentences(60), echo, tmp_path / "places")
        return [numbers[len(numbers) // 2] for numbers in pieces_read(asked)]

    def test_an_echo_carries_it_from_every_piece_and_a_lossy_worker_from_none(self, tmp_path):
        places = self.places(tmp_path)
        assert len(places) > 3
        for place in places:
            text = sentences(60, planted=place)
            kept = read({**ROUTE, "window": 300}, "Which?", text, echo, tmp_path / f"e{place}")
            lost = read({**ROUTE, "window": 300}, "Which?", text, lossy, tmp_path / f"l{place}")
            assert kept.answer.text == "amber7"
            assert "The code is amber7." in kept.prompts[-1]
            assert lost.answer.text == "unknown"
            assert "amber7" not in lost.prompts[-1]


class TestC8Pairs:
    def test_the_papers_count(self):
        for tokens, window in [(8000, 1000), (8001, 1000), (500, 1000)]:
            assert chain_pairs(tokens, window) == -(-tokens // window) * window * (window + 1) // 2
        assert attention_pairs([8000]) == 8000 * 8001 // 2
        assert chain_pairs(64_000, 1000) / attention_pairs([64_000]) == pytest.approx(1000 / 64_000, rel=0.01)

    def test_real_prompts_are_counted_and_a_chain_grows_linearly(self, tmp_path):
        pairs: dict[str, list[float]] = {"chain": [], "full": []}
        for count in (100, 200, 400):
            text = sentences(count)
            chain = read({**ROUTE, "window": 500}, "Which?", text, echo, tmp_path / f"c{count}").answer
            full = read("full_context", "Which?", text, echo, tmp_path / f"f{count}").answer
            for name, answer in (("chain", chain), ("full", full)):
                facts = TraceFacts(steps_form(answer.trace))
                assert sum(facts.lengths) == answer.usage.prompt_tokens
                pairs[name].append(facts.pairs(answer.usage))
        assert all(later / before < 2.3 for before, later in zip(pairs["chain"], pairs["chain"][1:], strict=False))
        assert all(later / before > 3.5 for before, later in zip(pairs["full"], pairs["full"][1:], strict=False))

    def test_prompts_as_long_as_the_window_cost_what_the_paper_counts(self, tmp_path):
        """k is the window; what is kept free for notes makes prompts a little shorter."""
        asked = read({**ROUTE, "window": 500}, "Which?", sentences(400), echo, tmp_path)
        *workers, _ = TraceFacts(steps_form(asked.answer.trace)).lengths
        assert attention_pairs(workers) <= len(workers) * attention_pairs([500])
        assert attention_pairs(workers[:-1]) > 0.6 * (len(workers) - 1) * attention_pairs([500])


class TestC9Refusals:
    REFUSAL = "The text does not mention it."

    def reply(self, prompt):
        if "notes alone" in prompt:
            return prompt.partition("noted:\n\n")[2].partition("\n")[0]
        return "The code is amber7." if "amber7" in prompt.partition("Summary of the text")[0] else self.REFUSAL

    @pytest.mark.parametrize(
        ("on_refusal", "answer"),
        [("keep", REFUSAL), ("carry", "The code is amber7."), ("retry", "The code is amber7.")],
    )
    def test_a_refusal_is_not_passed_on(self, tmp_path, on_refusal, answer):
        route = {**ROUTE, "window": 300, "on_refusal": on_refusal}
        asked = read(route, "Which?", sentences(60, planted=3), self.reply, tmp_path)
        assert asked.answer.text == answer
        refused = sum(asked.answer.facts("refused"))
        assert (refused > 0) == (on_refusal != "keep")
        assert refused == sum(asked.answer.facts("carried"))

    def test_a_retry_is_another_sample_of_the_same_prompt(self, tmp_path):
        route = {**ROUTE, "on_refusal": "retry"}
        said = iter([self.REFUSAL, "The code is amber7.", "amber7"])
        asked = read(route, "Which?", "A cat.", lambda prompt: next(said), tmp_path)
        first, again, manager = asked.requests
        assert first.prompt.text() == again.prompt.text()
        assert (first.temperature, again.temperature) == (0.0, 0.7)
        assert "The code is amber7." in manager.prompt.text()


OWN_PROMPTS = """
generators: {main: scripted}
routes:
  chain:
    kind: chain_of_agents
    worker_prompt: "worker, {document} {note} {question}"
    worker_whole_prompt: "worker of all, {document} {note}"
    question_prompt: "manager, {notes} {question}"
    choice_prompt: "manager of options, {notes} {question} {choices}"
    summary_prompt: "manager of summaries, {notes} {question}"
    whole_prompt: "manager of all, {notes}"
    judge_prompt: "judge, {notes} {question}"
    judge_summary_prompt: "judge of summaries, {notes} {question}"
"""


class TestSettings:
    @pytest.mark.parametrize(
        ("query", "names"),
        [
            (Query("q", "Which?"), ("worker", "manager", "judge")),
            (Query("q", "Which?", ("a", "b")), ("worker", "manager of options", "judge")),
            (Query("q", "Sum up.", form="summary"), ("worker", "manager of summaries", "judge of summaries")),
            (Query("q", "", form="summary"), ("worker of all", "manager of all", "judge of summaries")),
        ],
    )
    def test_a_file_may_replace_the_prompts_of_every_form(self, tmp_path, query, names):
        file = tmp_path / "own.yaml"
        file.write_text(OWN_PROMPTS)
        route = Pipeline.load(file).routes["chain"]
        judged = route.model_copy(update={"paths": "bidirectional", "combine": "judge"})
        voted = read(route, query, "A cat.", lambda prompt: "x", tmp_path / "a").prompts
        judged = read(judged, query, "A cat.", lambda prompt: "x", tmp_path / "b").prompts
        assert tuple(prompt.partition(",")[0] for prompt in (*voted, judged[-1])) == names

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"worker_prompt": "{document} {question}"}, r"worker_prompt must contain \{note\}"),
            ({"worker_prompt": "{document} {note} {question} {notes}"}, r"no field \{notes\}.*Nearest: note"),
            ({"question_prompt": "{notes}"}, r"question_prompt must contain \{question\}"),
            ({"judge_prompt": "{notes}"}, r"judge_prompt must contain \{question\}"),
            ({"judge_summary_prompt": "{question}"}, r"judge_summary_prompt must contain \{notes\}"),
            ({"whole_prompt": "x"}, r"whole_prompt must contain \{notes\}"),
            ({"decline": "none", "judge_prompt": "{notes} {question}"}, r"judge_prompt must contain \{decline\}"),
        ],
    )
    def test_prompts_are_checked(self, settings, message):
        with pytest.raises(ValidationError, match=message):
            ChainOfAgents(**settings)


def test_examples_run_side_by_side(tmp_path):
    """Workers of one example are sequential; the engine sees several examples at once."""
    gate = threading.Barrier(3, timeout=20)
    engine = FunctionEngine(lambda prompt: gate.wait() and "x" or "x")
    pool = ScriptedPool(engine, tmp_path)
    pipeline = Pipeline(generators={"main": "scripted"}, routes={"it": {**ROUTE, "window": 300}})
    examples = [Example(Query(f"q{n}", f"Which {n}?"), (Document("d", sentences(30)),)) for n in range(3)]
    answers = {}

    def work(example):
        answers[example.id] = pipeline.answer_example(example, pool=pool)

    threads = [threading.Thread(target=work, args=(example,)) for example in examples]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 3
    assert engine.most_at_once == 3
