"""The contracts of routes and routers, tested on the toy set with an engine that records every request."""

from __future__ import annotations

import re
from typing import get_args

from ragvlc.core.answer import Answer, Finish, Usage
from ragvlc.core.errors import WindowExceeded
from ragvlc.core.families import Route, Router
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer
from ragvlc.pipeline import Pipeline
from ragvlc.routes.closed_book import ClosedBook
from ragvlc.routes.full_context import FullContext
from ragvlc.testing.clauses.parts import module_text
from ragvlc.testing.engines import without_gold
from ragvlc.testing.trial import Broken, Trial, TrialAnswer, pipeline_of, reply, require, said, toy

__all__ = ["ROUTER_CLAUSES", "ROUTE_CLAUSES", "given"]

WORDS = WordTokenizer()
WINDOWS = (8192, 300, 110, 40)
_LONGEST_FACT = 200


def given(answer: Answer) -> frozenset[str]:
    """Returns what an answer has for metrics to score, in the words of `Route.gives`."""
    parts = {
        "answer": answer.text,
        "context": answer.context,
        "ranking": answer.ranking,
        "notes": list(answer.facts("unit")),
        "quotes": list(answer.facts("quotes")),
    }
    return frozenset(name for name, found in parts.items() if found)


def _pipeline(trial: Trial) -> Pipeline:
    return pipeline_of({"it": trial.build()})


def it_answers_questions_of_every_form(trial: Trial) -> None:
    """Open questions, multiple choice, summaries and retrieval queries all get an answer."""
    pipeline = _pipeline(trial)
    for example in toy():
        answer: object = trial.ask(pipeline, example).answer
        if not isinstance(answer, Answer):
            raise Broken(f"answer() returns {type(answer).__name__}. Return run.answer(generation).")
        if trial.part.ranks_only:  # type: ignore[attr-defined]
            require(answer.ranking, f"'{example.id}' gets no ranking. Return run.answer(generation, ranking=hits).")
        else:
            require(answer.text, f"'{example.id}' gets no text. Return run.answer(generation) of what the model said.")
        require(answer.route == "it", "its answers name another route. Leave `route` to the pipeline.")
        require(
            answer.finish in get_args(Finish),
            f"'{example.id}' ends with {answer.finish!r}. Known: {', '.join(get_args(Finish))}.",
        )


def it_answers_the_same_twice(trial: Trial) -> None:
    """Asking the same question twice gives the same prompts and the same answer."""
    pipeline = _pipeline(trial)
    for example in toy():
        folder = trial.new_folder()
        first, again = (trial.ask(pipeline, example, folder=folder) for _ in range(2))
        require(
            said(first.answer) == said(again.answer) and first.prompts == again.prompts,
            f"'{example.id}' gets another answer or other prompts the second time. Take seeds from run.seed_for(step), "
            "and remember nothing between questions.",
        )


def it_does_not_change_what_it_is_given(trial: Trial) -> None:
    """A route does not change questions, documents or its own settings."""
    pipeline, examples, before = _pipeline(trial), toy(), toy()
    spec = pipeline.spec()
    for example, copied in zip(examples, before, strict=True):
        trial.ask(pipeline, example)
        require(
            example == copied, f"it changes the question or documents of '{example.id}'. Work on copies: replace(...)."
        )
    require(pipeline.spec() == spec, "it changes its own settings. Keep what belongs to a question in variables.")


def the_trace_tells_what_was_done(trial: Trial) -> None:
    """The trace has steps, whose facts are scalars or a few numbers, never whole documents."""
    pipeline = _pipeline(trial)
    for example in toy():
        chosen, *steps = trial.ask(pipeline, example).answer.trace
        require(
            (chosen.name, chosen.facts["route"]) == ("route", "it"), "it replaces the trace. Leave that to the run."
        )
        require(steps, f"the trace of '{example.id}' is empty. Work inside `with run.step(name):`.")
        walked = [step for root in steps for step in root.walk()]
        require(all(step.seconds >= 0 for step in walked), "a step has negative seconds. Leave `seconds` to run.step.")
        for name, fact in (item for step in walked for item in step.facts.items()):
            plain = all(
                isinstance(one, (str, int, float, bool, type(None)))
                for one in (fact if isinstance(fact, list) else [fact])
            )
            require(
                plain and len(str(fact)) < _LONGEST_FACT,
                f"the fact '{name}' in its trace is {str(fact)[:60]!r} ({type(fact).__name__}). Note scalars and ids, "
                f"shorter than {_LONGEST_FACT} characters.",
            )


