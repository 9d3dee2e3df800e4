"""Chain of Agents: workers read the document in order, each passing a note to the next; a manager answers.

Paper: Zhang et al. 2024, "Chain of Agents: Large Language Models Collaborating on Long-Context Tasks" (NeurIPS 2024,
arXiv 2406.02818). Pieces are made of whole sentences under B = k - |q| - |I_W|, with k the window (algorithm 2); the
note of worker i is made from that of worker i-1, piece i and the question; the manager sees the last note only.
Differences: the prompts are our own. B also leaves room for the note that comes in and the one that goes out (the
paper reserves neither, so that its prompts can exceed k); notes have at most `note_tokens` (paper: 1024 in a window of
8k) and never more than a sixth of the window. A sentence longer than B is divided; there are no empty pieces; without
any text the manager is asked with an empty note. The paper publishes no judge prompt, no rule for votes and no
temperature for self-consistency: the prompt is ours, votes are compared after SQuAD's normalisation (multiple choice by
option) and ties go to the path that comes first, which among summaries, no two of which are alike, is always the first;
the temperature is 0.7. The paper's `oracle` reads gold, so it is no setting here: the metric `best_path` computes it
from the answers of all paths. The paper's ablation without a manager does not say what the last worker is asked:
`last_worker` takes its note, `last_worker_answers` asks it by the manager's prompt. `on_refusal` guards against a
refusal that is passed on and on, which the paper describes without giving a rule; `keep` is the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ragvlc.core.answer import Answer
from ragvlc.core.component import Role
from ragvlc.core.data import Document, Query
from ragvlc.core.engines import Generation, Prompt, Request
from ragvlc.core.prompts import Template, filled
from ragvlc.core.run import Run
from ragvlc.reading.agents import SEAMS, Agents, context_of
from ragvlc.reading.calls import ask_all, asked, beginning, fitted, shared
from ragvlc.reading.pieces import Piece
from ragvlc.reading.voting import majority
from ragvlc.text.refusals import refuses

WORKER = """{document}

Summary of the text before this part, by those who read it:
{note}

Question: {question}

Read this part of the text and the summary of what came before. Write one new summary of both, for someone who reads \
the next part and does not see this one. Keep every fact that helps to answer the question, with names, numbers and \
words as they stand. Do not answer the question yet. Leave out what has nothing to do with it; if this part has \
nothing to do with it, repeat the summary."""

WORKER_WHOLE = """{document}

Summary of the text before this part, by those who read it:
{note}

Read this part of the text and the summary of what came before. Write one new summary of both, for someone who reads \
the next part and does not see this one. It will become the summary of the whole text, so it should be long and keep \
what matters of the earlier parts."""

JUDGE = """Several readers each read a long text in their own way. These are their last summaries, one of each:

{notes}

Decide which summary is the most reliable and answers the request best. Then give only the final answer, based on that \
summary, in a few words; of options give the letter.{decline}

{question}"""

JUDGE_SUMMARY = """Several readers each read a long text in their own way. These are their last summaries, one of \
each:

{notes}

Decide which summary is the most reliable and answers the request best. Then write only the final summary that answers \
the request, based on that one.{decline}

