"""Kinds that each break one clause of their family's contract."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar

from ragvlc.chunkers.tokens import Tokens
from ragvlc.core.answer import Answer, Usage
from ragvlc.core.component import Execution, FilePath
from ragvlc.core.data import Document, Example, Hit, Query, Span
from ragvlc.core.engines import Generation, Request
from ragvlc.datasets.toy import Toy
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer
from ragvlc.executors.local import Local
from ragvlc.families import (
    Choice,
    Dataset,
    Embedder,
    Generator,
    Metric,
    Order,
    Reranker,
    Retriever,
    Router,
    Selector,
    Tracker,
)
from ragvlc.reading.asking import Reading, whole
from ragvlc.retrievers.bm25 import BM25
from ragvlc.testing import WordVectors

COUNT = itertools.count()


# ---------------------------------------------------------------- any family


class Unexplained(Order):
    """Leaves hits as they are."""

    depth: int = 3

    def arrange(self, hits, seed):
        """Returns the hits."""
        return list(hits)


class Silent(Unexplained):
    def arrange(self, hits, seed):
        return list(hits)


class Unstable(Order):
    """Leaves hits as they are; its identity is another one each time."""

    def identity(self) -> dict[str, Any]:
        """Returns a count."""
        return {"count": next(COUNT)}

    def arrange(self, hits, seed):
        """Returns the hits."""
        return list(hits)


class Forgetful(Order):
    """Leaves hits as they are, and its setting out of the key.

    Attributes:
        depth: of nothing.
    """

    depth: int = 3

    def key_facts(self) -> dict[str, Any]:
        """Returns what is hashed."""
        return {"kind": self.kind}

    def arrange(self, hits, seed):
        """Returns the hits."""
        return list(hits)


class Telling(Order):
    """Leaves hits as they are, and has a setting for execution in its key.

    Attributes:
        threads: to use.
    """

    threads: Annotated[int, Execution] = 1

    def identity(self) -> dict[str, Any]:
        """Returns the number of threads."""
        return {"threads": self.threads}

    def arrange(self, hits, seed):
        """Returns the hits."""
        return list(hits)


class Loose(Order):
    """Leaves hits as they are, and takes any setting."""

    model_config: ClassVar[Any] = {"extra": "ignore", "frozen": True}

    def arrange(self, hits, seed):
        """Returns the hits."""
        return list(hits)


def within() -> type[Order]:
    """Returns a class that cannot be imported by its name."""

    class Hidden(Order):
        """Leaves hits as they are."""

        def arrange(self, hits, seed):
            """Returns the hits."""
            return list(hits)

    return Hidden


# ---------------------------------------------------------------- chunkers, orders, selectors


class Losing(Tokens):
    """Loses every second chunk."""

    def split(self, document, tokenizer):
        """Returns chunks."""
        return [replace(one, index=n) for n, one in enumerate(super().split(document, tokenizer)[::2])]


class Uncounted(Tokens):
    """Counts chunks from 1."""

    def split(self, document, tokenizer):
        """Returns chunks."""
        return [replace(one, index=one.index + 1) for one in super().split(document, tokenizer)]


class Dropping(Order):
    """Drops the last hit."""

    def arrange(self, hits, seed):
        """Returns hits."""
        return list(hits)[:-1]


class Sorting(Order):
    """Sorts the list that it is given."""

    def arrange(self, hits, seed):
        """Returns the list."""
        if isinstance(hits, list):
            hits.reverse()
        return list(hits)


class SecretlyRandom(Order):
    """Depends on the seed without a word."""

    def arrange(self, hits, seed):
        """Returns hits."""
        return list(hits)[seed % 2 :] + list(hits)[: seed % 2]


class Upwards(Selector):
    """Selects the hits from the worst on."""

    def select(self, hits, tokenizer):
        """Returns hits."""
        return list(hits)[::-1]


class Empty(Selector):
    """Selects nothing."""

    def select(self, hits, tokenizer):
        """Returns nothing."""
        return []


# ---------------------------------------------------------------- retrievers, rerankers


class _Ranked:
    def __init__(self, chunks, make) -> None:
        self._chunks, self._make = chunks, make

    def search(self, query, n):
        return self._make(query, list(self._chunks))[:n]


class TiesOutOfOrder(Retriever):
    """Gives all chunks one score, the last one first."""

    def index(self, chunks, run):
        """Returns the index."""
        return _Ranked(chunks, lambda query, found: [Hit(chunk, 1.0) for chunk in reversed(found)])


class Unplaced(Retriever):
    """Returns pieces that are no chunks."""

    def index(self, chunks, run):
        """Returns the index."""
        return _Ranked(chunks, lambda query, found: [Hit(replace(one, end=one.end - 1), 1.0) for one in found])


class OnlyBest(BM25):
    """Returns the best chunk alone."""

    def index(self, chunks, run):
        """Returns the index."""
        inner = super().index(chunks, run)
        return _Ranked(chunks, lambda query, found: inner.search(query, 1))


class Whole(Retriever):
    """Scores in whole numbers."""

    def index(self, chunks, run):
        """Returns the index."""
        return _Ranked(chunks, lambda query, found: [Hit(chunk, 1) for chunk in found])


class WorstFirst(Reranker):
    """Scores the last hit best, and leaves it last."""

    def rerank(self, query, hits, run):
        """Returns hits."""
        return [Hit(hit.chunk, float(place)) for place, hit in enumerate(hits)]


class Inventing(Reranker):
    """Returns passages that it was not given."""

    def rerank(self, query, hits, run):
        """Returns hits."""
        return [Hit(replace(hit.chunk, start=hit.chunk.start + 1), 1.0) for hit in hits]


# ---------------------------------------------------------------- routes


class Plain(Reading):
    """Reads everything. The clauses that it keeps are those that its subclasses do not break.

    Source: none. Differences: none.
    """

    def answer(self, query: Query, documents: Sequence[Document], run) -> Answer:
        """Returns the answer."""
        return self.read(query, documents, run, spans=whole(documents))


class ReadsGold(Plain):
    """Reads the right answer's place.

    Source: none. Differences: none.
    """

    def answer(self, query, documents, run):
        """Returns the answer."""
        return self.read(query, documents, run, spans=run.gold.evidence or whole(documents))


class CatchesGold(Plain):
    """Reads the right answer's place where it may, and hides that it may not.

    Source: none. Differences: none.
    """

    def answer(self, query, documents, run):
        """Returns the answer."""
        try:
            run.gold  # noqa: B018 - the touch alone
        except PermissionError:
            return super().answer(query, documents, run)
        return super().answer(query, documents, run)


class BlindControl(Plain):
    """Says that it reads gold, and does not.

    Source: none. Differences: none.
    """

    uses_gold: ClassVar[bool] = True


class Scribbling(Plain):
    """Writes on its documents.

    Source: none. Differences: none.
    """

    def answer(self, query, documents, run):
        """Returns the answer."""
        for document in documents:
            document.metadata["read"] = True
        return super().answer(query, documents, run)


class Counting(Plain):
    """Remembers how often it was asked.

    Source: none. Differences: none.
    """

    def answer(self, query, documents, run):
        """Returns the answer."""
        asked = Query(query.id, f"{query.text} ({next(COUNT)})", query.choices, query.form)
        return super().answer(asked, documents, run)


class Overflowing(Plain):
    """Sends everything, however long.

    Source: none. Differences: none.
    """

    def answer(self, query, documents, run):
        """Returns the answer."""
        spans = whole(documents)
        prompt = self.prompt(query, "\n".join(document.text for document in documents))
        return self.ask(prompt, query, run, context=spans)


class Miscounting(Plain):
    """Adds to its usage.

    Source: none. Differences: none.
    """

    def answer(self, query, documents, run):
        """Returns the answer."""
        answer = super().answer(query, documents, run)
        return replace(answer, usage=answer.usage + Usage(calls=1))


class Claiming(Plain):
    """Claims to have read everything, whatever was cut.

    Source: none. Differences: none.
    """

    def answer(self, query, documents, run):
        """Returns the answer."""
        return replace(super().answer(query, documents, run), context=tuple(whole(documents)))


class Verbose(Plain):
    """Notes documents in its trace.

    Source: none. Differences: none.
    """

    def answer(self, query, documents, run):
        """Returns the answer."""
        with run.step("look", documents=[document.text for document in documents]):
            return super().answer(query, documents, run)


class Misplaced(Plain):
    """Ranks spans that no document has.

    Source: none. Differences: none.
    """

    def answer(self, query, documents, run):
        """Returns the answer."""
        chunks = run.chunks(Tokens(), documents)
        ranking = tuple(Hit(replace(chunk, text="?"), 1.0) for chunk in chunks)
        return replace(super().answer(query, documents, run), ranking=ranking)


class Withholding(Plain):
    """Says that its answers have no context.

    Source: none. Differences: none.
    """

    gives: ClassVar[frozenset[str]] = frozenset({"answer"})


class Sourceless(Plain):
    """Reads everything. Differences: none."""


class Raising(Plain):
    """Fails.

    Source: none. Differences: none.
    """

    def answer(self, query, documents, run):
        """Raises."""
        raise KeyError(query.id)


# ---------------------------------------------------------------- routers


class Elsewhere(Router):
    """Takes a route that it does not name."""

    def targets(self, routes):
        """Returns one."""
        return frozenset({"full"})

    def choose(self, query, documents, routes, run):
        """Returns the other."""
        return Choice("closed", "because")


class Reasonless(Router):
    """Says nothing of why."""

    def targets(self, routes):
        """Returns one."""
        return frozenset({"full"})

    def choose(self, query, documents, routes, run):
        """Returns it."""
        return Choice("full")


# ---------------------------------------------------------------- metrics


class Scoreless(Metric):
    """Has no score."""


class RaisingMetric(Metric):
    """Raises."""

    def score(self, answer, example):
        """Raises."""
        return len(answer.text) / len(example.references)


class Percent(Metric):
    """Scores from 0 to 100."""

    def score(self, answer, example):
        """Returns too much."""
        return 100.0 * len(answer.text)


class Integer(Metric):
    """Scores in whole numbers."""

    def score(self, answer, example):
        """Returns a truth."""
        return bool(answer.text)


class Choosy(Metric):
    """Applies to good answers only."""

    def score(self, answer, example):
        """Returns a score or none."""
        return 1.0 if answer.text in example.references else None


class Constant(Metric):
    """Scores everything alike."""

    def score(self, answer, example):
        """Returns one half."""
        return 0.5


class Undivided(Metric):
    """Has an official figure that some cells have no questions for."""

    def score(self, answer, example):
        """Returns whether a reference is there."""
        return float(answer.text in example.references)

    def official(self, questions):
        """Returns a mean."""
        return {"mean": sum(one.score or 0 for one in questions) / len(questions)}


class Boundless(Undivided):
    """Has an official figure that is no number."""

    def official(self, questions):
        """Returns nothing that a table can show."""
        return {"mean": float("nan")}


# ---------------------------------------------------------------- data sets


class Twice(Toy):
    """Has an id twice."""

    def read(self):
        """Returns the examples."""
        first, second, *rest = super().read()
        return [first, replace(second, query=replace(second.query, id=first.id)), *rest]


class Unclustered(Toy):
    """Has no clusters."""

    def read(self):
        """Returns the examples."""
        return [replace(example, cluster="") for example in super().read()]


class Stray(Toy):
    """Has evidence beyond its documents."""

    def read(self):
        """Returns the examples."""
        return [replace(one, evidence=(Span(one.documents[0].id, 0, 10**6),)) for one in super().read()]


class Shuffled(Toy):
    """Reads in another order each time."""

    def read(self):
        """Returns the examples."""
        examples = list(super().read())
        turn = next(COUNT) % len(examples)
        return examples[turn:] + examples[:turn]


class Unnamed(Toy):
    """Has a file that its key does not know.

    Attributes:
        path: of the file.
    """

    path: Annotated[FilePath, Execution] = "notes.json"


class Partial(Toy):
    """Forgets documents in its collection."""

    def collection(self):
        """Returns one document."""
        return super().collection()[:1]


class Rigid(Toy):
    """Loads the same whatever it is asked over."""

    def load(self):
        """Returns the examples."""
        return type(super().load())(self.read())


class Unreadable(Dataset):
    """Reads a file that is not there."""

    def read(self):
        """Returns nothing."""
        with open("nowhere/questions.json") as file:  # noqa: PTH123 - as a user might
            return [Example(Query("q", file.read()), ())]


# ---------------------------------------------------------------- generators, embedders


class _Echo:
    """Says the end of the prompt, up to the limit."""

    window = 8192

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        return [self.one(request) for request in requests]

    def one(self, request: Request) -> Generation:
        words = request.prompt.text().split()[-request.max_tokens :]
        text = " ".join(words)
        for stop in request.stop:
            text = text.partition(stop)[0]
        prompt = len(WordTokenizer().render(request.prompt))
        return Generation(text, usage=Usage(prompt, 0, min(request.max_tokens, WordTokenizer().count(text)), 1))

    def close(self) -> None:
        """Does nothing."""


class Echo(Generator):
    """Says the end of the prompt; gives no log-probabilities."""

    engine: ClassVar[type] = _Echo

    def tokenizer(self):
        """Returns the word tokenizer."""
        return WordTokenizer()

    def open(self):
        """Returns the engine."""
        return self.engine()


class _Unclosed:
    window = 8192
    generate = _Echo.generate
    one = _Echo.one


class Unclosed(Echo):
    """Has an engine without close."""

    engine: ClassVar[type] = _Unclosed


class Boasting(Echo):
    """Offers token-level access, and has none."""

    offers: ClassVar[frozenset[str]] = frozenset({"TextEngine", "TokenEngine"})


class _Reversed(_Echo):
    def generate(self, requests):
        return super().generate(requests)[::-1]


class Reversed(Echo):
    """Returns the last answer first."""

    engine: ClassVar[type] = _Reversed


class _Unlimited(_Echo):
    def one(self, request):
        return super().one(replace(request, max_tokens=99, stop=()))


class Unlimited(Echo):
    """Takes no notice of limits and stops."""

    engine: ClassVar[type] = _Unlimited


class _Gaps(WordTokenizer):
    def spans(self, text):
        return tuple((start, start + 1) for start, _ in super().spans(text))


class Gaps(Echo):
    """Has a tokenizer whose tokens leave gaps."""

    def tokenizer(self):
        """Returns it."""
        return _Gaps()


class _Long(WordVectors):
    def embed(self, texts, *, side="passage"):
        return super().embed(texts, side=side) * 2


class Long(Embedder):
    """Has vectors of length 2."""

    def open(self):
        """Returns the engine."""
        return _Long()


# ---------------------------------------------------------------- executors, trackers


class Repeating(Local):
    """Does every job twice."""

    def open(self, engines, *, concurrency):
        """Returns workers."""
        from contextlib import contextmanager

        @contextmanager
        def opened():
            with Local().open(engines, concurrency=concurrency) as inner:
                yield _Twice(inner)

        return opened()


class _Twice:
    def __init__(self, inner) -> None:
        self.counts = inner.counts
        self._inner = inner

    def work(self, jobs, *, wanted, finish):
        for done in self._inner.work(jobs, wanted=wanted, finish=finish):
            yield done
            yield done


class Nowhere(Tracker):
    """Opens something that takes no cells."""

    def open(self, sweep):
        """Returns a context of nothing."""
        from contextlib import nullcontext

        return nullcontext()