def usage_is_what_the_engine_counted(trial: Trial) -> None:
    """The answer's usage equals the engine's counts, for each step and each model."""
    pipeline = _pipeline(trial)
    for example in toy():
        asked = trial.ask(pipeline, example)
        if asked.answer.reused:  # a prompt said twice is computed once and charged twice
            continue
        counted = _counted(asked)
        usage = asked.answer.usage
        require(
            usage == counted,
            f"the answer to '{example.id}' says {usage}, the engine counted {counted}. Ask only through "
            "run.generator(role), and return run.answer(...), which adds up all calls.",
        )
        steps = sum((root.usage for root in asked.answer.trace), Usage())
        require(
            steps == usage,
            f"the steps of '{example.id}' add up to {steps}, the answer says {usage}. Ask inside a `run.step(name)`.",
        )
        bills = sum(asked.answer.bills.values(), Usage())
        require(bills == usage, f"the bills of '{example.id}' add up to {bills}. Leave `bills` to run.answer.")


def _counted(asked: TrialAnswer) -> Usage:
    prompts = sum(len(WORDS.render(request.prompt)) for request in asked.engine.requests)
    replies = sum(WORDS.count(reply(prompt)) for prompt in asked.prompts)
    if not asked.engine.decode_states:
        return Usage(prompts, 0, replies, len(asked.prompts))
    # Each decode state counts for itself: a drafter's tokens are not the reply's.
    counted = sum((state.usage for state in asked.engine.decode_states), Usage())
    require(
        (counted.prompt_tokens, counted.calls) == (prompts, len(asked.prompts)),
        "its decode states count other prompts than the engine. Close each of them: `with reader.start(request)`.",
    )
    return counted


def no_prompt_exceeds_the_window(trial: Trial) -> None:
    """No prompt exceeds the window together with its new tokens: documents are cut, or the question is refused."""
    pipeline = _pipeline(trial)
    for window in WINDOWS:
        answered, examples = 0, toy()
        for example in examples:
            try:
                asked = trial.ask(pipeline, example, window=window)
            except WindowExceeded:
                continue
            answered += 1
            for request in asked.engine.requests:
                size = len(WORDS.render(request.prompt))
                # Without document text there is nothing to cut: the engine refuses such a prompt.
                require(
                    size + request.max_tokens <= window or not asked.answer.context,
                    f"'{example.id}' is asked with {size} prompt tokens and {request.max_tokens} new ones in a window "
                    f"of {window}. Cut the documents: Reading.read does, or ragvlc.reading.context.fit.",
                )
        require(
            answered == len(examples) or window < 300,
            f"it refuses {len(examples) - answered} of {len(examples)} questions in a window of {window}. Cut the "
            "documents to fit: Reading.read does, or ragvlc.reading.context.fit.",
        )


def the_context_is_what_was_sent(trial: Trial) -> None:
    """The answer's context is exactly the document text that was sent to the model."""
    pipeline = _pipeline(trial)
    for window in WINDOWS[:2]:
        for example in toy():
            asked = trial.ask(pipeline, example, window=window)
            texts = {document.id: document.text for document in example.documents}
            sent = "\n".join(asked.prompts)
            for span in asked.answer.context:
                piece = texts.get(span.document_id, "")[span.start : span.end]
                require(
                    piece and piece in sent,
                    f"the context of '{example.id}' has {span}, which is in no prompt. Name the spans that were sent "
                    "after cutting: Reading.read does.",
                )


def the_ranking_is_of_the_documents(trial: Trial) -> None:
    """The answer's ranking consists of pieces of the documents, best first, each once."""
    pipeline = _pipeline(trial)
    for example in toy():
        texts = {document.id: document.text for document in example.documents}
        hits = trial.ask(pipeline, example).answer.ranking
        require(
            all(
                hit.chunk.text == texts.get(hit.chunk.document_id, "")[hit.chunk.start : hit.chunk.end] for hit in hits
            ),
            f"the ranking of '{example.id}' has passages that are not in its documents. Pass on what run.search found.",
        )
        scores = [hit.score for hit in hits]
        require(
            scores == sorted(scores, reverse=True) and len({hit.chunk.span for hit in hits}) == len(hits),
            f"the ranking of '{example.id}' is not best first, or has a passage twice. Pass on what run.search found; "
            "the order in the prompt is `context`.",
        )