{question}"""

WHOLE_REQUEST = "Write a summary of the whole text."
"""What the judge is asked where workers summarised the whole text, whatever the request says."""


class ChainOfAgents(Agents):
    """Reads all documents in pieces, one after the other; several questions and paths run in parallel.

    Attributes:
        order: in which order the pieces are read; a permutation is drawn with the seed.
        paths: how many ways the text is read: `single`; `bidirectional` (forwards and backwards); `self_consistency`
            (`path_count` sampled chains in `order`); `permutations` (`path_count` random orders).
        path_count: chains of `self_consistency` and `permutations`.
        path_temperature: of workers in `self_consistency`.
        combine: how paths come to one answer: `vote` among their answers, or a `judge` model that sees all last notes.
        judge: role of the model that judges.
        answered_by: `manager`; `last_worker`, whose note then is the path's answer; or `last_worker_answers`: the last
            worker writes no note, but answers by the manager's prompt from the note before it and its piece.
        on_refusal: what becomes of a note that says that the text does not tell: `keep` it; `carry` the note before it
            on instead; `retry` once, sampled at temperature 0.7, and carry if that refuses too.
        judge_prompt: for the judge; `{question}` includes the options.
        judge_summary_prompt: for the judge where a summary is asked for.
    """

    gives: ClassVar[frozenset[str]] = frozenset({"answer", "context", "notes"})
    version: ClassVar[int] = 1
    worker_fields: ClassVar[frozenset[str]] = frozenset({"document", "note"})

    order: Literal["left_to_right", "right_to_left", "permutation"] = "left_to_right"
    paths: Literal["single", "bidirectional", "self_consistency", "permutations"] = "single"
    path_count: Annotated[int, Field(ge=2)] = 5
    path_temperature: Annotated[float, Field(gt=0)] = 0.7
    combine: Literal["vote", "judge"] = "vote"
    judge: Annotated[str, Role("generators")] = "main"
    answered_by: Literal["manager", "last_worker", "last_worker_answers"] = "manager"
    on_refusal: Literal["keep", "carry", "retry"] = "keep"
    worker_prompt: str = WORKER
    worker_whole_prompt: str = WORKER_WHOLE
    judge_prompt: Annotated[str, Template({"notes", "question"}, declines=True)] = JUDGE
    judge_summary_prompt: Annotated[str, Template({"notes", "question"}, declines=True)] = JUDGE_SUMMARY

    @property
    def random(self) -> bool:
        """Whether the answer depends on the seed, because of random orders or sampled notes."""
        drawn = self.order == "permutation" or self.paths in {"self_consistency", "permutations"}
        return drawn or self.on_refusal == "retry" or super().random

    def answer(self, query: Query, documents: Sequence[Document], run: Run) -> Answer:
        """Returns the manager's answer, or the combined answer of several paths."""
        worker = run.generator(self.worker)
        limit = self.note_limit(worker)
        if self.answered_by == "manager":
            self.manager_room(query, run)  # raises before any worker has worked in vain
        with run.step("split") as facts:
            pieces = self.pieces(
                documents,
                worker,
                lambda text: self.worker_message(query, document=text, note=""),
                2 * limit + SEAMS + self._longer_answer(query, limit, run),
            )
            orders = self._orders(len(pieces), run)
            facts |= {"agents": len(pieces), "paths": len(orders), "note_limit": limit}
            facts |= {"piece_tokens": sum(piece.tokens for piece in pieces)}
            facts |= {"divided_pieces": sum(piece.divided for piece in pieces)}
        notes = [""] * len(orders)
        last_answers = self.answered_by == "last_worker_answers" and len(pieces) > 0
        for place in range(len(pieces) - last_answers):
            notes = self._read(query, [pieces[order[place]] for order in orders], notes, place, run)
        last = [pieces[order[-1]].text for order in orders] if last_answers else [""] * len(orders)
        return self._combined(query, notes, last, run, [pieces[place] for place in orders[0]])

    def _longer_answer(self, query: Query, note_limit: int, run: Run) -> int:
        """Returns the tokens by which the last worker's call is longer than one for a note, if it answers."""
        if self.answered_by != "last_worker_answers":
            return 0
        render = run.generator(self.worker).tokenizer.render
        prompts = [self.message(query, notes=""), self.worker_message(query, document="", note="")]
        answer, note = (len(render(prompt)) for prompt in prompts)
        return max(0, answer + self.max_tokens(query) - note - note_limit)

    def _orders(self, count: int, run: Run) -> list[tuple[int, ...]]:
        """Returns, for each path, the indexes of the pieces in reading order."""

        def drawn(path: int) -> tuple[int, ...]:
            places = list(range(count))
            Random(run.seed_for("order", path)).shuffle(places)  # noqa: S311 - a repeatable permutation, not a secret
            return tuple(places)

        forwards = tuple(range(count))
        if self.paths == "bidirectional":
            return [forwards, forwards[::-1]]
        if self.paths == "permutations":
            return [drawn(path) for path in range(self.path_count)]
        base = {"left_to_right": forwards, "right_to_left": forwards[::-1]}.get(self.order) or drawn(0)
        return [base] * (self.path_count if self.paths == "self_consistency" else 1)

    def _read(self, query: Query, pieces: Sequence[Piece], notes: Sequence[str], place: int, run: Run) -> list[str]:
        """Returns the notes of every path after its next piece; all paths are read in one batch."""
        temperature = self.path_temperature if self.paths == "self_consistency" else None
        requests = [
            self._request(query, piece, note, run, place * len(notes) + path, temperature)
            for path, (piece, note) in enumerate(zip(pieces, notes, strict=True))
        ]
        limit, tokenizer = requests[0].max_tokens, run.generator(self.worker).tokenizer
        with run.step("worker", place=place):
            facts = [{"path": path, "tokens": piece.tokens} for path, piece in enumerate(pieces)]
            replies = ask_all(run, self.worker, requests, step="read", notes=facts)
            new = [beginning(reply.text.strip(), limit, tokenizer) for reply in replies]
            if self.on_refusal != "keep":
                new = self._guarded(requests, notes, new, run)
            for path, note in enumerate(new):
                with run.step("unit", path=path, place=place, unit=note):
                    pass
        return new

    def _request(
        self, query: Query, piece: Piece, note: str, run: Run, number: int, temperature: float | None
    ) -> Request:
        worker = run.generator(self.worker)
        limit = self.note_limit(worker)
        prompt = fitted(
            lambda text: self.worker_message(query, document=piece.text, note=text),
            note,
            worker,
            window=self.window_of(worker),
            max_tokens=limit,
        )
        return Request(prompt, max_tokens=limit, seed=run.seed_for("worker", number), temperature=temperature)

    def _guarded(self, requests: Sequence[Request], before: Sequence[str], new: Sequence[str], run: Run) -> list[str]:
        """Returns the new notes; each refusal is replaced by a second try if wanted, else by the previous note."""
        found = list(new)
        refused = [path for path, note in enumerate(found) if refuses(note)]
        if self.on_refusal == "retry" and refused:
            again = [
                Request(
                    requests[path].prompt,
                    max_tokens=requests[path].max_tokens,
                    temperature=0.7,
                    seed=run.seed_for("retry", requests[path].seed),
                )
                for path in refused
            ]
            facts = [{"path": path} for path in refused]
            replies = ask_all(run, self.worker, again, step="retry", notes=facts)
            tokenizer = run.generator(self.worker).tokenizer
            for path, reply in zip(refused, replies, strict=True):
                found[path] = beginning(reply.text.strip(), requests[path].max_tokens, tokenizer)
        with run.step("guard", refused=len(refused)) as facts_of_step:
            carried = [path for path in refused if refuses(found[path])]
            for path in carried:
                found[path] = before[path]
            facts_of_step["carried"] = len(carried)
        return found

    def _combined(
        self, query: Query, notes: Sequence[str], last: Sequence[str], run: Run, pieces: Sequence[Piece]
    ) -> Answer:
        context = context_of(pieces)
        judged = len(notes) > 1 and self.combine == "judge"
        if judged and self.answered_by != "last_worker_answers":
            return self._judged(query, notes, run, pieces)
        facts = [{"path": path} for path in range(len(notes))]
        if self.answered_by == "manager":
            requests = [self.manager_request(query, note, run, path) for path, note in enumerate(notes)]
            answers = ask_all(run, self.generator, requests, step="manager", notes=facts, keep="path_answer")
        elif self.answered_by == "last_worker_answers":
            requests = [
                self._last_request(query, *both, run, path) for path, both in enumerate(zip(notes, last, strict=True))
            ]
            keep = "unit" if judged else "path_answer"
            answers = ask_all(run, self.worker, requests, step="last_worker", notes=facts, keep=keep)
            if judged:
                return self._judged(query, [one.text.strip() for one in answers], run, pieces)
        else:
            answers = [Generation(note) for note in notes]
            for path, note in enumerate(notes):
                with run.step("path", path=path, path_answer=note):
                    pass
        with run.step("vote") as found:
            place, votes = majority([one.text for one in answers], query.choices)
            found |= {"path": place, "votes": votes, "of": len(notes)}
        return run.answer(answers[place], context=context, finish=self.finish_of(answers[place]))

    def _last_request(self, query: Query, note: str, piece: str, run: Run, path: int) -> Request:
        """Returns the request to a path's last worker: the manager's prompt, with note and piece where notes go."""
        worker, limit = run.generator(self.worker), self.max_tokens(query)
        lead = f"{note}\n\n" if note else ""
        prompt = fitted(
            lambda text: self.message(query, notes=lead + text),
            piece,
            worker,
            window=self.window_of(worker),
            max_tokens=limit,
        )
        return Request(prompt, max_tokens=limit, seed=run.seed_for("answer", path))

    def _judged(self, query: Query, notes: Sequence[str], run: Run, pieces: Sequence[Piece]) -> Answer:
        judge, limit = run.generator(self.judge), self.max_tokens(query)
        window = self.window_of(judge)
        template = self.judge_summary_prompt if query.form == "summary" else self.judge_prompt
        values = {"question": WHOLE_REQUEST if self.of_the_whole(query) else asked(query)}
        values["decline"] = self.decline_text()

        def make(texts: Sequence[str]) -> Prompt:
            listed = "\n\n".join(f"Summary {place + 1}:\n{text}" for place, text in enumerate(texts))
            return filled(template, {"notes": listed, **values})

        around = len(judge.tokenizer.render(make([""] * len(notes))))
        texts = shared(notes, max(0, window - limit - around - SEAMS * len(notes)), judge.tokenizer)
        prompt = fitted(lambda last: make([*texts[:-1], last]), texts[-1], judge, window=window, max_tokens=limit)
        for path, note in enumerate(notes):
            with run.step("path", path=path, path_answer=note):
                pass
        request = Request(prompt, max_tokens=limit, seed=run.seed_for("judge"))
        [generation] = ask_all(run, self.judge, [request], step="judge", notes=[{"paths": len(notes)}])
        return run.answer(generation, context=context_of(pieces), finish=self.finish_of(generation))