def it_gives_what_it_says(trial: Trial) -> None:
    """Its answers have nothing that `gives` leaves out: metrics that need it would not be shown."""
    pipeline = _pipeline(trial)
    said_to_give = pipeline.routes["it"].provides()
    for example in toy():
        extra = given(trial.ask(pipeline, example).answer) - said_to_give
        require(
            not extra,
            f"the answer to '{example.id}' has {', '.join(sorted(extra))}, which `gives` leaves out. Add it there.",
        )


def only_controls_read_the_gold(trial: Trial) -> None:
    """Only a control (`uses_gold`) reads the right answer, and every control does read it."""
    pipeline = _pipeline(trial)
    if trial.part.uses_gold:  # type: ignore[attr-defined]
        differ = [
            said(trial.ask(pipeline, example).answer) != said(trial.ask(pipeline, without_gold(example)).answer)
            for example in toy()
        ]
        require(any(differ), "it has uses_gold, and answers the same without gold. Take uses_gold off it.")
        return
    for example in toy():
        knowing, blind = trial.ask_with_gold(pipeline, example), trial.ask_with_gold(pipeline, without_gold(example))
        require(
            knowing.gold == 0 and said(knowing.answer) == said(blind.answer) and knowing.prompts == blind.prompts,
            f"it reads the gold of '{example.id}'. Use what a user would know, or mark the control: uses_gold: "
            "ClassVar[bool] = True.",
        )


def its_pipeline_is_its_spec(trial: Trial) -> None:
    """A pipeline with this route equals the pipeline that its spec builds, with the same key."""
    pipeline = _pipeline(trial)
    again = Pipeline.model_validate(pipeline.spec())
    require(
        again == pipeline and again.key == pipeline.key,
        "the spec of its pipeline builds another one. Let settings be plain values, and `identity` depend on them.",
    )


def it_names_its_source_and_how_it_differs(trial: Trial) -> None:
    """The route's module names its paper and the differences from it, or says that there is none."""
    text = module_text(trial.part)
    require(
        re.search(r"arXiv:? ?\d{4}\.\d{4,5}|arxiv\.org/abs|doi\.org|\bSources?: none\b", text),
        "its module names no source. Give the paper's arXiv number or DOI; for a control, write `Source: none`.",
    )
    require(
        re.search(r"\bDifferences?\b", text),
        "its module does not say how it differs from its source. Add `Differences: ...`, or `Differences: none`.",
    )


def a_router_takes_one_of_its_targets(trial: Trial) -> None:
    """A router chooses one of its targets with a reason, repeats its choice, and does not read the gold answer.

    It is tried beside the routes `closed` (closed_book) and `full` (full_context).
    """
    routes: dict[str, Route] = {"closed": ClosedBook(), "full": FullContext()}
    router: Router = trial.build()
    pipeline, targets = pipeline_of(routes, router), router.targets(routes)
    require(
        targets and targets <= set(routes),
        f"targets() names {sorted(targets)} of the routes closed and full. Return those that choose() may return.",
    )
    for example in toy():
        folder = trial.new_folder()
        first, again = (trial.ask(pipeline, one, folder=folder) for one in (example, without_gold(example)))
        chosen = first.answer.trace[0].facts
        require(
            first.answer.route in targets and chosen["route"] == first.answer.route,
            f"choose() takes '{first.answer.route}' for '{example.id}', which targets() does not name.",
        )
        require(chosen["reason"], f"choose() gives no reason for '{example.id}'. Return Choice(route, reason).")
        require(
            said(first.answer) == said(again.answer),
            f"choose() takes another way for '{example.id}' the second time, or with the gold known. Decide by "
            "question, documents and run.seed_for.",
        )
    require(
        Pipeline.model_validate(pipeline.spec()) == pipeline,
        "the spec of its pipeline builds another one. Let settings be plain values.",
    )


ROUTE_CLAUSES = (
    it_answers_questions_of_every_form,
    it_answers_the_same_twice,
    it_does_not_change_what_it_is_given,
    the_trace_tells_what_was_done,
    usage_is_what_the_engine_counted,
    no_prompt_exceeds_the_window,
    the_context_is_what_was_sent,
    the_ranking_is_of_the_documents,
    it_gives_what_it_says,
    only_controls_read_the_gold,
    its_pipeline_is_its_spec,
    it_names_its_source_and_how_it_differs,
)
ROUTER_CLAUSES = (a_router_takes_one_of_its_targets,)
